"""Commands run as a user types them, with folders of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import shared_folder
from tests.e2e.browser import browser, daemon, pages, standing_daemon, standing_pages  # noqa: F401  (fixtures)

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A clean environment: own folders, the mirror of real models if there is one."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LIVEFUSE_")}
    shared = shared_folder()
    mirror = {"LIVEFUSE_MODEL_MIRROR": str(shared / "models")} if shared else {}
    return kept | mirror | {"LIVEFUSE_HOME": str(tmp_path / "home"), "COLUMNS": "120", "NO_COLOR": "1"}


@pytest.fixture
def livefuse(environ: dict[str, str], tmp_path: Path) -> Run:
    """`livefuse ARGUMENTS...` in a temporary folder."""

    def run(*arguments: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "livefuse", *(str(a) for a in arguments)]
        return subprocess.run(command, cwd=tmp_path, env=environ | extra, capture_output=True, text=True, timeout=100)

    return run
