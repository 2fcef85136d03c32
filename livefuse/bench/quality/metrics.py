"""The measures, as functions of arrays. Pictures are (h, w, 3) uint8 RGB of one face and what is around it; NaN means that
there was nothing to measure."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.bench.quality.colour_difference import ciede2000, lab_of
from livefuse.bench.quality.motion import Motion, followed
from livefuse.bench.quality.regions import RING_INSIDE_UNITS, RING_OUTSIDE_UNITS, Mask, Region
from livefuse.frame import F32, U8

LEAST_PIXELS = 24
"""Fewer are not averaged."""
_SECTORS, _LEAST_OF_SECTOR = 16, 8
_LEAST_SPREAD = 1e-3  # of openness; below it a correlation is noise


def grey_of(rgb: U8) -> F32:
    """Luma of BT.601, 0..255, not rounded: differences of half a level count. Shapes: (h, w, 3) -> (h, w)."""
    return np.asarray(cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2GRAY), np.float32)


def warped_difference(now: F32, before: F32, motion: Motion) -> F32:
    """|now - before moved onto now|, grey levels. Shapes: (h, w) twice -> (h, w).

    Its mean over pixels that both frames show is the warping error of Lai et al. 2018, "Learning blind video temporal
    consistency", eq. 8, as a mean of differences instead of squares, so that it reads in grey levels. A brightness that is
    drawn anew for each frame with standard deviation s gives 2 s / sqrt(pi).
    """
    return np.abs(now - followed(before, motion.to_before))


def mean_where(values: F32, mask: Mask) -> float:
    """Mean over a mask."""
    chosen = values[mask]
    return float(chosen.mean(dtype=np.float64)) if chosen.size >= LEAST_PIXELS else float("nan")


def seam_difference(rgb: U8, region: Region, usable: Mask) -> float:
    """How different the colours on both sides of the seam look: CIEDE2000 between the mean L*a*b* of a ring inside and one
    outside of it, in each of 16 sectors around the region's middle, averaged.

    By sectors, because a face that is too red on one side and too green on the other has the right mean.
    Source: rings as in this module; the difference is Sharma et al. 2005.
    """
    lab = lab_of(rgb)
    inside, outside = (region.between(units) & usable for units in (RING_INSIDE_UNITS, RING_OUTSIDE_UNITS))
    sector = _sector_of(region)
    means = [_mean_by_sector(lab, sector, ring) for ring in (inside, outside)]
    both = np.isfinite(means[0]).all(axis=1) & np.isfinite(means[1]).all(axis=1)
    return float(ciede2000(means[0][both], means[1][both]).mean()) if both.any() else float("nan")


def _sector_of(region: Region) -> npt.NDArray[np.int64]:
    rows, cols = np.nonzero(region.depth > 0)
    ys, xs = np.indices(region.depth.shape, np.float32)
    angle = np.arctan2(ys - rows.mean(), xs - cols.mean())
    return np.asarray((angle / (2 * np.pi) * _SECTORS).astype(np.int64) % _SECTORS, np.int64)


def _mean_by_sector(lab: F32, sector: npt.NDArray[np.int64], ring: Mask) -> npt.NDArray[np.float64]:
    """(16, 3), NaN where a sector has too few pixels."""
    of_ring, colours = sector[ring], lab[ring]
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


def correlation(one: npt.ArrayLike, other: npt.ArrayLike) -> float:
    """Pearson's, over the frames where both are known; NaN where one hardly moves."""
    pair = np.stack([np.asarray(values, np.float64) for values in (one, other)])
    pair = pair[:, np.isfinite(pair).all(axis=0)]
    if pair.shape[1] < 3 or pair.std(axis=1).min() < _LEAST_SPREAD:
        return float("nan")
    return float(np.corrcoef(pair)[0, 1])


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
