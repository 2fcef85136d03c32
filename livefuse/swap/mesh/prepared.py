"""An identity made ready for the warp: its face seen from the front, retouched, with opacity, at several sizes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.frame import F32, U8
from livefuse.swap.identity import Identity
from livefuse.swap.mesh import lips, mask, topology
from livefuse.swap.mesh.frontal import frontal
from livefuse.swap.mesh.profile import FrontalFit
from livefuse.swap.mesh.retouch import retouch

LEVELS, SKIN_LEVEL = 5, 3


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What the mesh swapper needs of an identity.

    Shapes: levels, each half the one before: (h, w, 4) uint8, RGB and opacity; skin (h, w) uint8 at the size of level
    `SKIN_LEVEL`, where light may be compared; controls (n, 2) float32, control points in px of level 0; `fit` is
    in units of the face.
    """

    levels: tuple[U8, ...]
    skin: U8
    controls: F32
    unit_px: float
    fit: FrontalFit


def prepare(identity: Identity, seam: float, *, shut_mouth: bool) -> Prepared:
    """Raises: DegenerateFace when the photo's landmarks nearly coincide."""
    view = frontal(identity.image, identity.landmarks, multiple=1 << (LEVELS - 1))
    image, landmarks = view.image, view.landmarks
    if shut_mouth:
        image, landmarks = lips.shut(image, landmarks, view.frame)
    shape = image.shape[:2]
    opacity = mask.draw_opacity(shape, landmarks, view.frame, seam)
    skin = np.where(mask.features(landmarks, shape, 0.06 * view.frame.unit_px) > 0, 0, opacity).astype(np.uint8)
    level = np.dstack((retouch(image, landmarks, view), opacity))
    levels = [level]
    for _ in range(LEVELS - 1):
        level = cv2.resize(level, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        levels.append(level)
    h, w = levels[SKIN_LEVEL].shape[:2]
    skin = np.asarray(cv2.resize(skin, (w, h), interpolation=cv2.INTER_AREA), np.uint8)
    controls = topology.control_points(landmarks, view.frame)
    unit = view.frame.unit_px
    return Prepared(tuple(levels), skin, controls, unit, FrontalFit(view.landmarks / np.float32(unit)))
