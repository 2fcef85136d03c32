"""The cameras of this machine, real and virtual, with what they offer and why one cannot be opened."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from livefuse.source import v4l2

_LOOPBACK = "v4l2 loopback"
# FFmpeg's names, which `input_format` takes. Source: libavdevice/v4l2-common.c, ff_fmt_conversion_table.
_FFMPEG_NAMES = {
    "MJPG": "mjpeg", "JPEG": "mjpeg", "YUYV": "yuyv422", "UYVY": "uyvy422", "NV12": "nv12", "YU12": "yuv420p",
    "422P": "yuv422p", "RGB3": "rgb24", "BGR3": "bgr24", "GREY": "gray", "H264": "h264", "HEVC": "hevc",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CameraMode:
    """A pixel format in FFmpeg's name, a size, and the rates possible there, fastest first."""

    pixel_format: str
    width: int
    height: int
    rates: tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera. `url` opens it; `note` says what stands in the way ("" if nothing does).

    `captures`: pictures can be read from it; `writable`: pictures can be written to it (a free v4l2loopback device).
    """

    name: str
    url: str
    path: str
    modes: tuple[CameraMode, ...] = ()
    note: str = ""
    is_virtual: bool = False
    captures: bool = True
    writable: bool = False

    @property
    def formats(self) -> list[tuple[str, list[tuple[int, int]], list[Fraction]]]:
        """The modes as a list for people: pixel format, its sizes, its rates."""
        names = dict.fromkeys(mode.pixel_format for mode in self.modes)
        return [(name, *self._offered(name)) for name in names]

    def _offered(self, name: str) -> tuple[list[tuple[int, int]], list[Fraction]]:
        mine = [mode for mode in self.modes if mode.pixel_format == name]
        rates = {rate for mode in mine for rate in mode.rates}
        return [(mode.width, mode.height) for mode in mine], sorted(rates, reverse=True)


def list_cameras() -> list[Camera]:
    """Cameras that can be read, real ones before virtual ones: `camera:N` counts in this order."""
    return [camera for camera in _all_cameras() if camera.captures]


def _all_cameras(platform: str = sys.platform) -> list[Camera]:
    if platform == "linux":
        return linux_cameras(video_nodes())
    return platform_cameras("dshow" if platform == "win32" else "avfoundation")


def video_nodes(folder: Path = Path("/dev")) -> list[Path]:
    """/dev/video0, /dev/video1, ... in the order of their numbers."""
    nodes = [node for node in folder.glob("video*") if node.name[5:].isdigit()]
    return sorted(nodes, key=lambda node: int(node.name[5:]))


def linux_cameras(nodes: Sequence[Path], driver: v4l2.Driver | None = None, proc: Path = Path("/proc")) -> list[Camera]:
    """Ask each node; those that neither capture nor output (metadata, codecs) are left out."""
    answers = (_linux_camera(node, driver or v4l2.KernelDriver(), proc) for node in nodes)
    return sorted((camera for camera in answers if camera), key=lambda camera: camera.is_virtual)


def _linux_camera(node: Path, driver: v4l2.Driver, proc: Path) -> Camera | None:
    url = f"v4l2:{node}"
    try:
        fd = driver.open(str(node))
    except FileNotFoundError:  # unplugged since the folder was listed
        return None
    except PermissionError:
        return Camera(node.name, url, str(node), note="no permission: add yourself to the group `video`")
    except OSError as error:
        return Camera(node.name, url, str(node), note=f"cannot be opened: {error.strerror}")
    try:
        what = v4l2.capability(driver, fd)
        virtual = what.driver == _LOOPBACK
        if not what.captures and not virtual:
            return None
        offered = tuple(_mode(mode) for mode in v4l2.modes(driver, fd)) if what.captures else ()
    except OSError:  # not a V4L2 device, or gone
        return None
    finally:
        driver.close(fd)
    return Camera(
        what.card, url, str(node), offered, _held_by(node, proc), virtual, what.captures, virtual and what.outputs
    )


def _mode(mode: v4l2.Mode) -> CameraMode:
    return CameraMode(_FFMPEG_NAMES.get(mode.fourcc, mode.fourcc), mode.width, mode.height, mode.rates)


def _held_by(node: Path, proc: Path) -> str:
    """Who has the node open, as far as this user may see. Most drivers stream to one program only."""
    holders = []
    for process in _processes(proc):
        try:
            opened = {str(link.readlink()) for link in (process / "fd").iterdir()}
            if str(node) in opened:
                name = (process / "comm").read_text("utf-8", "replace").strip()
                holders.append(f"{name} (process {process.name})")
        except OSError:  # another user's, or gone
            continue
    return "in use by " + ", ".join(holders) if holders else ""


def _processes(proc: Path) -> Iterable[Path]:
    ours = str(os.getpid())
    return (entry for entry in proc.glob("[0-9]*") if entry.name != ours)


def platform_cameras(api: str) -> list[Camera]:
    """Cameras as FFmpeg's AVFoundation or DirectShow input lists them; none if this PyAV cannot list devices."""
    import av

    enumerate_devices = getattr(av, "enumerate_input_devices", None)
    if enumerate_devices is None:
        return []
    try:
        devices = enumerate_devices(api)
    except (av.FFmpegError, ValueError):  # no such input in this FFmpeg
        return []
    seen = [device for device in devices if not device.media_types or "video" in device.media_types]
    return [Camera(d.description or d.name, f"{api}:{d.name}", d.name) for d in seen]
