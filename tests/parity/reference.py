"""Slow float64 versions of what a Backend does, written from the contract and not from any backend."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from livefuse.device.base import Picture
from livefuse.frame import F32, U8, Colour, HostFrame, PixelFormat, plane_shapes

F64 = npt.NDArray[np.float64]
MARGIN_PX = 4
KR_KB = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}


def smooth_noise(rng: np.random.Generator, height: int, width: int, channels: int, cell_px: int = 20) -> F64:
    """Values 0..1 that vary over about `cell_px`."""
    knots = rng.random((height // cell_px + 3, width // cell_px + 3, channels))
    ys, xs = np.mgrid[0:height, 0:width] / cell_px
    return sample(knots, xs, ys)


def sample(image: npt.NDArray[np.generic], xs: F64, ys: F64) -> F64:
    """Bilinear with replicated edges."""
    rows, cols = image.shape[:2]
    img = image.astype(np.float64).reshape(rows, cols, -1)
    xs, ys = np.clip(xs, 0, cols - 1), np.clip(ys, 0, rows - 1)
    x0, y0 = np.floor(xs).astype(int), np.floor(ys).astype(int)
    x1, y1 = np.minimum(x0 + 1, cols - 1), np.minimum(y0 + 1, rows - 1)
    fx, fy = (xs - x0)[..., None], (ys - y0)[..., None]
    top = img[y0, x0] * (1 - fx) + img[y0, x1] * fx
    bottom = img[y1, x0] * (1 - fx) + img[y1, x1] * fx
    return top * (1 - fy) + bottom * fy


def yuv_of(rgb: F64, colour: Colour) -> F64:
    """H.273 equations, one by one."""
    kr, kb = KR_KB[colour.matrix]
    r, g, b = (rgb[..., i] / 255 for i in range(3))
    y = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))
    if colour.full_range:
        return np.stack([255 * y, 255 * u + 128, 255 * v + 128], -1)
    return np.stack([219 * y + 16, 224 * u + 128, 224 * v + 128], -1)


def rgb_of(yuv: F64, colour: Colour) -> F64:
    kr, kb = KR_KB[colour.matrix]
    if colour.full_range:
        y, u, v = yuv[..., 0] / 255, (yuv[..., 1] - 128) / 255, (yuv[..., 2] - 128) / 255
    else:
        y, u, v = (yuv[..., 0] - 16) / 219, (yuv[..., 1] - 128) / 224, (yuv[..., 2] - 128) / 224
    r, b = y + 2 * (1 - kr) * v, y + 2 * (1 - kb) * u
    g = (y - kr * r - kb * b) / (1 - kr - kb)
    return 255 * np.clip(np.stack([r, g, b], -1), 0, 1)


def halved(plane: F64) -> F64:
    """2x2 means; an odd last column or row counts double."""
    padded = np.pad(plane, [(0, plane.shape[0] & 1), (0, plane.shape[1] & 1), (0, 0)], mode="edge")
    return (padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]) / 4


def frame_of(rgb: F64, format: PixelFormat, colour: Colour) -> HostFrame:  # noqa: A002
    """A frame that shows an RGB image."""
    height, width = rgb.shape[:2]
    return HostFrame(_planes(rgb, yuv_of(rgb, colour), format), format, width, height, colour=colour)


def _planes(rgb: F64, yuv: F64, format: PixelFormat) -> tuple[U8, ...]:  # noqa: A002
    shapes = plane_shapes(format, *rgb.shape[:2])
    small = halved(yuv[..., 1:])
    parts = {"rgb24": [rgb], "nv12": [yuv[..., 0], small], "yuv420p": [yuv[..., 0], small[..., 0], small[..., 1]]}
    return tuple(
        np.clip(np.rint(part), 0, 255).astype(np.uint8).reshape(shape)
        for part, shape in zip(parts[format], shapes, strict=True)
    )


def split_yuv(picture: Picture | HostFrame) -> tuple[F64, F64]:
    """Y (H, W, 1) and UV (h, w, 2)."""
    uv = picture.planes[1] if picture.format == "nv12" else np.stack(picture.planes[1:], -1)
    return picture.planes[0][..., None].astype(np.float64), uv.astype(np.float64)


def to_rgb(picture: Picture | HostFrame) -> F64:
    """The whole picture in RGB with `MARGIN_PX` around it, where each plane repeats its own edge; chroma bilinear,
    centred between its four pixels."""
    ys, xs = np.mgrid[-MARGIN_PX : picture.height + MARGIN_PX, -MARGIN_PX : picture.width + MARGIN_PX].astype(float)
    if picture.format == "rgb24":
        return sample(picture.planes[0], xs, ys)
    y, uv = split_yuv(picture)
    return rgb_of(np.concatenate([sample(y, xs, ys), sample(uv, xs / 2 - 0.25, ys / 2 - 0.25)], -1), picture.colour)


def warp(picture: Picture | HostFrame, to_crop: F32, height: int, width: int, supersample: int = 1) -> F64:
    """Bilinear samples, or means over each crop pixel's footprint."""
    matrix = np.vstack([to_crop.astype(np.float64), [0, 0, 1]])
    inverse = np.linalg.inv(matrix)[:2]
    rgb = to_rgb(picture)
    total = np.zeros((height, width, 3))
    offsets = (np.arange(supersample) + 0.5) / supersample - 0.5
    for dy in offsets:
        for dx in offsets:
            ys, xs = np.mgrid[0:height, 0:width].astype(np.float64)
            points = inverse @ np.stack([xs.ravel() + dx, ys.ravel() + dy, np.ones(xs.size)])
            px, py = points[0].reshape(xs.shape) + MARGIN_PX, points[1].reshape(xs.shape) + MARGIN_PX
            total += sample(rgb, px, py)
    return total / supersample**2


def letterbox(picture: Picture | HostFrame, height: int, width: int) -> tuple[F64, float]:
    scale = min(width / picture.width, height / picture.height, 1.0)
    h, w = max(1, round(picture.height * scale)), max(1, round(picture.width * scale))
    sx, sy = w / picture.width, h / picture.height
    to_net = np.array([[sx, 0, 0.5 * sx - 0.5], [0, sy, 0.5 * sy - 0.5]], np.float32)
    out = np.zeros((height, width, 3))
    out[:h, :w] = warp(picture, to_net, h, w, supersample=4 if scale < 0.5 else 1)
    return out, scale


def paste(frame: HostFrame, image: U8, mask: U8, to_crop: F32) -> tuple[F64, ...]:
    """Float planes of the blended picture, in the frame's format (yuv420p and nv12: Y and UV)."""
    ys, xs = np.mgrid[0 : frame.height, 0 : frame.width].astype(np.float64)
    points = to_crop.astype(np.float64) @ np.stack([xs.ravel(), ys.ravel(), np.ones(xs.size)])
    px, py = points[0].reshape(xs.shape), points[1].reshape(xs.shape)
    ringed = np.pad(mask, 1)
    opacity = sample(ringed, px + 1, py + 1) / 255
    return blend(frame, sample(image, px, py), opacity)


def blend(frame: HostFrame, over: F64, opacity: F64) -> tuple[F64, ...]:
    if frame.format == "rgb24":
        base = frame.planes[0].astype(np.float64)
        return (base + (over - base) * opacity,)
    y, uv = split_yuv(frame)
    yuv = yuv_of(over, frame.colour)
    small, thin = halved(yuv[..., 1:]), halved(opacity)
    return y + (yuv[..., :1] - y) * opacity, uv + (small - uv) * thin


def planes_of(picture: Picture) -> tuple[F64, ...]:
    """A picture's planes, shaped as `blend` answers."""
    return (picture.planes[0].astype(np.float64),) if picture.format == "rgb24" else split_yuv(picture)
