"""The CPU backend: NumPy and OpenCV, which release the GIL while they work."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.device.base import Lane, Letterbox, Picture
from livefuse.device.colour import to_rgb_map, to_yuv_map
from livefuse.frame import F32, U8, HostFrame

_SHIFT_TOLERANCE_PX = 1e-4


class CpuBackend:
    """Everything completes before it returns; a lane is only its buffers."""

    name = "cpu"

    def upload(self, lane: Lane, frame: HostFrame) -> Picture:
        planes = tuple(lane.buffer(f"picture.{i}", plane.shape) for i, plane in enumerate(frame.planes))
        for ours, theirs in zip(planes, frame.planes, strict=True):
            np.copyto(ours, theirs)
        return Picture(planes, frame.format, frame.width, frame.height, frame.colour)

    def download(self, lane: Lane, picture: Picture, out: tuple[U8, ...]) -> None:
        for theirs, ours in zip(out, picture.planes, strict=True):
            np.copyto(theirs, ours)

    def letterbox(self, lane: Lane, picture: Picture, out: U8) -> Letterbox:
        height, width = out.shape[:2]
        scale = min(width / picture.width, height / picture.height, 1.0)
        w, h = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
        out.fill(0)
        if picture.format == "rgb24":
            out[:h, :w] = cv2.resize(picture.planes[0], (w, h), interpolation=_shrink(scale))
            return Letterbox(scale)
        y = cv2.resize(picture.planes[0], (w, h), interpolation=_shrink(scale))
        u, v = (_plane_resize(c, (w, h), scale * 2) for c in _chroma(picture))
        out[:h, :w] = cv2.transform(cv2.merge((y, u, v)), to_rgb_map(picture.colour))
        return Letterbox(scale)

    def warp(self, lane: Lane, picture: Picture, to_crop: F32, out: U8) -> None:
        height, width = out.shape[:2]
        if _is_shift(to_crop):
            self._read(picture, -round(float(to_crop[0, 2])), -round(float(to_crop[1, 2])), out)
            return
        scale = float(np.sqrt(abs(np.linalg.det(to_crop[:, :2].astype(np.float64)))))
        inverse = cv2.invertAffineTransform(to_crop)
        box = _bounds(inverse, width, height, picture, pad=2)
        if scale < 0.5 and box is not None:  # bilinear taps would skip pixels: average down by a whole factor first
            self._warp_shrunk(lane, picture, inverse, box, int(1 / scale), out)
            return
        if picture.format == "rgb24":
            _sample(picture.planes[0], inverse, out)
            return
        y = _sample(picture.planes[0], inverse, lane.buffer("warp.y", (height, width)))
        half = _halved(inverse)
        u, v = (_sample(np.ascontiguousarray(c), half, np.empty((height, width), np.uint8)) for c in _chroma(picture))
        cv2.transform(cv2.merge((y, u, v)), to_rgb_map(picture.colour), dst=out)

    def paste(self, lane: Lane, picture: Picture, image: U8, mask: U8, to_crop: F32) -> None:
        height, width = mask.shape
        inverse = cv2.invertAffineTransform(to_crop)
        box = _bounds(inverse, width, height, picture, pad=0)
        if box is None:
            return
        x1, y1, x2, y2 = box
        if _is_shift(to_crop):
            ox, oy = -round(float(to_crop[0, 2])), -round(float(to_crop[1, 2]))
            window = np.s_[y1 - oy : y2 - oy, x1 - ox : x2 - ox]
            image, mask = _window(image, window, (y2 - y1, x2 - x1)), _window(mask, window, (y2 - y1, x2 - x1))
        else:
            shifted = to_crop.astype(np.float32).copy()
            shifted[:, 2] += to_crop[:, :2] @ np.array([x1, y1], np.float32)
            size = (x2 - x1, y2 - y1)
            flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
            image = cv2.warpAffine(image, shifted, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
            mask = cv2.warpAffine(mask, shifted, size, flags=flags, borderMode=cv2.BORDER_CONSTANT)
        _blend(picture, image, mask, x1, y1)

    def draw(self, lane: Lane, picture: Picture, rgba: U8, x: int, y: int) -> None:
        x1, y1 = max(0, x - (x & 1)), max(0, y - (y & 1))  # chroma covers 2x2 px: keep to its grid
        height, width = min(rgba.shape[0], picture.height - y1), min(rgba.shape[1], picture.width - x1)
        if height > 0 and width > 0:
            part = rgba[:height, :width]
            _blend(picture, part[..., :3], np.ascontiguousarray(part[..., 3]), x1, y1)

    def cover(self, lane: Lane, picture: Picture, box: tuple[int, int, int, int] | None, cells: int) -> None:
        x1, y1, x2, y2 = box or (0, 0, picture.width, picture.height)
        x1, y1, x2, y2 = max(0, x1) & ~1, max(0, y1) & ~1, min(picture.width, x2), min(picture.height, y2)
        if x2 <= x1 or y2 <= y1:
            return
        for i, plane in enumerate(picture.planes):
            s = 1 if i == 0 else 2
            region = plane[y1 // s : -(-y2 // s), x1 // s : -(-x2 // s)]
            h, w = region.shape[:2]
            ratio = cells / max(h, w)
            small = cv2.resize(
                region, (max(1, round(w * ratio)), max(1, round(h * ratio))), interpolation=cv2.INTER_AREA
            )
            big = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
            region[...] = big.reshape(region.shape)

    def _read(self, picture: Picture, x: int, y: int, out: U8) -> None:
        """Exact region in RGB; parts outside the picture repeat its edge."""
        height, width = out.shape[:2]
        ex, ey = x & ~1, y & ~1
        h, w = height + (y - ey), width + (x - ex)
        if picture.format == "rgb24":
            out[...] = _clamped(picture.planes[0], x, y, width, height)
            return
        yy = _clamped(picture.planes[0], ex, ey, w, h)
        cw, ch = (w + 1) // 2, (h + 1) // 2
        merged = np.empty((h, w, 3), np.uint8)
        merged[..., 0] = yy
        for i, c in enumerate(_chroma(picture), 1):
            # one chroma sample of margin on each side, so that enlarging interpolates across the region's border
            margin = _clamped(c, ex // 2 - 1, ey // 2 - 1, cw + 2, ch + 2)
            big = cv2.resize(margin, (2 * cw + 4, 2 * ch + 4), interpolation=cv2.INTER_LINEAR)
            merged[..., i] = big[2 : 2 + h, 2 : 2 + w]
        rgb = cv2.transform(merged, to_rgb_map(picture.colour))
        out[...] = rgb[y - ey :, x - ex :]

    def _warp_shrunk(
        self, lane: Lane, picture: Picture, inverse: F32, box: tuple[int, int, int, int], factor: int, out: U8
    ) -> None:
        x1, y1, x2, y2 = box
        w, h = max(1, (x2 - x1) // factor), max(1, (y2 - y1) // factor)
        region = lane.buffer("warp.region", (h * factor, w * factor, 3))
        self._read(picture, x1, y1, region)
        small = cv2.resize(region, (w, h), interpolation=cv2.INTER_AREA)
        to_small = np.array(inverse, np.float32)
        to_small[:, 2] -= (x1, y1)
        to_small /= factor
        to_small[:, 2] += 0.5 / factor - 0.5  # pixel centres: the first small pixel spans `factor` large ones
        _sample(small, to_small, out)


def _shrink(scale: float) -> int:
    return cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR


def _plane_resize(plane: U8, size: tuple[int, int], scale: float) -> U8:
    return np.asarray(cv2.resize(plane, size, interpolation=_shrink(scale)), np.uint8)


def _chroma(picture: Picture) -> tuple[U8, U8]:
    if picture.format == "nv12":
        return picture.planes[1][..., 0], picture.planes[1][..., 1]
    return picture.planes[1], picture.planes[2]


def _is_shift(to_crop: F32) -> bool:
    identity = np.abs(to_crop[:, :2] - np.eye(2, dtype=np.float32)).max() < _SHIFT_TOLERANCE_PX
    return bool(identity and np.abs(to_crop[:, 2] - np.round(to_crop[:, 2])).max() < _SHIFT_TOLERANCE_PX)


def _halved(inverse: F32) -> F32:
    """The same map onto chroma planes: their first sample is centred between luma 0 and 1."""
    half: F32 = np.asarray(inverse / 2, np.float32)
    half[:, 2] -= 0.25
    return half


def _sample(plane: U8, inverse: F32, out: U8) -> U8:
    size = (out.shape[1], out.shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cv2.warpAffine(plane, inverse, size, dst=out, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return out


def _bounds(inverse: F32, width: int, height: int, picture: Picture, pad: int) -> tuple[int, int, int, int] | None:
    """The frame region that a crop covers, on the chroma grid, clipped to the picture; None when outside."""
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], np.float32)
    points = corners @ inverse.T
    x1, y1 = np.floor(points.min(0) + 1e-3).astype(int) - pad
    x2, y2 = np.ceil(points.max(0) - 1e-3).astype(int) + 1 + pad
    x1, y1 = max(0, int(x1)) & ~1, max(0, int(y1)) & ~1
    x2, y2 = min(picture.width, int(x2) + (int(x2) & 1)), min(picture.height, int(y2) + (int(y2) & 1))
    return (x1, y1, x2, y2) if x2 > x1 and y2 > y1 else None


def _window(array: U8, window: tuple[slice, slice], size: tuple[int, int]) -> U8:
    """Cut a window that may start before the array: what is missing is zero (and so has mask 0)."""
    rows, cols = window
    top, left = max(0, -rows.start), max(0, -cols.start)
    part = array[max(0, rows.start) : rows.stop, max(0, cols.start) : cols.stop]
    if part.shape[:2] == size:
        return part
    padded = np.zeros((*size, *array.shape[2:]), np.uint8)
    padded[top : top + part.shape[0], left : left + part.shape[1]] = part
    return padded


def _clamped(plane: U8, x: int, y: int, width: int, height: int) -> U8:
    """A region of a plane; coordinates outside repeat the edge."""
    ph, pw = plane.shape[:2]
    x1, y1, x2, y2 = max(0, x), max(0, y), min(pw, x + width), min(ph, y + height)
    if x2 - x1 == width and y2 - y1 == height:
        return plane[y1:y2, x1:x2]
    xs, ys = np.clip(np.arange(x, x + width), 0, pw - 1), np.clip(np.arange(y, y + height), 0, ph - 1)
    return plane[ys[:, None], xs]


def _mix(base: U8, over: U8, mask: U8) -> None:
    """base += (over - base) * mask / 255, in place; exact where mask is 0 or 255."""
    keep = cv2.bitwise_not(mask)
    if base.ndim == 3 and mask.ndim == 2:
        mask, keep = cv2.merge((mask,) * base.shape[2]), cv2.merge((keep,) * base.shape[2])
    cv2.add(cv2.multiply(over, mask, scale=1 / 255), cv2.multiply(base, keep, scale=1 / 255), dst=base)


def _blend(picture: Picture, image: U8, mask: U8, x: int, y: int) -> None:
    """Blend an RGB patch at even (x, y); chroma takes the patch's 2x2 averages."""
    h, w = mask.shape
    if picture.format == "rgb24":
        _mix_into(picture.planes[0], image, mask, x, y)
        return
    yuv = cv2.transform(image, to_yuv_map(picture.colour))
    _mix_into(picture.planes[0], np.ascontiguousarray(yuv[..., 0]), mask, x, y)
    half = ((w + 1) // 2, (h + 1) // 2)
    if (h | w) & 1:  # an odd edge: repeat it, so that averages stay 2x2
        yuv = cv2.copyMakeBorder(yuv, 0, h & 1, 0, w & 1, cv2.BORDER_REPLICATE)
        mask = cv2.copyMakeBorder(mask, 0, h & 1, 0, w & 1, cv2.BORDER_REPLICATE)
    chroma = cv2.resize(np.ascontiguousarray(yuv[..., 1:]), half, interpolation=cv2.INTER_AREA)
    small = cv2.resize(mask, half, interpolation=cv2.INTER_AREA)
    if picture.format == "nv12":
        _mix_into(picture.planes[1], chroma, small, x // 2, y // 2)
        return
    for i in (0, 1):
        _mix_into(picture.planes[1 + i], np.ascontiguousarray(chroma[..., i]), small, x // 2, y // 2)


def _mix_into(plane: U8, over: U8, mask: U8, x: int, y: int) -> None:
    region = plane[y : y + mask.shape[0], x : x + mask.shape[1]]
    h, w = region.shape[:2]
    mixed = np.ascontiguousarray(region)
    _mix(mixed, np.ascontiguousarray(over[:h, :w]), np.ascontiguousarray(mask[:h, :w]))
    region[...] = mixed
