"""Changed copies of model files, made once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from livefuse.weights.onnx.model import Model, read_model, write_model


def rewritten(path: Path, cache: Path, kind: str, change: Callable[[Model], None]) -> Path:
    """A copy in `cache` that was passed through `change`; made once for a file of its name, size and time.

    Raises: ModelMissing, ModelCorrupt, StoreUnwritable.
    """
    stat = path.stat()
    copy = cache / f"{path.stem}-{kind}-{stat.st_size}-{stat.st_mtime_ns}.onnx"
    if not copy.exists():
        model = read_model(path)
        change(model)
        cache.mkdir(parents=True, exist_ok=True)
        write_model(model, copy)
    return copy
