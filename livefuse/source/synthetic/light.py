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


def _table(wraps: tuple[float, float, float], power: float, gains: tuple[float, float, float]) -> F32:
    lit = [g * np.clip((_COSINE + w) / (1 + w), 0, 1) ** power for w, g in zip(wraps, gains, strict=True)]
    return np.ascontiguousarray(np.stack(lit, axis=-1)[None], np.float32)


# wrap is widest in red: light scatters furthest there under skin, which warms the terminator
_KEY = _table((0.46, 0.36, 0.32), 1.35, (0.86, 0.82, 0.77))
_FILL = _table((0.60, 0.60, 0.60), 1.5, (0.20, 0.23, 0.27))
_SKY = _table((1.0, 1.0, 1.0), 1.0, (0.29, 0.29, 0.30))
_RIM = _table((0.1, 0.1, 0.1), 1.0, (1.0, 1.0, 1.0))
_SHEEN = (np.clip(_COSINE, 0, 1) ** 26).astype(np.float32)[None]
_EDGE = ((1 - np.clip(_COSINE, 0, 1)) ** 3.0).astype(np.float32)[None]


def shade(normal: F32, rotation: F32, light: Light) -> tuple[F32, F32]:
    """Gain (H, W, 3) for gamma-coded paint and sheen (H, W) to add, both float32.

    `normal` is (H, W, 4): head-space normals and how glossy the surface is.
    """
    key = light.key()
    view = np.array([0, 0, 1], np.float32)
    half = (key + view) / np.linalg.norm(key + view)
    fill = np.array([-np.sign(key[0]) * 0.75 if key[0] else 0.75, -0.05, 0.66], np.float32)
    rim = np.array([0.80, -0.35, -0.48], np.float32)
    rows = np.stack([key, fill, np.array([0, -1, 0], np.float32), rim, half, view]) @ rotation
    matrix = np.zeros((7, 4), np.float32)
    matrix[:6, :3] = rows * 127.5
    matrix[6, 3] = 255
    lit: U8 = np.clip(normal.reshape(-1, 4) @ matrix.T + np.array([127.5] * 6 + [0], np.float32), 0, 255).astype(
        np.uint8
    )
    planes = lit.reshape(*normal.shape[:2], 7)
    k, f, s, r, h, e = (np.ascontiguousarray(planes[..., i]) for i in range(6))
    gloss = planes[..., 6].astype(np.float32) * np.float32(1 / 255)
    gain = (
        cv2.LUT(cv2.merge((k, k, k)), _KEY) + cv2.LUT(cv2.merge((f, f, f)), _FILL) + cv2.LUT(cv2.merge((s, s, s)), _SKY)
    )
    edge = cv2.LUT(e, _EDGE)
    gain += (edge * cv2.LUT(r, np.ascontiguousarray(_RIM[..., 0])) * np.float32(0.9))[..., None]
    sheen = gloss * (cv2.LUT(h, _SHEEN) * np.float32(44) + edge * np.float32(10))
    return np.sqrt(gain), np.asarray(sheen, np.float32)
