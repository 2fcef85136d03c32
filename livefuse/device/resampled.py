"""Pasting through a similarity on the CPU: one warp of colours and opacity together, then as little blending as there is seam.

Colours are multiplied by their opacity while they are still the crop's few pixels, and are in the picture's own colour space
from there on. In the frame the opaque middle of a face is then only copied, and its seam costs one product a value.
"""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.device.bands import Band, bands_of
from livefuse.device.base import Lane, Picture
from livefuse.device.colour import to_yuv_map
from livefuse.device.planes import Affine, Region, inverted, reduced, scale_of, shrink, spanned, whole_factor
from livefuse.frame import U8


def paste_resampled(lane: Lane, picture: Picture, image: U8, mask: U8, to_image: Affine) -> None:
    """Blend `image` with opacity `mask` over the picture; `to_image` carries frame px to image px."""
    factor = whole_factor(1 / scale_of(to_image))
    ring = factor  # of opacity 0, so that the edge fades over one pixel and what lies outside adds nothing
    rows, cols = (-(-(n + 2 * ring) // factor) * factor for n in mask.shape)
    to_ringed = reduced(to_image, (-ring, -ring), 1)
    region = spanned(inverted(to_ringed), cols, rows, (picture.width, picture.height), pad=0, grid=2)
    source = _premultiplied(lane, picture, image, mask, (rows, cols, ring, factor))
    to_source = reduced(to_ringed, (0, 0), factor)
    to_source[:, 2] += to_source[:, :2] @ (region.x, region.y)
    opacity = cv2.extractChannel(source, 3, dst=lane.buffer("paste.opacity", source.shape[:2]))
    for band in bands_of(opacity, to_source, region):
        _paste_band(lane, picture, source, to_source, region, band)


def _paste_band(lane: Lane, picture: Picture, source: U8, to_source: Affine, region: Region, band: Band) -> None:
    warped = lane.buffer("paste.warped", (band.y2 - band.y1, band.x2 - band.x1, 4))
    to_band = to_source.copy()
    to_band[:, 2] += to_source[:, :2] @ (band.x1, band.y1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cv2.warpAffine(source, to_band, warped.shape[1::-1], dst=warped, flags=flags)  # transparent black outside
    _apply(lane, picture, warped, region, band)


def _premultiplied(lane: Lane, picture: Picture, image: U8, mask: U8, frame: tuple[int, int, int, int]) -> U8:
    """(rows, cols, 4): RGB, or YUV for a picture that is in YUV, times opacity, and the opacity.

    `frame` is (rows, cols) with a transparent ring of `ring` px, and the factor by which it is then averaged down.
    """
    rows, cols, ring, factor = frame
    border = (ring, rows - ring - mask.shape[0], ring, cols - ring - mask.shape[1])
    if picture.format != "rgb24":
        image = cv2.transform(image, to_yuv_map(picture.colour), dst=lane.buffer("paste.yuv", image.shape))
    colours = cv2.copyMakeBorder(image, *border, cv2.BORDER_REPLICATE)
    opacity = cv2.copyMakeBorder(mask, *border, cv2.BORDER_CONSTANT)
    if factor > 1:
        small, thin = (
            lane.buffer(f"paste.small{i}", (rows // factor, cols // factor, *one.shape[2:]))
            for i, one in enumerate((colours, opacity))
        )
        shrink(lane, colours, small)
        shrink(lane, opacity, thin)
        colours, opacity = small, thin
    colours = cv2.multiply(colours, cv2.cvtColor(opacity, cv2.COLOR_GRAY2RGB), scale=1 / 255)
    out = cv2.cvtColor(colours, cv2.COLOR_RGB2RGBA, dst=lane.buffer("paste.source", (*opacity.shape, 4)))
    return np.asarray(cv2.insertChannel(opacity, out, 3), np.uint8)


def _apply(lane: Lane, picture: Picture, warped: U8, region: Region, band: Band) -> None:
    """Blend one band's colours into the picture's planes."""
    x, y = region.x + band.x1, region.y + band.y1
    width, height = min(warped.shape[1], picture.width - x), min(warped.shape[0], picture.height - y)
    inside = warped[:height, :width]
    plane = picture.planes[0][y : y + height, x : x + width]
    solid = slice(min(band.opaque_x1 - band.x1, width), min(band.opaque_x2 - band.x1, width))
    seams = [part for part in (slice(0, solid.start), slice(solid.stop, width)) if part.stop > part.start]
    rgb = picture.format == "rgb24"
    blend, copy = (_blend_rgb, _copy_rgb) if rgb else (_blend_luma, _copy_luma)
    for part in seams:
        blend(lane, plane[:, part], inside[:, part])
    if solid.stop > solid.start:
        copy(lane, plane[:, solid], inside[:, solid])
    if not rgb:
        _blend_chroma(lane, picture, warped, (width, height), x, y)


def _copy_rgb(lane: Lane, plane: U8, warped: U8) -> None:
    plane[...] = cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB, dst=lane.buffer("paste.over", plane.shape))


def _blend_rgb(lane: Lane, plane: U8, warped: U8) -> None:
    over = cv2.cvtColor(warped, cv2.COLOR_RGBA2RGB, dst=lane.buffer("paste.over", plane.shape))
    thin = cv2.extractChannel(warped, 3, dst=lane.buffer("paste.thin", plane.shape[:2]))
    cv2.bitwise_not(thin, dst=thin)
    keep = cv2.cvtColor(thin, cv2.COLOR_GRAY2RGB, dst=lane.buffer("paste.keep", plane.shape))
    cv2.add(cv2.multiply(plane, keep, dst=keep, scale=1 / 255), over, dst=plane)


def _copy_luma(lane: Lane, plane: U8, warped: U8) -> None:
    plane[...] = cv2.extractChannel(warped, 0, dst=lane.buffer("paste.over", plane.shape))


def _blend_luma(lane: Lane, plane: U8, warped: U8, channel: int = 0) -> None:
    over = cv2.extractChannel(warped, channel, dst=lane.buffer("paste.over", plane.shape))
    keep = cv2.extractChannel(warped, 3, dst=lane.buffer("paste.keep", plane.shape))
    cv2.bitwise_not(keep, dst=keep)
    cv2.add(cv2.multiply(plane, keep, dst=keep, scale=1 / 255), over, dst=plane)


def _blend_chroma(lane: Lane, picture: Picture, warped: U8, inside: tuple[int, int], x: int, y: int) -> None:
    """Premultiplied colours average as light does; beyond the picture the last column or row counts double."""
    width, height = inside
    if width < warped.shape[1]:
        warped[:, width] = warped[:, width - 1]
    if height < warped.shape[0]:
        warped[height] = warped[height - 1]
    size = (warped.shape[0] // 2, warped.shape[1] // 2)
    half = lane.buffer("paste.half", (*size, 4))
    cv2.resize(warped, size[::-1], dst=half, interpolation=cv2.INTER_AREA)
    part = np.s_[y // 2 : y // 2 + size[0], x // 2 : x // 2 + size[1]]
    if picture.format == "nv12":
        _blend_pair(lane, picture.planes[1][part], half)
        return
    for channel, plane in enumerate(picture.planes[1:], start=1):
        _blend_luma(lane, plane[part], half, channel)


def _blend_pair(lane: Lane, plane: U8, half: U8) -> None:
    """U and V side by side."""
    over, keep = (lane.buffer(f"paste.{name}", plane.shape) for name in ("over", "keep"))
    cv2.mixChannels([half], [over, keep], [1, 0, 2, 1, 3, 2, 3, 3])
    cv2.bitwise_not(keep, dst=keep)
    cv2.add(cv2.multiply(plane, keep, dst=keep, scale=1 / 255), over, dst=plane)
