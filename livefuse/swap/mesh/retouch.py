"""What of a photo must not travel with the face: its hair, its teeth and the light it was taken in."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.frame import F32, U8
from livefuse.swap.mesh import mask, topology
from livefuse.swap.mesh.frontal import Frontal
from livefuse.swap.mesh.topology import FaceFrame

_BRIGHTER_SIDE = 3.0  # exponent of the mean over both sides: the lit side counts more than the shadow
_SKIN_HUE = (13.0, 16.0)  # CIE a*, b* of skin in daylight
_SKIN_RANGE = 12.0  # how far skin of any kind in any daylight is from that
_MOST_LIGHTENING, _MOST_DARKENING = 1.9, 0.6


def retouch(photo: U8, landmarks: F32, view: Frontal) -> U8:
    """The photo, in the layout of `view`, with skin in place of hair, a plain hue, even light and both cheeks in full."""
    frame = view.frame
    likelihood = skin_likelihood(photo, landmarks, frame)
    photo = without_hair(photo, likelihood, landmarks, frame)
    photo = evenly_lit(photo, landmarks, frame)
    photo = without_cast(photo, likelihood, landmarks, frame)
    return completed(photo, view.density, likelihood, landmarks, frame)


def without_cast(photo: U8, likelihood: F32, landmarks: F32, frame: FaceFrame) -> U8:
    """The photo without a hue that skin never has.

    A yellowed painting on pink skin needs a strong gain in blue, which would turn its blacks purple: shift hues here, by
    as much as a place is bright, and leave the gain little to do. Strong colours are drawn in: varnish and paint
    exceed what cameras see on skin.
    """
    lab = cv2.cvtColor(photo.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    bare = (likelihood > 0.9) & (mask.features(landmarks, photo.shape[:2], 0.05 * frame.unit_px) == 0)
    bare &= mask.inside(mask.face_contour(landmarks, frame), photo.shape[:2]) > 0
    light, *hue = np.median(lab[bare], 0)
    cast = np.array(hue, np.float32) - np.array(_SKIN_HUE, np.float32)
    excess = cast * max(0.0, 1 - _SKIN_RANGE / max(float(np.linalg.norm(cast)), 1e-6))
    brightness = np.clip(lab[..., :1] / max(light, 1.0), 0, 1.15)
    hues = lab[..., 1:] - excess * brightness
    strength = np.linalg.norm(hues, axis=2, keepdims=True)
    most = (float(np.linalg.norm(hue - excess)) + _SKIN_RANGE) * np.minimum(brightness + 0.3, 1)
    hues *= (1 - 0.5 * np.maximum(strength - most, 0) / np.maximum(strength, 1e-3)).astype(np.float32)
    lab[..., 1:] = hues
    return np.asarray(np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * 255 + 0.5, 0, 255), np.uint8)


def without_hair(photo: U8, likelihood: F32, landmarks: F32, frame: FaceFrame) -> U8:
    """Fringe, temples and background replaced by the smooth colour of the skin next to them."""
    # Only from well inside: the rim of the skin is dark with shadow and hair.
    bare = cv2.erode(likelihood, _disc(0.06 * frame.unit_px)) * (
        mask.features(landmarks, photo.shape[:2], 0.12 * frame.unit_px) == 0
    )
    bare *= mask.inside(mask.face_contour(landmarks, frame), photo.shape[:2]) > 0
    fill = np.zeros(photo.shape, np.float32)
    weight = np.zeros(photo.shape[:2], np.float32)
    for sigma, share in ((0.12, 1.0), (0.4, 1e-2), (1.2, 1e-4)):  # the nearest skin wins, the farther fills the rest
        size = sigma * frame.unit_px
        fill += share * _blurred(photo * bare[..., None], size)
        weight += share * _blurred(bare, size)
    fill /= np.maximum(weight, 1e-9)[..., None]
    blended = photo * likelihood[..., None] + fill * (1 - likelihood[..., None])
    return np.asarray(np.clip(blended + 0.5, 0, 255), np.uint8)


def evenly_lit(photo: U8, landmarks: F32, frame: FaceFrame) -> U8:
    """Light from one side taken out: each half's smooth part is brought to the mean of both.

    A face's own relief is alike on both sides, so what differs at this scale is the room's light, and the target's
    light shall fall on the face instead.
    """
    broad = _evening_gain(photo, 0.09 * frame.unit_px)
    narrow = _evening_gain(np.clip(photo * broad, 0, 255), 0.035 * frame.unit_px)
    # At the narrow scale only bare skin is compared: brows and eyes never mirror onto each other exactly.
    bare = (mask.features(landmarks, photo.shape[:2], 0.05 * frame.unit_px) == 0).astype(np.float32)
    bare = _blurred(bare, 0.02 * frame.unit_px)
    gain = broad * (1 + (narrow - 1) * bare[..., None])
    inside = mask.inside(mask.face_contour(landmarks, frame), photo.shape[:2]).astype(np.float32) / 255
    gain = 1 + (gain - 1) * _blurred(inside, 0.05 * frame.unit_px)[..., None]
    # Lightened shadows show the grain of the photo: smooth it as much as they are lightened.
    soft = cv2.GaussianBlur(photo, (0, 0), 0.015 * frame.unit_px)
    share = (mask.smoothstep(gain.max(2), 1.15, 1.6) * bare)[..., None]
    return np.asarray(np.clip((photo * (1 - share) + soft * share) * gain + 0.5, 0, 255), np.uint8)


def _evening_gain(photo: npt.NDArray[Any], sigma_px: float) -> F32:
    """The gain that brings the smooth part at each place to the mean of it and of its mirror image."""
    smooth = _blurred(photo, sigma_px) + 4
    other = smooth[:, ::-1]
    even = ((smooth**_BRIGHTER_SIDE + other**_BRIGHTER_SIDE) / 2) ** (1 / _BRIGHTER_SIDE)
    return _blurred(np.clip(even / smooth, _MOST_DARKENING, _MOST_LIGHTENING), 0.6 * sigma_px)


def completed(photo: U8, density: F32, likelihood: F32, landmarks: F32, frame: FaceFrame) -> U8:
    """Skin of the side that the photo shows less of (turned away, under hair) taken from the other side.

    Eyes, brows and mouth stay: mirrored, the gaze would go apart.
    """
    density = np.clip(density, 0.05, 20)
    worth = density[:, ::-1] / density * (likelihood[:, ::-1] + 0.05) / (likelihood + 0.05)
    share = mask.smoothstep(worth, 1.4, 2.4) * likelihood[:, ::-1]
    share[mask.features(landmarks, photo.shape[:2], 0.03 * frame.unit_px) > 0] = 0
    share = _blurred(share, 0.04 * frame.unit_px)[..., None]
    return np.asarray(photo * (1 - share) + photo[:, ::-1] * share + 0.5, np.uint8)


def skin_likelihood(photo: U8, landmarks: F32, frame: FaceFrame) -> F32:
    """1 where the photo shows skin, 0 from the hairline on; features inside the face count as skin."""
    lab = cv2.cvtColor(cv2.GaussianBlur(photo, (0, 0), 0.02 * frame.unit_px), cv2.COLOR_RGB2LAB).astype(np.float32)
    sample = mask.inside(landmarks[[2, 4, 6, 8, 10, 12, 14, 45, 27, 36]], photo.shape[:2])
    sample[mask.features(landmarks, photo.shape[:2], 0.05 * frame.unit_px) > 0] = 0
    skin = lab[sample > 0]
    centre = np.median(skin, 0)
    spread = 1.4826 * np.median(np.abs(skin - centre), 0) + (6.0, 3.0, 3.0)
    away = np.abs(lab - centre) / spread
    # Light falls off towards the sides, so lightness may stray further than hue.
    distance = np.sqrt((away[..., 0] / 1.25) ** 2 + away[..., 1] ** 2 + away[..., 2] ** 2)
    likelihood = 1 - mask.smoothstep(distance, 1.6, 2.6)
    trusted = mask.inside(cv2.convexHull(landmarks[topology.BROW_LEFT.start :])[:, 0], photo.shape[:2])
    likelihood[trusted > 0] = 1
    # Erode before blurring: single hairs at the border of the fringe are not skin either.
    likelihood = cv2.erode(likelihood, _disc(0.04 * frame.unit_px))
    likelihood[trusted > 0] = 1
    # Over the brows, what lies above hair is no skin either, whatever its colour.
    brows = int(landmarks[17:27, 1].min())
    likelihood[:brows] = np.minimum.accumulate(likelihood[:brows][::-1], axis=0)[::-1]
    return _blurred(likelihood, 0.025 * frame.unit_px)


def _blurred(image: npt.NDArray[Any], sigma_px: float) -> F32:
    """Gaussian; wide ones at a reduced size, where they cost a fraction."""
    shrink = max(1, int(sigma_px / 4))
    h, w = image.shape[:2]
    size = max(1, w // shrink), max(1, h // shrink)
    small = cv2.resize(np.asarray(image, np.float32), size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / shrink)
    return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR), np.float32)


def _disc(radius_px: float) -> U8:
    size = 2 * max(1, round(radius_px)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
