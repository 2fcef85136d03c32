"""Builds a graph whose weights are drawn only when the file is written, and counts as it builds.

`parameters` counts learned numbers as the training code does: a batch norm folded into its convolution, as exporters do it,
still counts its scale and shift. `macs` are the multiply-adds of convolutions and matrix products (a GFLOP is half a GMAC).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from livefuse.weights.onnx.fill import Array, Fill
from livefuse.weights.onnx.model import write_chunks
from livefuse.weights.onnx.schema import (
    DTYPE_NUMBERS,
    FLOAT,
    FLOATS,
    INT,
    INTS,
    STRING,
    GraphProto,
    Message,
    ModelProto,
    NodeProto,
    TensorProto,
)

Precision = Literal["fp32", "fp16"]
Shape: TypeAlias = Sequence[int | str]
Attribute: TypeAlias = int | float | str | Sequence[int] | Sequence[float]
_IR_VERSION = 7  # the oldest that has opset 13; what exporters of these models wrote


@dataclass(frozen=True)
class Tensor:
    """A value in the graph; dynamic axes have the size here for which multiply-adds are counted."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Weight:
    """An initialiser, not yet drawn."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    fill: Fill


class Graph:
    """Nodes, weights and counts of a model to be written.

    `precision` is that of weights and of all that lies between the inputs and outputs, which stay float32. `shrink` divides
    channel counts (see `channels`), for models that keep a contract and cost next to nothing.
    """

    def __init__(
        self, name: str, *, precision: Precision = "fp32", seed: int = 0, shrink: int = 1, opset: int = 13
    ) -> None:
        self.name, self.precision, self.seed, self.shrink, self.opset = name, precision, seed, shrink, opset
        self.dtype = "float16" if precision == "fp16" else "float32"
        self.parameters = 0
        self.macs = 0
        self.metadata: dict[str, str] = {}
        self._proto = GraphProto(name=name)
        self._weights: list[Weight] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._count = 0

    def channels(self, count: int) -> int:
        """`count`, or in a shrunk model the fewest that still carry a picture."""
        return count if self.shrink == 1 else min(count, max(8, count // self.shrink))

    # Doors

    def input(
        self, name: str, declared: Shape, nominal: Sequence[int] | None = None, *, cast: bool = True,
        dtype: str = "float32",
    ) -> Tensor:  # fmt: skip
        """An input, float32 if nothing else is said; `declared` may name dynamic axes, `nominal` gives their sizes."""
        self._declare(self._proto.input, name, declared, dtype)
        fed = Tensor(name, tuple(nominal or [size if isinstance(size, int) else 1 for size in declared]))
        if cast and dtype != "float32":
            return self.op("Cast", [fed], fed.shape, to=DTYPE_NUMBERS[self.dtype])
        return self.cast(fed, self.dtype) if cast else fed

    def output(self, value: Tensor, name: str, declared: Shape, *, given: str = "") -> None:
        """Give a value its name at the graph's door, where all is float32; `given` says the value's dtype if it is not the
        graph's."""
        self._declare(self._proto.output, name, declared)
        if (given or self.dtype) != "float32":
            self._node("Cast", [value.name], name, {"to": DTYPE_NUMBERS["float32"]})
            return
        for node in self._proto.node:
            node.input[:] = [name if each == value.name else each for each in node.input]
            node.output[:] = [name if each == value.name else each for each in node.output]

    # Weights

    def weight(
        self, label: str, shape: Sequence[int], fill: Fill, *, dtype: str = "", learned: int = -1, exact: bool = False
    ) -> str:
        """A drawn initialiser; `learned` is what it adds to `parameters` (its size, if not said)."""
        name = f"{label}_{len(self._weights)}" if not exact else label
        self._weights.append(Weight(name, tuple(shape), dtype or self.dtype, fill))
        self.parameters += math.prod(shape) if learned < 0 else learned
        return name

    def constant(self, values: Any, dtype: str | None = None) -> Tensor:
        """A fixed initialiser, not counted; equal ones are one. Integers are int64, floats the graph's precision."""
        array = np.asarray(values)
        kind = dtype or ("int64" if array.dtype.kind == "i" else self.dtype)
        array = np.ascontiguousarray(array.astype(kind))
        key = (kind, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.weight("constant", array.shape, lambda _, __: array, dtype=kind, learned=0)
        return Tensor(self._constants[key], array.shape)

    # Nodes

    def op(self, kind: str, values: Sequence[Tensor | str], shape: Sequence[int], **attributes: Attribute) -> Tensor:
        """Any operator with one output, whose shape the caller knows."""
        self._count += 1
        name = f"{kind.lower()}_{self._count}"
        self._node(kind, [each.name if isinstance(each, Tensor) else each for each in values], name, attributes)
        return Tensor(name, tuple(shape))

    def call_last(self, name: str) -> None:
        """Name the node made last: some programs look for a node by its name."""
        self._proto.node[-1].name = name

    def split(self, value: Tensor, parts: int, axis: int = 1) -> list[Tensor]:
        """Equal parts along an axis."""
        self._count += 1
        names = [f"split_{self._count}_{part}" for part in range(parts)]
        self._node("Split", [value.name], names, {"axis": axis})
        shape = list(value.shape)
        shape[axis] //= parts
        return [Tensor(name, tuple(shape)) for name in names]

    def cast(self, value: Tensor, dtype: str) -> Tensor:
        """As another dtype; as it is where inputs already are float32 and that is asked for."""
        if dtype == "float32" and self.precision == "fp32":
            return value
        return self.op("Cast", [value], value.shape, to=DTYPE_NUMBERS[dtype])

    # The file

    @property
    def weight_bytes(self) -> int:
        """What the weights alone fill."""
        return sum(math.prod(weight.shape) * np.dtype(weight.dtype).itemsize for weight in self._weights)

    def write(self, path: Path) -> int:
        """Write the file, one weight in memory at a time; its size in bytes. Raises: StoreUnwritable."""
        return write_chunks(path, self._chunks())

    def _chunks(self) -> Iterator[bytes | memoryview]:
        """A message is the concatenation of its fields, so weights can follow the rest of the graph one by one."""
        graph = self._proto.SerializeToString(deterministic=True)
        heads = [self._head(weight) for weight in self._weights]
        graph_bytes = len(graph) + sum(len(head) + data_bytes for head, data_bytes in heads)
        yield self._model().SerializeToString(deterministic=True)
        yield _tag(7, graph_bytes) + graph
        for index, (weight, (head, _)) in enumerate(zip(self._weights, heads, strict=True)):
            yield head
            yield self._drawn(weight, index).reshape(-1).view(np.uint8).data

    def _head(self, weight: Weight) -> tuple[bytes, int]:
        tensor = TensorProto(dims=weight.shape, data_type=DTYPE_NUMBERS[weight.dtype], name=weight.name)
        data_bytes = math.prod(weight.shape) * np.dtype(weight.dtype).itemsize
        told = tensor.SerializeToString(deterministic=True) + _tag(9, data_bytes)
        return _tag(5, len(told) + data_bytes) + told, data_bytes

    def _drawn(self, weight: Weight, index: int) -> Array:
        own = [self.seed, zlib.crc32(self.name.encode()), index]  # siblings of one architecture differ at the same seed
        drawn = weight.fill(np.random.default_rng(own), weight.shape)
        return np.ascontiguousarray(drawn.astype(np.dtype(weight.dtype).newbyteorder("<"), copy=False))

    def _model(self) -> Message:
        model = ModelProto(ir_version=_IR_VERSION, producer_name="livefuse")
        model.opset_import.add(domain="", version=self.opset)
        for key, value in self.metadata.items():
            model.metadata_props.add(key=key, value=value)
        return model

    def _declare(self, door: Message, name: str, shape: Shape, dtype: str = "float32") -> None:
        tensor = door.add(name=name).type.tensor_type
        tensor.elem_type = DTYPE_NUMBERS[dtype]
        for size in shape:
            if isinstance(size, str):
                tensor.shape.dim.add(dim_param=size)
            else:
                tensor.shape.dim.add(dim_value=size)

    def _node(
        self, kind: str, inputs: Sequence[str], outputs: str | Sequence[str], attributes: Mapping[str, Attribute]
    ) -> None:
        names = [outputs] if isinstance(outputs, str) else outputs
        node = NodeProto(op_type=kind, name=f"{kind}_{len(self._proto.node)}", input=inputs, output=names)
        for key, value in attributes.items():
            _attribute(node.attribute.add(name=key), value)
        self._proto.node.append(node)


def _attribute(attribute: Message, value: Attribute) -> None:
    if isinstance(value, str):
        attribute.type, attribute.s = STRING, value.encode()
    elif isinstance(value, int):
        attribute.type, attribute.i = INT, value
    elif isinstance(value, float):
        attribute.type, attribute.f = FLOAT, value
    elif all(isinstance(each, int) for each in value):
        attribute.type = INTS
        attribute.ints.extend(value)
    else:
        attribute.type = FLOATS
        attribute.floats.extend(value)


def _tag(field: int, length: int) -> bytes:
    """Protobuf's head of a length-delimited field."""
    out = bytearray([field << 3 | 2])
    while length > 127:
        out.append(length & 127 | 128)
        length >>= 7
    out.append(length)
    return bytes(out)
