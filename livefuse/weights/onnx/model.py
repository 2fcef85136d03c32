"""An ONNX file, read, looked into and written."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError

from livefuse.errors import ModelCorrupt, ModelMissing, StoreUnwritable
from livefuse.weights.onnx.schema import DTYPES, EXTERNAL, Message, ModelProto

_NUMPY_NAMES = set(DTYPES.values()) - {"string", "bfloat16"}
_HINT = "it may be cut short or of another format: fetch it again, or export it to ONNX"


@dataclass(frozen=True)
class Model:
    """A parsed file. `proto` is protobuf's view of it and may be changed before `write_model`."""

    path: Path
    proto: Message

    @property
    def opset(self) -> int:
        """Version of the standard operators; 0 where the file names none."""
        return max((entry.version for entry in self.proto.opset_import if entry.domain in ("", "ai.onnx")), default=0)


class Value(NamedTuple):
    """An input or output of the graph; a string in the shape is a dynamic axis ("" where it has no name)."""

    name: str
    shape: tuple[int | str, ...]
    dtype: str


def read_model(path: Path) -> Model:
    """Parse an ONNX file. Its weights are in memory once, in protobuf's hands.

    Raises: ModelMissing, or ModelCorrupt for what is no ONNX file.
    """
    proto = ModelProto()
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            view = memoryview(content)
            try:
                proto.ParseFromString(view)
            finally:
                view.release()
    except OSError as error:
        raise ModelMissing(f"cannot read {path}: {error.strerror or error}", hint="check the path") from error
    except (DecodeError, ValueError) as error:  # an empty file cannot be mapped: ValueError
        raise ModelCorrupt(f"{path} is no ONNX file: {error}", hint=_HINT) from error
    if not proto.ir_version or not proto.graph.output or not proto.graph.node:
        raise ModelCorrupt(f"{path} is no ONNX file: it holds no graph", hint=_HINT)  # any bytes can be some protobuf
    return Model(path, proto)


def write_model(model: Model, path: Path) -> None:
    """Write the file under its name in one step. Raises: StoreUnwritable."""
    write_chunks(path, [model.proto.SerializeToString(deterministic=True)])


def write_chunks(path: Path, chunks: Iterable[bytes | memoryview]) -> int:
    """Write an iterable of bytes to a file that appears only when it is whole; its size. Raises: StoreUnwritable."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                size_bytes = file.tell()
            umask = os.umask(0)
            os.umask(umask)
            Path(name).chmod(0o666 & ~umask)  # mkstemp's own mode would hide the model from other users
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreUnwritable(
            f"{path} cannot be written: {error.strerror or error}", hint="choose a folder that exists and has space"
        ) from error
    return size_bytes


def inputs(model: Model) -> list[Value]:
    """What the caller feeds: old exports list their weights as inputs too, these are left out."""
    weights = {tensor.name for tensor in model.proto.graph.initializer}
    return [_value(info) for info in model.proto.graph.input if info.name not in weights]


def outputs(model: Model) -> list[Value]:
    """What comes out, in the file's order."""
    return [_value(info) for info in model.proto.graph.output]


def nodes(model: Model) -> Sequence[Message]:
    """The graph's nodes in the file's order, which is one in which they can run."""
    return model.proto.graph.node


def operators(model: Model) -> Counter[str]:
    """How often each operator occurs; those of another domain carry it as a prefix."""
    return Counter(f"{node.domain}::{node.op_type}" if node.domain else node.op_type for node in nodes(model))


def metadata(model: Model) -> dict[str, str]:
    """What the exporter wrote beside the graph."""
    return {entry.key: entry.value for entry in model.proto.metadata_props}


def initializer_shapes(model: Model) -> list[tuple[str, tuple[int, ...], str]]:
    """Name, shape and dtype of each weight, in the file's order; no weight is copied."""
    return [
        (tensor.name, tuple(tensor.dims), DTYPES.get(tensor.data_type, f"type {tensor.data_type}"))
        for tensor in model.proto.graph.initializer
    ]


def initializer(model: Model, name: str) -> npt.NDArray[Any] | None:
    """A weight by its name, in its own dtype, read-only; None where there is none.

    Raises: ModelCorrupt if its data is not what its shape needs, or lies in another file.
    """
    for tensor in model.proto.graph.initializer:
        if tensor.name == name:
            return _array(tensor, model.path)
    return None


def _value(info: Message) -> Value:
    tensor = info.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else d.dim_param for d in tensor.shape.dim)
    return Value(info.name, shape, DTYPES.get(tensor.elem_type, f"type {tensor.elem_type}"))


def _array(tensor: Message, path: Path) -> npt.NDArray[Any]:
    dtype = DTYPES.get(tensor.data_type, f"type {tensor.data_type}")
    if tensor.data_location == EXTERNAL:
        raise ModelCorrupt(f"{path}: the data of {tensor.name!r} lies in another file", hint="export it as one file")
    if dtype not in _NUMPY_NAMES:
        raise ModelCorrupt(f"{path}: {tensor.name!r} is {dtype}, which cannot be read", hint="export it as float32")
    shape = tuple(tensor.dims)
    try:
        return _flat(tensor, dtype).reshape(shape)
    except ValueError as error:
        raise ModelCorrupt(f"{path}: {tensor.name!r} does not fill its shape {shape}: {error}", hint=_HINT) from error


def _flat(tensor: Message, dtype: str) -> npt.NDArray[Any]:
    if tensor.HasField("raw_data"):
        return np.frombuffer(tensor.raw_data, np.dtype(dtype).newbyteorder("<"))
    fields = {"float32": "float_data", "float64": "double_data", "int64": "int64_data"} | dict.fromkeys(
        ("uint32", "uint64"), "uint64_data"
    )
    if dtype == "float16":  # bits, one value per 32-bit integer
        return np.asarray(tensor.int32_data, np.uint16).view(np.float16)
    return np.asarray(getattr(tensor, fields.get(dtype, "int32_data")), dtype)
