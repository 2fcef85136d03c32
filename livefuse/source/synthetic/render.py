"""Draws one head: rays to the chart, chart to paint, paint times light. Only the head's own region, in RGB."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.frame import F32, U8
from livefuse.source.synthetic import chart
from livefuse.source.synthetic.eyes import EyePainter
from livefuse.source.synthetic.head import Head, has_ears
from livefuse.source.synthetic.light import GAIN_ONE, Light, shade
from livefuse.source.synthetic.mouth import MouthPainter
from livefuse.source.synthetic.pose import NEUTRAL, Expression, Pose
from livefuse.source.synthetic.surface import Region, cast, region_of
from livefuse.source.synthetic.texture import paint_head
from livefuse.source.synthetic.warp import ChartWarp

_CELL_CM = 0.28
_SKIN_GLOSS, _HAIR_GLOSS = 1.0, 0.25
_EDGE_CM = 0.5  # the outline's distance field is kept within this, as bytes

Cells = tuple[int, int, int, int]


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
        self._head = head
        at, identity = head.layout, head.identity
        paint = paint_head(head, min(32.0, max(8.0, 1.15 * px_per_cm)))
        self._paint = cv2.merge((*cv2.split(paint), np.full(paint.shape[:2], round(GAIN_ONE), np.uint8)))
        self._eyes, self._mouth = EyePainter(identity, at), MouthPainter(identity, at)
        self._warp = ChartWarp(at)
        gloss = _SKIN_GLOSS + (_HAIR_GLOSS - _SKIN_GLOSS) * head.hair
        self._normal = np.ascontiguousarray(np.dstack([head.normal, gloss]), np.float32)
        self._behind_cm = 1.6 if has_ears(identity) else 0.0
        a, v = chart.chart_grid(0.4)
        self._outline = self._on_surface(a, v).reshape(-1, 3)
        reach = at.eye_half + 0.35
        self._eye_corners = [self._corners(side * at.eye_a, 0.05, reach, 1.05) for side in (-1, 1)]

    def draw(self, pose: Pose, do: Expression, light: Light) -> Patch:
        region = self._region(pose, do)
        backward = self._warp.backward(do)
        radius = self._head.radius if do == NEUTRAL else _look_up(self._head.radius, backward[..., 2], backward[..., 3])
        hits = cast(radius, pose, region, self._behind_cm)
        there = _look_up(backward, hits.a, hits.v)
        size = (region.width, region.height)
        x, y = (cv2.resize(c, size, interpolation=cv2.INTER_LINEAR) for c in _texels(there, self._paint.shape))
        paint = cv2.remap(self._paint, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        self._draw_features(paint, there, region, pose, do, light)
        rgb = self._lit(paint, there, region, pose, light)
        return Patch(region.x, region.y, rgb, _opacity(hits.outside, size, pose.px_per_cm))

    def _region(self, pose: Pose, do: Expression) -> Region:
        outline = pose.project(self._outline)[:, :2]
        lowest = outline[outline[:, 1].argmax()] + np.array([0, (do.jaw + 0.4) * pose.px_per_cm], np.float32)
        return region_of(np.vstack([outline, lowest]), max(2, round(_CELL_CM * pose.px_per_cm)))

    def _lit(self, paint: U8, there: F32, region: Region, pose: Pose, light: Light) -> U8:
        size = (region.columns * 3 // 2, region.rows * 3 // 2)  # light is soft: coarser than paint, finer than rays
        x, y = (cv2.resize(c, size, interpolation=cv2.INTER_LINEAR) for c in _texels(there, self._normal.shape))
        normal = cv2.remap(self._normal, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        light_map = shade(normal, pose.rotation, light)
        light_map = cv2.resize(light_map, (region.width, region.height), interpolation=cv2.INTER_LINEAR)
        lit = cv2.multiply(paint, light_map, scale=1 / GAIN_ONE)  # the paint's fourth channel is GAIN_ONE: sheen stays
        sheen = cv2.extractChannel(lit, 3)
        return np.asarray(cv2.add(cv2.cvtColor(lit, cv2.COLOR_RGBA2RGB), cv2.merge((sheen, sheen, sheen))), np.uint8)

    def _draw_features(self, paint: U8, there: F32, region: Region, pose: Pose, do: Expression, light: Light) -> None:
        px = pose.px_per_cm
        windows = [_cells(region, pose.project(corners)[:, :2]) for corners in self._eye_corners]
        shown = [_close_up(paint, there, region, cells) for cells in windows if cells is not None]
        if shown:
            self._eyes.draw([(planes, a, v) for _, planes, a, v in shown], px, do, light)
            for part, planes, _, _ in shown:
                _put(part, planes)
        if do.jaw > 0.01:
            at = self._head.layout
            corners = self._corners(0.0, at.mouth_v + do.jaw / 2, at.mouth_half + 0.7, 0.6 + 0.8 * do.jaw)
            cells = _cells(region, pose.project(corners)[:, :2])
            if cells is not None:
                part, planes, a, v = _close_up(paint, there, region, cells)
                self._mouth.draw(planes, a, v, px, do)
                _put(part, planes)

    def _corners(self, a: float, v: float, reach_a: float, reach_v: float) -> F32:
        """Points of the surface around a patch of the chart."""
        sides = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [0, 0]], np.float32)
        return self._on_surface(a + reach_a * sides[None, :, 0], v + reach_v * sides[None, :, 1])[0]

    def _on_surface(self, a: F32, v: F32) -> F32:
        return chart.to_head(a, v, _look_up(self._head.radius, a, v))


def _texels(there: F32, shape: tuple[int, ...]) -> tuple[F32, F32]:
    return chart.to_texel(there[..., 2], there[..., 3], shape)


def _look_up(picture: F32, a: chart.Floats, v: chart.Floats) -> F32:
    x, y = chart.to_texel(a, v, picture.shape)
    return np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _opacity(outside: chart.Floats, size: tuple[int, int], px_per_cm: float) -> U8:
    """Opacity from the distance to the outline, a little more than one pixel wide."""
    steps = 127.5 / _EDGE_CM
    coarse = np.clip(np.float32(127.5) - outside * np.float32(steps), 0, 255).astype(np.uint8)
    fine = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)
    inside_px = (np.arange(256, dtype=np.float32) - 127.5) / steps * px_per_cm
    return np.asarray(cv2.LUT(fine, np.clip(150 + 204 * inside_px, 0, 255).astype(np.uint8)), np.uint8)


def _cells(region: Region, corners_px: F32) -> Cells | None:
    """Coarse cells (column from, row from, to, to) that hold the points; None if the region has none of them."""
    seen = corners_px - (region.x, region.y)
    low = np.floor(seen.min(axis=0) / region.step).astype(int)
    high = np.ceil(seen.max(axis=0) / region.step).astype(int)
    c1, r1 = max(0, int(low[0])), max(0, int(low[1]))
    c2, r2 = min(region.columns, int(high[0])), min(region.rows, int(high[1]))
    return (c1, r1, c2, r2) if c2 - c1 > 1 and r2 - r1 > 1 else None


def _close_up(paint: U8, there: F32, region: Region, cells: Cells) -> tuple[U8, F32, F32, F32]:
    """A window of the paint, its colour planes (3, h, w), and the chart points (before the jaw) that it shows."""
    c1, r1, c2, r2 = cells
    k = region.step
    c0, r0 = max(0, c1 - 1), max(0, r1 - 1)
    coarse = np.ascontiguousarray(there[r0 : min(region.rows, r2 + 1), c0 : min(region.columns, c2 + 1), :2])
    big = cv2.resize(coarse, (coarse.shape[1] * k, coarse.shape[0] * k), interpolation=cv2.INTER_LINEAR)
    inner = big[(r1 - r0) * k : (r2 - r0) * k, (c1 - c0) * k : (c2 - c0) * k]
    part = paint[r1 * k : r2 * k, c1 * k : c2 * k]
    planes = np.stack(cv2.split(part)[:3]).astype(np.float32)
    a, v = cv2.split(inner)
    return part, planes, a, v


def _put(part: U8, planes: F32) -> None:
    part[..., :3] = cv2.merge(list(np.clip(planes, 0, 255).astype(np.uint8)))
