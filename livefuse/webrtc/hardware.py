"""Which encoder there is: hardware is asked by opening it, once per process."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Mapping
from fractions import Fraction

import av
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

log = logging.getLogger("livefuse")

SOFTWARE = "libx264"
RTP_HZ = 90_000
TIME_BASE = Fraction(1, RTP_HZ)
_FOREVER = 1 << 30  # key frames come when they are asked for

HARDWARE: Mapping[str, Mapping[str, str]] = {
    "h264_nvenc": {
        "preset": "p3",
        "tune": "ull",
        "rc": "cbr",
        "zerolatency": "1",
        "delay": "0",
        "forced-idr": "1",
        "no-scenecut": "1",
        "profile": "baseline",
    },
    "h264_qsv": {
        "preset": "veryfast",
        "async_depth": "1",
        "look_ahead": "0",
        "forced_idr": "1",
        "profile": "baseline",
    },
    "h264_amf": {
        "usage": "ultralowlatency",
        "rc": "cbr",
        "forced_idr": "1",
        "header_insertion_mode": "idr",
        "profile": "constrained_baseline",
    },
    "h264_videotoolbox": {"realtime": "1", "allow_sw": "0", "prio_speed": "1", "profile": "constrained_baseline"},
}
"""Best first; each with what makes it hand out every frame at once, at a steady rate, with parameter sets at key frames."""


def new_context(name: str, width: int, height: int, fps: Fraction, bits_per_second: int) -> VideoCodecContext:
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height = width, height
    context.pix_fmt = "nv12" if name in ("h264_qsv", "h264_amf") else "yuv420p"
    context.time_base, context.framerate = TIME_BASE, fps
    context.bit_rate = bits_per_second
    context.gop_size, context.max_b_frames = _FOREVER, 0
    context.thread_count = threads(width * height, os.cpu_count() or 1)
    if name == SOFTWARE:
        context.profile = "Baseline"
        context.thread_type = "SLICE"  # slices of one picture: frame threads would hold pictures back
    if name == "libvpx":
        context.qmin, context.qmax = 2, 56
        context.thread_count = (
            1 if (os.cpu_count() or 1) <= 4 else 2
        )  # its threads spin: on busy cores they cost tenfold
    return context


def threads(pixels: int, cores: int) -> int:
    """Enough to encode within a third of a frame time, and never all cores: the pipeline runs beside it."""
    wanted = 1 if pixels <= 640 * 480 else 2 if pixels <= 1280 * 720 else 4
    return max(1, min(wanted, cores))


def h264_encoder(wanted: str) -> str:
    """FFmpeg's name of the encoder to use: the one asked for if it opens, else the first hardware one that does, else
    libx264."""
    if wanted not in ("", "auto"):
        if opens(wanted):
            return wanted
        log.warning("webrtc.encoder: %s does not open here; using %s", wanted, SOFTWARE)
        return SOFTWARE
    return next((name for name in HARDWARE if opens(name)), SOFTWARE)


@functools.cache
def opens(name: str) -> bool:
    """Whether an encoder takes a frame here and hands it out again; asked once per process."""
    if name not in av.codecs_available:
        return False
    try:
        context = new_context(name, 320, 240, Fraction(30), 500_000)
        context.options = dict(HARDWARE.get(name, {}))
        blank = VideoFrame(320, 240, str(context.pix_fmt))
        blank.pts, blank.time_base = 0, TIME_BASE
        return len(context.encode(blank)) > 0 or name == SOFTWARE
    except (FFmpegError, ValueError) as error:
        log.debug("%s does not open: %s", name, error)
        return False
