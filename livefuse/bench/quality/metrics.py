"""The measures, as functions of arrays. Pictures are (h, w, 3) uint8 RGB of one face and what is around it; NaN means that
there was nothing to measure."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.bench.quality.colour_difference import ciede2000, lab_of
from livefuse.bench.quality.motion import Motion, followed
from livefuse.bench.quality.regions import RING_INSIDE_UNITS, RING_OUTSIDE_UNITS, Mask, Region
from livefuse.frame import F32, U8

LEAST_PIXELS = 24
"""Fewer are not averaged."""
MOST_OWN_DIFFERENCE = 10.0
"""CIEDE2000 across the seam's place in the original, beyond which there is an edge anyway."""
_SECTORS, _LEAST_OF_SECTOR = 16, 8
_LEAST_SPREAD = 0.003
"""Standard deviation of the target's openness below which nothing is correlated: five times what landmarks on a drawn face
that keeps still give (0.0006 for the mouth, 0.0002 for the eyes, 45 frames). Small movements of a mouth are movements."""


def grey_of(rgb: U8) -> F32:
    """Luma of BT.601, 0..255, not rounded: differences of half a level count. Shapes: (h, w, 3) -> (h, w)."""
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2GRAY), np.float32)


def warped_difference(now: F32, before: F32, motion: Motion) -> F32:
    """What came newly: now - before moved onto now, grey levels. Shapes: (h, w) twice -> (h, w).

    The mean of its absolute values over pixels that both frames show is the warping error of Lai et al. 2018, "Learning
    blind video temporal consistency", eq. 8, as a mean of differences instead of squares, so that it reads in grey levels.
    A brightness that is drawn anew for each pixel or frame with standard deviation s gives 2 s / sqrt(pi).
    """
    return now - followed(before, motion.to_before)


def mean_where(values: F32, mask: Mask) -> float:
    """Mean over a mask."""
    chosen = values[mask]
    return float(chosen.mean(dtype=np.float64)) if chosen.size >= LEAST_PIXELS else float("nan")


def seam_differences(swapped: U8, original: U8, region: Region, usable: Mask) -> tuple[float, float]:
    """How different the colours on both sides of the seam look, swapped and original: CIEDE2000 between the mean L*a*b* of a
    ring inside and one outside of it, in each of 16 sectors around the region's middle, averaged.

    By sectors, because a face that is too red on one side and too green on the other has the right mean. Only those count
    where the original's sides look alike (up to 10): where a cheek ends before hair or a wall no seam is seen.
    Source: Sharma et al. 2005 for the difference.
    """
    rings = [region.between(units) & usable for units in (RING_INSIDE_UNITS, RING_OUTSIDE_UNITS)]
    sector = _sector_of(region)
    ours, own = (_across(rgb, sector, rings) for rgb in (swapped, original))
    alike = own <= MOST_OWN_DIFFERENCE
    if not alike.any():
        return float("nan"), float("nan")
    return float(ours[alike].mean()), float(own[alike].mean())


def _across(rgb: U8, sector: npt.NDArray[np.int64], rings: Sequence[Mask]) -> npt.NDArray[np.float64]:
    """(16,) differences between the rings, NaN where one has too few pixels."""
    inside, outside = (_mean_by_sector(rgb, sector, ring) for ring in rings)
    return ciede2000(inside, outside)


def _sector_of(region: Region) -> npt.NDArray[np.int64]:
    rows, cols = np.nonzero(region.depth > 0)
    ys, xs = np.indices(region.depth.shape, np.float32)
    angle = np.arctan2(ys - rows.mean(), xs - cols.mean())
    return np.asarray((angle / (2 * np.pi) * _SECTORS).astype(np.int64) % _SECTORS, np.int64)


def _mean_by_sector(rgb: U8, sector: npt.NDArray[np.int64], ring: Mask) -> npt.NDArray[np.float64]:
    """L*a*b* (16, 3), NaN where a sector has too few pixels."""
    of_ring, colours = sector[ring], lab_of(rgb[ring])
    count = np.bincount(of_ring, minlength=_SECTORS).astype(np.float64)
    count[count < _LEAST_OF_SECTOR] = np.nan
    sums = [np.bincount(of_ring, colours[:, i], minlength=_SECTORS) for i in range(3)]
    return np.stack(sums, axis=1) / count[:, None]


def sharpness(grey: F32, mask: Mask) -> float:
    """Variance of the Laplacian, grey levels squared.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy", the measure LAP_VAR.
    """
    values = cv2.Laplacian(grey, cv2.CV_32F)[mask]
    return float(values.var(dtype=np.float64)) if values.size >= LEAST_PIXELS else float("nan")


def outside_change(original: U8, swapped: U8, box: tuple[int, int, int, int]) -> tuple[int, int, float]:
    """Pixels outside a box (x1, y1, x2, y2) that are not what they were, pixels there, and their squared difference summed
    over channels."""
    x1, y1, x2, y2 = box
    pixels = original.shape[0] * original.shape[1] - (x2 - x1) * (y2 - y1)
    changed, squares = 0, 0.0
    for rows, cols in ((slice(0, y1), slice(None)), (slice(y2, None), slice(None)),
                       (slice(y1, y2), slice(0, x1)), (slice(y1, y2), slice(x2, None))):  # fmt: skip
        one, other = original[rows, cols], swapped[rows, cols]
        if one.size and not np.array_equal(one, other):
            difference = cv2.absdiff(one, other)
            changed += int(np.count_nonzero(difference.max(axis=2)))
            squares += float(np.square(difference, dtype=np.float64).sum())
    return changed, pixels, squares


def psnr_db(squares: float, values: int) -> float:
    """Peak signal-to-noise ratio of 8-bit values, dB; infinite where nothing differs. Source: ITU-T J.340."""
    return float("inf") if squares == 0 else float(10 * np.log10(255**2 * values / squares))


def landmark_error(found: F32, target: F32) -> float:
    """Normalised mean error: mean distance between landmarks over the distance of the eyes' outer corners, percent.

    Shapes: (66, 2) twice. Source: Sagonas et al. 2013, "300 Faces in-the-Wild Challenge", section 3.
    """
    eyes = float(np.linalg.norm(target[45] - target[36]))
    return float(np.linalg.norm(found - target, axis=1).mean() / max(eyes, 1e-6) * 100)


def mouth_openness(landmarks: F32) -> float:
    """Gap between the inner lips over the distance of the mouth's corners. Shapes: (66, 2)."""
    gap = np.linalg.norm(landmarks[[59, 60, 61]] - landmarks[[65, 64, 63]], axis=1).mean()
    return float(gap / max(float(np.linalg.norm(landmarks[62] - landmarks[58])), 1e-6))


def eye_openness(landmarks: F32) -> float:
    """Eye aspect ratio, mean of both eyes. Shapes: (66, 2).

    Source: Soukupová and Čech 2016, "Real-time eye blink detection using facial landmarks", eq. 1.
    """
    ratios = []
    for i in (36, 42):
        outer, up1, up2, inner, low2, low1 = landmarks[i : i + 6]
        height = np.linalg.norm(up1 - low1) + np.linalg.norm(up2 - low2)
        ratios.append(height / max(2 * float(np.linalg.norm(inner - outer)), 1e-6))
    return float(np.mean(ratios))


def correlation(found: npt.ArrayLike, target: npt.ArrayLike) -> float:
    """Pearson's, over the frames where both are known; NaN where the target hardly moves, 0 where only the other does not."""
    pair = np.stack([np.asarray(values, np.float64) for values in (found, target)])
    pair = pair[:, np.isfinite(pair).all(axis=0)]
    if pair.shape[1] < 3 or pair[1].std() < _LEAST_SPREAD:
        return float("nan")
    if pair[0].std() < 1e-9:
        return 0.0
    away = pair - pair.mean(axis=1, keepdims=True)
    return float((away[0] * away[1]).mean() / (pair[0].std() * pair[1].std()))


def likeness(one: F32, other: F32) -> float:
    """Cosine of two embeddings, of any length. Shapes: (D,) twice.

    Source: Deng et al. 2019, "ArcFace", section 3.1: the angle is what is trained.
    """
    return float(one @ other / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-12))


def mean(values: npt.ArrayLike) -> float:
    """Over what is known; NaN where nothing is."""
    known = np.asarray(values, np.float64)
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size else float("nan")
