"""Models of a few nodes, written with the `onnx` package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Axes = Sequence[int | str | None]
FLOAT, HALF, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64


def write_model(
    path: Path,
    nodes: Sequence[tuple[str, Sequence[str], Sequence[str]]],
    inputs: dict[str, tuple[int, Axes]],
    outputs: dict[str, tuple[int, Axes]],
    constants: dict[str, npt.ArrayLike] | None = None,
) -> Path:
    """`nodes` are (operator, inputs, outputs)."""
    graph = helper.make_graph(
        [helper.make_node(operator, takes, gives) for operator, takes, gives in nodes],
        path.stem,
        [helper.make_tensor_value_info(name, kind, axes) for name, (kind, axes) in inputs.items()],
        [helper.make_tensor_value_info(name, kind, axes) for name, (kind, axes) in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def doubling(path: Path, *, kind: int = FLOAT, axes: Axes = ("n", 3)) -> Path:
    """`double` = 2x and `more` = x + 1, in the input's type."""
    dtype = np.float16 if kind == HALF else np.float32
    return write_model(
        path,
        [("Mul", ["x", "two"], ["double"]), ("Add", ["x", "one"], ["more"])],
        {"x": (kind, axes)},
        {"double": (kind, axes), "more": (kind, axes)},
        {"two": dtype(2), "one": dtype(1)},
    )


def positive_places(path: Path) -> Path:
    """Where x > 0: the output's size depends on what is in the input."""
    nodes = [("Relu", ["x"], ["kept"]), ("NonZero", ["kept"], ["places"])]
    return write_model(path, nodes, {"x": (FLOAT, ("n",))}, {"places": (INT64, (1, "found"))})
