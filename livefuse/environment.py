"""On what machine, with what versions, a record was made: a number without this cannot be compared with another."""

from __future__ import annotations

import platform
import subprocess
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from livefuse import __version__

PACKAGES = {
    "numpy": ("numpy",),
    "opencv": ("opencv-python-headless", "opencv-python", "opencv-contrib-python-headless", "opencv-contrib-python"),
    "av": ("av",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
}
"""What a library is called in a record -> the packages that it may come in."""

GIT_TIMEOUT_S = 2.0


def environment() -> dict[str, Any]:
    """The record's `environment`: cpu, gpu ("none" without), driver, versions, python, os, git. Costs a few ms once."""
    gpu, driver = gpu_and_driver()
    return {
        "cpu": cpu_name(),
        "gpu": gpu,
        "driver": driver,
        "versions": versions(),
        "python": platform.python_version(),
        "os": platform.platform(),
        "git": git_hash(),
    }


@cache
def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's own name; where the system tells none, its architecture."""
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [value.strip() for key, _, value in (line.partition(":") for line in lines) if key.strip() == "model name"]
    return names[0] if names else platform.machine()


@cache
def gpu_and_driver(driver_folder: Path = Path("/proc/driver/nvidia")) -> tuple[str, str]:
    """Names of the NVIDIA GPUs and the driver's version, by NVML where it is installed, else by the kernel driver's files."""
    try:
        import pynvml
    except ImportError:
        return _from_kernel_driver(driver_folder)
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return _from_kernel_driver(driver_folder)
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        names = ", ".join(_text(pynvml.nvmlDeviceGetName(handle)) for handle in handles)
        return names or "none", _text(pynvml.nvmlSystemGetDriverVersion())
    finally:
        pynvml.nvmlShutdown()


def _from_kernel_driver(folder: Path) -> tuple[str, str]:
    names = []
    for information in sorted(folder.glob("gpus/*/information")):
        fields = dict(line.split(":", 1) for line in information.read_text("utf-8").splitlines() if ":" in line)
        names.append(fields.get("Model", "NVIDIA GPU").strip())
    version = folder / "version"
    words = version.read_text("utf-8").split() if version.is_file() else []
    driver = next((word for word in words if word[:1].isdigit() and "." in word), "none")
    return ", ".join(names) or "none", driver


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value  # NVML bindings before 11.5 answer bytes


@cache
def versions() -> dict[str, str]:
    """Of livefuse and of what it runs on, from the installed packages' metadata: nothing is imported."""
    return {"livefuse": __version__} | {name: _version(packages) for name, packages in PACKAGES.items()}


def _version(packages: tuple[str, ...]) -> str:
    for package in packages:
        with suppress(metadata.PackageNotFoundError):
            return metadata.version(package)
    return "none"


@cache
def git_hash(folder: Path = Path(__file__).parent.parent) -> str:
    """Short hash of the checkout that this code runs from, `+` when it has changes; "none" when it is installed."""
    if not (folder / ".git").exists():
        return "none"
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty=+", "--abbrev=9", "--exclude=*"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return answer.stdout.strip()
