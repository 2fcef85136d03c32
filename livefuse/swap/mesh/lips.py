"""Shutting the mouth of a photo.

A smiling photo on a face that keeps its mouth shut would have its teeth squeezed into a white line: no smooth map closes a
gap. Two maps do, one for what lies above the lip line and one for what lies below.
"""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.device.base import Lane
from livefuse.frame import F32, U8
from livefuse.swap.mesh import mask, topology, warp
from livefuse.swap.mesh.topology import (
    INNER_LOWER,
    INNER_UPPER,
    LOWER_LIP,
    MOUTH_LEFT,
    MOUTH_RIGHT,
    UPPER_LIP,
    FaceFrame,
)

# How far the outer contour follows, from corner to corner.
_FOLLOWING = np.array([[0.6], [0.9], [1.0], [0.9], [0.6]], np.float32)
_LINE_DARKNESS = 0.35


def shut(photo: U8, landmarks: F32, frame: FaceFrame) -> tuple[U8, F32]:
    """The photo with its lips closed, and its landmarks then. A mouth that is shut already stays as it is."""
    if mask.mouth_gap(landmarks) <= mask.MOUTH_SHUT:
        return photo, landmarks
    line: F32 = np.asarray((landmarks[INNER_UPPER] + landmarks[INNER_LOWER][::-1]) / 2, np.float32)
    closed = landmarks.copy()
    _move(closed, landmarks, INNER_UPPER, UPPER_LIP, line)
    _move(closed, landmarks, INNER_LOWER, LOWER_LIP, line[::-1])
    lower = _warped(photo, closed, landmarks, frame, without=(UPPER_LIP, INNER_UPPER))
    upper = _warped(photo, closed, landmarks, frame, without=(LOWER_LIP, INNER_LOWER))
    lip_line: F32 = np.concatenate((landmarks[[MOUTH_LEFT]], line, landmarks[[MOUTH_RIGHT]]))
    below = _below(photo.shape[:2], lip_line, frame)
    joined = np.where(below[..., None], lower, upper)
    return _with_line(joined, lip_line, frame), closed


def _move(closed: F32, landmarks: F32, inner: slice, outer: slice, line: F32) -> None:
    """Inner contour onto the line; the outer one follows, so that the lip keeps its thickness."""
    shift = line - landmarks[inner]
    closed[inner] = line
    places = np.linspace(0, 2, 5)
    spread = np.stack([np.interp(places, np.arange(3), shift[:, axis]) for axis in (0, 1)], 1)
    closed[outer] = landmarks[outer] + spread * _FOLLOWING


def _warped(photo: U8, closed: F32, landmarks: F32, frame: FaceFrame, *, without: tuple[slice, slice]) -> U8:
    kept = np.ones(66 + topology.FOREHEAD_POINTS, np.bool_)
    for part in without:
        kept[part] = False
    values = topology.control_points(landmarks, frame)[kept]
    centres = (topology.control_points(closed, frame)[kept] - frame.origin) / frame.unit_px
    coefficients = warp.Spline(topology.stiffness()[kept]).fit(centres, values)
    size = (photo.shape[1], photo.shape[0])
    points, cells = warp.lattice_points(size)
    field = warp.evaluate(coefficients, centres, np.asarray((points - frame.origin) / frame.unit_px, np.float32))
    there = warp.enlarge(Lane(0), warp.Lattice(field.reshape(*cells, 2), size))
    return np.asarray(cv2.remap(photo, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _below(shape: tuple[int, int], lip_line: F32, frame: FaceFrame) -> U8:
    """1 below the lip line, which goes on straight beyond the corners of the mouth."""
    ys, xs = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    across = (xs - frame.origin[0]) * frame.right[0] + (ys - frame.origin[1]) * frame.right[1]
    height = (xs - frame.origin[0]) * frame.up[0] + (ys - frame.origin[1]) * frame.up[1]
    line = lip_line - frame.origin
    return np.asarray(height < np.interp(across, line @ frame.right, line @ frame.up), np.uint8)


def _with_line(photo: U8, lip_line: F32, frame: FaceFrame) -> U8:
    """Where lips meet it is dark."""
    canvas = np.zeros(photo.shape[:2], np.uint8)
    cv2.polylines(canvas, [np.round(lip_line).astype(np.int32)], False, 255, max(1, round(0.015 * frame.unit_px)))
    soft = cv2.GaussianBlur(canvas, (0, 0), 0.008 * frame.unit_px).astype(np.float32) / 255
    return np.asarray(photo * (1 - _LINE_DARKNESS * soft[..., None]) + 0.5, np.uint8)
