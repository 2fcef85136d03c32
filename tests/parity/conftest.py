"""Backends under test, pictures to try them on, and the one place that says how close is close enough."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from livefuse.device.base import Backend
from livefuse.device.cpu import CpuBackend
from livefuse.frame import Colour, HostFrame, PixelFormat
from tests.parity import reference

BACKENDS = {"cpu": CpuBackend}
COLOURS = {
    "601": Colour("bt601", False),
    "601full": Colour("bt601", True),
    "709": Colour("bt709", False),
    "709full": Colour("bt709", True),
}


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]()


@pytest.fixture(params=["yuv420p", "nv12", "rgb24"])
def format_(request: pytest.FixtureRequest) -> PixelFormat:
    return request.param


@pytest.fixture(params=["yuv420p-601", "yuv420p-709", "nv12-601full", "nv12-709full", "rgb24-601"])
def picture_frame(request: pytest.FixtureRequest, size: tuple[int, int]) -> HostFrame:
    """A smooth colourful picture of `size` (height, width), in one format and colour."""
    format_name, _, colour = request.param.partition("-")
    rng = np.random.default_rng(size[0] * 1000 + size[1])
    noise = reference.smooth_noise(rng, *size, 3, cell_px=max(20, size[1] // 4))
    return reference.frame_of(20 + 215 * noise, format_name, COLOURS[colour])


def assert_pixels(
    got: npt.NDArray[np.generic],
    want: npt.NDArray[np.generic],
    backend: Backend,
    *,
    atol: float,
    mean: float | None = None,
) -> None:
    """At most `atol` apart anywhere and `mean` (a third of it unless told) on average; GPUs sample with 1/256 px
    fractions and so get 1 more."""
    spare = 0 if backend.name == "cpu" or atol == 0 else 1
    apart = np.abs(got.astype(np.float64) - np.clip(np.rint(want.astype(np.float64)), 0, 255))
    where = np.unravel_index(apart.argmax(), apart.shape)
    assert apart.max() <= atol + spare, f"{backend.name}: {got[where]} but {want[where]:.1f} at {where}"
    limit = atol / 3 if mean is None else mean
    assert apart.mean() <= limit + spare, f"{backend.name}: {apart.mean():.2f} off on average"
