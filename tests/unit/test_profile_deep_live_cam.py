from __future__ import annotations

import cv2
import numpy as np
import pytest

from livefuse.composite.profiles import mouth
from livefuse.composite.profiles.deep_live_cam import DeepLiveCam, blend, soft_ellipse
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, U8, Crop, HostFrame
from tests.parity import reference
from tests.unit.profile_faces import cut_crop, frontal
from tests.unit.swap_faces import portrait

SIDE = 128


def make_frame(height: int, width: int) -> U8:
    noise = reference.smooth_noise(np.random.default_rng(7), height, width, 3, cell_px=30)
    return np.asarray(20 + 200 * noise, np.uint8)


def fixed_face() -> F32:
    return (reference.smooth_noise(np.random.default_rng(2), SIDE, SIDE, 3) * 1.2 - 0.1).astype(np.float32)


def composite(profile: DeepLiveCam, frame: U8, points: F32, face: F32, landmarks: F32 | None = None) -> tuple[Crop, U8]:
    backend, lane = CpuBackend(), Lane(0)
    picture = backend.upload(lane, HostFrame((frame,), "rgb24", frame.shape[1], frame.shape[0]))
    crop = cut_crop(profile, lane, picture, points, face.shape[0], landmarks)
    profile.finish(lane, crop, face, None)
    profile.paste(lane, picture, crop)
    return crop, picture.planes[0]


def rounded_to_even(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> U8:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def test_ellipse_is_a_disc_of_44_percent_blurred_by_31_px() -> None:
    """S = 128: centre 64, axes int(56.32) = 56; the blur reaches 15 px."""
    alpha = soft_ellipse(128)
    assert alpha[64, 64] == 255
    assert alpha[64, 64 + 56 - 17] == 255
    assert alpha[0, 0] == 0
    assert 110 < alpha[64, 120] < 145  # on the rim: half
    mask = np.zeros((128, 128), np.uint8)
    cv2.ellipse(mask, (64, 64), (56, 56), 0, 0, 360, 255, -1)
    kernel = np.exp(-((np.arange(31) - 15.0) ** 2) / (2 * 12.0**2))
    kernel /= kernel.sum()
    padded = np.pad(mask.astype(float), 15, mode="reflect")
    rows = np.apply_along_axis(np.convolve, 1, padded, kernel, "valid")
    both = np.apply_along_axis(np.convolve, 0, rows, kernel, "valid")
    assert np.abs(alpha - both).max() <= 1.5  # OpenCV blurs 8-bit pictures in fixed point


def test_blend_rounds_each_product_before_adding() -> None:
    """Worked by hand at opacity 128 of 255."""
    cases = {
        (9, 101): 51 + 4,  # 101 * 128 / 255 = 50.698 -> 51; 9 * 127 / 255 = 4.482 -> 4
        (3, 3): 2 + 1,  # 1.506 -> 2; 1.494 -> 1
        (0, 1): 1 + 0,  # 0.502 -> 1: a float blend that is truncated gives 0
        (255, 255): 128 + 127,
    }
    for values, want in cases.items():
        under, over = (np.full((1, 1, 3), value, np.uint8) for value in values)
        assert blend(Lane(0), under, over, np.array([[128]], np.uint8)).ravel().tolist() == [want] * 3


def pasted_by_hand(frame: U8, face: F32, alpha: U8, to_crop: F32) -> U8:
    """The CPU recipe on its own, straight from the reference, with the arithmetic in float64."""
    height, width = frame.shape[:2]
    fake = np.clip(255 * face, 0, 255).astype(np.uint8)
    to_frame = cv2.invertAffineTransform(to_crop.astype(np.float64))
    side = face.shape[0]
    corners = np.array([[0, 0, 1], [side, 0, 1], [side, side, 1], [0, side, 1]]) @ to_frame.T
    x1, y1 = np.maximum(np.floor(corners.min(0)).astype(int) - 2, 0)
    x2, y2 = np.minimum(np.ceil(corners.max(0)).astype(int) + 2 + 1, (width, height))
    out = frame.copy()
    if x2 <= x1 or y2 <= y1:
        return out
    to_frame[:, 2] -= (x1, y1)
    size = (int(x2 - x1), int(y2 - y1))
    over = cv2.warpAffine(fake, to_frame, size, borderMode=cv2.BORDER_REPLICATE).astype(np.float64)
    opacity = cv2.warpAffine(alpha, to_frame, size).astype(np.float64)[..., None]
    part = frame[y1:y2, x1:x2].astype(np.float64)
    products = (rounded_to_even(over * opacity / 255), rounded_to_even(part * (255 - opacity) / 255))
    out[y1:y2, x1:x2] = np.minimum(products[0].astype(int) + products[1], 255)
    return out


@pytest.mark.parametrize("size", [(240, 320), (241, 319)])
@pytest.mark.parametrize(
    ("centre", "eyes_px"), [((150, 110), 40), ((20, 200), 60), ((160, 120), 300), ((-400, 50), 40), ((100, 100), 8)]
)
def test_composite_is_the_recipes(size: tuple[int, int], centre: tuple[float, float], eyes_px: float) -> None:
    frame = make_frame(*size)
    crop, got = composite(DeepLiveCam(CpuBackend()), frame, frontal(centre, eyes_px, 6), fixed_face())
    want = pasted_by_hand(frame, fixed_face(), soft_ellipse(SIDE), crop.to_crop)
    apart = np.abs(got.astype(int) - want)
    assert apart.max() <= 1  # float32 products that lie on a half
    assert (apart > 0).mean() < 1e-3
    assert crop.mask is not None
    assert crop.mask.max() == 255


def test_opacity_mixes_with_what_was_there() -> None:
    frame, points = make_frame(240, 320), frontal((150, 110), 40)
    _, full = composite(DeepLiveCam(CpuBackend()), frame, points, fixed_face())
    _, half = composite(DeepLiveCam(CpuBackend(), opacity=0.3), frame, points, fixed_face())
    want = cv2.addWeighted(frame, 0.7, full, 0.3, 0)
    assert np.abs(half.astype(int) - want).max() <= 1
    assert not np.array_equal(half, full)


def test_sharpness_is_an_unsharp_mask_of_the_face_by_itself() -> None:
    image, landmarks = portrait(1)
    points = np.stack((landmarks[36:42].mean(0), landmarks[42:48].mean(0), *landmarks[[30, 58, 62]]))
    arguments = image, points.astype(np.float32), fixed_face(), landmarks
    _, plain = composite(DeepLiveCam(CpuBackend()), *arguments)
    _, sharp = composite(DeepLiveCam(CpuBackend(), sharpness=1.5), *arguments)
    (x1, y1), (x2, y2) = landmarks.min(0).astype(int), landmarks.max(0).astype(int)
    part = plain[y1:y2, x1:x2].copy()
    want = plain.copy()
    want[y1:y2, x1:x2] = cv2.addWeighted(part, 2.5, cv2.GaussianBlur(part, (0, 0), 3), -1.5, 0)
    assert (np.abs(sharp.astype(int) - want) > 1).mean() < 1e-3  # ends of the box may fall on either side of a pixel
    assert not np.array_equal(sharp, plain)


def test_mouth_polygon_grows_and_grows_twice_towards_the_chin() -> None:
    lips = np.array([[0, 0], [10, -5], [20, 0], [10, 5]], np.float32) + 100
    assert mouth.polygon(lips, 0).tolist() == [[100, 100], [110, 95], [120, 100], [110, 105]]
    # size 50: twice as wide and as high above the centre, four times as deep below
    assert mouth.polygon(lips, 50).tolist() == [[90, 100], [110, 90], [130, 100], [110, 120]]
    assert mouth.polygon(lips, 1000).tolist() == mouth.polygon(lips, 100).tolist()


def test_mouth_mask_shows_the_targets_mouth() -> None:
    image, landmarks = portrait(1)
    target, swapped = image.copy(), np.full_like(image, 7)
    mouth.restore(swapped, target, landmarks, 10)
    x, y = landmarks[58:66].mean(0).astype(int)
    assert np.abs(swapped[y, x].astype(int) - target[y, x]).max() <= 2
    changed = (swapped != 7).any(axis=2)
    outline = mouth.polygon(landmarks[list(mouth.OUTER_LIP)], 10)
    (x1, y1), (x2, y2) = outline.min(0), outline.max(0)
    pad = (0.1 * (outline.max(0) - outline.min(0))).astype(int)
    assert not changed[: y1 - pad[1]].any()
    assert not changed[:, x2 + pad[0] :].any()
    assert not changed[y2 + pad[1] :].any()
    assert changed[y1:y2, x1:x2].mean() > 0.5
    assert len(mouth.OUTER_LIP) == 12


def test_mouth_mask_outside_the_picture_is_left_alone() -> None:
    swapped = np.full((50, 50, 3), 7, np.uint8)
    mouth.restore(swapped, swapped + 9, np.full((66, 2), -300, np.float32), 10)
    assert (swapped == 7).all()


def test_mouth_mask_in_the_composite() -> None:
    image, landmarks = portrait(1)
    points = np.stack((landmarks[36:42].mean(0), landmarks[42:48].mean(0), *landmarks[[30, 58, 62]])).astype(np.float32)
    _, got = composite(DeepLiveCam(CpuBackend(), mouth_mask=20), image, points, fixed_face(), landmarks)
    x, y = landmarks[58:66].mean(0).astype(int)
    assert np.abs(got[y, x].astype(int) - image[y, x]).max() <= 2
    eye = landmarks[36:42].mean(0).astype(int)
    assert np.abs(got[eye[1], eye[0]].astype(int) - image[eye[1], eye[0]]).max() > 5
