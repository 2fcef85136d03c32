"""Exports that fix the batch to one, though nothing in their graph needs it: here their inputs and outputs take any number.

Whether the graph really does is not to be seen from its operators (a Reshape may have the one inside): who uses the copy
tries it, see `engines.Engines.load_batched`.
"""

from __future__ import annotations

from pathlib import Path

from livefuse.weights.onnx.model import Model, inputs, read_model, write_model

_AXIS = "batch"


def freed_file(path: Path, cache: Path) -> Path:
    """A copy whose batch is free, made once in `cache` for a file of its size and time.

    Raises: ModelMissing, ModelCorrupt, StoreUnwritable.
    """
    stat = path.stat()
    copy = cache / f"{path.stem}-batch-{stat.st_size}-{stat.st_mtime_ns}.onnx"
    if not copy.exists():
        model = read_model(path)
        free_batch(model)
        cache.mkdir(parents=True, exist_ok=True)
        write_model(model, copy)
    return copy


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
