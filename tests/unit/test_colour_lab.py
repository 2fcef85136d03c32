from __future__ import annotations

import cv2
import numpy as np
import pytest

from livefuse.composite.colour import lab
from tests.unit.colour_scenes import changed, face, skin_of, stage


def test_statistics_by_hand() -> None:
    # lightness 20, 40, 80 with weights 1, 2, 1: mean 45, variance (25^2 + 2 * 5^2 + 35^2) / 4 = 475
    values = np.array([[20, 1, -3], [40, 1, -3], [80, 1, -3]], np.float32)
    mean, spread = lab.statistics(values, np.array([1, 2, 1], np.float32))
    assert mean == pytest.approx([45, 1, -3])
    assert spread == pytest.approx([21.794, 0, 0], abs=1e-3)


def test_transfer_is_reinhards() -> None:
    # (src - 50) * 8 / 10 + 60 = 0.8 src + 20; (src - 10) * 6 / 5 + 4 = 1.2 src - 8; a spread of 0 counts as 1e-6
    source = np.array([50, 10, 7], np.float32), np.array([10, 5, 0], np.float32)
    target = np.array([60, 4, 9], np.float32), np.array([8, 6, 0], np.float32)
    assert lab.transfer(source, target, 0.0, 10.0) == pytest.approx(np.array([[0.8, 1.2, 0], [20, -8, 9]]))


def test_transfer_keeps_spreads_within_bounds() -> None:
    source = np.array([50, 0, 0], np.float32), np.array([5, 5, 5], np.float32)
    target = np.array([50, 0, 0], np.float32), np.array([50, 5, 0.1], np.float32)
    assert lab.transfer(source, target, 0.7, 1.3)[0] == pytest.approx([1.3, 1.0, 0.7])


def test_lightness_is_cies() -> None:
    # sRGB grey 119: linear ((119/255 + 0.055) / 1.055)^2.4 = 0.18447, L* = 116 * 0.18447^(1/3) - 16 = 50.03
    grey = lab.to_lab(np.full((1, 1, 3), 119, np.uint8))[0, 0]
    assert grey == pytest.approx([50.03, 0, 0], abs=0.25)  # OpenCV interpolates


def reinhard(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The recipe on whole images, pixel by pixel, in float."""
    ours, theirs = (cv2.cvtColor((i / 255).astype(np.float32), cv2.COLOR_RGB2LAB) for i in (source, target))
    flat, goal = ours.reshape(-1, 3), theirs.reshape(-1, 3)
    out = (ours - flat.mean(0)) * goal.std(0) / np.maximum(flat.std(0), 1e-6) + goal.mean(0)
    return np.asarray(cv2.cvtColor(out.astype(np.float32), cv2.COLOR_LAB2RGB) * 255)


def test_affine_map_is_near_the_recipe() -> None:
    """Within the colours of a face: less than a level on average, three at most for 99 in 100 pixels."""
    source = face(seed=1) * (1.0, 0.95, 0.9)
    target = face(100, seed=2) * (0.9, 1.0, 1.15)
    wanted = reinhard(source, target)
    ours, theirs = (
        lab.statistics(lab.to_lab(np.rint(i).astype(np.uint8)), np.ones(i.shape[:2], np.float32))
        for i in (source, target)
    )
    matrix = lab.as_rgb(lab.transfer(ours, theirs, 0, 9), *ours)
    apart = np.abs(cv2.transform(source.astype(np.float32), matrix) - wanted).max(axis=2)
    assert apart.mean() < 1
    assert np.percentile(apart, 99) < 3


def test_mean_of_the_skin_becomes_the_targets() -> None:
    target, swapped = face(90, seed=2) * (0.9, 1.0, 1.1), face(150)
    crop = changed(stage("lab"), target, swapped)
    assert np.abs(skin_of(crop.image) - skin_of(target)).max() < 4
    assert np.abs(skin_of(swapped) - skin_of(target)).max() > 50
