"""A room out of focus, and soft lights that drift through it."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32, U8
from livefuse.source.synthetic.chart import smoothstep


def paint_room(height: int, width: int, seed: int) -> F32:
    """(H, W, 3) float32 RGB: a wall with a window, shelves and a lamp, blurred as by a wide lens."""
    rng = np.random.default_rng([seed & 0xFFFFFFFF, 53])
    h, w = 180, max(8, round(180 * width / height))
    y, x = np.mgrid[0:h, 0:w].astype(np.float32)
    x, y = x / w, y / h
    warm = np.array([[150, 134, 122], [122, 140, 146], [142, 146, 130], [136, 126, 142]], np.float32)[rng.integers(4)]
    room: F32 = (warm * (0.62 + 0.42 * (1 - y) * (1.1 - 0.5 * x))[..., None]).astype(np.float32)
    _window(room, rng)
    _shelves(room, rng)
    room = cv2.GaussianBlur(room, (0, 0), 5.0, borderType=cv2.BORDER_REPLICATE)
    lamps = np.zeros((h, w, 3), np.float32)
    for _ in range(9):
        centre = (int(rng.uniform(0, w)), int(rng.uniform(0.05, 0.62) * h))
        glow = np.array([255, 214, 150], np.float32) * rng.uniform(0.10, 0.42) * rng.uniform(0.75, 1.05, 3)
        cv2.circle(lamps, centre, int(rng.uniform(5, 12)), glow.tolist(), -1, cv2.LINE_AA)
    room += cv2.GaussianBlur(lamps, (0, 0), 1.6)
    room *= (1.05 - 0.55 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))[..., None]
    big = cv2.resize(room, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(big, 0, 255), np.float32)


def _window(room: F32, rng: np.random.Generator) -> None:
    h, w = room.shape[:2]
    x1, x2 = int(w * rng.uniform(0.02, 0.10)), int(w * rng.uniform(0.24, 0.32))
    y1, y2 = int(h * 0.08), int(h * 0.66)
    sky = np.linspace(1.0, 0.80, y2 - y1, dtype=np.float32)[:, None, None] * np.array([214, 226, 236], np.float32)
    room[y1:y2, x1:x2] = sky
    room[y1:y2, (x1 + x2) // 2 - 2 : (x1 + x2) // 2 + 2] = (112, 112, 114)
    room[(y1 + y2) // 2 - 2 : (y1 + y2) // 2 + 2, x1:x2] = (112, 112, 114)


def _shelves(room: F32, rng: np.random.Generator) -> None:
    h, w = room.shape[:2]
    left = int(w * 0.70)
    for row in (0.30, 0.52, 0.74):
        board = int(h * row)
        at = left
        while at < w:
            wide = int(rng.integers(3, 9))
            tall = int(rng.integers(18, 32))
            colour = rng.uniform(0.4, 1.1) * np.array([120, 88, 72], np.float32) + rng.uniform(-22, 40, 3)
            if rng.random() < 0.85:
                room[board - tall : board, at : at + wide] = np.clip(colour, 12, 220)
            at += wide + 1
        room[board : board + 4, left - 4 :] = (84, 66, 54)


class Drift:
    """Soft discs of light that wander behind the people; adds to luma only, so it costs next to nothing."""

    def __init__(self, height: int, width: int, behind: F32, seed: int, motion: float) -> None:
        rng = np.random.default_rng([seed & 0xFFFFFFFF, 61])
        self._size = max(4, height // 7)
        axis = np.linspace(-1, 1, self._size, dtype=np.float32)
        r = np.hypot(axis[None], axis[:, None])
        self._disc = (30 * smoothstep(1.0, 0.82, r) * (0.75 + 0.25 * r)).astype(np.uint8)
        self._behind: U8 = np.clip(behind * 255, 0, 255).astype(np.uint8)
        self._phase, self._speed = rng.uniform(0, 2 * np.pi, (3, 2)), rng.uniform(0.02, 0.07, (3, 2)) * motion
        self._extent = np.array([width - self._size, (height - self._size) * 0.6])

    def add(self, luma: U8, t_s: float) -> None:
        if (self._extent <= 0).any():
            return
        where = (0.5 + 0.5 * np.sin(self._phase + 2 * np.pi * self._speed * t_s)) * self._extent
        for x, y in where.astype(int):
            window = np.s_[y : y + self._size, x : x + self._size]
            glow = cv2.multiply(self._disc, self._behind[window], scale=1 / 255)
            luma[window] = cv2.add(np.ascontiguousarray(luma[window]), glow)
