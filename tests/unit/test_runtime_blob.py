"""Network inputs: normalisation, channel order, layout."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from livefuse.errors import EngineFailed
from livefuse.runtime.blob import Blob
from livefuse.weights.recipe import Normalisation

RGB = np.random.default_rng(5).integers(0, 256, (6, 7, 3), np.uint8)
IMAGENET = Normalisation(order="rgb", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
BGR = Normalisation(order="bgr", scale=0.5, mean=(1.0, 2.0, 3.0), std=(10.0, 20.0, 40.0))


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_planes_hold_the_normalised_channels_in_the_recipes_order(dtype: npt.DTypeLike) -> None:
    out = np.empty((2, 3, 6, 7), dtype)
    Blob(IMAGENET).fill(RGB, out[0])
    Blob(BGR).fill(RGB, out[1])
    tolerance = 1e-5 if dtype == np.float32 else 5e-3
    wanted = (RGB / 255 - IMAGENET.mean) / IMAGENET.std
    np.testing.assert_allclose(out[0], wanted.transpose(2, 0, 1), atol=tolerance)
    wanted = (RGB[..., ::-1] * 0.5 - BGR.mean) / BGR.std
    np.testing.assert_allclose(out[1], wanted.transpose(2, 0, 1), atol=tolerance * 4)


def test_nhwc_keeps_channels_last_in_the_recipes_order() -> None:
    out = np.empty((6, 7, 3), np.float32)
    Blob(BGR, "nhwc").fill(RGB, out)
    np.testing.assert_allclose(out, (RGB[..., ::-1] * 0.5 - BGR.mean) / BGR.std, rtol=1e-5, atol=1e-5)
    Blob(IMAGENET, "nhwc").fill(RGB, out)
    np.testing.assert_allclose(out, (RGB / 255 - IMAGENET.mean) / IMAGENET.std, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("normalisation", [None, Normalisation(order="rgb"), Normalisation(order="bgr")])
def test_plain_pixels_are_exact(normalisation: Normalisation | None) -> None:
    out = np.empty((3, 6, 7), np.float32)
    Blob(normalisation).fill(RGB, out)
    flipped = normalisation is not None and normalisation.order == "bgr"
    np.testing.assert_array_equal(out, (RGB[..., ::-1] if flipped else RGB).transpose(2, 0, 1))


def test_an_input_of_another_shape_is_refused() -> None:
    with pytest.raises(EngineFailed, match="nchw"):
        Blob(IMAGENET).fill(RGB, np.empty((6, 7, 3), np.float32))
    with pytest.raises(EngineFailed, match="the picture"):
        Blob(IMAGENET).fill(RGB, np.empty((3, 6, 14), np.float32)[..., ::2])
