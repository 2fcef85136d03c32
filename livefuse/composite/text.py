"""Smooth text without system fonts: OpenCV 5's built-in Rubik, or Hershey strokes drawn large and averaged down on 4.x."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from livefuse.frame import U8

REGULAR, MEDIUM, BOLD = 400, 500, 650

_HAS_FONT_FACE = hasattr(cv2, "FontFace")
_OVERSAMPLING = 4
_HERSHEY_HEIGHT_PX = 22  # of a capital at scale 1
_CAPITAL = 0.7  # of the font size, as in most sans-serif faces
_ASCII = str.maketrans({"·": "-", "×": "x", "…": ".", "–": "-"})
_drawing = threading.Lock()  # a font face has state of its own


@lru_cache(maxsize=512)
def coverage(text: str, size_px: int, weight: int = REGULAR) -> U8:
    """How much of each pixel a line of text covers, 0..255.

    Shapes: (height(size_px), advance) uint8, read-only; the baseline is row `baseline(size_px)`, the pen starts at column 0.
    """
    mask = _built_in(text, size_px, weight) if _HAS_FONT_FACE else _strokes(text, size_px, weight)
    mask.flags.writeable = False
    return mask


def baseline(size_px: int) -> int:
    return size_px


def height(size_px: int) -> int:
    return size_px + -(-size_px // 3)  # room for descenders


def width_px(text: str, size_px: int, weight: int = REGULAR) -> int:
    return int(coverage(text, size_px, weight).shape[1])


def shortened(text: str, size_px: int, limit_px: int) -> str:
    """The text, cut with an ellipsis so that it fits."""
    if width_px(text, size_px) <= limit_px:
        return text
    while text and width_px(text + "…", size_px) > limit_px:
        text = text[:-1]
    return text.rstrip() + "…"


@lru_cache(maxsize=1)
def _face() -> Any:
    return cv2.FontFace("sans")


def _built_in(text: str, size_px: int, weight: int) -> U8:
    room = np.zeros((height(size_px), 2 * size_px * (len(text) + 1)), np.uint8)
    with _drawing:
        (end, _), drawn = cv2.putText(room, text, (0, baseline(size_px)), (255,), _face(), size_px, weight)
    return np.ascontiguousarray(drawn[:, : max(1, int(end))])


def _strokes(text: str, size_px: int, weight: int) -> U8:
    text = text.translate(_ASCII)
    scale = _OVERSAMPLING * size_px * _CAPITAL / _HERSHEY_HEIGHT_PX
    thickness = max(1, round(_OVERSAMPLING * size_px * weight / 5000))
    (width, _), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    columns = max(1, -(-width // _OVERSAMPLING))
    room = np.zeros((height(size_px) * _OVERSAMPLING, columns * _OVERSAMPLING), np.uint8)
    at = (0, baseline(size_px) * _OVERSAMPLING)
    cv2.putText(room, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, thickness, cv2.LINE_AA)
    return np.asarray(cv2.resize(room, (columns, height(size_px)), interpolation=cv2.INTER_AREA), np.uint8)
