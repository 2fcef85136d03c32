"""A photo's face seen from the front: where it can be mirrored, masked and compared with any target.

The layout is the identity's own, made symmetric: its halves are averaged and the photo is warped onto that. A turned head
fills its far side from few pixels; how few is kept, so that retouching can take them from the near side.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.device.base import Lane
from livefuse.frame import F32, U8
from livefuse.swap.mesh import topology, warp
from livefuse.swap.mesh.topology import FaceFrame

_LEAST_UNIT_PX, _MOST_UNIT_PX = 48.0, 256.0
_WIDTH_UNITS, _ABOVE_UNITS, _BELOW_UNITS = 2.6, 1.4, 2.1


@dataclass(frozen=True, slots=True, eq=False)
class Frontal:
    """Shapes: image (h, w, 3) uint8, mirrored about its middle column; landmarks (66, 2) px; density (h, w) float32, photo
    px per px of this image."""

    image: U8
    landmarks: F32
    frame: FaceFrame
    density: F32


def frontal(photo: U8, landmarks: F32, *, multiple: int) -> Frontal:
    """Warp a photo to the front; the sides of the result are multiples of `multiple`. Raises: DegenerateFace."""
    seen = topology.face_frame(landmarks)
    unit = float(np.clip(seen.unit_px, _LEAST_UNIT_PX, _MOST_UNIT_PX))
    w = round(_WIDTH_UNITS * unit / multiple) * multiple
    h = round((_ABOVE_UNITS + _BELOW_UNITS) * unit / multiple) * multiple
    centre = np.array([(w - 1) / 2, _ABOVE_UNITS * unit], np.float32)
    ahead = symmetric(landmarks, seen) * unit + centre
    frame = topology.face_frame(ahead)
    centres = (topology.control_points(ahead, frame) - frame.origin) / frame.unit_px
    coefficients = warp.Spline(topology.stiffness()).fit(centres, topology.control_points(landmarks, seen))
    points, cells = warp.lattice_points((w, h))
    field = warp.evaluate(coefficients, centres, np.asarray((points - frame.origin) / frame.unit_px, np.float32))
    lattice = warp.Lattice(field.reshape(*cells, 2), (w, h))
    image = cv2.remap(photo, warp.enlarge(Lane(0), lattice), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    density = cv2.resize(warp.jacobian(lattice).area, (w, h), interpolation=cv2.INTER_LINEAR)
    return Frontal(image, ahead, frame, np.asarray(density, np.float32))


def symmetric(landmarks: F32, frame: FaceFrame) -> F32:
    """The landmarks in face units (x right, y down), averaged with their mirror image."""
    away = (landmarks - frame.origin) / frame.unit_px
    own = np.stack((away @ frame.right, -(away @ frame.up)), 1)
    mirrored = own[topology.MIRROR[:66]] * (-1, 1)
    return np.asarray((own + mirrored) / 2, np.float32)
