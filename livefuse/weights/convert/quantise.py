"""INT8 with explicit Q/DQ: what is quantised, and what is left out when accuracy asks for it.

The calibrating and the placing of QuantizeLinear and DequantizeLinear are `onnxruntime.quantization`'s. Here is only which
layers it may touch: the ones nearest to the picture and to the results cost little time and most accuracy, so when a model
with all of them falls short, the next plan leaves them in float32.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from livefuse.runtime.base import Feeds
from livefuse.runtime.offline import MATRIX_OPERATORS, Activations, Calibration, quantise
from livefuse.weights.convert.prepare import keep_emap
from livefuse.weights.onnx.model import read_model, write_model
from livefuse.weights.onnx.schema import Message


@dataclass(frozen=True, slots=True)
class Plan:
    """How many layers stay in float32, counted from the picture in and from the results back."""

    first: int = 0
    last: int = 0

    def in_words(self) -> str:
        parts = [
            f"the {which} {count if count > 1 else ''} layer{'s' if count > 1 else ''}".replace("  ", " ")
            for which, count in (("first", self.first), ("last", self.last))
            if count
        ]
        return f"{' and '.join(parts)} in float32" if parts else "every layer in INT8"


OPSET = 13
"""The first in which DequantizeLinear knows a scale per channel."""
PLANS = (Plan(), Plan(1, 1), Plan(1, 2), Plan(2, 4))
"""Tried in turn until one holds."""


def write_int8(
    simple: Path,
    out: Path,
    feeds: Iterable[Feeds],
    plan: Plan,
    *,
    calibration: Calibration,
    activations: Activations,
    emap: Message | None = None,
) -> int:
    """Quantise a prepared file; how many matrix operators stay in float32. `emap` is put in as the last weight.

    Raises: EngineFailed, StoreUnwritable.
    """
    model = read_model(simple)
    nodes = list(model.proto.graph.node)
    results = {info.name for info in model.proto.graph.output}
    excluded = near_the_ends(nodes, results, plan)
    del model
    quantise(simple, out, feeds, calibration=calibration, activations=activations, excluded=excluded)
    if emap is not None:
        model = read_model(out)
        keep_emap(model, emap)
        write_model(model, out)
    return len(excluded)


def near_the_ends(nodes: Sequence[Message], results: set[str], plan: Plan) -> list[str]:
    """Names of the matrix operators that a plan leaves out."""
    forward = _layers(nodes, plan.first)
    backward = _layers_back(nodes, results, plan.last)
    return [node.name for node in nodes if node.name in forward | backward]


def _layers(nodes: Sequence[Message], count: int) -> set[str]:
    """Matrix operators with fewer than `count` others before them, by the longest way."""
    before: dict[str, int] = {}
    found: set[str] = set()
    for node in nodes:
        depth = max((before.get(name, 0) for name in node.input), default=0)
        matrix = node.op_type in MATRIX_OPERATORS
        if matrix and depth < count:
            found.add(node.name)
        before.update((name, depth + matrix) for name in node.output)
    return found


def _layers_back(nodes: Sequence[Message], results: set[str], count: int) -> set[str]:
    """Those with fewer than `count` others between them and a result."""
    after: dict[str, int] = dict.fromkeys(results, 0)
    found: set[str] = set()
    for node in reversed(nodes):
        reached = [after[name] for name in node.output if name in after]
        if not reached:
            continue
        depth = min(reached)
        matrix = node.op_type in MATRIX_OPERATORS
        if matrix and depth < count:
            found.add(node.name)
        for name in node.input:
            after[name] = min(after.get(name, depth + matrix), depth + matrix)
    return found
