"""The visible mark: a small badge that says the picture is synthetic."""

from __future__ import annotations

from functools import lru_cache

from livefuse.composite.canvas import Canvas
from livefuse.composite.text import BOLD, width_px
from livefuse.frame import U8

_WORD = "SYNTHETIC"
_INK, _GROUND, _DOT = (240, 243, 247), (12, 14, 19), (255, 184, 77)
_LEAST_TEXT_PX = 11
_MARGIN = 1 / 60


@lru_cache(maxsize=8)
def badge(height: int) -> U8:
    """The badge for a picture of that height.

    Shapes: (h, w, 4) uint8 RGBA, read-only.
    """
    size_px = max(min(_LEAST_TEXT_PX, height // 12), round(height / 52), 4)
    gap = max(1, round(size_px / 8))  # spaced capitals read better small
    letters = [(letter, width_px(letter, size_px, BOLD)) for letter in _WORD]
    text = sum(width + gap for _, width in letters) - gap
    dot, pad = size_px * 0.42, size_px * 0.7
    rows, cols = round(size_px * 1.9) & ~1, round(text + dot + 2.6 * pad) & ~1
    canvas = Canvas(rows, cols, _GROUND)
    canvas.rounded(0, 0, cols, rows, rows / 2, _GROUND, 0.72)
    canvas.rounded(pad, (rows - dot) / 2, dot, dot, dot / 2, _DOT, 1.0)
    x = pad + dot + 0.55 * pad
    for letter, width in letters:
        canvas.text(letter, x, rows / 2 + size_px * 0.36, size_px, _INK, BOLD)
        x += width + gap
    return canvas.finished()


def badge_position(width: int, height: int, badge: U8) -> tuple[int, int]:
    """Where its top-left goes: the picture's top-right corner, on even pixels."""
    margin = round(height * _MARGIN)
    return max(0, width - badge.shape[1] - margin) & ~1, min(margin, max(0, height - badge.shape[0])) & ~1
