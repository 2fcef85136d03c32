"""OpenSeeFace: 66 facial landmarks with confidence."""

from __future__ import annotations

import numpy as np

from livefuse.align.framing import frame_landmarks, frame_points
from livefuse.align.network import COUNT, Family, NetworkLandmarker
from livefuse.device.base import Backend
from livefuse.frame import F32
from livefuse.runtime.base import Engine, Outputs
from livefuse.runtime.blob import Blob
from livefuse.weights.recipe import Normalisation

SIDE_PX, CELLS = 224, 28
_MAP = CELLS * CELLS
_OF_LANDMARK = (np.arange(3)[:, None] * COUNT + np.arange(COUNT))[:, None] * _MAP  # confidence, rows, columns
IMAGENET = Normalisation(order="rgb", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
_LOGIT_FACTOR, _LOGIT_CLIP = 16.0, 1e-7


class OpenSeeFace(NetworkLandmarker):
    """An OpenSeeFace model without its recipe: ImageNet's normalisation.

    Source: emilianavt/OpenSeeFace (BSD-2), model lm_model0.
    """

    def __init__(self, engine: Engine, backend: Backend) -> None:
        super().__init__(engine, backend, Blob(IMAGENET), OPENSEEFACE)


def decode(output: F32) -> tuple[F32, F32]:
    """Heat maps and offsets -> landmarks in crop px (x, y) and confidence. Shapes: (N, 198, 28, 28) -> (N, 66, 2), (N, 66).

    Source: emilianavt/OpenSeeFace tracker.py, `landmarks`.
    """
    n = len(output)
    hottest = output.reshape(n, 3, COUNT, _MAP)[:, 0].argmax(axis=2)
    of_face = np.arange(n)[:, None] * (3 * COUNT * _MAP)
    confidence, *offsets = output.reshape(-1).take(hottest + of_face + _OF_LANDMARK)
    landmarks = np.empty((n, COUNT, 2), np.float32)
    for axis, (cell, offset) in enumerate(zip(divmod(hottest, CELLS), offsets, strict=True)):
        p = offset.clip(_LOGIT_CLIP, 1 - _LOGIT_CLIP)
        landmarks[..., 1 - axis] = (SIDE_PX - 1) * (cell / (CELLS - 1) + np.log(p / (1 - p)) / _LOGIT_FACTOR)
    return landmarks, confidence


def _read(outputs: Outputs) -> tuple[F32, F32]:
    landmarks, confidence = decode(next(iter(outputs.values())))
    return landmarks[0], confidence[0]


# Upright, by all landmarks. Five points frame a turned face badly: up to 6 % of the eye distance off; a second look is
# within 2 %.
OPENSEEFACE = Family(SIDE_PX, frame_points, frame_landmarks, _read, second_look=True)
