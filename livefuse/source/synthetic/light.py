"""Soft studio light: a warm key with wrap, a cool fill, light from above, a rim from behind and a sheen.

Each light's response is a table over the cosine, so a frame costs one colour transform and a few table look-ups. Gains
are square roots, because paint is stored gamma-coded: sqrt(paint * light) = sqrt(paint) * sqrt(light).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.frame import F32, U8

_COSINE = (np.arange(256, dtype=np.float32) - 127.5) / 127.5


@dataclass(frozen=True, slots=True)
class Light:
    """Direction of the key light in view space: azimuth (< 0 from the image's left) and height above, radians."""

    azimuth: float = -0.62
    height: float = 0.55

    def key(self) -> F32:
        level = np.cos(self.height)
        return np.array([level * np.sin(self.azimuth), -np.sin(self.height), level * np.cos(self.azimuth)], np.float32)


def _table(wraps: tuple[float, ...], power: float, gains: tuple[float, ...]) -> F32:
    """(1, 256, n): diffuse response that reaches `wrap` beyond the terminator."""
    lit = [g * np.clip((_COSINE + w) / (1 + w), 0, 1) ** power for w, g in zip(wraps, gains, strict=True)]
    return np.ascontiguousarray(np.stack(lit, axis=-1)[None], np.float32)


def _stack(*tables: F32) -> F32:
    """One table per channel, for `cv2.LUT`."""
    return np.ascontiguousarray(np.concatenate(tables, axis=-1), np.float32)


_SKY = np.array([0.145, 0.145, 0.15], np.float32)  # from above, linear in the cosine: no table needed
_FILL = np.array([0.20, 0.23, 0.27], np.float32)
# wrap is widest in red: light scatters furthest there under skin, which warms the terminator
_DIFFUSE = _stack(_table((0.46, 0.36, 0.32), 1.35, (0.86, 0.82, 0.77)), _table((0.60,), 1.5, (1.0,)))
_FACING = np.clip(_COSINE, 0, 1)
_GLOSSY = _stack(
    (44 * _FACING**26)[None, :, None],
    ((1 - _FACING) ** 3)[None, :, None],
    _table((0.1,), 1.0, (0.9,)),
    np.linspace(0, 1, 256, dtype=np.float32)[None, :, None],
)
_FILLED = np.zeros((4, 4), np.float32)
_FILLED[:3, :3], _FILLED[:3, 3] = np.eye(3), _FILL
GAIN_ONE = 165.0  # the gain 1 in the bytes that `shade` returns


def shade(normal: F32, rotation: F32, light: Light) -> U8:
    """(H, W, 4) uint8: gain for gamma-coded RGB paint in units of 1 / GAIN_ONE, and the sheen to add.

    Four channels everywhere: OpenCV has fast paths for four that it lacks for three.

    `normal` is (H, W, 4): head-space normals and how glossy the surface is.
    """
    key = light.key()
    view = np.array([0, 0, 1], np.float32)
    half = (key + view) / np.linalg.norm(key + view)
    fill = np.array([-0.75 if key[0] > 0 else 0.75, -0.05, 0.66], np.float32)
    rim = np.array([0.80, -0.35, -0.48], np.float32)
    key, fill, rim, half, view = np.stack([key, fill, rim, half, view]) @ rotation
    diffuse = cv2.LUT(_cosines(normal, (key, key, key, fill)), _DIFFUSE)
    sheen, edge, rim_lit, gloss = cv2.split(cv2.LUT(_cosines(normal, (half, view, rim, None)), _GLOSSY))
    gain = cv2.transform(diffuse, _FILLED)
    sky = np.zeros((4, 5), np.float32)
    sky[:3, :3] = _SKY[:, None] * -rotation[1]
    sky[:3, 4] = _SKY
    back = cv2.multiply(edge, rim_lit)
    shine = cv2.multiply(gloss, cv2.addWeighted(sheen, 1, edge, 10, 0))
    cv2.add(gain, cv2.transform(normal, sky), dst=gain)
    cv2.add(gain, cv2.merge((back, back, back, cv2.multiply(shine, shine, scale=GAIN_ONE**-2))), dst=gain)
    return np.asarray(cv2.convertScaleAbs(cv2.sqrt(gain), alpha=GAIN_ONE), np.uint8)


def _cosines(normal: F32, towards: tuple[F32 | None, F32 | None, F32 | None, F32 | None]) -> U8:
    """(H, W, 4) uint8: cosines to four directions, 127.5 being 0; None passes the gloss."""
    matrix = np.zeros((4, 5), np.float32)
    for i, direction in enumerate(towards):
        if direction is None:
            matrix[i, 3] = 255
        else:
            matrix[i, :3], matrix[i, 4] = 127.5 * direction, 127.5
    return np.asarray(cv2.convertScaleAbs(cv2.transform(normal, matrix)), np.uint8)
