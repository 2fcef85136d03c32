"""FaceFusion's colour match: the swapped crop takes the target's colours, coarse scales first, as far as both are alike.

Source: facefusion 3.8.1 vision.py (`conditional_match_frame_color`), by its contract.
"""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32, U8

_COARSEST_PX = 16
_STEPS = 3
_HUES, _SATURATIONS = 50, 60


def conditional_match(reference: U8, image: U8) -> U8:
    """`image` with the colours of `reference`, the more so the more alike their histograms of hue and saturation are.

    Shapes: both (S, S, 3) RGB -> (S, S, 3).
    """
    likeness = histogram_likeness(reference, image)
    return np.asarray(cv2.addWeighted(image, 1 - likeness, match(reference, image), likeness, 0), np.uint8)


def match(reference: U8, image: U8) -> U8:
    """`image` with the colours of `reference`, from coarse to fine."""
    side = image.shape[0]
    for size in np.linspace(_COARSEST_PX, side, _STEPS, endpoint=False):
        even = round(size / 2) * 2
        reference = _equalised(reference, image, (even, even))
    return _equalised(reference, image, (image.shape[1], side))


def histogram_likeness(one: U8, other: U8) -> float:
    """0 (opposed) to 1 (the same): correlation of the histograms of hue and saturation."""
    correlation = cv2.compareHist(_histogram(one), _histogram(other), cv2.HISTCMP_CORREL)
    return float(np.interp(correlation, [-1, 1], [0, 1]))


def _histogram(image: U8) -> F32:
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    return np.asarray(cv2.calcHist([hsv], [0, 1], None, [_HUES, _SATURATIONS], [0, 180, 0, 256]), np.float32)


def _equalised(reference: U8, image: U8, size: tuple[int, int]) -> U8:
    """`image` plus what its averages at `size` lack of the reference's."""
    ours, theirs = (_averaged(each, size) for each in (image, reference))
    lacking = cv2.resize(theirs - ours, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(image + lacking, 0, 255), np.uint8)


def _averaged(image: U8, size: tuple[int, int]) -> F32:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
