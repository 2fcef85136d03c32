"""From a camera's URL to what FFmpeg opens: which device, through which system's API, in which mode."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

from livefuse.errors import BadValue, SourceDenied, SourceNotFound
from livefuse.source.devices import Camera, CameraMode, list_cameras
from livefuse.source.url import Location

_SYSTEM_OF = {"v4l2": "linux", "avfoundation": "darwin", "dshow": "win32"}
_API_OF = {system: api for api, system in _SYSTEM_OF.items()}
_SIZE = (1280, 720)
_RATE = Fraction(30)
# Cheapest to take first: planar YUV travels as it is, packed YUV costs a repack, compressed formats a decoder.
_PREFERRED = ("nv12", "yuv420p", "yuyv422", "uyvy422", "yuv422p", "mjpeg", "rgb24", "bgr24", "h264", "hevc", "gray")


def camera_input(location: Location, platform: str = sys.platform) -> tuple[str, str, dict[str, str]]:
    """(target, FFmpeg's input, its options). Raises: SourceNotFound, SourceDenied, BadValue."""
    api = _API_OF.get(platform, "v4l2")
    if location.kind == "camera":
        camera = find_camera(location.target, list_cameras())
        if camera.note.startswith("no permission"):
            raise SourceDenied(f"{camera.path}: {camera.note}", hint="sudo usermod -aG video $USER, then log in again")
        path, modes = camera.path, camera.modes
    else:
        if location.scheme != api:
            raise BadValue(
                f"`{location.scheme}:` is not for this system",
                hint=f"`{api}:` or `camera:` work here; see `livefuse devices`",
            )
        path = location.target
        modes = _modes_of(path) if api == "v4l2" else ()
    options = choose_mode(modes, location.options)
    return _for_api(api, path, options)


def find_camera(target: str, cameras: Sequence[Camera]) -> Camera:
    """By its number in the list, its name, or a part of its name that only one camera has.

    Raises: SourceNotFound, which lists what there is.
    """
    if target.isdecimal() and int(target) < len(cameras):
        return cameras[int(target)]
    word = target.casefold()
    same = [camera for camera in cameras if word in (camera.name.casefold(), camera.path.casefold())]
    like = same or [camera for camera in cameras if word in camera.name.casefold()]
    if len(like) == 1 or (same and not target.isdecimal()):
        return like[0]
    problem = f"{len(like)} cameras are called like `{target}`" if like else f"no camera `{target}`"
    raise SourceNotFound(problem, hint=_listed(cameras))


def choose_mode(modes: Sequence[CameraMode], wanted: Mapping[str, str]) -> dict[str, str]:
    """`wanted`, completed so that the camera gives the rate: over USB 2, 720p at 30 fps exists only compressed.

    Without a list of modes, or when the user named the format, nothing is added but what was asked for.
    """
    options = dict(wanted)
    if not modes or {"input_format", "pixel_format"} & options.keys():
        return options
    rate = _rate(options.get("framerate", str(_RATE)))
    known = [mode for mode in modes if mode.pixel_format in _PREFERRED] or list(modes)
    at_size = [mode for mode in known if (mode.width, mode.height) == _size(options, known)]
    if not at_size:
        return options  # FFmpeg says what the driver makes of it
    best = min(at_size, key=lambda mode: _cost(mode, rate))
    options["video_size"] = f"{best.width}x{best.height}"
    options["input_format"] = best.pixel_format
    if best.rates and "framerate" not in options:
        fit = [r for r in best.rates if r >= rate]
        options["framerate"] = str(min(fit) if fit else max(best.rates))
    return options


def _size(options: Mapping[str, str], modes: Sequence[CameraMode]) -> tuple[int, int]:
    if "video_size" in options:
        width, height = options["video_size"].split("x")
        return int(width), int(height)
    sizes = {(mode.width, mode.height) for mode in modes}
    small = [size for size in sizes if size[0] <= _SIZE[0] and size[1] <= _SIZE[1]]
    return max(small, key=lambda s: s[0] * s[1]) if small else min(sizes, key=lambda s: s[0] * s[1])


def _cost(mode: CameraMode, rate: Fraction) -> tuple[Fraction, int]:
    """Missing frames per second first, then the work of taking the format. 29.97 counts as 30."""
    fastest = max(mode.rates, default=rate)
    missing = max(rate - fastest, Fraction(0))
    order = _PREFERRED.index(mode.pixel_format) if mode.pixel_format in _PREFERRED else len(_PREFERRED)
    return (missing if missing > rate / 100 else Fraction(0)), order


def _rate(text: str) -> Fraction:
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if rate <= 0:
        raise BadValue(f"camera option framerate={text!r} makes no sense", hint="for example framerate=30")
    return rate


def _modes_of(path: str) -> tuple[CameraMode, ...]:
    node = Path(path)
    if not node.exists():
        raise SourceNotFound(f"no such camera: {path}", hint=_listed(list_cameras()))
    if not os.access(node, os.R_OK | os.W_OK):
        raise SourceDenied(f"no permission to open {path}", hint="sudo usermod -aG video $USER, then log in again")
    real = str(node.resolve())  # /dev/v4l/by-id/... are links
    return next((camera.modes for camera in list_cameras() if camera.path == real), ())


def _for_api(api: str, path: str, options: dict[str, str]) -> tuple[str, str, dict[str, str]]:
    # A camera's pictures all stand alone: nothing is lost if those used for probing are not kept.
    options = {"fflags": "nobuffer"} | options
    kind = options.pop("input_format", None)
    if api == "v4l2":
        return path, "v4l2", options | ({"input_format": kind} if kind else {})
    if api == "dshow":
        name = "vcodec" if kind in ("mjpeg", "h264") else "pixel_format"
        return f"video={path}", "dshow", options | ({name: kind} if kind else {})
    # AVFoundation's own default, 29.97, is refused by most cameras.
    return path, "avfoundation", {"framerate": "30"} | options | ({"pixel_format": kind} if kind else {})


def _listed(cameras: Sequence[Camera]) -> str:
    if not cameras:
        return "this machine has no camera that livefuse can see; is it plugged in, and in the group `video`?"
    return "there are: " + ", ".join(f"camera:{i} ({camera.name})" for i, camera in enumerate(cameras))
