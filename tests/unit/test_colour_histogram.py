from __future__ import annotations

import numpy as np
import pytest

from livefuse.composite.colour.histogram import matching_curves
from livefuse.frame import F32, U8
from tests.unit.colour_scenes import changed, face, skin_of, stage


def curve(source: U8, target: U8, weight: F32 | None = None) -> F32:
    weight = np.ones(len(source), np.float32) if weight is None else weight
    return matching_curves(source[:, None], target[:, None], weight)[:, 0]


def ramp(low: int, high: int) -> U8:
    return np.repeat(np.arange(low, high), 8).astype(np.uint8)


def test_constants_meet() -> None:
    found = curve(np.full(500, 100, np.uint8), np.full(500, 140, np.uint8))
    assert found[100] == pytest.approx(140, abs=0.5)


def test_a_shifted_ramp_is_a_shift() -> None:
    found = curve(ramp(50, 150), ramp(90, 190))
    levels = np.arange(60, 140)
    assert found[levels] == pytest.approx(levels + 40, abs=0.5)


def test_a_stretched_ramp_is_a_stretch() -> None:
    # 60..160 -> 80..210: 80 + (x - 60) * 1.3
    found = curve(
        np.repeat(np.arange(60, 160), 13).astype(np.uint8), np.repeat(np.arange(80, 210), 10).astype(np.uint8)
    )
    levels = np.arange(75, 145)
    assert found[levels] == pytest.approx(80 + (levels - 60) * 1.3, abs=1.5)


def test_weights_choose_what_is_matched() -> None:
    source, target = np.full(400, 100, np.uint8), np.concatenate((np.full(200, 130), np.full(200, 20))).astype(np.uint8)
    weight = np.concatenate((np.ones(200), np.zeros(200))).astype(np.float32)
    assert curve(source, target, weight)[100] == pytest.approx(130, abs=0.5)


@pytest.mark.parametrize("target", [np.full(800, 255, np.uint8), np.zeros(800, np.uint8), ramp(0, 100)])
def test_curves_rise_and_keep_black_and_white(target: U8) -> None:
    found = curve(ramp(100, 200), target)
    assert found[0] == 0
    assert found[255] == 255
    assert (np.diff(found) >= 0).all()


def test_a_blown_out_target_does_not_flatten_the_face() -> None:
    """Bounded slopes: half of the contrast stays, where plain matching would leave one level."""
    found = curve(ramp(80, 120), np.full(320, 230, np.uint8))
    assert found[118] - found[82] > 0.5 * (118 - 82)


def test_distribution_of_the_skin_becomes_the_targets() -> None:
    target, swapped = face(90, seed=2), face(150)
    crop = changed(stage("histogram"), target, swapped)
    assert np.abs(skin_of(crop.image) - skin_of(target)).max() < 4
