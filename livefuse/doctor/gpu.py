"""The GPU, if there is one. Without it livefuse runs on the CPU, so none is no fault."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from livefuse.doctor.report import Finding
from livefuse.environment import gpu_and_driver


def check_gpu(root: Path = Path("/"), providers: Sequence[str] | None = None) -> Iterator[Finding]:
    """NVIDIA hardware by its PCI devices, its driver by the kernel's files, its device nodes, then NVML, and whether the
    model runtime can use it; `providers` are the runtime's where they are not to be asked for."""
    name, driver = gpu_and_driver(root / "proc/driver/nvidia")
    nodes = sorted(path.name for path in (root / "dev").glob("nvidia[0-9]*"))
    if name != "none":
        yield Finding("gpu", "ok", f"{name}, driver {driver}")
        if root.joinpath("dev").is_dir() and not nodes and root.joinpath("proc/driver/nvidia").is_dir():
            yield Finding(
                "gpu nodes", "missing", "the driver is loaded, /dev/nvidia* is absent", "sudo nvidia-modprobe"
            )
        yield from _used_by_the_runtime(_runtime_providers() if providers is None else providers)
    elif nodes:
        yield Finding("gpu", "warn", f"/dev/{nodes[0]} is there, the driver does not answer", "nvidia-smi")
    elif _nvidia_on_the_bus(root):
        yield Finding(
            "gpu", "warn", "an NVIDIA device without a driver: the CPU is used", "sudo ubuntu-drivers install"
        )
    else:
        yield Finding("gpu", "ok", "none found: the CPU is used")


def _runtime_providers() -> list[str]:
    try:
        from livefuse.runtime.probe import onnxruntime_providers
    except ImportError:
        return []
    return onnxruntime_providers()


def _used_by_the_runtime(providers: Sequence[str]) -> Iterator[Finding]:
    name = "gpu in onnxruntime"
    if "CUDAExecutionProvider" in providers:
        yield Finding(name, "ok", 'there: `runtime.providers = ["cuda"]` uses it, and a run says which nodes it ran')
    else:
        pip = f"{sys.executable} -m pip"
        fix = f'{pip} uninstall -y onnxruntime && {pip} install "onnxruntime-gpu[cuda,cudnn]"'
        yield Finding(name, "warn", "this ONNX Runtime has no CUDA provider: models run on the CPU", fix)


def _nvidia_on_the_bus(root: Path) -> bool:
    """PCI vendor 0x10de with class 0x03 (display controllers)."""
    for device in root.glob("sys/bus/pci/devices/*"):
        vendor, kind = device / "vendor", device / "class"
        if not (vendor.is_file() and kind.is_file()):
            continue
        if vendor.read_text().strip() == "0x10de" and kind.read_text().startswith("0x03"):
            return True
    return False
