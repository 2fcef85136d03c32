"""What a model file says of itself, without running it."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livefuse.weights.emap import find_emap
from livefuse.weights.onnx.model import (
    Value,
    initializer_shapes,
    inputs,
    metadata,
    nodes,
    operators,
    outputs,
    read_model,
)
from livefuse.weights.part import sha256_of


@dataclass(frozen=True, slots=True)
class Inspection:
    """`parameters` are the numbers in weights that nodes use; `precision` is the dtype of most of them."""

    path: Path
    size_bytes: int
    sha256: str
    opset: int
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    parameters: int
    precision: str
    operators: Counter[str]
    emap: str | None
    """Name of a 512x512 weight that no node uses: what an identity goes through outside the graph."""
    metadata: dict[str, str]

    def as_dict(self) -> dict[str, Any]:
        tensors = {
            key: [{"name": v.name, "shape": list(v.shape), "dtype": v.dtype} for v in values]
            for key, values in (("inputs", self.inputs), ("outputs", self.outputs))
        }
        return {
            "file": str(self.path),
            "bytes": self.size_bytes,
            "sha256": self.sha256,
            "opset": self.opset,
            "parameters": self.parameters,
            "precision": self.precision,
            "operators": dict(self.operators.most_common()),
            "emap": self.emap,
            "metadata": self.metadata,
        } | tensors


def inspect(path: Path) -> Inspection:
    """Read an ONNX or DFM file. Raises: ModelMissing, ModelCorrupt."""
    model = read_model(path)
    used = {name for node in nodes(model) for name in node.input}
    counts: Counter[str] = Counter()
    for name, shape, dtype in initializer_shapes(model):
        if name in used:
            counts[dtype] += math.prod(shape)
    emap = find_emap(model)
    floats = Counter({dtype: n for dtype, n in counts.items() if "float" in dtype})
    return Inspection(
        path=path,
        size_bytes=path.stat().st_size,
        sha256=sha256_of(path),
        opset=model.opset,
        inputs=tuple(inputs(model)),
        outputs=tuple(outputs(model)),
        parameters=floats.total(),
        precision=floats.most_common(1)[0][0] if floats else "none",
        operators=operators(model),
        emap=emap if emap not in used else None,
        metadata=metadata(model),
    )


def in_words(shape: tuple[int | str, ...]) -> str:
    """`(1, 3, H, W)`; an axis without a name is a `?`."""
    return "(" + ", ".join(str(axis) or "?" for axis in shape) + ")"
