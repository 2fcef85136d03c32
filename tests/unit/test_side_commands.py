"""The commands about models and the machine: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from livefuse.cli import models, system
from livefuse.errors import BadValue, LivefuseError, ModelCorrupt, ModelMissing
from livefuse.source.devices import Camera, CameraMode

COMMANDS: dict[str, Any] = {
    "list": models.models_list,
    "pull": models.models_pull,
    "verify": models.models_verify,
    "paths": system.paths,
    "devices": system.devices,
    "doctor": system.doctor,
    "explain": system.explain,
}
app = typer.Typer()
for name, command in COMMANDS.items():
    app.command(name)(command)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)
    return tmp_path


@pytest.fixture
def mirrored(home: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEFUSE_MODEL_MIRROR", str(shared / "models"))
    return home


def livefuse(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def failure(*arguments: str) -> LivefuseError:
    result = livefuse(*arguments)
    assert isinstance(result.exception, LivefuseError), result.output
    return result.exception


def test_paths(home: Path) -> None:
    told = json.loads(livefuse("paths", "--json").stdout)
    assert told["models"] == str(home / "models")
    assert told["config_file"] == str(home / "config" / "livefuse.toml")
    assert str(home / "models") in livefuse("paths").stdout


def test_models_list(home: Path) -> None:
    told = json.loads(livefuse("list", "--json").stdout)
    by_name = {model["name"]: model for model in told["models"]}
    assert by_name["yunet_n"]["status"] == "missing"
    assert by_name["yunet_n"]["licence"] == "Apache-2.0"
    lines = livefuse("list").stdout.splitlines()
    assert lines[0].split() == ["NAME", "KIND", "STATUS", "SIZE", "LICENCE", "WHAT"]
    assert len(lines) == 1 + len(by_name), "one line a model, also into a pipe"


def test_models_pull_prints_the_path(mirrored: Path) -> None:
    result = livefuse("pull", "yunet", "openseeface_lm0")
    assert result.exit_code == 0
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert [path.name for path in paths] == ["yunet_n_dynamic.onnx", "openseeface_lm_model0.onnx"]
    assert all(path.is_file() and mirrored in path.parents for path in paths)


def test_models_pull_all(mirrored: Path) -> None:
    result = livefuse("pull", "--all")
    assert len(result.stdout.splitlines()) == len(json.loads(livefuse("list", "--json").stdout)["models"])


def test_models_pull_nothing_or_something_unknown(mirrored: Path) -> None:
    assert isinstance(failure("pull"), BadValue)
    error = failure("pull", "yunet_n", "yunett")
    assert isinstance(error, ModelMissing)
    assert not (mirrored / "models").exists(), "a misspelt name must fail before anything is fetched"


def test_models_verify(mirrored: Path) -> None:
    assert livefuse("verify").stdout.split() == ["NAME", "STATUS"]
    livefuse("pull", "yunet_n", "sinet_portrait")
    told = json.loads(livefuse("verify", "--json").stdout)
    assert told["models"] == {"sinet_portrait": "verified", "yunet_n": "verified"}
    file = mirrored / "models" / "sinet_portrait.onnx"
    file.write_bytes(b"x" * file.stat().st_size)
    error = failure("verify")
    assert isinstance(error, ModelCorrupt)
    assert "`livefuse models pull sinet_portrait`" in error.hint
    assert "corrupt" in livefuse("verify").stdout
    assert isinstance(failure("verify", "mobilefacenet"), ModelMissing)


def test_explain() -> None:
    assert livefuse("explain", "lf0101").stdout.startswith("LF0101 UnknownKey\n")
    assert json.loads(livefuse("explain", "UnknownKey", "--json").stdout)["exit_code"] == 2
    assert isinstance(failure("explain", "LF9999"), BadValue)


def test_doctor(home: Path) -> None:
    result = livefuse("doctor", "--json")
    told = json.loads(result.stdout)
    assert sum(told["counts"].values()) == len(told["findings"])
    shown = livefuse("doctor").stdout
    assert "To fix:" in shown
    assert "livefuse models pull yunet_n" in shown


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = Camera(
        "C920",
        "v4l2:/dev/video0",
        "/dev/video0",
        (
            CameraMode("mjpeg", 1280, 720, (Fraction(30),)),
            CameraMode("mjpeg", 640, 480, (Fraction(30), Fraction(15, 2))),
        ),
        note="in use by zoom",
    )
    monkeypatch.setattr("livefuse.source.devices.list_cameras", lambda: [camera])
    told = json.loads(livefuse("devices", "--json").stdout)
    assert told["cameras"][0]["url"] == "camera:0"
    assert told["cameras"][0]["modes"][1] == {
        "pixel_format": "mjpeg",
        "video_size": "640x480",
        "framerates": [30.0, 7.5],
    }
    shown = livefuse("devices").stdout
    assert "mjpeg 1280x720@30 and 1 more" in shown
    assert "in use by zoom" in shown
    monkeypatch.setattr("livefuse.source.devices.list_cameras", list)
    result = livefuse("devices")
    assert result.stdout == ""
    assert "no camera found" in result.stderr


def test_importing_the_commands_imports_nothing_heavy() -> None:
    heavy = "{'av', 'cv2', 'httpx', 'numpy', 'onnxruntime', 'pydantic'}"
    code = f"import sys, livefuse.cli.models, livefuse.cli.system; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"
