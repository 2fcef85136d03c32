"""What a detector sees: averages by default, insightface's resize on request."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livefuse.detect.view import View, fitted
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from tests.unit.photos import picture_of


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (1920, 1080, (360, 640)),
        (1080, 1920, (640, 360)),
        (853, 480, (360, 640)),
        (300, 300, (640, 640)),
        (700, 331, (302, 640)),
    ],
)
def test_fitted_rounds_down_and_enlarges(width: int, height: int, expected: tuple[int, int]) -> None:
    assert fitted(width, height, 640, 640) == expected


def test_insightfaces_view_is_its_own_resize_in_the_top_left_of_a_square() -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (331, 700, 3), np.uint8)
    picture, view = picture_of(rgb), View(CpuBackend(), 640, None, "insightface")
    assert view.size(picture) == (640, 640)
    out = np.full((640, 640, 3), 99, np.uint8)
    scale = view.read(Lane(0), picture, out)
    assert scale == pytest.approx(302 / 331)
    np.testing.assert_array_equal(out[:302], cv2.resize(rgb, (640, 302)))
    assert not out[302:].any()


def test_our_view_averages_and_does_not_enlarge() -> None:
    rgb = np.zeros((256, 512, 3), np.uint8)
    rgb[:, ::2] = 200
    picture, view = picture_of(rgb), View(CpuBackend(), 256, None)
    assert view.size(picture) == (128, 256)
    out = np.empty((128, 256, 3), np.uint8)
    assert view.read(Lane(0), picture, out) == 0.5
    assert (out == 100).all()
    assert View(CpuBackend(), 1024, None).size(picture) == (256, 512)
    assert View(CpuBackend(), 320, (640, 640)).size(picture) == (640, 640)
