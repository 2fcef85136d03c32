"""The target's light on the identity's face.

Both faces are looked at on a coarse lattice in the target face's own axes. Their smooth parts, averaged over skin alone,
give a gain per channel and place: it carries the scene's shading and colour over and leaves the identity's features. The
gain lives in face axes, so that it can be smoothed over time while the face moves.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from livefuse.device.base import Lane
from livefuse.frame import F32, U8
from livefuse.swap.mesh.topology import FaceFrame

COLUMNS, ROWS = 28, 34
_LEFT, _TOP, _WIDTH = -1.25, -1.05, 2.5  # lattice in face units; cells are square
CELL_UNITS = _WIDTH / COLUMNS
_BROAD_CELLS, _FINE_CELLS = 4.2, 1.5  # standard deviations of the two smoothings
_FINE_SHARE = 0.6
_LEAST_GAIN, _MOST_GAIN = 0.3, 3.3
_LEAST_CONTRAST, _MOST_CONTRAST = 0.88, 1.15
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_EYES_TO_NOSE = np.s_[round((-0.45 - _TOP) / CELL_UNITS) : round((0.72 - _TOP) / CELL_UNITS)]
_GAIN_PX = 8  # step of the lattice on which gains are rotated into the crop
_WHITE = 242.0  # grey level that smooth parts stay below
_DARKEST, _BRIGHTEST = 0.5, 1.5
_FLOOR = 4.0  # grey levels added to both sides: black over black is no gain
_ALPHA = 0.22  # part of a new measurement in the smoothed gain
# Largest change per frame, so that a flash of light does not pump.
_MOST_GAIN_STEP, _MOST_OFFSET_STEP = 0.06, 2.0


_XS = _LEFT + (np.arange(COLUMNS, dtype=np.float32) + 0.5) * CELL_UNITS
_YS = _TOP + (np.arange(ROWS, dtype=np.float32) + 0.5) * CELL_UNITS
_GRID = np.ascontiguousarray(np.stack(np.meshgrid(_XS, _YS), -1).reshape(-1, 2), np.float32)


def lattice_points(frame: FaceFrame) -> F32:
    """Centres of the light lattice in crop px, (ROWS, COLUMNS, 2)."""
    matrix = frame.matrix()
    return (_GRID @ matrix[:, :2].T + matrix[:, 2]).reshape(ROWS, COLUMNS, 2)


def lattice_to_crop(frame: FaceFrame) -> F32:
    """(2, 3): lattice cell indices to crop px."""
    cells = np.array(
        [[CELL_UNITS, 0, _LEFT + CELL_UNITS / 2], [0, CELL_UNITS, _TOP + CELL_UNITS / 2], [0, 0, 1]], np.float32
    )
    return np.asarray(frame.matrix() @ cells, np.float32)


class Tone(NamedTuple):
    """How a photo's colours become the target's: `colour * gain + offset`.

    Shapes: gain (ROWS, COLUMNS, 3) float32; offset (3,) float32 grey levels.
    """

    gain: F32
    offset: F32


class Look(NamedTuple):
    """A target and a photo seen on the lattice.

    Shapes: target, photo (ROWS, COLUMNS, 3) float32 grey levels; skin (ROWS, COLUMNS), 1 on bare skin; opacity
    (ROWS, COLUMNS), 1 where the photo will show.
    """

    target: F32
    photo: F32
    skin: F32
    opacity: F32


def measure(look: Look, contrast: float) -> tuple[Tone, float]:
    """The tone that brings the photo's smooth part to the target's at a given contrast, and the contrast that would
    have brought its detail to the target's."""
    weight = look.skin.reshape(-1)
    mean = weight @ look.target.reshape(-1, 3) / max(float(weight.sum()), 1e-3)
    offset = ((1 - contrast) * mean).astype(np.float32)
    gain = _gain(np.maximum(look.target - offset, 0), look.photo, look.skin, _WHITE - float(offset.max()))
    fitting = contrast * _relative_contrast(look.target, look.photo * gain, look.opacity)
    return Tone(gain, offset), float(np.clip(fitting, _LEAST_CONTRAST, _MOST_CONTRAST))


def _gain(target: F32, photo: F32, skin: F32, white: float) -> F32:
    broad = _ratio(target, photo, skin, _BROAD_CELLS)
    fine = _ratio(target, photo * broad, skin, _FINE_CELLS)
    # Fine gains match the seam and scene shadows; at full strength they would also iron out the identity's own relief.
    gain = broad * np.power(fine, _FINE_SHARE)
    # White hair or a dark beard inside the mask is no light: places may differ from the face's mean only so far.
    weight = skin.reshape(-1)
    mean = weight @ gain.reshape(-1, 3) / max(float(weight.sum()), 1e-3)
    gain = np.clip(gain, np.maximum(mean * _DARKEST, _LEAST_GAIN), np.minimum(mean * _BRIGHTEST, _MOST_GAIN))
    # Highlights of the photo under an overexposed scene: keep them below white, or they become flat patches.
    peak = cv2.GaussianBlur((photo * gain).max(2), (3, 3), 0)
    gain *= np.minimum(white / np.maximum(peak, 1.0), 1.0)[..., None]
    return gain


def _relative_contrast(target: F32, photo: F32, opacity: F32) -> float:
    """Contrast of the target's features over that of the photo's, from brows to nose: mouths open and shut."""
    weight = opacity[_EYES_TO_NOSE]
    spread = []
    for image in (target, photo):
        grey = image[_EYES_TO_NOSE] @ _LUMA
        detail = grey - cv2.GaussianBlur(grey, (0, 0), _BROAD_CELLS)
        spread.append(float(np.vdot(detail * detail, weight)))
    return float(np.sqrt(spread[0] / max(spread[1], 1e-3)))


def _ratio(target: F32, photo: F32, weight: F32, sigma: float) -> F32:
    stacked = np.concatenate((target + _FLOOR, photo + _FLOOR), 2)
    stacked *= weight[..., None]
    # A trickle of the mean over the face everywhere fills what no skin reaches.
    total = np.ones(weight.size, np.float32) @ stacked.reshape(-1, 6)
    smooth = cv2.GaussianBlur(stacked, (0, 0), sigma)
    smooth += total * np.float32(0.003 / max(float(weight.sum()), 1e-3)) + np.float32(1e-3)
    return np.asarray(smooth[..., :3] / smooth[..., 3:], np.float32)


class Light:
    """The tone of one track, smoothed over time."""

    def __init__(self) -> None:
        self.tone: Tone | None = None
        self._contrast = 1.0

    def follow(self, look: Look) -> Tone:
        """Move towards a frame's tone: exponentially, bounded per frame, never past it."""
        if self.tone is None:
            self._contrast = measure(look, 1.0)[1]
            self.tone = measure(look, self._contrast)[0]
            return self.tone
        tone, contrast = measure(look, self._contrast)
        self._contrast += _ALPHA * (contrast - self._contrast)
        self.tone.gain[...] += np.clip(_ALPHA * (tone.gain - self.tone.gain), -_MOST_GAIN_STEP, _MOST_GAIN_STEP)
        step = _ALPHA * (tone.offset - self.tone.offset)
        self.tone.offset[...] += np.clip(step, -_MOST_OFFSET_STEP, _MOST_OFFSET_STEP)
        return self.tone


def relight(lane: Lane, image: U8, tone: Tone, frame: FaceFrame, amount: float) -> None:
    """Apply a tone to an image (h, w, 3), in place; `amount` 0..1 of it."""
    h, w = image.shape[:2]
    gain = tone.gain if amount >= 1 else 1 + (tone.gain - 1) * amount
    # Rotated on a coarse lattice, then enlarged: a third of the time of rotating at full size.
    gw, gh = max(2, w // _GAIN_PX), max(2, h // _GAIN_PX)
    shrink = np.array([[gw / w, 0, 0.5 * gw / w - 0.5], [0, gh / h, 0.5 * gh / h - 0.5], [0, 0, 1]])
    cells = np.vstack((lattice_to_crop(frame), (0, 0, 1)))
    flags = cv2.INTER_LINEAR
    coarse = cv2.warpAffine(gain, (shrink @ cells)[:2], (gw, gh), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    field = lane.buffer("mesh.gain", (h, w, 3), np.float32)
    cv2.resize(coarse, (w, h), dst=field, interpolation=cv2.INTER_LINEAR)
    cv2.multiply(image, field, dst=image, dtype=cv2.CV_8U)
    cv2.add(image, (*(tone.offset * amount).tolist(), 0.0), dst=image)
