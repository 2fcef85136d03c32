"""Cameras, and which encoders not only exist but open on this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import av
import av.error
import numpy as np

from livefuse.doctor.report import Finding
from livefuse.source.devices import Camera, list_cameras

SOFTWARE = {"libx264": "files and streams", "libx265": "hevc files", "aac": "sound of files"}
HARDWARE = ("h264_nvenc", "hevc_nvenc", "h264_qsv", "h264_amf", "h264_videotoolbox", "h264_mf")
VIDEO_SIZE_PX = 256  # NVENC refuses pictures below about 160 px a side

_NOT_BUILT = "not in this build of FFmpeg"

OpenEncoder = Callable[[str], str]
"""Encodes a little with the named encoder; the reason why it cannot, or nothing."""


def open_encoder(name: str) -> str:
    """Try one for real: FFmpeg lists NVENC on machines without a GPU, only opening it tells."""
    try:
        codec = av.Codec(name, "w")
    except ValueError:  # PyAV's UnknownCodecError
        return _NOT_BUILT
    try:
        packets = _encode_silence(name) if codec.type == "audio" else _encode_grey(name, codec)
    except av.error.FFmpegError as error:
        # FFmpeg answers AVERROR_UNKNOWN when the vendor's library finds no device.
        return "no device for it" if isinstance(error, av.error.UnknownError) else f"does not open: {error.strerror}"
    return "" if packets else "opens and encodes nothing"


def _encode_grey(name: str, codec: av.Codec) -> int:
    formats = [f.name for f in codec.video_formats or []]
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width = context.height = VIDEO_SIZE_PX
    context.pix_fmt = "yuv420p" if "yuv420p" in formats or not formats else formats[0]
    context.time_base = Fraction(1, 30)
    if name == "libx265":
        context.options = {"x265-params": "log-level=none"}  # it writes to standard error behind FFmpeg's back
    grey = np.full((VIDEO_SIZE_PX, VIDEO_SIZE_PX, 3), 128, np.uint8)
    frame = av.VideoFrame.from_ndarray(grey, "rgb24").reformat(format=context.pix_fmt)
    frame.pts = 0
    return len(context.encode(frame)) + len(context.encode(None))


def _encode_silence(name: str) -> int:
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, av.AudioCodecContext)
    context.sample_rate, context.layout, context.format = 48000, "stereo", "fltp"
    frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
    frame.sample_rate, frame.pts = 48000, 0
    return len(context.encode(frame)) + len(context.encode(None))


def check_cameras(list_cameras: Callable[[], Sequence[Camera]] = list_cameras) -> Iterator[Finding]:
    """What `camera:` URLs can open."""
    cameras = list_cameras()
    if not cameras:
        yield Finding("cameras", "warn", "none found; files, streams and `synthetic:` work", "livefuse demo")
    for number, camera in enumerate(cameras):
        name, fix = f"camera:{number}", ""
        if "permission" in camera.note:
            fix = 'sudo usermod -aG video "$USER"  # then log in again'
        elif "in use" in camera.note:
            fix = f"fuser -v '{camera.path}'"
        yield Finding(name, "warn" if camera.note else "ok", _told(camera), fix)


def _told(camera: Camera) -> str:
    formats = [f"{name} up to {max(sizes)[0]}x{max(sizes)[1]}" for name, sizes, _ in camera.formats if sizes]
    return "; ".join(filter(None, (f"{camera.name} at {camera.path}", ", ".join(formats), camera.note)))


def check_codecs(open_one: OpenEncoder = open_encoder) -> Iterator[Finding]:
    """Software encoders are needed; hardware ones are a gain where they open."""
    for name, use in SOFTWARE.items():
        reason = open_one(name)
        if reason:
            fix = f"{sys.executable} -m pip install --force-reinstall --only-binary=:all: av"
            yield Finding(f"encoder {name}", "missing", f"{use}: {reason}", fix)
        else:
            yield Finding(f"encoder {name}", "ok", f"{use}: opens and encodes")
    reasons = {name: open_one(name) for name in HARDWARE}
    working = [name for name, reason in reasons.items() if not reason]
    for name in working:
        yield Finding(f"encoder {name}", "ok", "hardware: opens and encodes")
    if not working:
        tried = "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason != _NOT_BUILT)
        yield Finding("hardware encoders", "ok", f"none opens, libx264 is used ({tried or 'none in this build'})")
