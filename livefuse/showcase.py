"""What `livefuse demo` shows: its configuration, and a before/after picture from the video it wrote."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import numpy as np

from livefuse.config import Config, OutputConfig, make_config
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import ModelError
from livefuse.frame import U8, HostFrame
from livefuse.sinks import open_sink
from livefuse.sinks.base import StreamInfo
from livefuse.source import open_source

log = logging.getLogger("livefuse")

_SOURCE = "synthetic:1280x720@30?seed=0"
_IDENTITY = "synthetic:7"
_GAP_PX = 8
_AS_IT_IS = np.eye(2, 3, dtype=np.float32)


def demo_config(seconds: float, out: Path, *, overlay: bool, stats: str) -> Config:
    """Live, from the synthetic source to a file."""
    overrides = {
        "source": _SOURCE,
        "sinks": (f"file:{out}",),
        "seconds": seconds,
        "stats": stats,
        "identity.photo": _IDENTITY,
        "identity.consent": "synthetic",
        "overlay.enabled": overlay,
        "detect.model": _detector(),
        "output.preset": "ultrafast",  # the encoder shares two cores with everything else
        "output.crf": 21,
    }
    return make_config({}, overrides)


def _detector() -> str:
    """The real detector where its models are at hand; a demo never downloads."""
    from livefuse.weights.store import ModelStore

    try:
        ModelStore.default().ensure([Config().detect.model, Config().align.model])
    except ModelError:
        log.warning("no models here yet: the demo asks the synthetic source where its face is (`livefuse models pull`)")
        return "known"
    return "yunet"


def write_before_after(video: Path) -> Path:
    """A frame from the middle of the demo's video beside the same frame as the source drew it, as a PNG."""
    after = _frame_at(str(video), middle=True)
    before = _frame_at(_SOURCE, pts_ns=after.pts_ns)
    gap = np.full((after.height, _GAP_PX, 3), 255, np.uint8)
    pair = np.concatenate([_rgb(before), gap, _rgb(after)], axis=1)
    strip = video.with_name(f"{video.stem}-before-after.png")
    sink = open_sink(f"file:{strip}", OutputConfig())
    frame = HostFrame((pair,), "rgb24", pair.shape[1], pair.shape[0])
    sink.open(StreamInfo(frame.width, frame.height, Fraction(1), "rgb24", frame.colour))
    sink.write(frame)
    sink.close()
    return strip


def _frame_at(url: str, *, pts_ns: int = 0, middle: bool = False) -> HostFrame:
    """The first frame at or after a time."""
    source = open_source(url)
    due_ns = source.info.duration_ns // 2 if middle else pts_ns
    last = source.read()
    while last is not None and last.pts_ns < due_ns - 1_000_000:  # containers round times to their own ticks
        following = source.read()
        if following is None:
            break
        last = following
    source.close()
    assert last is not None  # a demo has at least one frame
    return last


def _rgb(frame: HostFrame) -> U8:
    backend, lane = CpuBackend(), Lane(0)
    out = np.empty((frame.height, frame.width, 3), np.uint8)
    backend.warp(lane, backend.upload(lane, frame), _AS_IT_IS, out)
    return out
