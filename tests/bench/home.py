"""Where benches that need the real models and pictures work: a home of their own that is gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import shared_folder


@contextmanager
def own_home() -> Iterator[tuple[Path, Path]]:
    """The folder of real models and pictures, and the home."""
    shared = shared_folder()
    if shared is None:
        raise SystemExit("needs the folder of real models and pictures: LIVEFUSE_SHARED")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIVEFUSE_HOME"], os.environ["LIVEFUSE_MODEL_MIRROR"] = folder, str(shared / "models")
        yield shared, Path(folder)
