"""Fit any frame into a picture of fixed size: scaled to fit, black around it, in I420 or YUYV.

A virtual camera must never change its size while somebody watches it, whatever the source does.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import cv2
import numpy as np

from livefuse.device.colour import to_yuv_map
from livefuse.frame import U8, Colour, HostFrame
from livefuse.sinks.recolour import Recolour, same_numbers

Packing: TypeAlias = Literal["yuv420p", "yuyv422"]


class LetterboxFitter:
    """Owns the outgoing picture; `fit` fills and returns it as flat bytes, ready to be written.

    With `colour`, frames of another are told in its numbers; else every frame keeps its own.

    Shapes: I420: Y (H, W), then U and V (H/2, W/2); YUYV: (H, W, 2) with Y in the first and U, V in turn in the second.
    """

    def __init__(self, width: int, height: int, packing: Packing, colour: Colour | None = None) -> None:
        self.width, self.height, self.packing = width, height, packing
        self._colour = colour
        self._recolour: Recolour | None = None
        self._i420: U8 = np.empty(width * height * 3 // 2, np.uint8)
        luma, quarter = width * height, width * height // 4
        self._y = self._i420[:luma].reshape(height, width)
        self._u = self._i420[luma : luma + quarter].reshape(height // 2, width // 2)
        self._v = self._i420[luma + quarter :].reshape(height // 2, width // 2)
        packed = packing == "yuyv422"
        self._yuyv: U8 = np.empty((height, width, 2) if packed else (0,), np.uint8)
        self._uv: U8 = np.empty((height // 2, 2, width) if packed else (0,), np.uint8)  # each line of chroma twice
        self._laid_out_for: tuple[int, int, Colour] | None = None
        self._box = (0, 0, width, height)

    def fit(self, frame: HostFrame) -> U8:
        self.place(frame)
        return self.packed()

    @property
    def planes(self) -> tuple[U8, U8, U8]:
        """The picture as it was placed last, for whoever draws on it before it is packed."""
        return self._y, self._u, self._v

    def place(self, frame: HostFrame) -> None:
        """Scale a frame into the picture."""
        self._lay_out(frame)
        x, y, w, h = self._box
        luma = self._y[y : y + h, x : x + w]
        chroma = tuple(c[y // 2 : (y + h) // 2, x // 2 : (x + w) // 2] for c in (self._u, self._v))
        if frame.format == "rgb24":
            self._from_rgb(frame, luma, chroma)
        else:
            _scale(frame.planes[0], luma)
            for ours, theirs in zip(chroma, _chroma(frame), strict=True):
                _scale(theirs, ours)
        if self._recolour is not None:
            self._recolour(luma, *chroma)

    def packed(self) -> U8:
        """The picture as flat bytes."""
        if self.packing == "yuv420p":
            return self._i420
        self._uv[:, 0] = self._uv[:, 1] = cv2.merge((self._u, self._v)).reshape(self.height // 2, self.width)
        cv2.merge((self._y, self._uv.reshape(self.height, self.width)), self._yuyv)
        return self._yuyv.reshape(-1)

    def _lay_out(self, frame: HostFrame) -> None:
        """Where the picture goes, on the chroma grid; bars are painted only when that changes."""
        key = (frame.width, frame.height, frame.colour)
        if key == self._laid_out_for:
            return
        scale = min(self.width / frame.width, self.height / frame.height)
        w = min(self.width, max(2, round(frame.width * scale / 2) * 2))
        h = min(self.height, max(2, round(frame.height * scale / 2) * 2))
        self._box = ((self.width - w) // 4 * 2, (self.height - h) // 4 * 2, w, h)
        given = Colour(frame.colour.matrix, _full_range(frame))
        differs = self._colour is not None and not same_numbers(given, self._colour)
        self._recolour = Recolour(given, self._colour) if differs and self._colour is not None else None
        self._y.fill(0 if (self._colour or given).full_range else 16)
        self._u.fill(128)
        self._v.fill(128)
        self._laid_out_for = key

    def _from_rgb(self, frame: HostFrame, luma: U8, chroma: tuple[U8, ...]) -> None:
        h, w = luma.shape
        rgb = frame.planes[0]
        if rgb.shape[:2] != (h, w):
            rgb = cv2.resize(rgb, (w, h), interpolation=_interpolation(rgb.shape[1], w))
        limited = Colour(frame.colour.matrix, False)
        yuv = cv2.transform(rgb, to_yuv_map(limited))
        luma[...] = yuv[..., 0]
        half = cv2.resize(yuv, (w // 2, h // 2), interpolation=cv2.INTER_AREA)
        chroma[0][...], chroma[1][...] = half[..., 1], half[..., 2]


def _chroma(frame: HostFrame) -> tuple[U8, U8]:
    if frame.format == "nv12":
        return frame.planes[1][..., 0], frame.planes[1][..., 1]
    return frame.planes[1], frame.planes[2]


def _scale(plane: U8, out: U8) -> None:
    if plane.shape == out.shape:
        np.copyto(out, plane)
        return
    height, width = out.shape
    source = np.ascontiguousarray(plane)
    np.copyto(out, cv2.resize(source, (width, height), interpolation=_interpolation(plane.shape[1], width)))


def _interpolation(before: int, after: int) -> int:
    return int(cv2.INTER_AREA if after < before else cv2.INTER_LINEAR)


def _full_range(frame: HostFrame) -> bool:
    return frame.format != "rgb24" and frame.colour.full_range
