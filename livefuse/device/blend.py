"""Blending RGB patches into a picture's planes on the CPU, touching only what they cover.

A patch is converted to the picture's own planes once: `over` already multiplied by the opacity, and `keep`, the part of
the picture that stays. Applying it is then a multiplication and an addition, and a bitmap that is drawn on many frames
(overlay, badge) is converted once.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from livefuse.device.base import Lane, Picture
from livefuse.device.colour import to_yuv_map
from livefuse.frame import U8


class Patch(NamedTuple):
    """What to add to and keep of each plane, from its pixel (x, y) on."""

    overs: tuple[U8, ...]
    keeps: tuple[U8, ...]
    origins: tuple[tuple[int, int], ...]


_SAMPLED = 8


def blend(lane: Lane, picture: Picture, rgb: U8, mask: U8, x: int, y: int) -> None:
    """Blend `rgb` (h, w, 3) with opacity `mask` (h, w) over the picture with its first pixel at (x, y), clipped."""
    if picture.format == "rgb24" and _is_binary(lane, mask):
        _copy(picture.planes[0], rgb, mask, x, y)
        return
    patch = make_patch(lane, picture, rgb, mask, x, y)
    if patch is not None:
        apply_patch(lane, picture, patch)


def _is_binary(lane: Lane, mask: U8) -> bool:
    """Whether a mask is 0 or 255 everywhere. A soft one is found out by a few of its pixels."""
    few = mask[::_SAMPLED, ::_SAMPLED]
    if bool(((few > 0) & (few < 255)).any()):
        return False
    between = cv2.inRange(mask, 1, 254, dst=lane.buffer("blend.between", mask.shape))
    return not cv2.hasNonZero(between)


def _copy(plane: U8, rgb: U8, mask: U8, x: int, y: int) -> None:
    left, top = max(0, -x), max(0, -y)
    right, bottom = min(mask.shape[1], plane.shape[1] - x), min(mask.shape[0], plane.shape[0] - y)
    if right > left and bottom > top:
        part = np.s_[top:bottom, left:right]
        cv2.copyTo(rgb[part], mask[part], plane[y + top : y + bottom, x + left : x + right])


def make_patch(lane: Lane, picture: Picture, rgb: U8, mask: U8, x: int, y: int) -> Patch | None:
    """A patch in the memory of `lane`; None when nothing of it is inside the picture."""
    left, top = max(0, -x), max(0, -y)
    right, bottom = min(mask.shape[1], picture.width - x), min(mask.shape[0], picture.height - y)
    if right <= left or bottom <= top:
        return None
    rgb, mask, x, y = rgb[top:bottom, left:right], mask[top:bottom, left:right], x + left, y + top
    if picture.format == "rgb24":
        over, keep = _weighted(lane, "rgb", rgb, mask)
        return Patch((over,), (keep,), ((x, y),))
    rgb, mask = _on_chroma_grid(picture, rgb, mask, x, y)
    return _yuv_patch(lane, picture, rgb, mask, x & ~1, y & ~1)


def apply_patch(lane: Lane, picture: Picture, patch: Patch) -> None:
    for plane, over, keep, (x, y) in zip(picture.planes, patch.overs, patch.keeps, patch.origins, strict=True):
        region = plane[y : y + keep.shape[0], x : x + keep.shape[1]]
        h, w = region.shape[:2]
        kept = lane.buffer("blend.kept", region.shape)
        # two rounded products: exact where opacity is 0 or 255, and where both sides are equal; else within 1
        cv2.multiply(region, keep[:h, :w], dst=kept, scale=1 / 255)
        cv2.add(kept, over[:h, :w], dst=region)


def _on_chroma_grid(picture: Picture, rgb: U8, mask: U8, x: int, y: int) -> tuple[U8, U8]:
    """Widen a patch to whole 2x2 blocks: colours repeat, opacity is 0, except beyond the picture, where there is nothing
    to keep and the last column or row counts double."""
    left, top, right, bottom = x & 1, y & 1, (x + mask.shape[1]) & 1, (y + mask.shape[0]) & 1
    if not (left or top or right or bottom):
        return rgb, mask
    at_right, at_bottom = x + mask.shape[1] == picture.width, y + mask.shape[0] == picture.height
    rgb = cv2.copyMakeBorder(rgb, top, bottom, left, right, cv2.BORDER_REPLICATE)
    mask = cv2.copyMakeBorder(mask, top, bottom, left, right, cv2.BORDER_CONSTANT)
    if right and at_right:
        mask[:, -1] = mask[:, -2]
    if bottom and at_bottom:
        mask[-1] = mask[-2]
    return rgb, mask


def _yuv_patch(lane: Lane, picture: Picture, rgb: U8, mask: U8, x: int, y: int) -> Patch:
    to_yuv = to_yuv_map(picture.colour)
    h, w = mask.shape
    half = (w // 2, h // 2)
    yuv = cv2.transform(rgb, to_yuv, dst=lane.buffer("patch.yuv", rgb.shape))
    luma = cv2.extractChannel(yuv, 0, dst=lane.buffer("patch.luma", (h, w)))
    # the 2x2 average commutes with the matrix, and a quarter of the pixels is a quarter of the work
    small = cv2.resize(rgb, half, dst=lane.buffer("patch.small", (h // 2, w // 2, 3)), interpolation=cv2.INTER_AREA)
    small = cv2.transform(small, to_yuv, dst=small)
    thin = cv2.resize(mask, half, dst=lane.buffer("patch.thin", (h // 2, w // 2)), interpolation=cv2.INTER_AREA)
    u, v = (cv2.extractChannel(small, i, dst=lane.buffer(f"patch.chroma{i}", thin.shape)) for i in (1, 2))
    parts = [_weighted(lane, "y", luma, mask)]
    if picture.format == "nv12":
        parts.append(_weighted(lane, "uv", cv2.merge((u, v), dst=lane.buffer("patch.uv", (*thin.shape, 2))), thin))
    else:
        parts += [_weighted(lane, "u", u, thin), _weighted(lane, "v", v, thin)]
    overs, keeps = zip(*parts, strict=True)
    return Patch(overs, keeps, ((x, y),) + ((x // 2, y // 2),) * (len(parts) - 1))


def _weighted(lane: Lane, name: str, image: U8, mask: U8) -> tuple[U8, U8]:
    """image * mask / 255 and 255 - mask, of the image's shape."""
    if image.ndim == 3:
        mask = cv2.merge((mask,) * image.shape[2], dst=lane.buffer(f"{name}.mask", image.shape))
    over = cv2.multiply(image, mask, dst=lane.buffer(f"{name}.over", image.shape), scale=1 / 255)
    return over, cv2.bitwise_not(mask, dst=lane.buffer(f"{name}.keep", image.shape))
