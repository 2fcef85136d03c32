"""Draws one head: rays to the chart, chart to paint, paint times light. Only the head's own region, in RGB."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.frame import F32, U8
from livefuse.source.synthetic import chart
from livefuse.source.synthetic.eyes import draw_eye, paint_eyeball
from livefuse.source.synthetic.head import Head
from livefuse.source.synthetic.light import Light, shade
from livefuse.source.synthetic.mouth import draw_mouth
from livefuse.source.synthetic.pose import Expression, Pose
from livefuse.source.synthetic.surface import Region, cast, region_of
from livefuse.source.synthetic.texture import paint_head
from livefuse.source.synthetic.warp import ChartWarp

_CELL_CM = 0.22
_SKIN_GLOSS, _HAIR_GLOSS = 1.0, 0.25


@dataclass(frozen=True, slots=True)
class Patch:
    """Shapes: rgb (h, w, 3) uint8; alpha (h, w) uint8; top left corner (x, y) in frame px, even."""

    x: int
    y: int
    rgb: U8
    alpha: U8


class FaceRenderer:
    """One identity, ready to be drawn at sizes up to `px_per_cm`."""

    def __init__(self, head: Head, px_per_cm: float) -> None:
        self.head = head
        self.paint = paint_head(head, min(32.0, max(8.0, 1.15 * px_per_cm)))
        self.ball = paint_eyeball(head.identity)
        self.warp = ChartWarp(head.layout)
        gloss = _SKIN_GLOSS + (_HAIR_GLOSS - _SKIN_GLOSS) * head.hair
        self._normal = np.ascontiguousarray(np.dstack([head.normal, gloss]), np.float32)
        a, v = chart.chart_grid(0.6)
        x, y = chart.to_texel(a, v, head.radius.shape)
        radius = np.asarray(cv2.remap(head.radius, x, y, cv2.INTER_LINEAR), np.float32)
        self._outline = chart.to_head(a, v, radius).reshape(-1, 3)

    def draw(self, pose: Pose, do: Expression, light: Light) -> Patch:
        step = max(2, round(_CELL_CM * pose.px_per_cm))
        outline = pose.project(self._outline)[:, :2]
        outline = np.vstack([outline, outline[outline[:, 1].argmax()] + [[0, do.jaw * pose.px_per_cm]]])
        region = region_of(outline, step)
        backward = self.warp.backward(do)
        radius = self.head.radius
        if do != Expression():
            radius = self._warped_radius(backward)
        hits = cast(radius, pose, region)
        there = cv2.remap(
            backward, *chart.to_texel(hits.a, hits.v, backward.shape), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        paint = self._painted(there, region)
        self._decals(paint, there, region, pose, do, light)
        gain, sheen = self._shaded(there, region, pose, light)
        lit = cv2.multiply(paint, gain)
        rgb = cv2.add(lit, cv2.merge((sheen, sheen, sheen)), dtype=cv2.CV_8U)
        size = (region.width, region.height)
        outside = cv2.resize(hits.outside, size, interpolation=cv2.INTER_LINEAR)
        alpha = np.clip(outside * np.float32(-255 * 0.8 * pose.px_per_cm) + np.float32(150), 0, 255).astype(np.uint8)
        return Patch(region.x, region.y, rgb, alpha)

    def _warped_radius(self, backward: F32) -> F32:
        shape = self.head.radius.shape
        x, y = chart.to_texel(backward[..., 2], backward[..., 3], shape)
        return np.asarray(
            cv2.remap(self.head.radius, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
        )

    def _painted(self, there: F32, region: Region) -> F32:
        x, y = chart.to_texel(there[..., 2], there[..., 3], self.paint.shape)
        size = (region.width, region.height)
        x, y = (cv2.resize(c, size, interpolation=cv2.INTER_LINEAR) for c in (x, y))
        seen = cv2.remap(self.paint, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return seen.astype(np.float32)

    def _shaded(self, there: F32, region: Region, pose: Pose, light: Light) -> tuple[F32, F32]:
        x, y = chart.to_texel(there[..., 2], there[..., 3], self._normal.shape)
        half = (region.columns * 2, region.rows * 2)
        x, y = (cv2.resize(c, half, interpolation=cv2.INTER_LINEAR) for c in (x, y))
        normal = cv2.remap(self._normal, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        gain, sheen = shade(normal, pose.rotation(), light)
        size = (region.width, region.height)
        return cv2.resize(gain, size, interpolation=cv2.INTER_LINEAR), cv2.resize(
            sheen, size, interpolation=cv2.INTER_LINEAR
        )

    def _decals(self, paint: F32, there: F32, region: Region, pose: Pose, do: Expression, light: Light) -> None:
        at, identity = self.head.layout, self.head.identity
        reach = at.eye_half + 0.45
        for side in (-1, 1):
            box = self._window(region, pose, side * at.eye_a, 0.1, reach, 1.15)
            if box is not None:
                part, a, v = _close_up(paint, there, region, box)
                draw_eye(part, a, v, pose.px_per_cm, self.ball, identity, at, do, light)
        if do.jaw > 0.01:
            box = self._window(region, pose, 0.0, at.mouth_v + do.jaw / 2, at.mouth_half + 0.7, 0.6 + 0.9 * do.jaw)
            if box is not None:
                part, a, v = _close_up(paint, there, region, box)
                draw_mouth(part, a, v, pose.px_per_cm, identity, at, do)

    def _window(
        self, region: Region, pose: Pose, a: float, v: float, reach_a: float, reach_v: float
    ) -> tuple[int, int, int, int] | None:
        """Coarse cells (column from, row from, to, to) that show a patch of the chart; None if it faces away."""
        sides = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [0, 0]], np.float32) * (reach_a, reach_v) + (a, v)
        sa, sv = sides.astype(np.float32).T
        x, y = chart.to_texel(sa, sv, self.head.radius.shape)
        radius = self.head.radius[np.round(y).astype(int), np.round(x).astype(int)]
        seen = pose.project(chart.to_head(sa, sv, radius))[:, :2] - (region.x, region.y)
        low = np.floor(seen.min(axis=0) / region.step).astype(int) - 1
        high = np.ceil(seen.max(axis=0) / region.step).astype(int) + 1
        c1, r1, c2, r2 = max(0, low[0]), max(0, low[1]), min(region.columns, high[0]), min(region.rows, high[1])
        return (c1, r1, c2, r2) if c2 - c1 > 1 and r2 - r1 > 1 else None


def _close_up(paint: F32, there: F32, region: Region, box: tuple[int, int, int, int]) -> tuple[F32, F32, F32]:
    """A window of the paint and the chart points (before the jaw) that its pixels show."""
    c1, r1, c2, r2 = box
    k = region.step
    c0, r0 = max(0, c1 - 1), max(0, r1 - 1)
    cells = np.ascontiguousarray(there[r0 : min(region.rows, r2 + 1), c0 : min(region.columns, c2 + 1), :2])
    big = cv2.resize(cells, (cells.shape[1] * k, cells.shape[0] * k), interpolation=cv2.INTER_LINEAR)
    inner = big[(r1 - r0) * k : (r2 - r0) * k, (c1 - c0) * k : (c2 - c0) * k]
    part = paint[r1 * k : r2 * k, c1 * k : c2 * k]
    return part, np.ascontiguousarray(inner[..., 0]), np.ascontiguousarray(inner[..., 1])
