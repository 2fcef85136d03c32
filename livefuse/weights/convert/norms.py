"""Which nodes of a graph stay in float32 when the rest goes to half precision.

A list of operators is not enough: exporters write an instance norm as eight of them, and the difference, the square and the
guard between two means must not be rounded either (300 squared is over float16's 65504, and 1e-8 is 0 in it). So statistics
are followed through the graph: what is computed of a mean or a sum alone is a *statistic*; what a statistic is applied to,
and what is then computed of nothing else, is *normalised*. All of that stays in float32, up to the first operator that
brings in anything new: a convolution, an activation, an identity's style.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from livefuse.weights.convert.prepare import FLOAT, STANDARD, element
from livefuse.weights.onnx.model import Model, initializer
from livefuse.weights.onnx.schema import Message

REDUCTIONS = frozenset({
    "ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd",
    "ReduceMax", "ReduceMin", "GlobalAveragePool", "GlobalLpPool", "CumSum",
})  # fmt: skip
ALONE = frozenset({
    "InstanceNormalization", "LayerNormalization", "GroupNormalization", "RMSNormalization", "BatchNormalization",
    "LpNormalization", "MeanVarianceNormalization", "LRN", "Softmax", "LogSoftmax", "Exp", "Log", "Softplus", "Pow", "Sqrt",
    "Reciprocal", "GridSample", "NonMaxSuppression", "RoiAlign", "Range", "RandomNormal", "RandomUniform", "ConstantOfShape",
    "RandomNormalLike", "RandomUniformLike", "EyeLike", "Constant", "If", "Loop", "Scan",
})  # fmt: skip
"""Float32 wherever they stand: norms, what grows or shrinks by powers, sampling by coordinates, and what makes its own type."""
_ELEMENTWISE = frozenset({
    "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Reciprocal", "Neg", "Abs", "Max", "Min", "Clip", "Sum",
})  # fmt: skip
_MOVEMENT = frozenset({
    "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Expand", "Tile", "Identity", "Flatten", "Slice", "Split", "Concat",
    "Gather",
})  # fmt: skip
_BEFORE = frozenset({"Abs", "Sub", "Pow"})
LARGEST = float(np.finfo(np.float16).max)
LEAST = float(np.finfo(np.float16).tiny)
"""Half precision's least normal number: below it digits are lost, and 3e-8 is 0."""


def float_nodes(model: Model, types: Mapping[str, Message]) -> set[int]:
    """Places of the nodes that stay in float32."""
    nodes = list(model.proto.graph.node)
    weights = _Weights(model)
    followed = _Followed(types, {weight.name for weight in model.proto.graph.initializer})
    for place, node in enumerate(nodes):
        followed.look(place, node)
        if node.domain not in STANDARD or weights.too_fine(node.input):
            followed.kept.add(place)
    _squares(nodes, followed.kept)
    return followed.kept


@dataclass(slots=True)
class _Followed:
    types: Mapping[str, Message]
    constants: set[str]
    statistics: set[str] = field(default_factory=set)
    normalised: set[str] = field(default_factory=set)
    single: set[str] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)

    def look(self, place: int, node: Message) -> None:
        told = [
            n for n in node.input if n in self.types and element(self.types[n]) == FLOAT and n not in self.constants
        ]
        label = self._label(node, told)
        if label is not None:
            label.update(node.output)
        moved = node.op_type in _MOVEMENT and bool(told) and all(name in self.single for name in told)
        if label is not None or moved or node.op_type in ALONE:
            self.kept.add(place)
            self.single.update(node.output)

    def _label(self, node: Message, told: list[str]) -> set[str] | None:
        if node.op_type in REDUCTIONS:
            return self.statistics
        if not told or node.op_type not in _ELEMENTWISE | _MOVEMENT:
            return None
        if all(name in self.statistics for name in told):
            return self.statistics
        applied = node.op_type in _ELEMENTWISE and any(name in self.statistics for name in told)
        if applied or all(name in self.statistics or name in self.normalised for name in told):
            return self.normalised
        return None


def _squares(nodes: Sequence[Message], kept: set[int]) -> None:
    """What is summed is computed in float32 too: squares, powers, differences."""
    summed: set[str] = set()
    for place in range(len(nodes) - 1, -1, -1):
        node = nodes[place]
        square = node.op_type == "Mul" and node.input[0] == node.input[1]
        if (node.op_type in _BEFORE or square) and summed.intersection(node.output):
            kept.add(place)
            summed.update(node.input)
        elif node.op_type in REDUCTIONS:
            summed.add(node.input[0])


class _Weights:
    """Finds numbers that half precision cannot hold: guards like 1e-8, and weights over 65504."""

    def __init__(self, model: Model) -> None:
        self._bad = set(_unholdable(model))

    def too_fine(self, names: Iterable[str]) -> bool:
        return not self._bad.isdisjoint(names)


def _unholdable(model: Model) -> Iterable[str]:
    for weight in model.proto.graph.initializer:
        if weight.data_type != FLOAT:
            continue
        values = initializer(model, weight.name)
        assert values is not None
        largest = float(np.abs(values).max(initial=0.0))
        guard = math.prod(weight.dims) == 1 and 0 < largest < LEAST
        if guard or largest > LARGEST:
            yield weight.name
