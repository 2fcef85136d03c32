"""What makes the synthetic camera's painting quick changes nothing that can be seen."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livefuse.frame import F32
from livefuse.source.synthetic import body, texture
from livefuse.source.synthetic.identity import identity_of


@pytest.mark.parametrize(("sigma_x", "sigma_y"), [(0.8, 0.8), (0.9, 41.0), (26.0, 49.0), (82.0, 5.0)])
def test_a_wide_blur_of_a_smaller_picture_is_that_of_the_whole(sigma_x: float, sigma_y: float) -> None:
    shape = (360, 640)
    quick = texture.noise(np.random.default_rng(3), shape, sigma_x, sigma_y)
    white = np.random.default_rng(3).standard_normal(shape, np.float32)
    whole = cv2.GaussianBlur(white, (0, 0), sigma_x, sigmaY=sigma_y, borderType=cv2.BORDER_REFLECT)
    assert quick.shape == shape
    assert float(quick.std()) == pytest.approx(1, abs=1e-3)
    assert np.corrcoef(quick.ravel(), whole.ravel())[0, 1] > 0.99


def test_only_where_there_is_paint_is_painted() -> None:
    rng = np.random.default_rng(5)
    amount = np.zeros((400, 400), np.float32)
    amount[120:180, 30:90] = rng.random((60, 60), np.float32)
    for other in (np.array([200, 10, 90], np.float32), rng.random((400, 400, 3), np.float32)):
        colour = rng.random((400, 400, 3), np.float32)
        expected = colour + (other - colour) * amount[..., None]
        texture.mix(colour, other, amount)
        assert np.array_equal(colour, expected)
    before = colour.copy()
    texture.mix(colour, other, np.zeros((400, 400), np.float32))
    assert np.array_equal(colour, before)


@pytest.mark.parametrize("seed", range(4))
def test_a_body_is_the_same_as_in_a_picture_that_is_painted_whole(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def painted() -> tuple[F32, F32]:
        picture = np.full((360, 1200, 3), 50.0, np.float32)
        return picture, body.paint_body(picture, identity_of(seed), 600.0, 140.0, 8.0)

    part = painted()
    monkeypatch.setattr(body, "_part", lambda x, y, _: (slice(0, len(y)), slice(0, len(x))))
    whole = painted()
    assert part[1].max() == 1.0
    for one, other in zip(part, whole, strict=True):
        assert np.allclose(one, other, atol=1e-3)


def test_a_body_outside_the_picture_is_none() -> None:
    picture = np.full((40, 60, 3), 7.0, np.float32)
    assert not body.paint_body(picture, identity_of(1), 30.0, 500.0, 8.0).any()
    assert not body.paint_body(picture, identity_of(1), 5000.0, 10.0, 8.0).any()
    assert (picture == 7.0).all()
