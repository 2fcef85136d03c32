"""Identity photos of people who do not exist: the same heads, from in front, neutral, in even light."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32, U8
from livefuse.source.synthetic.body import paint_body
from livefuse.source.synthetic.identity import identity_of
from livefuse.source.synthetic.person import Person, Place
from livefuse.source.synthetic.pose import PIVOT
from livefuse.source.synthetic.truth import SyntheticTruth, truth_of


def draw_portrait(seed: int, size_px: int = 512) -> tuple[U8, SyntheticTruth]:
    """A portrait (size_px, size_px, 3) uint8 RGB of the person with this seed, and its truth with N = 1."""
    scale = size_px / 35.0
    place = Place(identity_of(seed), size_px / 2, size_px * 0.44 + float(PIVOT[1]) * scale, scale)
    person = Person(place, 0, 0.0)
    picture = _studio(size_px)
    paint_body(picture, person.identity, size_px / 2, size_px * 0.44, scale)
    patch, landmarks, facing = person.draw(0.0)
    _paste(picture, patch.rgb, patch.alpha, patch.x, patch.y)
    image = np.clip(np.round(picture), 0, 255).astype(np.uint8)
    return image, truth_of(size_px, size_px, landmarks[None], facing[None], (seed,), None)


def _studio(size_px: int) -> F32:
    y, x = np.mgrid[0:size_px, 0:size_px].astype(np.float32) / size_px
    glow = np.exp(-((x - 0.45) ** 2 + (y - 0.42) ** 2) / 0.22)
    return np.asarray((0.66 + 0.34 * glow)[..., None] * np.array([176, 182, 188], np.float32), np.float32)


def _paste(picture: F32, rgb: U8, alpha: U8, x: int, y: int) -> None:
    h, w = picture.shape[:2]
    x1, y1, x2, y2 = max(0, x), max(0, y), min(w, x + rgb.shape[1]), min(h, y + rgb.shape[0])
    part = np.s_[y1 - y : y2 - y, x1 - x : x2 - x]
    opaque = cv2.merge((alpha[part],) * 3).astype(np.float32) / 255
    picture[y1:y2, x1:x2] += (rgb[part] - picture[y1:y2, x1:x2]) * opaque
