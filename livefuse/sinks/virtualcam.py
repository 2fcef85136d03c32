"""The virtual camera: a webcam for other programs, which they keep whatever becomes of the session that feeds it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livefuse.doctor.virtualcam import LinuxMachine, loopback_lack, pipewire_lack
from livefuse.errors import SinkLost, SinkUnwritable, VirtualCameraMissing
from livefuse.frame import U8, Colour, HostFrame
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.letterbox import Packing
from livefuse.sinks.pipewire import PipeWireCamera
from livefuse.sinks.steady import DEFAULT_SIZE, CameraDevice, SteadyCamera
from livefuse.sinks.url import SinkUrl, parse_sink_url
from livefuse.sinks.v4l2 import Kernel, OutputDevice, OutputFormat

LABEL = "livefuse"
CAMERA_SCHEMES = ("vcam", "pipewire")
_OPENED_BY_SESSION = "no picture yet"
_ENDED = "camera paused"


class VirtualCameraSink:
    """Hands a session's frames to a camera. One that is `kept` was opened before, and stays open after."""

    def __init__(self, camera: SteadyCamera, name: str = "vcam", *, kept: bool = False) -> None:
        self.name, self.camera, self._kept = name, camera, kept

    @classmethod
    def from_url(cls, url: SinkUrl) -> VirtualCameraSink:
        return cls(make_camera(url), sink_name(url))

    def open(self, info: StreamInfo) -> None:
        self.camera.start(patient=self._kept)
        self.camera.rest(_OPENED_BY_SESSION)

    def write(self, frame: HostFrame) -> None:
        self.camera.show(frame)

    def readers(self) -> int | None:
        """How many programs look; None where nobody can tell."""
        return self.camera.readers()

    def close(self) -> None:
        if self._kept:
            self.camera.rest(_ENDED)
        else:
            self.camera.close()

    def abort(self) -> None:
        self.close()


def is_camera(url: str) -> bool:
    """Whether a sink's URL names a virtual camera."""
    return url.partition(":")[0].lower() in CAMERA_SCHEMES


def sink_name(url: SinkUrl) -> str:
    return f"{url.scheme}:{Path(url.address).name}" if url.address else url.scheme


def camera_of(url: str, machine: LinuxMachine | None = None) -> SteadyCamera:
    """Raises: BadValue, VirtualCameraMissing."""
    return make_camera(parse_sink_url(url), machine)


def make_camera(url: SinkUrl, machine: LinuxMachine | None = None) -> SteadyCamera:
    """The camera that a URL names, not open yet: a device, `pipewire:`, or for `vcam:` all that this system has.

    Raises: BadValue, VirtualCameraMissing.
    """
    width, _, height = url.options.get("size", "x".join(map(str, DEFAULT_SIZE))).partition("x")
    size = int(width), int(height)
    asked = url.options.get("pixel_format", "")
    if url.scheme == "pipewire":
        return SteadyCamera([PipeWireCamera(machine)], size, "yuyv422")
    linux = sys.platform.startswith("linux") or machine is not None
    devices: list[CameraDevice] = [LoopbackCamera(url.address)] if linux else [ObsCamera(url.address)]
    packing: Packing = "yuyv422" if asked == "yuyv422" else "yuv420p"
    if linux and not url.address:
        devices, packing = best_devices(machine or LinuxMachine()), "yuyv422"
    return SteadyCamera(devices, size, packing)


def best_devices(machine: LinuxMachine) -> list[CameraDevice]:
    """A camera on PipeWire, which browsers' portals show, and one of v4l2loopback, which all other programs do.

    Without either there are both, which say on opening what is missing, and may come later.
    """
    loopback, pipewire = LoopbackCamera("", machine), PipeWireCamera(machine)
    if pipewire_lack(machine) is not None:
        return [loopback] if machine.loopbacks() else [loopback, pipewire]
    return [pipewire, loopback] if machine.loopbacks() else [pipewire]


class LoopbackCamera:
    """A v4l2loopback device: `path`, or the one that is ours."""

    kind = "v4l2"

    def __init__(self, path: str = "", machine: LinuxMachine | None = None, *, kernel: Kernel | None = None) -> None:
        self.where = path
        self._path, self._machine, self._kernel = path, machine, kernel
        self._device: OutputDevice | None = None

    def open(self, size: tuple[int, int], packing: Packing, fps: int, colour: Colour) -> None:
        """Raises: VirtualCameraMissing, SinkUnwritable."""
        from fractions import Fraction

        self.where = self._path or find_loopback(self._machine)
        self._device = OutputDevice(self.where, OutputFormat(*size, packing, Fraction(fps), colour), self._kernel)

    def write(self, picture: U8) -> None:
        """Raises: SinkLost."""
        if self._device is None:
            raise SinkLost(f"{self.where} is not open", hint="open it first")
        self._device.write(picture)

    def readers(self) -> int | None:
        return self._device.readers() if self._device else None

    def close(self) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.close()


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
    raise VirtualCameraMissing(
        "this machine has no virtual camera (a v4l2loopback device)", hint=loopback_lack(machine).fix
    )


class ObsCamera:
    """Windows and macOS: pyvirtualcam hands pictures to OBS Studio's virtual camera."""

    kind = "obs"

    def __init__(self, device: str = "", modules: Mapping[str, Any] | None = None) -> None:
        self.where = device
        self._device, self._modules = device, modules or {}
        self._camera: Any = None

    def open(self, size: tuple[int, int], packing: Packing, fps: int, colour: Colour) -> None:
        """Raises: VirtualCameraMissing, SinkUnwritable."""
        pyvirtualcam = self._modules.get("pyvirtualcam") or _pyvirtualcam()
        given = pyvirtualcam.PixelFormat.I420 if packing == "yuv420p" else pyvirtualcam.PixelFormat.YUYV
        try:
            self._camera = pyvirtualcam.Camera(
                width=size[0], height=size[1], fps=float(fps), fmt=given, device=self._device or None
            )
        except RuntimeError as error:
            hint = "install OBS Studio, start its virtual camera once and stop it again"
            raise VirtualCameraMissing(f"no virtual camera: {error}", hint=hint) from error
        self.where = str(getattr(self._camera, "device", "") or "OBS Virtual Camera")

    def write(self, picture: U8) -> None:
        """Raises: SinkLost."""
        try:
            self._camera.send(picture)
        except RuntimeError as error:
            raise SinkLost(
                f"the virtual camera stopped: {error}", hint="is OBS's own virtual camera running?"
            ) from error

    def readers(self) -> int | None:
        return None

    def close(self) -> None:
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


def _pyvirtualcam() -> Any:
    try:
        import pyvirtualcam
    except ImportError as error:
        hint = f'{sys.executable} -m pip install "livefuse[vcam]"'
        raise SinkUnwritable("the virtual camera of this system needs pyvirtualcam", hint=hint) from error
    return pyvirtualcam
