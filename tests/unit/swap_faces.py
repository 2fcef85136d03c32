"""Synthetic identities and crops for the tests of the mesh swapper: no models needed."""

from __future__ import annotations

from functools import cache

import numpy as np

from livefuse.align.templates import five_points
from livefuse.frame import F32, U8, Crop
from livefuse.source.synthetic.portrait import draw_portrait
from livefuse.swap.consent import ConsentRecord
from livefuse.swap.identity import Identity
from livefuse.swap.mesh import topology

CONSENT = ConsentRecord("test", "2026-01-01T00:00:00+00:00", "synthetic", "0" * 64, "0")


@cache
def portrait(seed: int) -> tuple[U8, F32]:
    image, truth = draw_portrait(seed, 512)
    return image, np.asarray(truth.landmarks[0], np.float32)


def identity(seed: int) -> Identity:
    image, landmarks = portrait(seed)
    return Identity(f"synthetic-{seed}", image, landmarks, five_points(landmarks), CONSENT, f"{seed:064x}")


def crop(seed: int, track: int = 1) -> Crop:
    """A synthetic person as a target, the face about 250 px large."""
    image, landmarks = portrait(seed)
    corner = np.floor(landmarks.min(0)).astype(int) - (30, 60)
    x, y = (max(0, int(v)) for v in corner)
    to_crop = np.array([[1, 0, -x], [0, 1, -y]], np.float32)
    inside = landmarks - np.array([x, y], np.float32)
    return Crop(track, image[y : y + 330, x : x + 280].copy(), to_crop, five_points(inside), inside)


def turned(landmarks: F32, squeeze: float) -> F32:
    """Landmarks of the same head turned: the far half is squeezed, the nose leans over it."""
    frame = topology.face_frame(landmarks)
    across = (landmarks - frame.origin) @ frame.right
    shift = np.where(across > 0, across * (squeeze - 1), 0.0)
    shift[27:36] += 0.25 * (1 - squeeze) * frame.unit_px
    return np.asarray(landmarks + shift[:, None] * frame.right, np.float32)


def mouth_open(landmarks: F32, gap_units: float) -> F32:
    """The same face with its jaw dropped by a part of the face's unit."""
    frame = topology.face_frame(landmarks)
    opened = landmarks.copy()
    drop = gap_units * frame.unit_px
    for part, share in ((topology.INNER_LOWER, 1.0), (topology.LOWER_LIP, 1.0), (slice(5, 12), 0.8)):
        opened[part] -= share * drop * frame.up
    return opened
