"""What `livefuse demo` does: a live session on the synthetic source, and a before/after picture from its video."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np

from livefuse.cli.live import run_live
from livefuse.config import make_config
from livefuse.errors import ModelError
from livefuse.frame import U8
from livefuse.source import open_source
from livefuse.source.image import write_png
from livefuse.source.rgb import to_rgb

log = logging.getLogger("livefuse")

_SOURCE = "synthetic:1280x720@30?seed=0"
_IDENTITY = "synthetic:7"
_GAP_PX = 8


def run_demo(seconds: float, out: Path, *, overlay: bool, stats: str) -> tuple[Path, Path]:
    """The video and the before/after picture."""
    config = make_config(
        {},
        {
            "source": _SOURCE,
            "sinks": (f"file:{out}",),
            "seconds": seconds,
            "stats": stats,
            "identity.photo": _IDENTITY,
            "identity.consent": "synthetic",
            "overlay.enabled": overlay,
            "detect.model": detector(),
        },
    )
    run_live(config)
    strip = out.with_name(f"{out.stem}-before-after.png")
    write_png(strip, before_after(out))
    return out, strip


def detector() -> str:
    """The real detector where its models are at hand; a demo never downloads."""
    from livefuse.stages import DETECTORS, LANDMARKER
    from livefuse.weights.store import ModelStore

    try:
        ModelStore.default().ensure([DETECTORS["yunet"], LANDMARKER])
    except ModelError:
        log.warning(
            "no detector here yet, so the demo asks the synthetic source where its face is; `livefuse models pull`"
        )
        return "known"
    return "yunet"


def before_after(video: Path) -> U8:
    """A frame from the middle of the demo's video beside the same frame as the source drew it: (H, 2W + gap, 3) RGB."""
    frames = []
    source = open_source(str(video))
    while (frame := source.read()) is not None:
        frames.append((frame.pts_ns, frame))
        if len(frames) > 1 and frame.pts_ns > source.info.duration_ns // 2:
            break
    source.close()
    pts_ns, after = frames[-1]
    original = open_source(_SOURCE)
    before = original.read()
    while before is not None and before.pts_ns < pts_ns - 1_000_000:
        before = original.read()
    original.close()
    assert before is not None  # the synthetic source has no end
    pair = [to_rgb(before), to_rgb(after)]
    gap = np.full((pair[0].shape[0], _GAP_PX, 3), 255, np.uint8)
    return np.asarray(cv2.hconcat([pair[0], gap, pair[1]]), np.uint8)
