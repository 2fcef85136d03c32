"""Neck, shoulders and long hair: a still picture behind each head, painted once into the background."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32
from livefuse.source.synthetic.chart import smoothstep
from livefuse.source.synthetic.identity import Identity
from livefuse.source.synthetic.texture import mix, noise

# outline from the middle of the neck outwards, cm in head space: (y, half width)
_OUTLINE = np.array(
    [
        (4, 4.7),
        (11, 4.7),
        (13.5, 5.0),
        (15, 6.2),
        (16.3, 9.5),
        (17.4, 13.5),
        (18.8, 17.2),
        (20.8, 19.8),
        (24, 21.4),
        (34, 22.4),
        (60, 23),
    ],
    np.float32,
)


_TOP_CM = -0.5  # above the highest that is painted, and its shadow
_SLOPE_REACH = 6.1  # how much further than straight ones the soft edge of the steepest outline reaches


def paint_body(picture: F32, identity: Identity, x_px: float, y_px: float, px_per_cm: float) -> F32:
    """Paint one bust into `picture` (H, W, 3), its head's origin at (x_px, y_px); returns its opacity (H, W)."""
    height, width = picture.shape[:2]
    soft = 0.8 / px_per_cm
    x = (np.arange(width, dtype=np.float32)[None] - x_px) / px_per_cm
    y = (np.arange(height, dtype=np.float32)[:, None] - y_px) / px_per_cm
    half = np.interp(y[:, 0], _OUTLINE[:, 0], _OUTLINE[:, 1]).astype(np.float32)[:, None]
    half = cv2.GaussianBlur(half, (0, 0), sigmaX=0.1, sigmaY=0.7 * px_per_cm, borderType=cv2.BORDER_REPLICATE)
    half = half * (0.90 if identity.jaw_width < 1 else 1.0)
    slope = np.clip(np.abs(np.gradient(half[:, 0]))[:, None] * px_per_cm, 0, 6)
    total = np.zeros((height, width), np.float32)
    part = _part(x[0], y[:, 0], float(_OUTLINE[-1, 1]) + soft * _SLOPE_REACH)
    rows, columns = part
    if rows.start < rows.stop and columns.start < columns.stop:
        grain = _Grain(np.random.default_rng([identity.seed, 41]), (height, width), part)
        size = (rows.stop - rows.start, columns.stop - columns.start)
        x, y = np.broadcast_to(x[:, columns], size), np.broadcast_to(y[rows], size)
        inside = smoothstep(-soft, soft, (half[rows] - np.abs(x)) / np.sqrt(1 + slope[rows] * slope[rows])) * (y > 5)
        total[part] = _paint(picture[part], x, y, half[rows], inside, identity, grain, px_per_cm)
    return total


def _part(x: F32, y: F32, reach_cm: float) -> tuple[slice, slice]:
    """Rows and columns that a body can be in: most of a wide picture has none of it."""
    columns = np.flatnonzero(np.abs(x) <= reach_cm)
    rows = np.flatnonzero(y >= _TOP_CM)
    inner = slice(int(columns[0]), int(columns[-1]) + 1) if len(columns) else slice(0, 0)
    return slice(int(rows[0]), len(y)) if len(rows) else slice(0, 0), inner


class _Grain:
    """Noise of the whole picture, of which a part is seen: a body is the same wherever the picture ends."""

    def __init__(self, rng: np.random.Generator, shape: tuple[int, int], part: tuple[slice, slice]) -> None:
        self._rng, self._shape, self._part = rng, shape, part

    def __call__(self, sigma_x: float, sigma_y: float) -> F32:
        return noise(self._rng, self._shape, sigma_x, sigma_y)[self._part]


def _paint(
    picture: F32, x: F32, y: F32, half: F32, inside: F32, identity: Identity, grain: _Grain, px_per_cm: float
) -> F32:
    total = inside
    if identity.style == "long":
        back = _hair_shape(x, y, 0.0)
        mix(picture, _hair_paint(x, identity, grain, px_per_cm) * np.float32(0.55), back)
        total = np.maximum(total, back)
    mix(picture, _bust(x, y, half, identity, grain, px_per_cm), inside)
    if identity.style == "long":
        front = _hair_shape(x, y, 5.0)
        mix(picture, picture * np.float32(0.72), cv2.GaussianBlur(front, (0, 0), 0.5 * px_per_cm) * (1 - front))
        mix(picture, _hair_paint(x, identity, grain, px_per_cm), front)
    return np.asarray(total, np.float32)


def _bust(x: F32, y: F32, half: F32, identity: Identity, grain: _Grain, px_per_cm: float) -> F32:
    skin = _neck(x, y, identity)
    neckline = 16.2 + 2.4 * (1 - (x / 7.2) ** 2)
    cloth = smoothstep(-0.06, 0.06, y - neckline)
    weave = grain(0.7, 0.7) * 0.02 + grain(1.6 * px_per_cm, 3 * px_per_cm) * 0.05
    nx = np.clip(x / half, -1, 1)
    light = 0.92 - 0.26 * nx - 0.34 * np.abs(nx) ** 3 + 0.16 * smoothstep(24, 17, y) - 0.15 * smoothstep(24, 40, y)
    band = np.exp(-(((y - neckline - 0.75) / 0.10) ** 2))
    light = light * (1 - 0.18 * band) * (1 + weave)
    shirt = np.array(identity.cloth, np.float32) * light[..., None] * np.array([1.02, 1.0, 0.98], np.float32)
    mix(skin, skin * np.float32(0.62), np.exp(-(np.maximum(neckline - y, 0) / 0.35)) * 0.8)
    mix(skin, shirt, cloth)
    return skin


def _neck(x: F32, y: F32, identity: Identity) -> F32:
    nx = np.clip(x / 5.4, -1, 1)
    light = 0.94 - 0.20 * nx - 0.30 * nx * nx
    chin = y - 0.055 * x * x - 0.5
    light = light * (0.52 + 0.48 * smoothstep(11.2, 14.6, chin))
    cord = np.exp(-(((np.abs(x) - (3.6 - 0.28 * (y - 10))) / 0.7) ** 2)) * smoothstep(10, 13, y)
    light = light * (1 + 0.07 * cord) * (1 - 0.08 * np.exp(-((x / 0.9) ** 2) - ((y - 16.9) / 0.9) ** 2))
    collarbone = np.exp(-(((y - 17.2 + 0.08 * np.abs(x)) / 0.35) ** 2)) * smoothstep(1.0, 2.5, np.abs(x))
    light = light * (1 + 0.08 * collarbone)
    shadowed = np.clip(1.05 - light, 0, 1)[..., None]
    skin = np.array(identity.skin, np.float32) * np.array([1.0, 0.97, 0.95], np.float32)
    return np.asarray(skin * light[..., None] * (1 - shadowed * np.array([0.0, 0.13, 0.16])), np.float32)


def _hair_shape(x: F32, y: F32, inner_cm: float) -> F32:
    """Long hair beside and behind the neck; `inner_cm` 0 closes it behind the neck."""
    side = np.abs(x)
    outer = 6.8 + 2.6 * smoothstep(1, 11, y) - 0.9 * smoothstep(14, 24, y) + 0.25 * np.sin(y * 0.6 + np.sign(x))
    end = 23.0 - 0.10 * (side - 6) ** 2 + 0.5 * np.sin(x * 2.1)
    shape = smoothstep(-0.25, 0.25, outer - side) * smoothstep(0, 2.2, end - y) * smoothstep(2.0, 5.0, y)
    if inner_cm:
        inner = inner_cm + 1.0 * smoothstep(16, 9, y) - 0.6 * smoothstep(17, 22, y) + 0.2 * np.sin(y * 0.8)
        shape = shape * smoothstep(-0.3, 0.3, side - inner)
    return np.asarray(shape, np.float32)


def _hair_paint(x: F32, identity: Identity, grain: _Grain, px_per_cm: float) -> F32:
    k = px_per_cm
    tone = 0.92 + 0.15 * grain(0.05 * k, 2.5 * k) + 0.17 * grain(0.28 * k, 5 * k) - 0.02 * x
    return np.asarray(np.array(identity.hair, np.float32) * np.clip(tone, 0.35, 1.6)[..., None], np.float32)
