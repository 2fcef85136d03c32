"""Frames of any pixel format into and out of an upscaler, a band of rows at a time."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from livefuse.device.base import Lane, Picture
from livefuse.device.colour import to_yuv_map
from livefuse.device.planes import Region, read_yuv, to_rgb
from livefuse.enhance.upscale.upscaler import Band, Rows, Upscaler
from livefuse.frame import U8, HostFrame

_STRIP_ROWS = 64
"""Rows of an enlarged picture that are converted at once: at 8K, what stays in a processor's cache."""


def upscaled(lane: Lane, frame: HostFrame, upscaler: Upscaler, planes: tuple[U8, ...]) -> HostFrame:
    """The frame, enlarged into `planes`, in its own pixel format and colour. Nothing is known of its truth any more.

    Shapes: planes as `plane_shapes` says for the enlarged size.
    """
    height, width = frame.height * upscaler.scale, frame.width * upscaler.scale
    larger = replace(frame, planes=planes, height=height, width=width, truth=None)
    for band in upscaler.bands(rgb_rows(lane, frame), frame.height, frame.width):
        write_band(lane, band, larger)
    return larger


def stretched(frame: HostFrame, planes: tuple[U8, ...]) -> HostFrame:
    """The frame, plainly enlarged into `planes`, whose size says how far."""
    for plane, out in zip(frame.planes, planes, strict=True):
        cv2.resize(plane, (out.shape[1], out.shape[0]), dst=out, interpolation=cv2.INTER_LINEAR)
    return replace(frame, planes=planes, height=planes[0].shape[0], width=planes[0].shape[1], truth=None)


def rgb_rows(lane: Lane, frame: HostFrame) -> Rows:
    """Reads a frame's rows as RGB; of a frame in YUV only those that are asked for are converted."""
    if frame.format == "rgb24":
        return lambda top, bottom: frame.planes[0][top:bottom]
    picture = Picture(frame.planes, frame.format, frame.width, frame.height, frame.colour)

    def read(top: int, bottom: int) -> U8:
        out: U8 = lane.buffer("upscaled.rows", (bottom - top, frame.width, 3))
        to_rgb(lane, picture, read_yuv(lane, picture, Region(0, top, frame.width, bottom - top), 1), out)
        return out

    return read


def write_band(lane: Lane, band: Band, frame: HostFrame) -> None:
    """Put finished rows into a frame's planes; they begin on an even row, and end on one or with the picture."""
    top, rgb = band
    if frame.format == "rgb24":
        frame.planes[0][top : top + len(rgb)] = rgb
        return
    for first in range(0, len(rgb), _STRIP_ROWS):
        _write_yuv(lane, rgb[first : first + _STRIP_ROWS], top + first, frame)


def _write_yuv(lane: Lane, rgb: U8, top: int, frame: HostFrame) -> None:
    yuv = cv2.transform(rgb, to_yuv_map(frame.colour), dst=lane.buffer("upscaled.yuv", rgb.shape))
    luma = cv2.extractChannel(yuv, 0, dst=lane.buffer("upscaled.luma", rgb.shape[:2]))
    frame.planes[0][top : top + len(rgb)] = luma
    odd = len(rgb) % 2, rgb.shape[1] % 2
    if any(odd):  # the last row or column counts double
        yuv = np.asarray(cv2.copyMakeBorder(yuv, 0, odd[0], 0, odd[1], cv2.BORDER_REPLICATE), np.uint8)
    size = (yuv.shape[0] // 2, yuv.shape[1] // 2)
    half = cv2.resize(yuv, size[::-1], dst=lane.buffer("upscaled.half", (*size, 3)), interpolation=cv2.INTER_AREA)
    part = slice(top // 2, top // 2 + size[0])
    if frame.format == "nv12":
        frame.planes[1][part] = half[..., 1:]
        return
    for channel, plane in enumerate(frame.planes[1:], start=1):
        plane[part] = half[..., channel]
