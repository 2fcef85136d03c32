"""Rules of the whole tree: who may import what, what is documented, what the package shows."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import livefuse
from livefuse.config import known_keys
from livefuse.daemon_config import DaemonConfig

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "livefuse"
HEAVY = {"torch", "tensorrt", "tensorrt_rtx", "onnxruntime", "cuda"}
ALONE = ("frame", "clock", "mailbox", "errors")


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def outside_device_and_runtime() -> list[Path]:
    return [path for path in modules() if path.relative_to(PACKAGE).parts[0] not in ("device", "runtime")]


@pytest.mark.parametrize("path", outside_device_and_runtime(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_device_and_runtime_know_a_runtime(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & HEAVY


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_the_frame_knows_nothing_of_the_daemon(path: Path) -> None:
    """Who serves knows who works, never the other way round; aiortc stays behind one folder."""
    hop, known = path.relative_to(PACKAGE).parts[0], imports(path)
    above = {"livefuse.web", "livefuse.cli", "livefuse.daemon"}
    if hop not in ("web", "cli", "daemon", "bench", "__main__.py"):
        assert not {name for name in known if any(f"{name}.".startswith(f"{folder}.") for folder in above)}
        assert not {name.split(".")[0] for name in known} & {"fastapi", "starlette", "uvicorn"}
    if hop not in ("webrtc", "bench"):
        assert not {name.split(".")[0] for name in known} & {"aiortc", "aioice"}


@pytest.mark.parametrize("name", ALONE)
def test_the_vocabulary_imports_nothing_of_ours(name: str) -> None:
    assert not [n for n in imports(PACKAGE / f"{name}.py") if n.startswith("livefuse")]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_the_console_script_ends_the_process(path: Path) -> None:
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "exit", "quit", "os._exit")
    ]
    # these are processes of their own, which must end without cleaning up after FFmpeg, PipeWire or a network
    assert not calls or path.name in ("__main__.py", "broadcast.py", "pipewire_node.py", "measure_job.py")


def test_importing_the_package_is_light() -> None:
    code = "import sys, livefuse; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not set(loaded) & {"torch", "cv2", "av", "fastapi", "onnxruntime", "numpy", "pydantic"}


def test_help_is_light() -> None:
    code = (
        "import sys\nfrom livefuse.cli.app import run_command\nrun_command(['--help'])\n"
        "print(*sorted({m.split('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stderr.split()
    assert not set(loaded) & {"torch", "cv2", "av", "fastapi", "onnxruntime", "numpy", "pydantic", "httpx"}


def test_the_package_shows_what_it_says() -> None:
    assert all(hasattr(livefuse, name) for name in livefuse.__all__)


def test_every_configuration_key_is_documented() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    keys = [*known_keys(), *(key for key in known_keys(DaemonConfig) if key != "sessions")]
    assert [key for key in keys if f"`{key}`" not in readme] == []


def test_no_model_file_is_tracked() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split("\n")
    assert not [name for name in tracked if Path(name).suffix in {".onnx", ".dfm", ".plan", ".engine", ".pt", ".pth"}]
