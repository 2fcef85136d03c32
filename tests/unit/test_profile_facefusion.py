from __future__ import annotations

import cv2
import numpy as np
import pytest

from livefuse.composite.profiles import colour_match
from livefuse.composite.profiles.facefusion import FaceFusion
from livefuse.composite.profiles.facefusion_masks import AREAS, area_mask, box_mask, softened
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, U8, Crop, HostFrame
from tests.parity import reference
from tests.unit.profile_faces import cut_crop, frontal


def gaussian(sigma: float, size: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    x = np.arange(size) - (size - 1) / 2
    kernel = np.exp(-(x**2) / (2 * sigma**2))
    return kernel / kernel.sum()


@pytest.mark.parametrize(("side", "band", "sigma", "kernel"), [(128, 9, 4.75, 39), (256, 19, 9.5, 77)])
def test_box_mask_is_a_blurred_box(side: int, band: int, sigma: float, kernel: int) -> None:
    """Sizes worked out by hand: B = int(S * 0.5 * 0.3) = 19 and 38, the band B // 2, sigma B / 4, kernel round(8 sigma + 1) | 1."""
    line = np.zeros(side)
    line[band:-band] = 1
    mirrored = np.pad(line, kernel // 2, mode="reflect")
    blurred = np.convolve(mirrored, gaussian(sigma, kernel), "valid")
    assert np.abs(box_mask(side, 0.3, (0, 0, 0, 0)) - np.outer(blurred, blurred)).max() < 1e-5


def test_box_mask_pads_by_percent_and_never_less_than_its_band() -> None:
    mask = box_mask(128, 0.0, (25, 1, 50, 0))  # blur 0: B = 0, the band is 1 px
    want = np.zeros((128, 128))
    want[32:-64, 1:-1] = 1
    assert np.array_equal(mask, want)
    assert not mask.flags.writeable


def test_softening_keeps_the_inner_half_of_the_ramp() -> None:
    mask = np.zeros((100, 100), np.float32)
    mask[:, 50:] = 1
    soft = softened(mask)
    assert soft[50, 49] == 0
    assert soft[50, 50] == pytest.approx(2 * 0.0398, abs=3e-3)  # half a pixel into a sigma of 5: Phi(0.1) - 0.5
    assert soft[50, 55] == pytest.approx(2 * (0.8643 - 0.5), abs=5e-3)  # 5.5 px: Phi(1.1)
    assert soft[50, 75] == 1


def test_area_masks_are_hulls_of_their_landmarks() -> None:
    landmarks = np.random.default_rng(1).uniform(30, 220, (68, 2))
    landmarks[48:68] = np.stack((128 + 40 * np.cos(np.arange(20)), 180 + 20 * np.sin(np.arange(20))), axis=1)
    mouth = area_mask(256, landmarks, ["mouth"])
    assert mouth[180, 128] == pytest.approx(1, abs=1e-3)
    assert mouth[:150].max() == 0
    both = area_mask(256, landmarks, ["mouth", "lower-face"])
    assert (both >= mouth - 1e-6).all()
    assert len(AREAS["upper-face"]) == 21
    assert len(AREAS["lower-face"]) == 16


def make_frame(height: int, width: int) -> U8:
    noise = reference.smooth_noise(np.random.default_rng(7), height, width, 3, cell_px=30)
    return np.asarray(20 + 200 * noise, np.uint8)


def pasted_by_hand(frame: U8, face: F32, mask: F32, to_crop: F32) -> U8:
    """The recipe on its own, straight from the reference."""
    height, width = frame.shape[:2]
    to_frame = cv2.invertAffineTransform(to_crop.astype(np.float64))
    side = face.shape[0]
    corners = np.array([[0, 0, 1], [side, 0, 1], [side, side, 1], [0, side, 1]]) @ to_frame.T
    x1, y1 = np.clip(np.floor(corners.min(0)).astype(int), 0, (width, height))
    x2, y2 = np.clip(np.ceil(corners.max(0)).astype(int), 0, (width, height))
    out = frame.copy()
    if x2 <= x1 or y2 <= y1:
        return out
    to_frame[:, 2] -= (x1, y1)
    size = (int(x2 - x1), int(y2 - y1))
    inverse_mask = cv2.warpAffine(mask, to_frame, size).clip(0, 1)[..., None]
    inverse_face = cv2.warpAffine(face.clip(0, 1) * np.float32(255), to_frame, size, borderMode=cv2.BORDER_REPLICATE)
    part = frame[y1:y2, x1:x2]
    out[y1:y2, x1:x2] = (part * (1 - inverse_mask) + inverse_face * inverse_mask).astype(np.uint8)
    return out


@pytest.mark.parametrize("size", [(240, 320), (241, 319)])
@pytest.mark.parametrize(
    ("centre", "eyes_px"), [((150, 110), 40), ((20, 200), 60), ((160, 120), 300), ((-400, 50), 40), ((100, 100), 8)]
)
@pytest.mark.parametrize("with_mask", [False, True])
def test_composite_is_the_recipes_to_the_last_bit(
    size: tuple[int, int], centre: tuple[float, float], eyes_px: float, with_mask: bool
) -> None:
    frame, side = make_frame(*size), 128
    face = (reference.smooth_noise(np.random.default_rng(2), side, side, 3) * 1.2 - 0.1).astype(np.float32)
    own = np.linspace(-0.1, 1.1, side * side, dtype=np.float32).reshape(side, side) if with_mask else None
    crop, picture = composite(frame, frontal(centre, eyes_px, 6), face, own)
    mask = box_mask(side, 0.3, (0, 0, 0, 0))
    mask = mask if own is None else np.minimum(mask, own).clip(0, 1)
    assert np.array_equal(picture, pasted_by_hand(frame, face, mask, crop.to_crop))
    assert crop.fine is not None
    assert crop.fine.dtype == np.float32
    assert crop.swapped


def composite(frame: U8, points: F32, face: F32, own: F32 | None) -> tuple[Crop, U8]:
    backend, lane = CpuBackend(), Lane(0)
    profile = FaceFusion(backend)
    picture = backend.upload(lane, HostFrame((frame,), "rgb24", frame.shape[1], frame.shape[0]))
    crop = cut_crop(profile, lane, picture, points, face.shape[0])
    profile.finish(lane, crop, face, own)
    profile.paste(lane, picture, crop)
    return crop, picture.planes[0]


def test_values_are_truncated_once_at_the_very_end() -> None:
    """0.7 * 255 = 178.5 stays so until the frame, where 178 is written."""
    frame = np.full((200, 200, 3), 178, np.uint8)
    crop, picture = composite(frame, frontal((100, 90), 30), np.full((128, 128, 3), 0.7, np.float32), None)
    assert crop.fine is not None
    assert crop.fine[64, 64, 0] == pytest.approx(178.5)
    assert set(np.unique(picture)) <= {177, 178}  # weights that sum to just under 1 truncate to 177, there as here


def test_cut_replicates_the_frames_edge() -> None:
    frame = np.full((100, 100, 3), 200, np.uint8)
    backend, lane = CpuBackend(), Lane(0)
    picture = backend.upload(lane, HostFrame((frame,), "rgb24", 100, 100))
    assert cut_crop(FaceFusion(backend), lane, picture, frontal((0, 0), 30), 128).image.min() == 200


def test_colour_match_of_an_image_with_itself_changes_nothing() -> None:
    image = make_frame(128, 128)
    assert np.array_equal(colour_match.conditional_match(image, image), image)
    assert colour_match.histogram_likeness(image, image) == pytest.approx(1)


def test_colour_match_takes_over_a_plain_tint() -> None:
    image = make_frame(128, 128) // 2 + 40
    reference_image = np.clip(image.astype(int) + np.array([30, -20, 10]), 0, 255).astype(np.uint8)
    assert np.abs(colour_match.match(reference_image, image).astype(int) - reference_image).max() <= 1


@pytest.mark.parametrize("side", [128, 224, 256])
def test_colour_match_by_the_recipe(side: int) -> None:
    source, target = make_frame(side, side), 255 - make_frame(side, side)[::-1] // 2
    matched = source
    for size in (*np.linspace(16, side, 3, endpoint=False), side):
        even = round(size / 2) * 2 if size < side else side
        small = [
            cv2.resize(each, (even, even), interpolation=cv2.INTER_AREA).astype(np.float32)
            for each in (matched, target)
        ]
        step = cv2.resize(small[0] - small[1], (side, side), interpolation=cv2.INTER_CUBIC)
        matched = (target + step).clip(0, 255).astype(np.uint8)
    assert np.array_equal(colour_match.match(source, target), matched)
    likeness = colour_match.histogram_likeness(source, target)
    assert 0.4 < likeness < 0.99
    want = cv2.addWeighted(target, 1 - likeness, matched, likeness, 0)
    assert np.array_equal(colour_match.conditional_match(source, target), want)
