"""Frames of any size and colour in a picture of declared size and colour."""

from __future__ import annotations

import numpy as np
import pytest

from livefuse.frame import Colour, HostFrame, PixelFormat, plane_shapes
from livefuse.source.fitted import HD_COLOUR, Fitted


def flat(
    width: int, height: int, values: tuple[int, ...], kind: PixelFormat = "yuv420p", *, colour: Colour | None = None
) -> HostFrame:
    planes = [np.empty(shape, np.uint8) for shape in plane_shapes(kind, height, width)]
    if kind == "yuv420p":
        for plane, value in zip(planes, values, strict=True):
            plane.fill(value)
    elif kind == "nv12":
        planes[0].fill(values[0])
        planes[1][...] = values[1:]
    else:
        planes[0][...] = values
    return HostFrame(tuple(planes), kind, width, height, pts_ns=7, seq=3, colour=colour or Colour())


def centre(frame: HostFrame) -> list[int]:
    h, w = frame.height // 2, frame.width // 2
    return [int(frame.planes[0][h, w]), int(frame.planes[1][h // 2, w // 2]), int(frame.planes[2][h // 2, w // 2])]


def test_a_frame_that_fits_is_not_copied() -> None:
    frame = flat(64, 48, (80, 100, 140), colour=HD_COLOUR)
    assert Fitted(64, 48).fit(frame) is frame


def test_tags_alone_cost_no_copy() -> None:
    frame = flat(64, 48, (80, 100, 140), colour=Colour("bt709"))
    fitted = Fitted(64, 48).fit(frame)
    assert fitted.planes is frame.planes
    assert fitted.colour == HD_COLOUR


@pytest.mark.parametrize(
    ("size", "picture"),
    [((32, 48), (slice(0, 96), slice(32, 96))), ((256, 96), (slice(24, 72), slice(0, 128)))],
)
def test_other_shapes_are_letterboxed(size: tuple[int, int], picture: tuple[slice, slice]) -> None:
    fitted = Fitted(128, 96).fit(flat(*size, (200, 90, 160), colour=HD_COLOUR))
    luma = fitted.planes[0]
    assert (fitted.width, fitted.height, luma.shape) == (128, 96, (96, 128))
    assert np.abs(luma[picture].astype(int) - 200).max() <= 1
    bars = np.ones(luma.shape, bool)
    bars[picture] = False
    assert (luma[bars] == 16).all()
    assert int(fitted.planes[1][0, 0]) == 128 or not bars[0, 0]
    assert (fitted.pts_ns, fitted.seq) == (7, 3)


@pytest.mark.parametrize(
    ("values", "kind", "colour"),
    [
        ((81, 90, 240), "yuv420p", Colour("bt601")),
        ((81, 90, 240), "nv12", Colour("bt601")),
        ((76, 85, 255), "yuv420p", Colour("bt601", True)),
        ((255, 0, 0), "rgb24", Colour()),
    ],
)
def test_red_stays_red(values: tuple[int, ...], kind: PixelFormat, colour: Colour) -> None:
    fitted = Fitted(64, 48).fit(flat(64, 48, values, kind, colour=colour))
    np.testing.assert_allclose(centre(fitted), (63, 102, 240), atol=3)  # BT.709 limited
    assert fitted.colour == HD_COLOUR


def test_odd_sizes_and_padded_rows_are_taken() -> None:
    frame = flat(33, 27, (120, 128, 128), colour=HD_COLOUR)
    padded = tuple(np.pad(p, ((0, 0), (0, 5)))[:, : p.shape[1]] for p in frame.planes)
    fitted = Fitted(64, 48).fit(HostFrame(padded, "yuv420p", 33, 27, colour=HD_COLOUR))
    assert abs(centre(fitted)[0] - 120) <= 1


def test_frames_keep_their_own_memory() -> None:
    fitter = Fitted(64, 48)
    first = fitter.fit(flat(32, 24, (50, 128, 128), colour=HD_COLOUR))
    fitter.fit(flat(32, 24, (200, 128, 128), colour=HD_COLOUR))
    assert abs(centre(first)[0] - 50) <= 1
