"""livefuse as a function: one picture in, one picture out, no threads and no clock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from livefuse.clock import LatencyTrace, MonotonicClock
from livefuse.composite.badge import badge, badge_position
from livefuse.composite.stage import Bitmap
from livefuse.config import Config, Ground, make_config
from livefuse.device.base import Lane, Picture
from livefuse.errors import BadValue
from livefuse.frame import U8, Colour, HostFrame
from livefuse.pipeline import InFlight
from livefuse.pool import FramePool
from livefuse.stages import build_stages

_KEPT = 4


class FrameSwapper:
    """Swaps faces in RGB pictures, one call a picture. Not for several threads at once.

    Without a time every picture stands for itself; with `t_ns` pictures are a video: faces are followed, steadied and
    chosen as in a live session. Models and identity are loaded here, once.
    Raises: ModelError, EngineError, IdentityError, ConfigError.
    """

    def __init__(self, config: Config) -> None:
        track = config.track.model_copy(update={"min_hits": 1, "look_seconds": 0.0})
        swap = config.swap.model_copy(update={"fade_frames": 0})
        self.config = config.model_copy(update={"track": track, "swap": swap})
        self._clock = MonotonicClock()
        self._marks: list[Bitmap] = []
        self._stages = build_stages(self.config, self._clock, lambda: self._marks, inline=True)
        self._copier = ThreadPoolExecutor(1, "livefuse-copy")
        self._look = self._stages.look(self.config)
        self._lane = Lane(0)
        self._size = (0, 0)

    def __call__(self, frame: U8, *, t_ns: int | None = None, out: U8 | None = None) -> U8:
        """Shapes: frame (H, W, 3) uint8 RGB, not changed unless it is `out` -> the swapped picture, in `out` where given.

        A picture without a face that can be swapped comes back as it was, or covered where `privacy.mode` is closed.
        The memory of a result that nobody holds any more is used again.
        """
        _check(frame)
        if t_ns is None:
            self._stages.pipeline.detect.restart()
        self._fit(*frame.shape[:2])
        out = self._pool.take()[0] if out is None else out
        looking = self._in_flight(frame, t_ns or 0)
        copying = None if out is frame else self._copier.submit(np.copyto, out, frame)  # while the detector looks
        self._stages.pipeline.look(looking)
        if copying is not None:
            copying.result()
        flight = self._in_flight(out, t_ns or 0)
        flight.failed = looking.failed
        self._stages.pipeline.find(flight, self._look)
        self._lane.finish()
        return out

    def _in_flight(self, pixels: U8, t_ns: int) -> InFlight:
        height, width = pixels.shape[:2]
        frame = HostFrame((pixels,), "rgb24", width, height, pts_ns=t_ns)
        picture = Picture((pixels,), "rgb24", width, height, Colour())
        return InFlight(self._lane, frame, picture, LatencyTrace(self._clock.now_ns()))

    def _fit(self, height: int, width: int) -> None:
        if self._size == (height, width):
            return
        self._size, self._pool = (height, width), FramePool("rgb24", height, width)
        if self.config.overlay.badge:
            rgba = badge(min(height, width))
            self._marks = [(rgba, *badge_position(width, height, rgba))]


def swap_image(
    frame: U8,
    identity: str | Path,
    *,
    consent: Ground | None = None,
    swapper: str = "mesh",
    profile: str = "livefuse",
    out: U8 | None = None,
    settings: Mapping[str, Any] | None = None,
) -> U8:
    """The picture with the identity's face put on. Models and identity stay loaded for the next call.

    `identity` is a photo, a folder of photos, a video, `synthetic:SEED`, or the name of a stored identity; `consent` says
    on what ground it may be used. `settings` are configuration keys: `{"track.faces": "all"}`.
    Shapes: frame (H, W, 3) uint8 RGB -> the same; `frame` is not changed. Raises: what FrameSwapper does.
    """
    wanted = {
        "identity.photo": str(identity),
        "identity.consent": consent,
        "swap.model": swapper,
        "profile.name": profile,
    }
    defaults = {"privacy.mode": "open"}
    config = make_config({}, defaults | wanted | dict(settings or {}), origin="swap_image")
    return _swapper(config)(frame, out=out)


@lru_cache(_KEPT)
def _swapper(config: Config) -> FrameSwapper:
    return FrameSwapper(config)


def _check(frame: U8) -> None:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise BadValue(
            f"a picture of shape {frame.shape} and type {frame.dtype}", hint="give (height, width, 3) uint8, red first"
        )
    if not frame.flags.c_contiguous:
        raise BadValue("a picture whose pixels do not lie in a row", hint="numpy.ascontiguousarray(frame)")
