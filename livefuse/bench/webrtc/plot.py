"""A picture of a result: every frame's latency over time, and where the time goes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from livefuse.bench.webrtc.figures import first_showings
from livefuse.bench.webrtc.measure import Measured, Result
from livefuse.composite.canvas import Canvas, Ink
from livefuse.composite.text import BOLD
from livefuse.errors import SinkUnwritable

_WIDTH, _LEFT, _RIGHT, _TOP = 1280, 70, 1250, 84
_PLOT_PX, _BAR_PX, _LEGEND_PX = 330, 34, 62
_GROUND: Ink = (14, 16, 22)
_BRIGHT: Ink = (238, 241, 246)
_QUIET: Ink = (170, 179, 194)
_SERVERS: tuple[Ink, ...] = ((77, 208, 182), (255, 122, 104))
_PARTS: tuple[Ink, ...] = (
    *((92, 158, 255), (77, 208, 182), (255, 196, 92), (242, 128, 178)),
    *((166, 142, 250), (136, 150, 172), (255, 122, 104), (190, 220, 120)),
)
_SHORT_MS = 0.75


def draw_plot(result: Result, path: Path) -> None:
    """Write the PNG. Raises: SinkUnwritable."""
    rows = _TOP + _PLOT_PX + 60 + len(result.measured) * (_BAR_PX + _LEGEND_PX)
    canvas = Canvas(rows, _WIDTH, _GROUND)
    options = result.options
    title = f"Glass to glass, {options.width}×{options.height} at {options.fps} fps"
    canvas.text(title, _LEFT, 34, 22, _BRIGHT, BOLD)
    x: float = _LEFT
    for one, ink in zip(result.measured, _SERVERS, strict=False):
        glass = one.figures.glass
        words = f"{one.kind} ({one.codec}): p50 {glass.p50:.1f}, p99 {glass.p99:.1f}, max {glass.max:.1f} ms"
        canvas.dots(np.array([[x + 5, 56.0]]), 4.5, ink)
        x = canvas.text(words, x + 16, 61, 14, _QUIET) + 28
    _over_time(canvas, result)
    y = _TOP + _PLOT_PX + 60
    longest = max(sum(max(0.0, part.ms) for part in one.waterfall.parts) for one in result.measured)
    for one in result.measured:
        _bar(canvas, one, y, longest)
        y += _BAR_PX + _LEGEND_PX
    if not cv2.imwrite(str(path), cv2.cvtColor(canvas.flattened(), cv2.COLOR_RGB2BGR)):
        raise SinkUnwritable(f"cannot write {path}", hint="name a .png in a folder that is writable")


def _over_time(canvas: Canvas, result: Result) -> None:
    """Frames as dots: due instant across, latency up, from nothing to the slowest."""
    ceiling = 1.05 * max(max(one.figures.glass.max for one in result.measured), result.options.frame_ms)
    step = next(s for s in (5, 10, 20, 25, 50, 100, 200, 500, 1000, 10_000, 1e6) if ceiling / s <= 8)
    bottom = _TOP + _PLOT_PX
    for level in np.arange(0, ceiling, step):
        y = bottom - level / ceiling * _PLOT_PX
        canvas.dashes(_LEFT, y, _RIGHT - _LEFT, 3, 1, _QUIET, 0.25)
        canvas.text(f"{level:g} ms", _LEFT - 8, y + 5, 12, _QUIET, align="right")
    for one, ink in zip(result.measured, _SERVERS, strict=False):
        first = [row for row in first_showings(one.rows) if row.captured_ns is not None and row.glass_ns is not None]
        if not first:
            continue
        due_s = np.array([row.captured_ns or 0 for row in first], np.float64) / 1e9
        late_ms = np.array([row.glass_ns or 0 for row in first], np.float64) / 1e6
        across = _LEFT + (due_s - due_s[0]) / result.options.seconds * (_RIGHT - _LEFT)
        points = np.column_stack([np.minimum(across, _RIGHT), bottom - late_ms / ceiling * _PLOT_PX])
        canvas.dots(points, 1.6, ink)
    for second in np.linspace(0, result.options.seconds, 7):
        x = _LEFT + second / result.options.seconds * (_RIGHT - _LEFT)
        canvas.text(f"{second:.3g} s", x, bottom + 20, 12, _QUIET, align="centre")


def _bar(canvas: Canvas, one: Measured, y: float, longest_ms: float) -> None:
    """Parts to scale, what is short as one at the end, and their names below."""
    long = [(part.name, part.ms) for part in one.waterfall.parts if part.ms >= _SHORT_MS]
    rest = sum(part.ms for part in one.waterfall.parts if part.ms < _SHORT_MS)
    head = f"{one.kind}: mean {one.waterfall.glass_ms:.1f} ms"
    canvas.text(head, _LEFT, y - 6, 13, _BRIGHT, BOLD)
    x: float = _LEFT
    at_x, at_y = float(_LEFT), y + _BAR_PX + 16
    for i, (name, ms) in enumerate([*long, ("the rest", max(0.0, rest))]):
        ink = _PARTS[i % len(_PARTS)]
        wide = ms / longest_ms * (_RIGHT - _LEFT)
        if wide > 2:
            canvas.rounded(x, y, wide - 1, _BAR_PX - 8, 2, ink, 1.0)
        x += wide
        if at_x > _RIGHT - 170:
            at_x, at_y = float(_LEFT), at_y + 17
        canvas.rounded(at_x, at_y - 9, 9, 9, 2, ink, 1.0)
        at_x = canvas.text(f"{name} {ms:.1f}", at_x + 14, at_y, 12, _QUIET) + 16
