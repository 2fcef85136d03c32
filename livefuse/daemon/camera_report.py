"""What there is to say of a virtual camera: who sees it, and the one command that is missing."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from livefuse.doctor.report import Finding
from livefuse.doctor.virtualcam import LinuxMachine, loopback_lack, on_elsewhere, pipewire_lack
from livefuse.errors import LivefuseError
from livefuse.sinks.steady import DEFAULT_SIZE, FPS, SteadyCamera, check_size
from livefuse.sinks.virtualcam import LABEL, is_camera

__all__ = ["CameraReport", "camera_report", "camera_url", "is_camera"]

APPS = {
    "pipewire": (
        "browsers that use the camera portal (Firefox on Fedora, Chromium by its flag)",
        "OBS (PipeWire source)",
    ),
    "v4l2": ("Chrome, Edge and Firefox", "Zoom", "Discord", "Teams", "OBS"),
    "obs": ("browsers", "Zoom", "Discord", "Teams"),
}
"""By kind of device: what lists it."""


@dataclass(frozen=True, slots=True)
class DeviceReport:
    kind: str
    where: str


@dataclass(frozen=True, slots=True)
class CameraReport:
    """`fix` is needed before there is any camera, `more` before all programs see it."""

    state: str
    error: str = ""
    fix: str = ""
    more: str = ""
    devices: list[DeviceReport] = field(default_factory=list)
    apps: list[str] = field(default_factory=list)
    label: str = LABEL
    size: str = "x".join(map(str, DEFAULT_SIZE))
    fps: int = FPS
    readers: int | None = None
    frames: int = 0
    shown: int = 0
    test_s: float = 0.0


def camera_url(url: str, size: str) -> str:
    """The sink's URL for a wish, checked. Raises: BadValue."""
    if size:
        width, _, height = size.partition("x")
        check_size(int(width), int(height))
        url += f"{'&' if '?' in url else '?'}size={size}"
    return url


def camera_report(camera: SteadyCamera | None, machine: LinuxMachine | None = None) -> CameraReport:
    """Of one that is open, or of what could be."""
    missing, more = lacks(machine)
    if camera is None or camera.state == "off":
        if missing is None:
            return CameraReport("off", more=more)
        return CameraReport("missing", missing.detail, missing.fix)
    devices = [DeviceReport(device.kind, device.where) for device in camera.devices]
    error = camera.error
    return CameraReport(
        camera.state,
        error.message if error else "",
        _command(error) if camera.state == "lost" else "",
        more,
        devices,
        [app for device in devices for app in APPS[device.kind]],
        size="x".join(map(str, camera.size)),
        fps=camera.fps,
        readers=camera.readers(),
        frames=camera.frames,
        shown=camera.shown,
        test_s=round(camera.marked_s, 1),
    )


def lacks(machine: LinuxMachine | None = None) -> tuple[Finding | None, str]:
    """What keeps this system from any camera, and the command that would make it seen by more programs."""
    if machine is None and not sys.platform.startswith("linux"):
        return on_elsewhere(), ""
    machine = machine or LinuxMachine()
    loopback = None if machine.loopbacks() else loopback_lack(machine)
    pipewire = pipewire_lack(machine)
    if loopback is None:
        return None, ""
    if pipewire is None:
        return None, loopback.fix
    if machine.pipewire_library() is not None and not machine.modules_folder().is_dir():
        return pipewire, ""  # no kernel of its own to load a module into
    return loopback, ""


def _command(error: LivefuseError | None) -> str:
    return error.hint if error is not None and error.hint.startswith(("sudo ", "systemctl ")) else ""
