"""A model's inputs and outputs, and whether a feed is what an input asks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from livefuse.errors import EngineFailed
from livefuse.runtime.base import Feeds

_DTYPES: dict[str, type[np.generic]] = {
    "float": np.float32,
    "float16": np.float16,
    "double": np.float64,
    "int8": np.int8,
    "int16": np.int16,
    "int32": np.int32,
    "int64": np.int64,
    "uint8": np.uint8,
    "uint16": np.uint16,
    "uint32": np.uint32,
    "uint64": np.uint64,
    "bool": np.bool_,
}
"""ONNX Runtime's names of element types that NumPy has as well."""

_FLOATS = frozenset(np.dtype(one) for one in (np.float16, np.float32, np.float64))


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output; a string in the shape is a dynamic axis, `?` one without a name."""

    name: str
    shape: tuple[int | str, ...]
    dtype: np.dtype[Any]

    def takes(self, feed: object) -> bool:
        """Whether `feed` can be given to it: its own type (any float for a float), rank and fixed axes."""
        if not isinstance(feed, np.ndarray) or len(feed.shape) != len(self.shape):
            return False
        if feed.dtype != self.dtype and not (feed.dtype in _FLOATS and self.dtype in _FLOATS):
            return False
        return all(not isinstance(want, int) or want == has for want, has in zip(self.shape, feed.shape, strict=True))

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} ({', '.join(map(str, self.shape))})"


def tensors(arguments: Iterable[Any], file: str) -> tuple[Tensor, ...]:
    """A session's inputs or outputs. Raises: EngineFailed for anything but dense tensors of numbers."""
    return tuple(
        Tensor(one.name, tuple("?" if axis is None else axis for axis in one.shape), _dtype(one.name, one.type, file))
        for one in arguments
    )


def _dtype(name: str, kind: str, file: str) -> np.dtype[Any]:
    element = _DTYPES.get(kind.removeprefix("tensor(").removesuffix(")"))
    if element is None:
        raise EngineFailed(f"{file}: `{name}` is a {kind}", hint="only tensors of numbers can be fed and read here")
    return np.dtype(element)


def ordered(feeds: Feeds, inputs: Sequence[Tensor], file: str) -> list[npt.NDArray[Any]]:
    """The feeds in the order of the inputs. Raises: EngineFailed that names what was expected and what came."""
    arrays = []
    for tensor in inputs:
        feed = feeds.get(tensor.name)
        if not tensor.takes(feed):
            raise _refusal(feeds, tensor, inputs, file)
        arrays.append(feed)
    if len(feeds) != len(arrays):
        extra = ", ".join(sorted(set(feeds) - {tensor.name for tensor in inputs}))
        raise EngineFailed(f"{file}: no input is called {extra}", hint=f"its inputs: {_named(inputs)}")
    return arrays  # type: ignore[return-value]  # `takes` has refused None


def _refusal(feeds: Feeds, tensor: Tensor, inputs: Sequence[Tensor], file: str) -> EngineFailed:
    feed = feeds.get(tensor.name)
    if tensor.name not in feeds:
        came = "got only " + ", ".join(feeds) if feeds else "got nothing"
    elif isinstance(feed, np.ndarray):
        came = f"got {feed.dtype} {feed.shape}"
    else:
        came = f"got a {type(feed).__name__}"
    return EngineFailed(f"{file}: input {tensor}: {came}", hint=f"its inputs: {_named(inputs)}")


def _named(inputs: Sequence[Tensor]) -> str:
    return "; ".join(map(str, inputs)) or "none"
