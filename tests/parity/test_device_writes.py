"""Paste, draw and cover of each backend against float64 references, and what they must leave alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livefuse.device.base import Backend, Lane, Picture
from livefuse.frame import F32, U8, Colour, HostFrame
from tests.parity import reference
from tests.parity.conftest import assert_pixels
from tests.parity.test_device_reads import shift, similarity

ODD_AND_EVEN = pytest.mark.parametrize("size", [(96, 128), (65, 77)])


def patch(height: int, width: int) -> tuple[U8, U8]:
    """A smooth picture and a soft ellipse of opacity that is 255 inside and 0 at the border."""
    rng = np.random.default_rng(height + width)
    image = np.rint(255 * reference.smooth_noise(rng, height, width, 3)).astype(np.uint8)
    ys, xs = np.mgrid[0:height, 0:width]
    reach = np.hypot((xs - width / 2) / (width / 2), (ys - height / 2) / (height / 2))
    return image, np.clip(255 * (0.95 - reach) * 4, 0, 255).astype(np.uint8)


def uploaded(backend: Backend, frame: HostFrame) -> tuple[Lane, Picture]:
    lane = Lane(0)
    return lane, backend.upload(lane, frame)


def assert_planes(picture: Picture, want: tuple[reference.F64, ...], backend: Backend, atol: float) -> None:
    for got, plane in zip(reference.planes_of(picture), want, strict=True):
        assert_pixels(got, plane, backend, atol=atol, mean=0.5)


@ODD_AND_EVEN
@pytest.mark.parametrize("origin", [(20, 10), (21, 10), (20, 11), (-9, -5), (50, 40), (71, 61)])
def test_paste_by_a_shift(
    backend: Backend, picture_frame: HostFrame, size: tuple[int, int], origin: tuple[int, int]
) -> None:
    lane, picture = uploaded(backend, picture_frame)
    image, mask = patch(41, 52)
    backend.paste(lane, picture, image, mask, shift(*origin))
    assert_planes(picture, reference.paste(picture_frame, image, mask, shift(*origin)), backend, atol=2)


@ODD_AND_EVEN
@pytest.mark.parametrize("origin", [(0, 0), (21, 11), (-3, -8), (100, 70)])
def test_a_mask_that_is_opaque_to_its_border(
    backend: Backend, picture_frame: HostFrame, size: tuple[int, int], origin: tuple[int, int]
) -> None:
    """Chroma keeps half of what an odd border's blocks only half cover."""
    lane, picture = uploaded(backend, picture_frame)
    image, _ = patch(40, 50)
    mask = np.full((40, 50), 255, np.uint8)
    backend.paste(lane, picture, image, mask, shift(*origin))
    assert_planes(picture, reference.paste(picture_frame, image, mask, shift(*origin)), backend, atol=2)


@ODD_AND_EVEN
@pytest.mark.parametrize(
    ("scale", "degrees", "about"),
    [(0.7, -15.0, (60.4, 40.2)), (1.6, 7.0, (50, 50)), (1.0, 0.0, (40.5, 30.25))],
)
@pytest.mark.parametrize("offset", [(0, 0), (-60, -40), (33, 25)])
def test_paste_by_a_similarity(
    backend: Backend,
    picture_frame: HostFrame,
    size: tuple[int, int],
    scale: float,
    degrees: float,
    about: tuple[float, float],
    offset: tuple[int, int],
) -> None:
    lane, picture = uploaded(backend, picture_frame)
    image, mask = patch(48, 56)
    to_crop = similarity(scale, degrees, (about[0] + offset[0], about[1] + offset[1]), (28, 24))
    backend.paste(lane, picture, image, mask, to_crop)
    assert_planes(picture, reference.paste(picture_frame, image, mask, to_crop), backend, atol=6)


@pytest.mark.parametrize("size", [(96, 128)])
def test_paste_averages_a_crop_larger_than_its_place(backend: Backend, picture_frame: HostFrame) -> None:
    """A checkerboard of single pixels arrives as grey."""
    lane, picture = uploaded(backend, picture_frame)
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    image, mask = cv2.merge((board, board, board)), np.full((256, 256), 255, np.uint8)
    backend.paste(lane, picture, image, mask, similarity(4, 0, (64, 48), (128, 128)))
    out = np.empty((40, 40, 3), np.uint8)
    backend.warp(lane, picture, shift(44, 28), out)
    assert abs(out.astype(int) - 128).max() <= 4


@ODD_AND_EVEN
@pytest.mark.parametrize("to_crop", [shift(21, 11), shift(20, 10), similarity(1.2, 12, (60, 40), (26, 20))])
def test_pixels_under_mask_0_keep_their_value(
    backend: Backend, picture_frame: HostFrame, size: tuple[int, int], to_crop: F32
) -> None:
    lane, picture = uploaded(backend, picture_frame)
    image, mask = patch(41, 52)
    backend.paste(lane, picture, image, mask, to_crop)
    # a planar stand-in in which an opaque white shape shows exactly what the mask may touch
    black = reference.frame_of(np.zeros((*size, 3)), "rgb24", Colour())
    (touched,) = reference.paste(black, np.full_like(image, 255), mask, to_crop)
    grown = cv2.dilate((touched[..., 0] > 0).astype(np.uint8), np.ones((3, 3), np.uint8))
    for got, before in zip(picture.planes, picture_frame.planes, strict=True):
        free = grown == 0
        if got.shape[:2] != size:
            free = reference.halved(grown[..., None].astype(float))[..., 0] == 0
        assert free.any()
        assert np.array_equal(got[free], before[free])


@pytest.mark.parametrize("size", [(96, 128), (95, 127)])
@pytest.mark.parametrize("origin", [(20, 10), (21, 11)])
def test_a_shifted_mask_touches_no_more_than_its_blocks(
    backend: Backend, picture_frame: HostFrame, size: tuple[int, int], origin: tuple[int, int]
) -> None:
    lane, picture = uploaded(backend, picture_frame)
    image, mask = patch(41, 52)
    mask[:, 30:] = 0
    mask[13:17, 13:17] = 0
    backend.paste(lane, picture, image, mask, shift(*origin))
    canvas = np.zeros(size, np.uint8)
    place = np.s_[origin[1] : origin[1] + 41, origin[0] : origin[0] + 52]
    canvas[place] = mask[: canvas[place].shape[0], : canvas[place].shape[1]]
    for got, before in zip(picture.planes, picture_frame.planes, strict=True):
        free = canvas == 0
        if got.shape[:2] != size:
            free = reference.halved(canvas[..., None].astype(float))[..., 0] == 0
        assert np.array_equal(got[free], before[free])
        assert not np.array_equal(got, before)


@pytest.mark.parametrize("origin", [(20, 10), (21, 11), (-9, 80)])
def test_an_opaque_shifted_paste_is_exact_in_rgb(backend: Backend, origin: tuple[int, int]) -> None:
    rgb = np.random.default_rng(3).uniform(0, 255, (95, 127, 3))
    lane, picture = uploaded(backend, reference.frame_of(rgb, "rgb24", Colour()))
    image = np.random.default_rng(4).integers(0, 256, (30, 30, 3), np.uint8)
    want = np.pad(picture.planes[0], [(30, 30), (30, 30), (0, 0)])
    want[origin[1] + 30 : origin[1] + 60, origin[0] + 30 : origin[0] + 60] = image
    backend.paste(lane, picture, image, np.full((30, 30), 255, np.uint8), shift(*origin))
    assert np.array_equal(picture.planes[0], want[30:-30, 30:-30])


@pytest.mark.parametrize("size", [(96, 128)])
@pytest.mark.parametrize("origin", [(20, 10), (21, 11)])
def test_pasting_back_what_was_read_changes_little(
    backend: Backend, picture_frame: HostFrame, origin: tuple[int, int]
) -> None:
    lane, picture = uploaded(backend, picture_frame)
    image = np.empty((40, 40, 3), np.uint8)
    backend.warp(lane, picture, shift(*origin), image)
    before = [plane.copy() for plane in picture.planes]
    backend.paste(lane, picture, image, patch(40, 40)[1], shift(*origin))
    for got, plane in zip(picture.planes, before, strict=True):
        assert_pixels(got, plane, backend, atol=4)


@ODD_AND_EVEN
@pytest.mark.parametrize("mask_value", [0, 255])
def test_paste_outside_the_picture_does_nothing(
    backend: Backend, picture_frame: HostFrame, size: tuple[int, int], mask_value: int
) -> None:
    lane, picture = uploaded(backend, picture_frame)
    image, mask = patch(20, 20)
    mask[...] = mask_value
    places = [shift(500, 0), shift(0, -300), similarity(1.1, 5, (400, 400), (10, 10))]
    for to_crop in places + ([shift(3, 3), similarity(1.1, 5, (20, 20), (10, 10))] if mask_value == 0 else []):
        backend.paste(lane, picture, image, mask, to_crop)
    for got, before in zip(picture.planes, picture_frame.planes, strict=True):
        assert np.array_equal(got, before)


@ODD_AND_EVEN
@pytest.mark.parametrize("place", [(8, 6), (9, 7), (-5, -3), (110, 80), (200, 0)])
@pytest.mark.parametrize("frozen", [False, True])
def test_draw(
    backend: Backend, picture_frame: HostFrame, size: tuple[int, int], place: tuple[int, int], frozen: bool
) -> None:
    lane, picture = uploaded(backend, picture_frame)
    image, mask = patch(31, 44)
    rgba = np.dstack([image, mask])
    rgba.flags.writeable = not frozen
    want = reference.paste(picture_frame, image, mask, shift(*place))
    backend.draw(lane, picture, rgba, *place)
    assert_planes(picture, want, backend, atol=2)


@pytest.mark.parametrize("size", [(96, 128)])
def test_a_frozen_bitmap_is_drawn_the_same_on_every_frame(backend: Backend, picture_frame: HostFrame) -> None:
    """Through a cache that also sees other bitmaps, places and lanes."""
    rng = np.random.default_rng(1)
    lanes = [Lane(0), Lane(1)]
    bitmaps = [np.dstack([patch(20 + i, 30)[0], np.full((20 + i, 30), 200, np.uint8)]) for i in range(12)]
    for step in range(60):
        rgba = bitmaps[int(rng.integers(12))]
        place = int(rng.integers(-4, 100)), int(rng.integers(-4, 70))
        planes = []
        for frozen in (True, False):
            rgba = rgba.copy() if not frozen else rgba
            rgba.flags.writeable = not frozen
            picture = backend.upload(lanes[step % 2], picture_frame)
            backend.draw(lanes[step % 2], picture, rgba, *place)
            planes.append([plane.copy() for plane in picture.planes])
        assert all(np.array_equal(a, b) for a, b in zip(*planes, strict=True))


@ODD_AND_EVEN
@pytest.mark.parametrize("box", [(20, 10, 80, 90), (21, 11, 60, 80), (-20, -20, 500, 500), None])
@pytest.mark.parametrize("cells", [4, 100])
def test_cover_leaves_no_detail_inside_and_everything_outside(
    backend: Backend,
    picture_frame: HostFrame,
    size: tuple[int, int],
    box: tuple[int, int, int, int] | None,
    cells: int,
) -> None:
    rng = np.random.default_rng(5)
    for plane in picture_frame.planes:
        plane[...] = rng.integers(0, 256, plane.shape, np.uint8)
    lane, picture = uploaded(backend, picture_frame)
    backend.cover(lane, picture, box, cells)
    x1, y1, x2, y2 = box or (0, 0, size[1], size[0])
    x1, y1, x2, y2 = max(0, x1), max(0, y1), min(size[1], x2), min(size[0], y2)
    for i, (got, before) in enumerate(zip(picture.planes, picture_frame.planes, strict=True)):
        s = 1 if i == 0 else 2
        inside = got[y1 // s : -(-y2 // s), x1 // s : -(-x2 // s)].astype(int)
        steps = np.abs(np.diff(inside, axis=1)).max(), np.abs(np.diff(inside, axis=0)).max()
        assert max(steps) <= 75, "noise of 255 from pixel to pixel must be gone"
        covered = np.zeros(got.shape[:2], bool)
        covered[(y1 & ~1) // s : -(-y2 // s), (x1 & ~1) // s : -(-x2 // s)] = True
        assert np.array_equal(got[~covered], before[~covered])


@pytest.mark.parametrize("size", [(96, 128)])
def test_cover_keeps_the_mean_colour_and_ignores_empty_boxes(backend: Backend, picture_frame: HostFrame) -> None:
    lane, picture = uploaded(backend, picture_frame)
    backend.cover(lane, picture, (50, 50, 50, 90), 8)
    backend.cover(lane, picture, (500, 50, 600, 90), 8)
    assert all(np.array_equal(a, b) for a, b in zip(picture.planes, picture_frame.planes, strict=True))
    backend.cover(lane, picture, (20, 20, 80, 80), 1)
    region = np.s_[20:80, 20:80]
    assert np.ptp(picture.planes[0][region], axis=(0, 1)).max() == 0
    mean = picture_frame.planes[0][region].mean((0, 1))
    assert picture.planes[0][region].mean((0, 1)) == pytest.approx(mean, abs=1)
