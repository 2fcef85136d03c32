"""Python and the libraries that livefuse runs on."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator
from importlib import metadata

from livefuse.doctor.report import Finding
from livefuse.environment import versions

OPENCV_WHEELS = (
    "opencv-python",
    "opencv-python-headless",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)
ONNXRUNTIME_WHEELS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-migraphx",
    "onnxruntime-rocm",
    "onnxruntime-webgpu",
    "onnxruntime-cann",
)
_REINSTALL = f"{sys.executable} -m pip install --force-reinstall"


def check_packages() -> Iterator[Finding]:
    """Each library is really imported: metadata alone does not see a missing shared object."""
    found = versions()
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield Finding("livefuse", "ok", found["livefuse"])
    yield _imported("numpy", found["numpy"], "numpy", _numpy)
    yield _imported("opencv", found["opencv"], "opencv-python-headless", _opencv)
    yield _imported("av", found["av"], "av", _av)
    yield _imported("onnxruntime", found["onnxruntime"], "onnxruntime", _onnxruntime)
    installed = installed_packages()
    yield from rival_opencv_wheels(installed)
    yield from rival_onnxruntime_wheels(installed)
    yield from execution_providers()


def installed_packages() -> set[str]:
    return {distribution.name.lower() for distribution in metadata.distributions()}


def rival_opencv_wheels(installed: set[str]) -> Iterator[Finding]:
    """Two OpenCV wheels write into the same folder `cv2`, and whichever came last wins."""
    rivals = [name for name in OPENCV_WHEELS if name in installed]
    if len(rivals) > 1:
        others = [name for name in rivals if name != "opencv-python-headless"]
        fix = f"{sys.executable} -m pip uninstall -y {' '.join(others)} && {_REINSTALL} opencv-python-headless"
        yield Finding("opencv wheels", "warn", f"{', '.join(rivals)} overwrite each other", fix)


def rival_onnxruntime_wheels(installed: set[str]) -> Iterator[Finding]:
    """Every variant writes into the folder `onnxruntime`, too: a GPU build may be half overwritten by the plain one."""
    rivals = [name for name in ONNXRUNTIME_WHEELS if name in installed]
    if len(rivals) > 1:
        wanted = next(name for name in rivals if name != "onnxruntime")
        fix = f"{sys.executable} -m pip uninstall -y {' '.join(rivals)} && {_REINSTALL} {wanted}"
        yield Finding("onnxruntime wheels", "warn", f"{', '.join(rivals)} overwrite each other", fix)


def execution_providers() -> Iterator[Finding]:
    """As `runtime.providers` names them, and whether this ONNX Runtime tells which of them ran a node."""
    try:
        from livefuse.runtime.probe import onnxruntime_providers, tells_placement
    except ImportError:
        return  # said by the package's own finding
    names = ", ".join(onnxruntime_providers(short=True))
    told = (
        "the runtime tells which ran each node"
        if tells_placement()
        else "ONNX Runtime 1.24 would tell which ran a node"
    )
    yield Finding("execution providers", "ok", f"{names}; {told}")


def _imported(name: str, version: str, package: str, load: Callable[[], str]) -> Finding:
    try:
        detail = load()
    except ImportError as error:
        return Finding(name, "missing", f"{version}: cannot be imported: {error}", f"{_REINSTALL} {package}")
    return Finding(name, "ok", f"{version}{detail}")


def _numpy() -> str:
    import numpy as np

    return f" at {np.__path__[0]}"


def _opencv() -> str:
    import cv2

    return f", {cv2.getNumThreads()} threads"


def _av() -> str:
    import av

    names = ("libavcodec", "libavformat", "libavutil")
    libraries = ", ".join(f"{n} {'.'.join(map(str, av.library_versions[n]))}" for n in names)
    return f" with FFmpeg {av.ffmpeg_version_info}: {libraries}"


def _onnxruntime() -> str:
    from livefuse.runtime.probe import onnxruntime_providers

    return f" with {', '.join(onnxruntime_providers())}"
