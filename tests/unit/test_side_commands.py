"""The commands about models and the machine: results on standard output, everything else on standard error."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from livefuse.cli import models, models_own, system
from livefuse.errors import BadValue, LivefuseError, ModelCorrupt, ModelMissing
from livefuse.source.devices import Camera, CameraMode
from livefuse.weights.recipe import builtin_folder, read_recipe

COMMANDS: dict[str, Any] = {
    "list": models.models_list,
    "pull": models.models_pull,
    "verify": models.models_verify,
    "show": models_own.models_show,
    "remove": models_own.models_remove,
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
    assert lines[0].split() == ["NAME", "KIND", "STATUS", "SIZE", "MS", "HERE", "LICENCE", "WHAT"]
    assert len(lines) == 1 + len(by_name), "one line a model, also into a pipe"


def test_models_pull_prints_the_path(mirrored: Path) -> None:
    result = livefuse("pull", "yunet", "openseeface_lm0")
    assert result.exit_code == 0
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert [path.name for path in paths] == ["yunet_n_dynamic.onnx", "openseeface_lm_model0.onnx"]
    assert all(path.is_file() and mirrored in path.parents for path in paths)


def test_models_list_says_what_nobody_serves_and_what_nobody_has_verified(home: Path) -> None:
    (home / "models").mkdir()
    (home / "models" / "peppa_wutz.onnx").write_bytes(b"mine")
    told = json.loads(livefuse("verify", "--json").stdout)
    assert told["models"] == {"peppa_wutz": "unverified"}
    by_name = {line.split()[0]: line for line in livefuse("list").stdout.splitlines()}
    assert "add your own" in by_name["dfm"]
    assert "unverified" in by_name["peppa_wutz"]
    assert "0.0 MB" in by_name["peppa_wutz"], "its own size, where its recipe states none"
    assert "size unknown" in by_name["ghost_1_256"]
    model = json.loads(livefuse("show", "peppa", "--json").stdout)
    assert (model["status"], model["recorded_sha256"]) == ("unverified", hashlib.sha256(b"mine").hexdigest())


def test_models_pull_all_is_what_is_served_and_free_for_any_use(
    mirrored: Path, shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    builtin = builtin_folder()
    wanted = [path for path in builtin.glob("*.toml") if (shared / "models" / read_recipe(path).file).is_file()]
    some = tmp_path / "some"
    some.mkdir()
    for path in (
        *wanted,
        builtin / "dfm.toml",
        builtin / "w600k_r50.toml",
        builtin / "ghost_1_256.toml",
        builtin / "xseg_1.toml",
    ):
        (some / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr("livefuse.weights.recipe.builtin_folder", lambda: some)
    result = livefuse("pull", "--all")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == len(wanted) > 0


def test_models_pull_of_an_unknown_hash_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "mirror").mkdir()
    (home / "mirror" / "peppa_wutz.onnx").write_bytes(b"\x08\x07")
    monkeypatch.setenv("LIVEFUSE_MODEL_MIRROR", str(home / "mirror"))
    result = livefuse("pull", "peppa_wutz")
    digest = hashlib.sha256(b"\x08\x07").hexdigest()
    assert f"its recipe has no sha256; recorded {digest}" in result.stderr


def test_models_show_and_remove(mirrored: Path) -> None:
    shown = livefuse("show", "inswapper").stdout
    for words in ("source.emap            True", "target (1, 3, 128, 128) float32, image", "second-hand", "missing"):
        assert words in shown
    file = Path(livefuse("pull", "yunet_n").stdout.strip())
    assert livefuse("remove", "yunet").stdout.split() == [str(file)]
    assert not file.exists()
    assert json.loads(livefuse("remove", "yunet", "--json").stdout) == {"name": "yunet_n", "removed": []}
    assert isinstance(failure("remove", "yunett"), ModelMissing)
    assert isinstance(failure("show", "yunett"), ModelMissing)


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
    code = f"import sys, livefuse.cli.models, livefuse.cli.models_own, livefuse.cli.system; print(sorted({heavy} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"
