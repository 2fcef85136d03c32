"""What shows between parted lips: teeth, tongue and the dark behind them, drawn per frame in frame pixels."""

from __future__ import annotations

import numpy as np

from livefuse.frame import F32
from livefuse.source.synthetic.chart import smoothstep
from livefuse.source.synthetic.head import Layout
from livefuse.source.synthetic.identity import Identity
from livefuse.source.synthetic.pose import Expression
from livefuse.source.synthetic.texture import lip_edges, mix
from livefuse.source.synthetic.warp import opening


def draw_mouth(paint: F32, a: F32, v: F32, px: float, identity: Identity, at: Layout, do: Expression) -> None:
    """Paint the mouth's inside into `paint` (h, w, 3), whose pixels show the chart points (a, v) before the jaw."""
    line = lip_edges(a, at)[1]
    gap = opening(a, at, do.jaw)
    below, above = v - line, line + gap - v
    inside = np.clip(below * px + 0.5, 0, 1) * np.clip(above * px + 0.5, 0, 1)
    inside *= np.clip(gap * px * 0.7, 0, 1)
    cavity = np.empty_like(paint)
    cavity[...] = np.array(identity.lip, np.float32) * (0.26, 0.15, 0.16)
    tongue = smoothstep(1.0, 0.6, (a / 1.35) ** 2 + ((v - (at.mouth_v + do.jaw + 0.05)) / (0.30 + 0.34 * do.jaw)) ** 2)
    mix(cavity, np.array([168, 84, 82], np.float32), 0.75 * tongue)
    _teeth(cavity, a, below, do, at)
    lit = 0.45 + 0.55 * smoothstep(0.0, 0.30, below)  # the upper lip's shadow
    cavity *= (lit * (1 - 0.55 * smoothstep(0.3, 1.0, np.abs(a) / at.mouth_half)))[..., None]
    mix(paint, cavity, inside.astype(np.float32))


def _teeth(cavity: F32, a: F32, below: F32, do: Expression, at: Layout) -> None:
    reach = 0.60 + 0.10 * do.smile
    side = np.abs(a)
    edge = reach - 0.07 * np.cos(np.clip(side, 0, 2.2) * 2 * np.pi / 0.84) ** 8 - 0.05 * side
    shown = smoothstep(0.05, -0.05, below - edge) * smoothstep(2.15, 1.9, side)
    between = np.exp(-(((np.mod(side + 0.39, 0.78) - 0.39) / 0.055) ** 2)) * smoothstep(0.0, 0.1, reach - below)
    tone = np.array([232, 224, 210], np.float32)
    mix(cavity, tone * (1 - 0.10 * between - 0.10 * smoothstep(0.5, 2.0, side))[..., None], 0.96 * shown)
