"""Exports that fix the batch to one, though nothing in their graph needs it: here their inputs and outputs take any number.

Whether the graph really does is not to be seen from its operators (a Reshape may have the one inside): who uses the copy
tries it, see `engines.Engines.load_batched`.
"""

from __future__ import annotations

from pathlib import Path

from livefuse.weights.onnx.model import Model, inputs
from livefuse.weights.onnx.rewritten import rewritten

_AXIS = "batch"


def freed_file(path: Path, cache: Path) -> Path:
    """A copy whose batch is free, made once in `cache` for a file of its size and time.

    Raises: ModelMissing, ModelCorrupt, StoreUnwritable.
    """
    return rewritten(path, cache, "batch", free_batch)


def free_batch(model: Model) -> None:
    """Free the first axis of every input and output that is 1, in place; what was inferred for a batch of one is dropped."""
    graph = model.proto.graph
    fed = {value.name for value in inputs(model)}
    for info in (*(each for each in graph.input if each.name in fed), *graph.output):
        axes = info.type.tensor_type.shape.dim
        if len(axes) and axes[0].dim_value == 1:
            axes[0].ClearField("dim_value")
            axes[0].dim_param = _AXIS
    del graph.value_info[:]
