from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from livefuse.device import bands as bands_module
from livefuse.device.bands import Band, bands_of
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.device.planes import Region
from livefuse.frame import F32, U8, Colour, HostFrame, PixelFormat
from tests.parity import reference


def shapes() -> dict[str, U8]:
    """Masks with a ring of 0: a disc, two specks, something concave, something with a hole, one opaque pixel."""
    disc, specks, concave, holed, pixel = (np.zeros((130, 130), np.uint8) for _ in range(5))
    cv2.circle(disc, (64, 66), 50, 255, -1)
    disc = cv2.GaussianBlur(disc, (0, 0), 3)
    disc[0] = disc[-1] = disc[:, 0] = disc[:, -1] = 0
    specks[3, 5], specks[120, 124] = 1, 9
    cv2.ellipse(concave, (64, 64), (55, 55), 0, 20, 250, 255, 12)
    holed[2:-2, 2:-2] = 255
    holed[60:64, 60:64] = 100
    pixel[77, 20] = 255
    wide = cv2.copyMakeBorder(np.full((700, 520), 255, np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    return {
        "disc": np.asarray(disc),
        "specks": specks,
        "concave": concave,
        "holed": holed,
        "pixel": pixel,
        "wide": wide,
    }


def warped(mask: U8, to_mask: np.ndarray[tuple[int, int], np.dtype[np.float64]], region: Region) -> U8:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(mask, to_mask, (region.width, region.height), flags=flags), np.uint8)


@pytest.mark.parametrize("name", shapes())
@pytest.mark.parametrize("scale", [1.3, 7.0])
@pytest.mark.parametrize("degrees", [0.0, 8.0, -33.0, 90.0, 171.0])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (70.0, -45.0), (-400.0, 900.0)])
def test_bands_miss_nothing_and_call_only_opaque_what_is(
    name: str, scale: float, degrees: float, shift: tuple[float, float]
) -> None:
    mask = shapes()[name]
    turn = np.radians(degrees)
    linear = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / scale
    region = Region(0, 0, round(mask.shape[1] * scale), round(mask.shape[0] * scale) & ~1)
    middle = np.array([region.width / 2, region.height / 2]) + shift
    to_mask = np.column_stack((linear, np.array(mask.shape[::-1]) / 2 - linear @ middle))
    bands = bands_of(mask, to_mask, region)
    seen = warped(mask, to_mask, region)
    for band in bands:
        assert set(map(type, band)) == {int}
        opaque = seen[band.y1 : band.y2, band.opaque_x1 : band.opaque_x2]
        assert opaque.size == 0 or opaque.min() == 255
        seen[band.y1 : band.y2, band.x1 : band.x2] = 0
        assert (band.y1 | band.x1) & 1 == 0
        assert band.y2 % 2 == 0
        assert band.x2 % 2 == 0 or band.x2 == region.width
        assert band.x1 <= band.opaque_x1 <= band.opaque_x2 <= band.x2
    assert not seen.any()
    assert all(upper.y2 <= lower.y1 for upper, lower in pairwise(bands))


def test_the_middle_of_a_large_face_is_found_opaque() -> None:
    region = Region(0, 0, 1040, 1040)
    bands = bands_of(shapes()["disc"], np.array([[0.125, 0, 0], [0, 0.125, 0]]), region)
    opaque = sum((b.y2 - b.y1) * (b.opaque_x2 - b.opaque_x1) for b in bands)
    assert opaque > 0.18 * region.width * region.height
    assert sum((b.y2 - b.y1) * (b.x2 - b.x1) for b in bands) < 0.85 * region.width * region.height


def test_nothing_touched_is_no_band() -> None:
    assert bands_of(np.zeros((40, 40), np.uint8), np.eye(2, 3), Region(0, 0, 40, 40)) == []
    assert isinstance(bands_of(shapes()["pixel"], np.eye(2, 3), Region(0, 0, 130, 130))[0], Band)


@pytest.mark.parametrize("pixel_format", ["rgb24", "yuv420p", "nv12"])
def test_a_large_paste_is_what_blending_everything_gives(
    pixel_format: PixelFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the opaque square bands begin elsewhere, and a sample may round the other way."""
    image = (255 * reference.smooth_noise(np.random.default_rng(1), 128, 128, 3)).astype(np.uint8)
    mask = shapes()["disc"][1:-1, 1:-1]
    to_crop = np.array([[0.11, 0.01, 4], [-0.01, 0.11, 5]], np.float32)
    noise = 255 * reference.smooth_noise(np.random.default_rng(2), 1151, 1301, 3, 90)
    frame = reference.frame_of(noise, pixel_format, Colour())
    fast = pasted(frame, image, mask, to_crop)
    monkeypatch.setattr(bands_module, "_LEAST_SQUARE_PX", 10**6)
    plain = pasted(frame, image, mask, to_crop)
    for one, other, before in zip(fast, plain, frame.planes, strict=True):
        assert np.abs(one.astype(int) - other).max() <= 1
        assert not np.array_equal(one, before)


def pasted(frame: HostFrame, image: U8, mask: U8, to_crop: F32) -> tuple[U8, ...]:
    backend, lane = CpuBackend(), Lane(0)
    picture = backend.upload(lane, frame)
    backend.paste(lane, picture, image, mask, to_crop)
    return picture.planes
