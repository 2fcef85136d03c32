"""Upload, download, letterbox and warp of each backend against float64 references."""

from __future__ import annotations

import numpy as np
import pytest

from livefuse.device.base import Backend, Lane
from livefuse.frame import F32, U8, Colour, HostFrame, PixelFormat, plane_shapes
from tests.parity import reference
from tests.parity.conftest import assert_pixels

SIZES = [(64, 80), (63, 79), (17, 16)]


def shift(x: float, y: float) -> F32:
    return np.array([[1, 0, -x], [0, 1, -y]], np.float32)


def similarity(scale: float, degrees: float, about: tuple[float, float], onto: tuple[float, float]) -> F32:
    """Frame px to crop px: turn and scale about a frame point that lands on a crop point."""
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    turn = np.array([[c, -s], [s, c]])
    return np.hstack([turn, (np.array(onto) - turn @ about)[:, None]]).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_upload_and_download_are_exact(backend: Backend, picture_frame: HostFrame, size: tuple[int, int]) -> None:
    lane = Lane(0)
    before = [plane.copy() for plane in picture_frame.planes]
    picture = backend.upload(lane, picture_frame)
    for plane in picture_frame.planes:
        plane[...] = 0  # the lane has its own copy
    out = tuple(np.empty(shape, np.uint8) for shape in plane_shapes(picture_frame.format, *size))
    backend.download(lane, picture, out)
    assert all(np.array_equal(a, b) for a, b in zip(out, before, strict=True))


@pytest.mark.parametrize("size", [(96, 128)])
def test_upload_takes_padded_rows(backend: Backend, picture_frame: HostFrame, size: tuple[int, int]) -> None:
    lane = Lane(0)
    wide = tuple(np.zeros((p.shape[0], p.shape[1] + 32, *p.shape[2:]), np.uint8) for p in picture_frame.planes)
    views = tuple(w[:, : p.shape[1]] for w, p in zip(wide, picture_frame.planes, strict=True))
    for view, plane in zip(views, picture_frame.planes, strict=True):
        view[...] = plane
    frame = HostFrame(views, picture_frame.format, size[1], size[0], colour=picture_frame.colour)
    picture = backend.upload(lane, frame)
    out = tuple(np.empty_like(plane) for plane in picture_frame.planes)
    backend.download(lane, picture, out)
    assert all(np.array_equal(a, b) for a, b in zip(out, picture_frame.planes, strict=True))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("net", [(16, 20), (40, 60), (200, 200)])
def test_letterbox(backend: Backend, picture_frame: HostFrame, size: tuple[int, int], net: tuple[int, int]) -> None:
    lane = Lane(0)
    out = np.full((*net, 3), 77, np.uint8)
    box = backend.letterbox(lane, backend.upload(lane, picture_frame), out)
    want, scale = reference.letterbox(picture_frame, *net)
    assert box.scale == pytest.approx(scale)
    assert box.scale <= 1
    # chroma of an odd picture is stretched over it: half a pixel off at the far edge
    odd = (size[0] | size[1]) & 1
    assert_pixels(out, want, backend, atol=14 if odd else 8, mean=2.5 if odd else 1.2)
    h, w = round(size[0] * scale), round(size[1] * scale)
    assert not out[h:].any()
    assert not out[:, w:].any()


@pytest.mark.parametrize("size", [(96, 128), (98, 126)])
def test_letterbox_averages_what_it_shrinks(backend: Backend, format_: PixelFormat, size: tuple[int, int]) -> None:
    """A checkerboard of single pixels turns grey, not black or white."""
    board = np.indices(size).sum(0) % 2 * 255.0
    lane, colour = Lane(0), Colour("bt709", True)
    frame = reference.frame_of(np.repeat(board[..., None], 3, -1), format_, colour)
    out = np.empty((size[0] // 4, size[1] // 4, 3), np.uint8)
    backend.letterbox(lane, backend.upload(lane, frame), out)
    inside = out[:-1, :-1].astype(int)
    assert abs(inside - 127).max() <= 40


def test_a_letterbox_of_a_large_picture_halves_its_noise(backend: Backend, format_: PixelFormat) -> None:
    """Beyond fivefold four samples stand for a pixel: their mean is true, and half as noisy as one."""
    noise = np.random.default_rng(0).normal(120, 20, (960, 1280, 1)).clip(0, 255)
    lane, colour = Lane(0), Colour("bt709", True)
    out = np.empty((120, 160, 3), np.uint8)
    backend.letterbox(lane, backend.upload(lane, reference.frame_of(np.repeat(noise, 3, -1), format_, colour)), out)
    assert out.mean() == pytest.approx(120, abs=1)
    assert out[..., 1].std() < 11.5


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("origin", [(10, 8), (11, 9), (-7, -3), (50, 40), (-60, 3), (400, 3)])
def test_shift_reads(
    backend: Backend, picture_frame: HostFrame, size: tuple[int, int], origin: tuple[int, int]
) -> None:
    lane = Lane(0)
    out = np.empty((33, 41, 3), np.uint8)
    to_crop = shift(*origin)
    backend.warp(lane, backend.upload(lane, picture_frame), to_crop, out)
    want = reference.warp(picture_frame, to_crop, 33, 41)
    assert_pixels(out, want, backend, atol=0 if picture_frame.format == "rgb24" else 3)


@pytest.mark.parametrize("size", [(95, 127)])
def test_a_shift_read_is_a_window_of_the_whole(
    backend: Backend, picture_frame: HostFrame, size: tuple[int, int]
) -> None:
    """Exactly: the same pixel reads the same through any window, whatever the window's parity."""
    lane = Lane(0)
    picture = backend.upload(lane, picture_frame)
    whole = np.empty((*size, 3), np.uint8)
    backend.warp(lane, picture, shift(0, 0), whole)
    for x, y in [(0, 0), (1, 0), (0, 1), (13, 7), (14, 8), (86, 62)]:
        part = np.empty((33, 41, 3), np.uint8)
        backend.warp(lane, picture, shift(x, y), part)
        assert np.array_equal(part, whole[y : y + 33, x : x + 41]), (x, y)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("scale", "degrees", "about"),
    [
        (1.0, 0.0, (30.3, 20.6)),
        (1.7, -13.0, (50, 30)),
        (0.55, 90.0, (40, 30)),
        (1.1, 5.0, (78, 62)),
        (2.0, 0.0, (300, -100)),
    ],
)
def test_similarity_reads(
    backend: Backend,
    picture_frame: HostFrame,
    size: tuple[int, int],
    scale: float,
    degrees: float,
    about: tuple[float, float],
) -> None:
    lane = Lane(0)
    out = np.empty((48, 56, 3), np.uint8)
    to_crop = similarity(scale, degrees, about, (28, 24))
    backend.warp(lane, backend.upload(lane, picture_frame), to_crop, out)
    assert_pixels(out, reference.warp(picture_frame, to_crop, 48, 56), backend, atol=5)


@pytest.mark.parametrize("size", [(192, 256), (191, 255)])
@pytest.mark.parametrize(("scale", "degrees"), [(0.45, 0), (0.25, -45), (0.12, 5)])
@pytest.mark.parametrize("about", [(128, 96), (10, 180)])
def test_strong_shrinks_average(
    backend: Backend,
    picture_frame: HostFrame,
    size: tuple[int, int],
    scale: float,
    degrees: float,
    about: tuple[float, float],
) -> None:
    lane = Lane(0)
    out = np.empty((40, 44, 3), np.uint8)
    to_crop = similarity(scale, degrees, about, (22, 20))
    backend.warp(lane, backend.upload(lane, picture_frame), to_crop, out)
    inner = np.s_[2:-2, 2:-2]
    want = reference.warp(picture_frame, to_crop, 40, 44, supersample=4)
    # outside the picture the edge's average repeats, and not its last pixel
    assert_pixels(out[inner], want[inner], backend, atol=max(8, 1.8 / scale), mean=3)


def test_a_strong_shrink_turns_a_checkerboard_grey(backend: Backend, format_: PixelFormat) -> None:
    board = np.indices((160, 160)).sum(0) % 2 * 255.0
    lane = Lane(0)
    frame = reference.frame_of(np.repeat(board[..., None], 3, -1), format_, Colour("bt601", False))
    out: U8 = np.empty((30, 30, 3), np.uint8)
    backend.warp(lane, backend.upload(lane, frame), similarity(0.25, 10, (80, 80), (15, 15)), out)
    assert abs(out.astype(int) - 128).max() <= 3
