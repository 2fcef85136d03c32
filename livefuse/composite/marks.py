"""What is drawn over every picture: the latency overlay when wanted, and the badge last."""

from __future__ import annotations

from collections.abc import Callable

from livefuse.clock import Clock
from livefuse.composite.badge import badge, badge_position
from livefuse.composite.overlay import Overlay, OverlayView
from livefuse.composite.stage import Bitmap
from livefuse.config import Config
from livefuse.sinks.base import StreamInfo
from livefuse.stats import Stats

_REFRESH_NS = 250_000_000
_HISTORY = 120
_MARGIN = 1 / 60
"""Distance of the overlay from the picture's corner, in picture heights."""


class Marks:
    """Bitmaps for one session. The overlay is drawn afresh four times a second: nobody reads faster.

    `config` is what the overlay names; a session replaces it when it changes. `note` gives what else is to be said, such as
    what was lowered to keep up.
    """

    def __init__(self, stats: Stats, info: StreamInfo, config: Config, clock: Clock) -> None:
        self._stats, self._info, self._clock = stats, info, clock
        self.config = config
        self.note: Callable[[], str] = str
        self._overlay = Overlay(info.height, info.width) if config.overlay.enabled else None
        if self._overlay is not None:
            self._overlay.render(OverlayView())  # loads the font now, not on the first frame
        self._drawn: Bitmap | None = None
        self._drawn_ns = 0
        self._badge: list[Bitmap] = []
        if config.overlay.badge:
            rgba = badge(min(info.height, info.width))
            self._badge = [(rgba, *badge_position(info.width, info.height, rgba))]

    def __call__(self) -> list[Bitmap]:
        overlay = self._overlay  # `show` may change it from another thread
        if overlay is None:
            return self._badge
        now_ns = self._clock.now_ns()
        if self._drawn is None or now_ns - self._drawn_ns > _REFRESH_NS:
            margin = round(self._info.height * _MARGIN)
            self._drawn = (overlay.render(self._view(now_ns)), margin, margin)
            self._drawn_ns = now_ns
        return [self._drawn, *self._badge]

    def show(self, enabled: bool) -> None:
        """Turn the overlay on or off."""
        self._drawn_ns = 0
        self._overlay = Overlay(self._info.height, self._info.width) if enabled else None

    def _view(self, now_ns: int) -> OverlayView:
        stats, info = self._stats, self._info
        glance = stats.glance(_HISTORY)
        return OverlayView(
            fps=stats.fps(now_ns),
            p50_ms=glance.latency_ms[0],
            p95_ms=glance.latency_ms[1],
            p99_ms=glance.latency_ms[2],
            max_ms=glance.latency_ms[3],
            stages=glance.stages_ms,
            history_ms=glance.history_ms,
            period_ms=1000 / float(info.fps) if info.fps else 0.0,
            drops=glance.drops,
            width=info.width,
            height=info.height,
            backend=self.config.backend if self.config.backend != "auto" else "cpu",
            swapper=self.config.swap.model,
            privacy=self.config.privacy.mode,
            faces=glance.faces,
            message=self.note(),
        )
