from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from livefuse import __version__
from livefuse.environment import cpu_name, environment, git_hash, gpu_and_driver


def test_the_record_is_complete_and_fits_json() -> None:
    record = environment()
    assert set(record) == {"cpu", "gpu", "driver", "versions", "python", "os", "git"}
    assert set(record["versions"]) == {"livefuse", "numpy", "opencv", "av", "onnxruntime"}
    assert record["versions"]["livefuse"] == __version__
    assert record["versions"]["numpy"] == np.__version__
    assert all(record.values())
    assert json.loads(json.dumps(record)) == record


def test_cpu_name_is_the_processors_own(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Some CPU @ 3.0 GHz\nmodel name\t: Other\n")
    assert cpu_name(file) == "Some CPU @ 3.0 GHz"
    file = tmp_path / "arm"
    file.write_text("processor\t: 0\n")
    assert cpu_name(file)
    assert cpu_name(tmp_path / "none")


def test_a_gpu_is_found_by_the_kernel_drivers_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    card = tmp_path / "gpus" / "0000:01:00.0"
    card.mkdir(parents=True)
    (card / "information").write_text("Model: \t\t NVIDIA RTX 9999\nIRQ: 1\n")
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.12.34  Mon\nGCC version: 12\n"
    )
    assert gpu_and_driver(tmp_path) == ("NVIDIA RTX 9999", "570.12.34")
    assert gpu_and_driver(tmp_path / "empty") == ("none", "none")


def test_git_hash_without_a_repository(tmp_path: Path) -> None:
    assert git_hash.__wrapped__(tmp_path) == "none"
    (tmp_path / ".git").write_text("not a repository")
    assert git_hash.__wrapped__(tmp_path) == "unknown"


def test_git_hash_marks_changes(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.test")
        subprocess.run(("git", "-C", str(tmp_path), *identity, *words), check=True, capture_output=True)

    git("init")
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "one", "--no-verify")
    clean = git_hash.__wrapped__(tmp_path)
    assert len(clean) == 9
    (tmp_path / "file").write_text("2")
    assert git_hash.__wrapped__(tmp_path) == clean + "+"
