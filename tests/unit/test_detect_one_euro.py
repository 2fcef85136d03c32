"""The One-Euro filter against its paper, and what it is for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from livefuse.detect.one_euro import OneEuro, smoothing


def paper(values: list[float], rate_hz: float, min_cutoff: float, beta: float, derivative_cutoff: float) -> list[float]:
    """Algorithm 1 of Casiez, Roussel, Vogel 2012, written out for one signal."""

    def alpha(cutoff: float) -> float:
        return 1 / (1 + (1 / (2 * math.pi * cutoff)) * rate_hz)

    filtered, slope, out = values[0], 0.0, [values[0]]
    for x in values[1:]:
        a = alpha(derivative_cutoff)
        slope = a * (x - filtered) * rate_hz + (1 - a) * slope
        a = alpha(min_cutoff + beta * abs(slope))
        filtered = a * x + (1 - a) * filtered
        out.append(filtered)
    return out


def test_equals_the_paper_for_every_signal_of_an_array() -> None:
    rng = np.random.default_rng(7)
    signals = np.cumsum(rng.normal(size=(50, 3, 2)), axis=0)
    one_euro = OneEuro(1.2, 0.05, 1.5)
    ours = np.stack([one_euro(x, 1 / 30) for x in signals])
    for i in range(3):
        for j in range(2):
            np.testing.assert_allclose(ours[:, i, j], paper(signals[:, i, j].tolist(), 30, 1.2, 0.05, 1.5), rtol=1e-9)


def test_smoothing_of_a_known_cutoff() -> None:
    assert smoothing(1 / (2 * math.pi), 1.0) == pytest.approx(0.5)


def test_quiets_a_still_signal_and_follows_a_moving_one() -> None:
    rng = np.random.default_rng(3)
    noise = rng.normal(size=300) * 0.5
    still = OneEuro(1.0, 0.02)
    out = np.array([float(still(x, 1 / 30)) for x in noise])
    assert out[30:].std() < 0.5 * noise[30:].std()
    ramp = OneEuro(1.0, 0.02)
    lag = [x - float(ramp(x, 1 / 30)) for x in np.arange(90) * 20.0]  # 600 px a second
    assert lag[-1] < 20.0  # one frame


def test_the_unit_makes_it_blind_to_scale() -> None:
    values = np.sin(np.arange(40) / 5)
    small, large = OneEuro(1, 5), OneEuro(1, 5)
    a = [float(small(v, 1 / 30, unit=1)) for v in values]
    b = [float(large(v * 80, 1 / 30, unit=80)) for v in values]
    np.testing.assert_allclose(np.array(a) * 80, b, rtol=1e-9)


def test_starts_afresh_when_time_stands_still() -> None:
    one_euro = OneEuro(1, 0)
    one_euro(5.0, 1 / 30)
    assert float(one_euro(9.0, 0.0)) == 9.0
