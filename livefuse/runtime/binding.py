"""I/O binding: a run reads the caller's buffers and writes into memory that is made once.

An output belongs to whoever holds it. A slot is used again only when nobody holds one of its arrays or a view of one, so
results of several runs can be read in any order, and in steady state nothing is allocated.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from livefuse.runtime.base import Outputs
from livefuse.runtime.tensors import Tensor

Array: TypeAlias = npt.NDArray[Any]
Shapes: TypeAlias = tuple[tuple[int, ...], ...]

_ALIGNMENT = 64
_MOST_SLOTS = 16
"""Results of one engine that one lane keeps memory for; those held beyond that get memory of their own."""


class Slot(Protocol):
    """Buffers and binding of one run. `feeds` and `shapes` are the input and output shapes it was made for."""

    feeds: Shapes

    @property
    def idle(self) -> bool:
        """Nobody holds what its last run returned."""
        ...

    def run(self, arrays: Sequence[Array]) -> Outputs: ...


class HostSlot:
    """Inputs are read where they lie; outputs are written into memory that this slot owns.

    A feed of another float type, or with strides, is copied into a buffer of this slot first. Outputs in half precision
    are handed out as float32 unless `keep_half`. With `copies_at_bind` inputs are bound before every run: a provider on
    another device copies them when they are bound, not when it runs (microsoft/onnxruntime#29782).
    """

    def __init__(
        self,
        session: Any,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        feeds: Shapes,
        shapes: Shapes,
        *,
        keep_half: bool = False,
        copies_at_bind: bool = False,
    ) -> None:
        self.feeds = feeds
        self._session, self._inputs, self._copies_at_bind = session, inputs, copies_at_bind
        self._binding = session.io_binding()
        self._bound: list[Array | None] = [None] * len(inputs)
        self._staged: list[Array | None] = [None] * len(inputs)
        self._names = [tensor.name for tensor in outputs]
        self._written = _bound_outputs(self._binding, outputs, shapes)
        self._handed = self._written if keep_half else [as_single(array) for array in self._written]
        self._widened = any(map(_other, self._handed, self._written))
        # A view of a view refers to the array that owns the memory: counting these finds every holder.
        self._held = [*self._handed, *(array.base for array in self._handed if array.base is not None)]
        self._at_rest: list[int] = self._holders()

    def _holders(self) -> list[int]:
        return list(map(sys.getrefcount, self._held))

    @property
    def idle(self) -> bool:
        return self._holders() == self._at_rest

    def run(self, arrays: Sequence[Array]) -> Outputs:
        for index, array in enumerate(arrays):
            self._bind(index, array)
        self._session.run_with_iobinding(self._binding)
        if self._widened:
            for wide, raw in zip(self._handed, self._written, strict=True):
                if wide is not raw:
                    np.copyto(wide, raw)
        return dict(zip(self._names, self._handed, strict=True))

    def _bind(self, index: int, array: Array) -> None:
        tensor = self._inputs[index]
        if array.dtype != tensor.dtype or not array.flags.c_contiguous:
            array = self._stage(index, array)
        if array is not self._bound[index] or self._copies_at_bind:
            self._binding.bind_cpu_input(tensor.name, array)
            self._bound[index] = array  # keeps the memory alive: the runtime knows only its address

    def _stage(self, index: int, array: Array) -> Array:
        staged = self._staged[index]
        if staged is None:
            staged = self._staged[index] = np.empty(array.shape, self._inputs[index].dtype)
        np.copyto(staged, array, casting="same_kind")
        return staged


class DeviceSlot:
    """Inputs and outputs have fixed addresses on the device, which a captured CUDA graph needs. What is handed out is a
    copy in host memory."""

    idle = True

    def __init__(
        self,
        session: Any,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        feeds: Shapes,
        shapes: Shapes,
        *,
        values: Callable[[tuple[int, ...], np.dtype[Any]], Any],
        run_options: Any = None,
        keep_half: bool = False,
    ) -> None:
        self.feeds = feeds
        self._session, self._inputs, self._run_options, self._keep_half = session, inputs, run_options, keep_half
        self._binding = session.io_binding()
        self._in = [values(shape, tensor.dtype) for tensor, shape in zip(inputs, feeds, strict=True)]
        self._out = {tensor.name: values(shape, tensor.dtype) for tensor, shape in zip(outputs, shapes, strict=True)}
        for tensor, value in zip(inputs, self._in, strict=True):
            self._binding.bind_ortvalue_input(tensor.name, value)
        for name, value in self._out.items():
            self._binding.bind_ortvalue_output(name, value)

    def run(self, arrays: Sequence[Array]) -> Outputs:
        for tensor, value, array in zip(self._inputs, self._in, arrays, strict=True):
            value.update_inplace(np.ascontiguousarray(array, tensor.dtype))
        self._session.run_with_iobinding(self._binding, self._run_options)
        outputs = {name: value.numpy() for name, value in self._out.items()}
        return outputs if self._keep_half else {name: as_single(array) for name, array in outputs.items()}


class Ring:
    """The slots of one engine on one lane."""

    def __init__(self, make: Callable[[Shapes, Shapes], Slot]) -> None:
        self._make = make
        self._slots: list[Slot] = []

    def take(self, feeds: Shapes, shapes: Shapes) -> Slot:
        """An idle slot for these shapes, the same one each time if results are dropped in time."""
        for slot in self._slots:
            if slot.feeds == feeds and slot.idle:
                return slot
        if len(self._slots) >= _MOST_SLOTS:
            oldest = next((slot for slot in self._slots if slot.idle), None)
            if oldest is None:
                return self._make(feeds, shapes)
            self._slots.remove(oldest)
        self._slots.append(self._make(feeds, shapes))
        return self._slots[-1]


def as_single(array: Array) -> Array:
    """Half precision as float32, anything else as it is. A new array for the former."""
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _other(a: object, b: object) -> bool:
    return a is not b


def _bound_outputs(binding: Any, outputs: Sequence[Tensor], shapes: Shapes) -> list[Array]:
    """Arrays for the outputs, bound: views of one block, each at the start of a cache line."""
    sizes = [math.prod(shape) * tensor.dtype.itemsize for tensor, shape in zip(outputs, shapes, strict=True)]
    padded = [-(-size // _ALIGNMENT) * _ALIGNMENT for size in sizes]
    block = np.empty(sum(padded) + _ALIGNMENT, np.uint8)
    start = -block.ctypes.data % _ALIGNMENT
    arrays = []
    for tensor, shape, size, step in zip(outputs, shapes, sizes, padded, strict=True):
        array = block[start : start + size].view(tensor.dtype).reshape(shape)
        binding.bind_output(tensor.name, "cpu", 0, tensor.dtype.type, shape, array.ctypes.data)
        arrays.append(array)
        start += step
    return arrays
