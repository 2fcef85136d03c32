"""What shows between parted lips: teeth, tongue and the dark behind them, drawn per frame in frame pixels."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32
from livefuse.source.synthetic.chart import Floats, smoothstep
from livefuse.source.synthetic.head import Layout
from livefuse.source.synthetic.identity import Identity
from livefuse.source.synthetic.pose import Expression
from livefuse.source.synthetic.texture import lip_edges
from livefuse.source.synthetic.warp import opening

_TONGUE = np.array([168, 84, 82], np.float32).reshape(3, 1, 1)
_TOOTH = np.array([232, 224, 210], np.float32).reshape(3, 1, 1)
_COLUMNS = 256


class MouthPainter:
    """Draws the inside of one identity's mouth. Colours are planes (3, h, w), as in `eyes`."""

    def __init__(self, identity: Identity, at: Layout) -> None:
        self._at = at
        self._dark = (np.array(identity.lip, np.float32) * (0.26, 0.15, 0.16)).astype(np.float32).reshape(3, 1, 1)
        self._side = np.linspace(0, at.mouth_half + 0.8, _COLUMNS, dtype=np.float32)
        self._line = lip_edges(self._side, at)[1]

    def draw(self, paint: F32, a: F32, v: F32, px: float, do: Expression) -> None:
        """Paint into `paint` (3, h, w), whose pixels show the chart points (a, v) before the jaw."""
        at = self._at
        side = np.abs(a)
        line, gap, edge, tooth = self._profile(side, do)
        below = v - line
        inside = _clip(below * np.float32(px) + np.float32(0.5)) * _clip(
            (gap - below) * np.float32(px) + np.float32(0.5)
        )
        inside *= _clip(gap * np.float32(0.7 * px))
        away = (a / 1.35) ** 2 + ((v - (at.mouth_v + do.jaw + 0.05)) / (0.30 + 0.34 * do.jaw)) ** 2
        cavity = self._dark + (_TONGUE - self._dark) * (np.float32(0.75) * smoothstep(1.0, 0.6, away))
        shown = smoothstep(0.05, -0.05, below - edge) * np.minimum(tooth * 10, np.float32(0.96))
        cavity += (_TOOTH * tooth - cavity) * shown
        lit = np.float32(0.45) + np.float32(0.55) * smoothstep(0.0, 0.30, below)  # the upper lip's shadow
        cavity *= lit * (1 - np.float32(0.55) * smoothstep(0.3 * at.mouth_half, at.mouth_half, side))
        paint += (cavity - paint) * inside

    def _profile(self, side: F32, do: Expression) -> tuple[F32, ...]:
        """What depends on the distance from the middle alone: lip line, opening, teeth's edge and tone (0: none)."""
        s = self._side
        reach = 0.60 + 0.10 * do.smile - 0.05 * s
        edge = reach - 0.07 * np.cos(np.clip(s, 0, 2.2) * 2 * np.pi / 0.84) ** 8
        between = np.exp(-(((np.mod(s + 0.39, 0.78) - 0.39) / 0.055) ** 2))
        tooth = (1 - 0.10 * between - 0.10 * smoothstep(0.5, 2.0, s)) * smoothstep(2.15, 1.9, s)
        table = np.stack([self._line, opening(s, self._at, do.jaw), edge, tooth], axis=-1).astype(np.float32)[None]
        x = side * np.float32((_COLUMNS - 1) / s[-1])
        found = cv2.remap(table, x, np.zeros_like(x), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return tuple(cv2.split(found))


def _clip(x: Floats) -> Floats:
    return np.minimum(np.maximum(x, 0), 1)
