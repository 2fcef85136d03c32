"""The latency overlay: one small panel with the numbers of the record, drawn a few times a second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from livefuse.composite.canvas import Canvas, Ink
from livefuse.composite.text import BOLD, MEDIUM, shortened, width_px
from livefuse.frame import U8

_WIDTH, _HEIGHT, _PAD = 328, 178, 12  # px of a 720p picture
_HISTORY = 120
_LEAST_SCALE = 0.85  # below it the small text is no longer read at a glance
_GROUND: Ink = (14, 16, 22)
_BRIGHT: Ink = (238, 241, 246)
_QUIET: Ink = (170, 179, 194)
_GOOD: Ink = (77, 208, 182)
_LATE: Ink = (255, 122, 104)
_NOTE: Ink = (255, 196, 92)
_STAGES: tuple[Ink, ...] = (
    (92, 158, 255),
    (77, 208, 182),
    (255, 196, 92),
    (242, 128, 178),
    (166, 142, 250),
    (136, 150, 172),
)


@dataclass(frozen=True)
class OverlayView:
    """What the overlay shows. `stages` are (name, p50 ms) in the order that frames meet them, `history_ms` recent frame
    totals, oldest first, `period_ms` the time between frames, against which they are judged."""

    fps: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    stages: Sequence[tuple[str, float]] = ()
    history_ms: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0), compare=False)
    period_ms: float = 0.0
    drops: Mapping[str, int] = field(default_factory=dict)
    width: int = 0
    height: int = 0
    backend: str = ""
    swapper: str = ""
    privacy: str = ""
    faces: int = 0
    message: str = ""


class Overlay:
    """The panel for pictures of one size."""

    def __init__(self, height: int, width: int) -> None:
        scale = max(min(height, width) / 720, _LEAST_SCALE)
        self._scale = min(scale, width / (_WIDTH + 8), height / (_HEIGHT + 8))
        self._shown: OverlayView | None = None
        self._bitmap: U8 = np.empty((0, 0, 4), np.uint8)
        self._ground = self._panel()

    def render(self, view: OverlayView) -> U8:
        """The panel; the same array again while nothing on it changes.

        Shapes: (h, w, 4) uint8 RGBA, read-only.
        """
        if self._shown is not None and view == self._shown and np.array_equal(view.history_ms, self._shown.history_ms):
            return self._bitmap
        canvas = self._ground.copy()
        self._head(canvas, view)
        self._spark(canvas, view)
        self._stages(canvas, _top_stages(view.stages))
        self._foot(canvas, view)
        self._shown, self._bitmap = view, canvas.finished()
        return self._bitmap

    def _panel(self) -> Canvas:
        rows, cols = (max(2, int(n * self._scale + 1e-6) & ~1) for n in (_HEIGHT, _WIDTH))
        canvas = Canvas(rows, cols, _GROUND)
        canvas.rounded(0, 0, cols, rows, 10 * self._scale, _GROUND, 0.78)
        return canvas

    def _px(self, size: float) -> int:
        return max(1, round(size * self._scale))

    def _head(self, canvas: Canvas, view: OverlayView) -> None:
        s, small, big = self._scale, self._px(12), self._px(25)
        right = (_WIDTH - _PAD) * s
        x = canvas.text(f"{view.fps:.1f}", _PAD * s, 31 * s, big, _BRIGHT, BOLD)
        canvas.text("fps", x + 4 * s, 31 * s, small, _QUIET)
        canvas.text("ms p50", right, 31 * s, small, _QUIET, align="right")
        left = right - width_px("ms p50", small) - 4 * s
        canvas.text(_ms(view.p50_ms), left, 31 * s, big, _BRIGHT, BOLD, align="right")
        for name, value in (("max", view.max_ms), ("p99", view.p99_ms), ("p95", view.p95_ms)):
            canvas.text(_ms(value), right, 49 * s, small, _BRIGHT, MEDIUM, align="right")
            right -= width_px(_ms(value), small, MEDIUM) + 4 * s
            canvas.text(name, right, 49 * s, small, _QUIET, align="right")
            right -= width_px(name, small) + 10 * s
        size = f"{view.width}×{view.height}" if view.width else ""
        canvas.text(shortened(size, small, int(right - _PAD * s)), _PAD * s, 49 * s, small, _QUIET)

    def _spark(self, canvas: Canvas, view: OverlayView) -> None:
        """Recent frame times; what took longer than a frame's period stands out above its dashed line."""
        s = self._scale
        left, right, top, bottom = _PAD * s, (_WIDTH - _PAD) * s, 57 * s, 93 * s
        history = np.asarray(view.history_ms, np.float64)[-_HISTORY:]
        ceiling = 1.15 * max(view.period_ms, float(np.percentile(history, 98)) if len(history) else 0.0, 1.0)
        if view.period_ms:
            y = bottom - view.period_ms / ceiling * (bottom - top)
            canvas.dashes(left, y, right - left, 3 * s, s, _QUIET, 0.75)
        if len(history) < 2:
            return
        xs = np.linspace(left, right, len(history))
        points = np.column_stack([xs, bottom - np.minimum(history / ceiling, 1) * (bottom - top)])
        canvas.area(np.vstack([points, [[right, bottom], [left, bottom]]]), _GOOD, 0.18)
        canvas.line(points, _GOOD, thickness=max(1, round(1.4 * s)))
        if view.period_ms:
            canvas.dots(points[history > view.period_ms], 1.7 * s, _LATE)

    def _stages(self, canvas: Canvas, stages: list[tuple[str, float, Ink]]) -> None:
        """One bar, as wide as the panel, shared out among the stages, and its legend in three columns."""
        s, small = self._scale, self._px(11)
        left, width, gap = _PAD * s, (_WIDTH - 2 * _PAD) * s, 1.5 * s
        canvas.rounded(left, 100 * s, width, 7 * s, 2 * s, _QUIET, 0.18)
        total = sum(took for _, took, _ in stages)
        x = left
        for i, (name, took, ink) in enumerate(stages):
            share = took / total * width if total else 0.0
            if share > gap + s:
                canvas.rounded(x, 100 * s, share - gap, 7 * s, 2 * s, ink, 1.0)
            x += share
            column, row = left + i % 3 * width / 3, (121 + i // 3 * 15) * s
            canvas.rounded(round(column), round(row - 7.5 * s), 7 * s, 7 * s, 2 * s, ink, 1.0)
            room = width / 3 - 12 * s - width_px(_ms(took), small, MEDIUM) - 12 * s
            end = canvas.text(shortened(name, small, int(room)), column + 12 * s, row, small, _QUIET)
            canvas.text(_ms(took), end + 4 * s, row, small, _BRIGHT, MEDIUM)

    def _foot(self, canvas: Canvas, view: OverlayView) -> None:
        """What is running; then how many frames were lost and to which cause. A message takes that row for itself."""
        s = self._scale
        people = "1 face" if view.faces == 1 else f"{view.faces} faces"
        privacy = f"privacy {view.privacy}" if view.privacy else ""
        running = " · ".join(filter(None, [view.backend, view.swapper, privacy]))
        dropped = sum(view.drops.values())
        lost, ink = f"dropped {dropped}", _LATE if dropped else _QUIET
        if view.message:
            self._pair(canvas, 153 * s, (running, _QUIET), (lost, ink))
            self._pair(canvas, 168 * s, (view.message, _NOTE), ("", _QUIET))
            return
        causes = " · ".join(f"{cause} {n}" for cause, n in view.drops.items() if n)
        self._pair(canvas, 153 * s, (running, _QUIET), (people, _QUIET))
        self._pair(canvas, 168 * s, (causes, _QUIET), (lost, ink))

    def _pair(self, canvas: Canvas, row: float, left: tuple[str, Ink], right: tuple[str, Ink]) -> None:
        """One text at each end of a row; the left one gives way."""
        s, small = self._scale, self._px(11)
        canvas.text(right[0], (_WIDTH - _PAD) * s, row, small, right[1], align="right")
        room = int((_WIDTH - 2 * _PAD - 10) * s) - width_px(right[0], small)
        canvas.text(shortened(left[0], small, room), _PAD * s, row, small, left[1])


def _top_stages(stages: Sequence[tuple[str, float]]) -> list[tuple[str, float, Ink]]:
    """The longest five in their order, the rest as one."""
    if len(stages) <= len(_STAGES):
        return [(name, took, _STAGES[i]) for i, (name, took) in enumerate(stages)]
    longest = sorted(range(len(stages)), key=lambda i: -stages[i][1])[: len(_STAGES) - 1]
    shown = [(*stages[i], _STAGES[place]) for place, i in enumerate(sorted(longest))]
    rest = sum(took for i, (_, took) in enumerate(stages) if i not in longest)
    return [*shown, ("other", rest, _STAGES[-1])]


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
