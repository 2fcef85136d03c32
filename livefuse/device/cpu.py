"""The CPU backend: NumPy and OpenCV, which release the GIL while they work."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.device.base import Lane, Letterbox, Picture
from livefuse.device.blend import Patch, apply_patch, blend, make_patch
from livefuse.device.colour import to_rgb_map
from livefuse.device.planes import (
    Affine,
    Region,
    chroma,
    clamped,
    copy_in,
    copy_out,
    glance,
    integer_shift,
    inverted,
    read_yuv,
    reduced,
    scale_of,
    shrink,
    spanned,
    to_rgb,
    whole_factor,
)
from livefuse.device.resampled import paste_resampled
from livefuse.frame import F32, U8, HostFrame

_CACHED_BITMAPS = 8
_LEAST_CELL_PX = 8


class CpuBackend:
    """Everything completes before it returns; a lane is only its buffers."""

    name = "cpu"

    def __init__(self, threads: int = 1) -> None:
        """One thread is right beside networks that run on the other cores; OpenCV has one number for the whole process."""
        cv2.setNumThreads(threads)
        self._patches: dict[tuple[object, ...], tuple[U8, Patch | None]] = {}

    def upload(self, lane: Lane, frame: HostFrame) -> Picture:
        return copy_in(lane, frame)

    def download(self, lane: Lane, picture: Picture, out: tuple[U8, ...]) -> None:
        copy_out(picture, out)

    def letterbox(self, lane: Lane, picture: Picture, out: U8) -> Letterbox:
        height, width = out.shape[:2]
        scale = min(width / picture.width, height / picture.height, 1.0)
        w, h = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        out[h:], out[:h, w:] = 0, 0
        if picture.format == "rgb24":
            glance(lane, picture.planes[0], out[:h, :w])
            return Letterbox(scale)
        small = tuple(lane.buffer(f"letterbox.{name}", (h, w)) for name in "yuv")
        for plane, reduced_plane in zip((picture.planes[0], *chroma(picture)), small, strict=True):
            glance(lane, plane, reduced_plane)
        to_rgb(lane, picture, (small[0], small[1], small[2]), out[:h, :w])
        return Letterbox(scale)

    def warp(self, lane: Lane, picture: Picture, to_crop: F32, out: U8) -> None:
        height, width = out.shape[:2]
        origin = integer_shift(to_crop)
        if origin is None:
            self._resample(lane, picture, to_crop, out)
        elif picture.format == "rgb24":
            out[...] = clamped(picture.planes[0], Region(*origin, width, height))
        else:
            to_rgb(lane, picture, read_yuv(lane, picture, Region(*origin, width, height), 1), out)

    def paste(self, lane: Lane, picture: Picture, image: U8, mask: U8, to_crop: F32) -> None:
        if not cv2.hasNonZero(mask):
            return
        origin = integer_shift(to_crop)
        x1, y1, x2, y2 = _opaque_part(mask, origin)
        image, mask = image[y1:y2, x1:x2], mask[y1:y2, x1:x2]
        if origin is not None:
            blend(lane, picture, image, mask, origin[0] + x1, origin[1] + y1)
            return
        paste_resampled(lane, picture, image, mask, reduced(to_crop.astype(np.float64), (x1, y1), 1))

    def draw(self, lane: Lane, picture: Picture, rgba: U8, x: int, y: int) -> None:
        if rgba.flags.writeable:
            blend(lane, picture, *_opened(lane, rgba), x, y)
            return
        key = (id(rgba), x, y, picture.format, picture.width, picture.height, picture.colour)
        if key not in self._patches:
            while len(self._patches) >= _CACHED_BITMAPS:
                del self._patches[next(iter(self._patches))]
            own = Lane(-1)  # memory that outlives the frame
            self._patches[key] = (rgba, make_patch(own, picture, *_opened(own, rgba), x, y))
        patch = self._patches[key][1]
        if patch is not None:
            apply_patch(lane, picture, patch)

    def cover(self, lane: Lane, picture: Picture, box: tuple[int, int, int, int] | None, cells: int) -> None:
        x1, y1, x2, y2 = box or (0, 0, picture.width, picture.height)
        x1, y1, x2, y2 = max(0, x1) & ~1, max(0, y1) & ~1, min(picture.width, x2), min(picture.height, y2)
        if x2 <= x1 or y2 <= y1:
            return
        ratio = min(cells / max(x2 - x1, y2 - y1), 1 / _LEAST_CELL_PX)
        size = (max(1, round((y2 - y1) * ratio)), max(1, round((x2 - x1) * ratio)))
        for i, plane in enumerate(picture.planes):
            s = 1 if i == 0 else 2
            region = plane[y1 // s : -(-y2 // s), x1 // s : -(-x2 // s)]
            small = lane.buffer("cover.small", (*size, *plane.shape[2:]))
            shrink(lane, region, small)
            cv2.resize(small, region.shape[1::-1], dst=region, interpolation=cv2.INTER_LINEAR)

    def _resample(self, lane: Lane, picture: Picture, to_crop: F32, out: U8) -> None:
        """Four channels at once: OpenCV warps them at the price of one."""
        height, width = out.shape[:2]
        factor = whole_factor(scale_of(to_crop))
        to_frame = inverted(to_crop)
        limit = (picture.width, picture.height)
        region = spanned(to_frame, width, height, limit, pad=factor + 1, grid=max(2, factor))
        size = (region.height // factor, region.width // factor)
        four = lane.buffer("resample.four", (*size, 4))
        if picture.format == "rgb24":
            small = lane.buffer("resample.small", (*size, 3))
            shrink(lane, clamped(picture.planes[0], region), small)
            cv2.cvtColor(small, cv2.COLOR_RGB2RGBA, dst=four)
        else:
            y, u, v = read_yuv(lane, picture, region, factor)
            cv2.merge((y, u, v, v), dst=four)
        warped = lane.buffer("resample.warped", (height, width, 4))
        _sample(four, reduced(to_frame, (region.x, region.y), factor), warped)
        if picture.format == "rgb24":
            cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB, dst=out)
            return
        yuv = cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB, dst=lane.buffer("resample.yuv", out.shape))
        cv2.transform(yuv, to_rgb_map(picture.colour), dst=out)


def _opaque_part(mask: U8, origin: tuple[int, int] | None) -> tuple[int, int, int, int]:
    """x1 y1 x2 y2 of what a paste changes: out to the frame's 2x2 blocks when shifted, else to the next pixel, so that
    leaving the rest out changes nothing."""
    x, y, width, height = cv2.boundingRect(mask)
    if origin is None:
        x1, y1, x2, y2 = x - 1, y - 1, x + width + 1, y + height + 1
    else:
        x1, y1 = x - ((x + origin[0]) & 1), y - ((y + origin[1]) & 1)
        x2, y2 = x + width + ((x + width + origin[0]) & 1), y + height + ((y + height + origin[1]) & 1)
    return max(0, x1), max(0, y1), min(mask.shape[1], x2), min(mask.shape[0], y2)


def _opened(lane: Lane, rgba: U8) -> tuple[U8, U8]:
    """Colours and opacity of a bitmap."""
    rgb = cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB, dst=lane.buffer("draw.rgb", (*rgba.shape[:2], 3)))
    return rgb, cv2.extractChannel(rgba, 3, dst=lane.buffer("draw.mask", rgba.shape[:2]))


def _sample(image: U8, to_image: Affine, out: U8) -> None:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cv2.warpAffine(image, to_image, out.shape[1::-1], dst=out, flags=flags, borderMode=cv2.BORDER_REPLICATE)
