"""How pixels move between two frames of the original clip, so that motion is not taken for flicker."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.frame import F32, U8

Mask = npt.NDArray[np.bool_]

_SHARE, _SLACK_PX2 = 0.01, 0.5
_LEAST_PX = 32  # smaller pictures have no pyramid


class Motion(NamedTuple):
    """Shapes: to_before (h, w, 2) float16, each pixel's way back to the frame before, px; seen (h, w) bool, False where that
    frame did not show the same thing."""

    to_before: npt.NDArray[np.float16]
    seen: Mask


def motion_of(now: U8, before: U8) -> Motion:
    """Dense motion by DIS optical flow, checked forth and back. Shapes: (h, w, 3) RGB twice.

    Source: Kroeger et al. 2016, "Fast optical flow using dense inverse search"; the check is that of Sundaram et al. 2010,
    "Dense point trajectories by GPU-accelerated large displacement optical flow", section 3.
    """
    here, there = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (now, before))
    if min(here.shape) < _LEAST_PX:
        return Motion(np.zeros((*here.shape, 2), np.float16), np.ones(here.shape, np.bool_))
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    back = np.asarray(dis.calc(here, there, None), np.float32)
    forth = followed(np.asarray(dis.calc(there, here, None), np.float32), back)
    off = ((back + forth) ** 2).sum(axis=2)
    seen = off <= _SHARE * ((back**2).sum(axis=2) + (forth**2).sum(axis=2)) + _SLACK_PX2
    return Motion(back.astype(np.float16), seen & _within(back))


def followed(image: F32, to_before: npt.NDArray[np.floating]) -> F32:
    """The frame before, moved onto this one: bilinear, edges replicated. Shapes: (h, w[, C]), (h, w, 2)."""
    return np.asarray(
        cv2.remap(image, _places(to_before), None, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE), np.float32
    )


def _places(to_before: npt.NDArray[np.floating]) -> F32:
    height, width = to_before.shape[:2]
    places = to_before.astype(np.float32)
    places[..., 0] += np.arange(width, dtype=np.float32)
    places[..., 1] += np.arange(height, dtype=np.float32)[:, None]
    return places


def _within(to_before: F32) -> Mask:
    """Where the way back does not leave the picture."""
    height, width = to_before.shape[:2]
    places = _places(to_before)
    inside = (places >= -0.5).all(axis=2) & (places < (width - 0.5, height - 0.5)).all(axis=2)
    return np.asarray(inside, np.bool_)
