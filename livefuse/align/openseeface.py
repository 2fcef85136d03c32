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
    maps = output.reshape(len(output), 3, COUNT, CELLS * CELLS)
    hottest = maps[:, 0].argmax(axis=2)
    confidence, rows, cols = (np.take_along_axis(maps[:, i], hottest[..., None], axis=2)[..., 0] for i in range(3))
    p = np.clip(np.stack((cols, rows), axis=-1), _LOGIT_CLIP, 1 - _LOGIT_CLIP)
    cell = np.stack((hottest % CELLS, hottest // CELLS), axis=-1)
    landmarks = (SIDE_PX - 1) * (cell / (CELLS - 1) + np.log(p / (1 - p)) / _LOGIT_FACTOR)
    return landmarks.astype(np.float32), confidence.astype(np.float32)


def _read(outputs: Outputs) -> tuple[F32, F32]:
    landmarks, confidence = decode(next(iter(outputs.values())))
    return landmarks[0], confidence[0]


# Upright, by all landmarks. Five points frame a turned face badly: up to 6 % of the eye distance off; a second look is
# within 2 %.
OPENSEEFACE = Family(SIDE_PX, frame_points, frame_landmarks, _read, second_look=True)
