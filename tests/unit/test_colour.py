from __future__ import annotations

import numpy as np
import pytest

from livefuse.device.colour import rgb_to_yuv, to_rgb_map, to_yuv_map, yuv_to_rgb
from livefuse.frame import Colour, Matrix

MATRICES: list[Matrix] = ["bt601", "bt709", "bt2020"]


def mapped(matrix: np.ndarray, *values: float) -> list[float]:
    return [float(v) for v in matrix[:, :3] @ np.array(values) + matrix[:, 3]]


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize(("full_range", "black", "white"), [(False, 16, 235), (True, 0, 255)])
def test_greys_have_no_chroma(matrix: Matrix, full_range: bool, black: int, white: int) -> None:
    forward = rgb_to_yuv(matrix, full_range)
    assert mapped(forward, 0, 0, 0) == pytest.approx([black, 128, 128], abs=1e-3)
    assert mapped(forward, 255, 255, 255) == pytest.approx([white, 128, 128], abs=1e-3)


@pytest.mark.parametrize(
    ("matrix", "rgb", "yuv"),
    [  # BT.601 and BT.709 colour bars, 8 bit limited range
        ("bt601", (255, 0, 0), (81, 90, 240)),
        ("bt601", (0, 255, 0), (145, 54, 34)),
        ("bt601", (0, 0, 255), (41, 240, 110)),
        ("bt709", (255, 0, 0), (63, 102, 240)),
        ("bt709", (0, 255, 0), (173, 42, 26)),
        ("bt709", (0, 0, 255), (32, 240, 118)),
    ],
)
def test_published_colour_bars(matrix: Matrix, rgb: tuple[int, ...], yuv: tuple[int, ...]) -> None:
    assert mapped(rgb_to_yuv(matrix, False), *rgb) == pytest.approx(yuv, abs=0.51)


@pytest.mark.parametrize("matrix", MATRICES)
@pytest.mark.parametrize("full_range", [False, True])
def test_there_and_back(matrix: Matrix, full_range: bool) -> None:
    forward, back = rgb_to_yuv(matrix, full_range), yuv_to_rgb(matrix, full_range)
    for rgb in np.random.default_rng(0).uniform(0, 255, (50, 3)):
        assert mapped(back, *mapped(forward, *rgb)) == pytest.approx(rgb, abs=1e-2)


def test_a_frames_colour_picks_its_maps() -> None:
    colour = Colour("bt709", True)
    assert np.array_equal(to_rgb_map(colour), yuv_to_rgb("bt709", True))
    assert np.array_equal(to_yuv_map(colour), rgb_to_yuv("bt709", True))
    assert not np.array_equal(to_rgb_map(Colour("bt601", True)), to_rgb_map(colour))
