"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_folder() -> Path | None:
    """The folder of real small models and clips: LIVEFUSE_SHARED, or `shared` beside the checkout."""
    named = os.environ.get("LIVEFUSE_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared"
    return folder if (folder / "models").is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = shared_folder()
    if folder is None:
        pytest.skip("no folder of real models and clips: set LIVEFUSE_SHARED to it")
    return folder
