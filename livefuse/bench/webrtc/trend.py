"""Does something grow with time? A line through block means, and how sure its slope is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_LEAST_BLOCKS = 4


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth per minute, with the bounds of its 95 % confidence interval, from so many blocks."""

    per_minute: float
    low: float
    high: float
    blocks: int

    @property
    def flat(self) -> bool:
        """No growth can be told from noise."""
        return self.low <= 0 <= self.high


def slope(times_s: Sequence[float], values: Sequence[float], block_s: float) -> Slope:
    """Ordinary least squares on means over blocks of time: neighbouring frames are alike, so each is no witness of its own.

    Raises: ValueError for fewer than four blocks.
    """
    at, means = _block_means(np.asarray(times_s, np.float64), np.asarray(values, np.float64), block_s)
    n = len(at)
    if n < _LEAST_BLOCKS:
        raise ValueError(f"{n} blocks of {block_s:g} s; a slope wants {_LEAST_BLOCKS}")
    away = at - at.mean()
    spread = float(away @ away)
    rise = float(away @ means) / spread
    off = means - means.mean() - rise * away
    error = math.sqrt(float(off @ off) / (n - 2) / spread)
    reach = student_t_975(n - 2) * error
    return Slope(60 * rise, 60 * (rise - reach), 60 * (rise + reach), n)


def _block_means(
    times_s: npt.NDArray[np.float64], values: npt.NDArray[np.float64], block_s: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean time and mean value of every whole block that holds anything."""
    block = np.floor((times_s - times_s.min()) / block_s).astype(np.int64) if len(times_s) else np.empty(0, np.int64)
    counts = np.bincount(block)
    held = counts > 0
    at, means = (np.bincount(block, weights)[held] / counts[held] for weights in (times_s, values))
    return at, means


def student_t_975(freedom: int) -> float:
    """The 97.5 % quantile of Student's t. Source: Abramowitz and Stegun, 26.7.5; within 1 % from 4 degrees on."""
    z, v = 1.959964, float(freedom)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / v ** (i + 1) for i, term in enumerate(terms))
