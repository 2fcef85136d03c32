"""Nothing that livefuse runs on tells anybody about it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.tiny_onnx import tiny

OPEN = "import sys; from livefuse.runtime.ort_session import ort; ort.InferenceSession(sys.argv[1])"
SUPPRESSED_BY = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "BUILD_ID", "BUILD_BUILDID", "JENKINS_URL", "TRAVIS", "CIRCLECI")


def left_behind(home: Path, code: str, model: Path, **more: str) -> list[str]:
    """Files in the home folder after a program of a person, not of a build, has opened a model."""
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in (*SUPPRESSED_BY, "ORT_DISABLE_TELEMETRY")}
    environ = kept | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"} | more
    environ.pop("XDG_CACHE_HOME", None)
    subprocess.run([sys.executable, "-c", code, str(model)], env=environ, check=True, timeout=60)
    return [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


@pytest.mark.skipif(sys.platform != "linux", reason="where the identifier is kept is known for Linux")
def test_opening_a_model_leaves_no_identifier_of_the_machine(tmp_path: Path) -> None:
    model = tiny(tmp_path / "tiny.onnx", {"input": [1, 3]}, {"output": [1, 3]})
    assert left_behind(tmp_path / "ours", OPEN, model) == []


def test_whoever_wants_to_report_can(tmp_path: Path) -> None:
    code = "import os, livefuse.runtime; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    environ = os.environ | {"ORT_DISABLE_TELEMETRY": "0"}
    told = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert told.stdout == "0\n"
