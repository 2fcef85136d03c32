from __future__ import annotations

import numpy as np
import pytest

from livefuse.composite.badge import badge, badge_position
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.frame import PixelFormat, blank_frame

SIZES = [(480, 640), (720, 1280), (1080, 1920), (1920, 1080), (241, 319), (16, 16)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("format_", ["yuv420p", "nv12", "rgb24"])
def test_it_shows_in_the_top_right_corner_and_nowhere_else(size: tuple[int, int], format_: PixelFormat) -> None:
    height, width = size
    rgba = badge(height)
    x, y = badge_position(width, height, rgba)
    backend, lane = CpuBackend(), Lane(0)
    frame = blank_frame(format_, height, width)
    picture = backend.upload(lane, frame)
    backend.draw(lane, picture, rgba, x, y)
    changed = np.argwhere((picture.planes[0] != frame.planes[0]).reshape(height, width, -1).any(-1))
    assert len(changed)
    assert x % 2 == y % 2 == 0
    assert changed[:, 1].min() >= min(x, width // 2)
    assert changed[:, 0].max() < max(height / 10, rgba.shape[0])


def test_it_can_be_read_on_small_and_large_pictures() -> None:
    small, large = badge(480), badge(1080)
    assert small.shape[0] >= 18
    assert large.shape[0] > small.shape[0]
    assert large.shape[1] < 1920 / 6
    for rgba in (small, large):
        ink = rgba[..., :3].astype(int).sum(-1) > 600
        assert 0.04 < ink.mean() < 0.4
        assert rgba[rgba.shape[0] // 2, 6, 3] > 150, "letters have their own dark ground"


def test_it_is_made_once_and_frozen() -> None:
    assert badge(720) is badge(720)
    assert not badge(720).flags.writeable


def test_positions_stay_inside() -> None:
    for height, width in SIZES:
        x, y = badge_position(width, height, badge(height))
        assert 0 <= x < width
        assert 0 <= y < height
