"""How much of the swapped face shows where.

The opacity is drawn once, in the identity's photo, and travels through the warp with the colours: it costs no extra
pass, and its seam scales and bends with the face. Per frame it only loses what must stay the target's own.
"""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.device.base import Lane
from livefuse.frame import F32, U8
from livefuse.swap.mesh import topology
from livefuse.swap.mesh.topology import FaceFrame
from livefuse.swap.mesh.warp import Jacobian

_SUBPIXEL_BITS = 4
_CONTOUR = np.array([*range(17), *topology.HAIRLINE])
# A cell whose area ratio is below this part of the face's median spreads few photo px wide, or is folded over.
_FOLDED, _FLAT = 0.03, 0.12
_FEW = 0.02
_SHEARED, _SMEARED = 1.3, 2.0  # log of the longer over the shorter axis: 3.7 and 7.4 times
_SHEAR_CELLS = 1.5
MOUTH_SHUT, _MOUTH_OPEN = 0.05, 0.14  # inner lip gap over mouth width


def draw_opacity(shape: tuple[int, int], landmarks: F32, frame: FaceFrame, seam: float) -> U8:
    """Opacity of the identity's photo, (h, w) uint8: inside the jaw, up to a band over the brows.

    The seam is narrow at the jaw, where target and identity differ by a contour, and wide on the forehead.
    """
    unit = frame.unit_px
    depth = cv2.distanceTransform(inside(face_contour(landmarks, frame), shape), cv2.DIST_L2, 5)
    opacity = smoothstep(depth, 0.01 * unit, (0.04 + 0.16 * seam) * unit)
    top = _height_over_brows(shape, landmarks, frame)
    opacity *= 1 - smoothstep(top, 0.08 * unit, (0.16 + 0.36 * seam) * unit)
    return np.asarray(opacity * 255 + 0.5, np.uint8)


def face_contour(landmarks: F32, frame: FaceFrame) -> F32:
    """Closed contour (n, 2): the jaw line and an arc over the forehead."""
    return contour_of(topology.control_points(landmarks, frame))


def contour_of(controls: F32) -> F32:
    """The face contour out of the warp's control points."""
    return controls[_CONTOUR]


def inside(contour: F32, shape: tuple[int, int]) -> U8:
    """255 inside a closed contour, with a smooth edge."""
    canvas = np.zeros(shape, np.uint8)
    fill(canvas, contour)
    return canvas


def features(landmarks: F32, shape: tuple[int, int], reach_px: float) -> U8:
    """255 on brows, eyes, nostrils and mouth and up to `reach_px` around them."""
    canvas = np.zeros(shape, np.uint8)
    for part in topology.FEATURES:
        cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(landmarks[part]).astype(np.int32)), 255)
    size = 2 * max(1, round(reach_px)) + 1
    return np.asarray(cv2.dilate(canvas, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))), np.uint8)


def _height_over_brows(shape: tuple[int, int], landmarks: F32, frame: FaceFrame) -> F32:
    """How far each pixel lies above the line over both brows, px; that line is level between the brows."""
    brows = landmarks[topology.BROW_LEFT.start : topology.BROW_RIGHT.stop]
    across, above = (brows - frame.origin) @ frame.right, (brows - frame.origin) @ frame.up
    order = np.argsort(across)
    ys, xs = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    u = (xs - frame.origin[0]) * frame.right[0] + (ys - frame.origin[1]) * frame.right[1]
    v = (xs - frame.origin[0]) * frame.up[0] + (ys - frame.origin[1]) * frame.up[1]
    line = np.interp(u, across[order], np.maximum(above[order], np.median(above)))
    return np.asarray(v - line, np.float32)


def is_sound(jacobian: Jacobian, typical: float) -> bool:
    """Whether a map neither folds nor smears, but for a few cells: shut lids and lips are flat."""
    bad = (jacobian.area < _FLAT * typical) | (jacobian.shear > _SHEARED)
    return bool(bad.mean() <= _FEW)


def soundness(jacobian: Jacobian, typical: float) -> F32 | None:
    """1 where the map is sound, 0 where it smears or folds over; None when it is sound everywhere.

    `typical` is the face's median area ratio. Only a wide region of shear counts: shut lids and lips are sheared too.
    """
    area, shear = jacobian
    if float(area.min()) >= _FLAT * typical and float(shear.max()) <= _SHEARED:
        return None
    wide = cv2.GaussianBlur(shear, (0, 0), _SHEAR_CELLS)
    sound = smoothstep(area, _FOLDED * typical, _FLAT * typical) * (1 - smoothstep(wide, _SHEARED, _SMEARED))
    return cv2.GaussianBlur(sound, (3, 3), 0)


def mouth_gap(landmarks: F32) -> float:
    """Gap between the inner lips over the width of the mouth."""
    upper, lower = landmarks[topology.INNER_UPPER], landmarks[topology.INNER_LOWER][::-1]
    width = np.linalg.norm(landmarks[topology.MOUTH_RIGHT] - landmarks[topology.MOUTH_LEFT])
    return float(np.linalg.norm(upper - lower, axis=1).mean() / max(width, 1e-6))


def mouth_kept(gap: float) -> float:
    """How far the target's mouth interior stays: not while it is shut, fully once it is open."""
    ramp = (gap - MOUTH_SHUT) / (_MOUTH_OPEN - MOUTH_SHUT)
    return float(np.clip(ramp, 0, 1))


def keep(lane: Lane, mask: U8, contour: F32, amount: float, edge_px: float) -> None:
    """Take a contour's inside out of the mask, in place, with an edge `edge_px` soft."""
    pad = int(np.ceil(2 * edge_px)) + 1
    h, w = mask.shape
    (x1, y1), (x2, y2) = np.floor(contour.min(0)).astype(int) - pad, np.ceil(contour.max(0)).astype(int) + pad + 1
    x1, y1, x2, y2 = max(0, x1), max(0, y1), min(w, x2), min(h, y2)
    if x2 <= x1 or y2 <= y1 or amount <= 0:
        return
    hole = lane.buffer("mesh.hole", (y2 - y1, x2 - x1))
    hole.fill(0)
    fill(hole, contour - (x1, y1), round(255 * amount))
    size = max(3, round(edge_px * 2) | 1)
    cv2.GaussianBlur(hole, (size, size), 0, dst=hole)
    part = mask[y1:y2, x1:x2]
    part[...] = cv2.multiply(part, cv2.bitwise_not(hole), scale=1 / 255)


def clip_outside(lane: Lane, mask: U8, contour: F32) -> None:
    """Zero the mask outside a contour, in place."""
    within = lane.buffer("mesh.inside", mask.shape)
    within.fill(0)
    fill(within, contour)
    cv2.bitwise_and(mask, within, dst=mask)


def smoothstep(values: F32, low: float, high: float) -> F32:
    """0 below `low`, 1 above `high`, without a kink between."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def fill(canvas: U8, contour: F32, value: int = 255) -> None:
    """Fill a closed contour in place, to a fraction of a pixel."""
    fixed = np.round(contour * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(canvas, [fixed], value, cv2.LINE_AA if value == 255 else cv2.LINE_8, _SUBPIXEL_BITS)
