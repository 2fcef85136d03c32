"""The virtual camera: a webcam for other programs. Its size is fixed while it is open; pictures are letterboxed into it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from livefuse.doctor.virtualcam import MODPROBE, LinuxMachine
from livefuse.errors import BadValue, SinkLost, SinkUnwritable, VirtualCameraMissing
from livefuse.frame import U8, HostFrame
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.letterbox import LetterboxFitter, Packing
from livefuse.sinks.url import SinkUrl
from livefuse.sinks.v4l2 import Kernel, OutputDevice, OutputFormat

DEFAULT_SIZE = (1280, 720)
LABEL = "livefuse"


class _Camera(Protocol):
    def write(self, picture: U8) -> None: ...

    def close(self) -> None: ...


class VirtualCameraSink:
    """Hands frames to `device`, or to the system's virtual camera when that is empty."""

    def __init__(
        self,
        device: str = "",
        size: tuple[int, int] = DEFAULT_SIZE,
        packing: Packing = "yuv420p",
        *,
        kernel: Kernel | None = None,
    ) -> None:
        if size[0] % 2 or size[1] % 2:
            hint = "browsers refuse cameras of odd size; try 1280x720"
            raise BadValue(f"virtual camera size {size[0]}x{size[1]} is odd", hint=hint)
        self.device, self.size, self.packing = device, size, packing
        self.name = f"vcam:{Path(device).name}" if device else "vcam"
        self._kernel = kernel
        self._fitter = LetterboxFitter(*size, packing)
        self._camera: _Camera | None = None

    @classmethod
    def from_url(cls, url: SinkUrl) -> VirtualCameraSink:
        width, _, height = url.options.get("size", "x".join(map(str, DEFAULT_SIZE))).partition("x")
        packing: Packing = "yuyv422" if url.options.get("pixel_format") == "yuyv422" else "yuv420p"
        return cls(url.address, (int(width), int(height)), packing)

    def open(self, info: StreamInfo) -> None:
        self.abort()
        self._fitter = LetterboxFitter(*self.size, self.packing)
        if self._kernel is None and not sys.platform.startswith("linux"):
            self._camera = ObsCamera(self.device, self.size, info)
            return
        wanted = OutputFormat(*self.size, self.packing, info.fps, info.colour)
        self._camera = OutputDevice(self.device or find_loopback(), wanted, self._kernel)

    def write(self, frame: HostFrame) -> None:
        if self._camera is None:
            raise SinkLost(f"{self.name} is not open", hint="open the sink before writing to it")
        self._camera.write(self._fitter.fit(frame))

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


def find_loopback(machine: LinuxMachine | None = None) -> str:
    """The loopback device labelled livefuse, or the only one that is not OBS's. Raises: VirtualCameraMissing."""
    machine = machine or LinuxMachine()
    loopbacks = machine.loopbacks()
    ours = [str(node) for node, label in loopbacks if LABEL in label.lower()]
    free = [str(node) for node, label in loopbacks if "obs" not in label.lower()]
    if ours or len(free) == 1:
        return (ours or free)[0]
    if free:
        raise VirtualCameraMissing(f"several virtual cameras: {', '.join(free)}", hint=f"name one: vcam:{free[0]}")
    commands = MODPROBE if machine.module_installed() else f"{machine.install_command()} && {MODPROBE}"
    raise VirtualCameraMissing("this machine has no virtual camera (a v4l2loopback device)", hint=commands)


class ObsCamera:
    """Windows and macOS: pyvirtualcam hands pictures to OBS Studio's virtual camera."""

    def __init__(self, device: str, size: tuple[int, int], info: StreamInfo, modules: Mapping[str, Any] | None = None):
        pyvirtualcam = (modules or {}).get("pyvirtualcam") or _pyvirtualcam()
        try:
            self._camera = pyvirtualcam.Camera(
                width=size[0],
                height=size[1],
                fps=float(info.fps),
                fmt=pyvirtualcam.PixelFormat.I420,
                device=device or None,
            )
        except RuntimeError as error:
            hint = "install OBS Studio, start its virtual camera once and stop it again"
            raise VirtualCameraMissing(f"no virtual camera: {error}", hint=hint) from error

    def write(self, picture: U8) -> None:
        try:
            self._camera.send(picture)
        except RuntimeError as error:
            raise SinkLost(
                f"the virtual camera stopped: {error}", hint="is OBS's own virtual camera running?"
            ) from error

    def close(self) -> None:
        self._camera.close()


def _pyvirtualcam() -> Any:
    try:
        import pyvirtualcam
    except ImportError as error:
        hint = f'{sys.executable} -m pip install "livefuse[vcam]"'
        raise SinkUnwritable("the virtual camera of this system needs pyvirtualcam", hint=hint) from error
    return pyvirtualcam
