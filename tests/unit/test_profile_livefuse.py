from __future__ import annotations

import numpy as np
import pytest

from livefuse.composite.profiles import make_profile
from livefuse.composite.profiles.face_shape import GRID_PX, face_mask, oval
from livefuse.composite.profiles.livefuse import Livefuse
from livefuse.composite.profiles.seam import seam_tint, tinted
from livefuse.config import ProfileConfig
from livefuse.device.base import Backend, Lane
from livefuse.device.cpu import CpuBackend
from livefuse.device.null import NullBackend
from livefuse.frame import F32, PixelFormat
from tests.parity import reference
from tests.parity.conftest import COLOURS
from tests.unit.profile_faces import aligned, cut_crop, frontal
from tests.unit.swap_faces import portrait

NAMES = ("livefuse", "insightface", "facefusion", "deep-live-cam")
FORMATS: tuple[PixelFormat, ...] = ("rgb24", "yuv420p", "nv12")


def in_crop(side: int = GRID_PX) -> F32:
    """A frontal face's landmarks in its crop."""
    landmarks = portrait(1)[1]
    points = np.stack((landmarks[36:42].mean(0), landmarks[42:48].mean(0), *landmarks[[30, 58, 62]])).astype(np.float32)
    to_crop = aligned(points, side)
    return np.asarray(landmarks @ to_crop[:, :2].T + to_crop[:, 2], np.float32)


@pytest.mark.parametrize("landmarks", [in_crop(), np.empty((0, 2), np.float32)])
def test_mask_covers_the_features_and_never_the_crops_border(landmarks: F32) -> None:
    mask = face_mask(landmarks, GRID_PX)
    border = np.concatenate((mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    assert border.max() == 0
    assert mask.max() >= 250  # what the privacy guard asks for
    inner = in_crop()[[30, 33, *range(37, 47), *range(58, 66)]]
    for x, y in np.round(inner).astype(int):
        assert mask[y, x] > 240


def test_mask_leaves_out_what_is_beside_the_jaw() -> None:
    landmarks = in_crop()
    mask = face_mask(landmarks, GRID_PX)
    for corner in (landmarks[4] + (-9, 9), landmarks[12] + (9, 9)):
        x, y = np.round(corner).astype(int)
        assert mask[y, x] < 10


def test_mask_scales_with_the_crop() -> None:
    small = in_crop(128)
    apart = np.abs(face_mask((small + 0.5) * 4 - 0.5, 512).astype(int) - face_mask(small, 128))
    assert apart.max() <= 1


@pytest.mark.parametrize("landmarks", [np.full((66, 2), 3, np.float32), in_crop() + 4000])
def test_landmarks_that_do_not_belong_to_the_crop_give_the_oval(landmarks: F32) -> None:
    assert face_mask(landmarks, GRID_PX) is oval()


def test_seam_takes_over_a_tint_and_no_more_than_a_tint() -> None:
    target = np.full((128, 128, 3), (150, 120, 100), np.uint8)
    out, mask = np.empty_like(target), face_mask(in_crop(), 128)
    face = np.full((128, 128, 3), np.array([140, 130, 100]) / 255, np.float32)
    tinted(face, seam_tint(face, target, mask), out)
    assert np.abs(out.astype(int) - target).max() <= 1
    face = np.full((128, 128, 3), 20 / 255, np.float32)
    tinted(face, seam_tint(face, target, mask), out)
    assert 40 < out.max() < 60


def test_seam_does_not_look_at_what_the_mask_hides() -> None:
    target = np.full((128, 128, 3), 120, np.uint8)
    target[:8] = target[-8:] = target[:, :8] = target[:, -8:] = 0
    face = np.full((128, 128, 3), 120 / 255, np.float32)
    assert np.abs(seam_tint(face, target, oval())[6:10, 6:10]).max() < 2


def test_finish_rounds_and_keeps_to_the_models_mask() -> None:
    backend, lane = CpuBackend(), Lane(0)
    profile = Livefuse(backend)
    frame = reference.frame_of(np.full((200, 200, 3), 128.0), "rgb24", COLOURS["709"])
    crop = cut_crop(profile, lane, backend.upload(lane, frame), frontal((100, 90), 30), 128)
    own = np.ones((128, 128), np.float32)
    own[:, :64] = 0
    face = np.full((128, 128, 3), 128 / 255 + 0.4 / 255, np.float32)
    profile.finish(lane, crop, face, own)
    assert crop.mask is not None
    assert crop.mask[:, :64].max() == 0
    assert crop.mask[70, 80] == 255
    assert (crop.image == 128).all()
    assert crop.swapped
    profile.finish(lane, crop, np.full_like(face, 7.0), None)  # not clipped by the network
    assert crop.image.dtype == np.uint8


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("size", [(96, 128), (97, 131)])
@pytest.mark.parametrize(
    ("centre", "eyes_px"), [((60, 45), 20), ((2, 90), 30), ((64, 48), 500), ((-900, 40), 20), ((60, 50), 3)]
)
def test_every_profile_on_every_format(
    name: str, format_: PixelFormat, size: tuple[int, int], centre: tuple[float, float], eyes_px: float
) -> None:
    """What lies far from the face keeps its bytes; a face inside changes something; none fails."""
    backend, lane = CpuBackend(), Lane(0)
    profile = make_profile(ProfileConfig.model_validate({"name": name}), backend)
    assert profile.name == name
    frame = reference.frame_of(
        255 * reference.smooth_noise(np.random.default_rng(3), *size, 3), format_, COLOURS["709"]
    )
    picture = backend.upload(lane, frame)
    crop = cut_crop(profile, lane, picture, frontal(centre, eyes_px, 5), 64)
    profile.finish(lane, crop, np.full((64, 64, 3), 0.9, np.float32), None)
    assert crop.mask is not None
    assert crop.mask.max() >= 250
    profile.paste(lane, picture, crop)
    inside = centre[0] > -100
    assert inside == any(not np.array_equal(a, b) for a, b in zip(picture.planes, frame.planes, strict=True))
    if eyes_px <= 20 and inside:
        assert np.array_equal(picture.planes[0][:, -12:], frame.planes[0][:, -12:])


@pytest.mark.parametrize("name", NAMES)
def test_profiles_only_touch_pictures_through_the_backend(name: str) -> None:
    backend: Backend = NullBackend()
    lane = Lane(0)
    profile = make_profile(ProfileConfig.model_validate({"name": name}), backend)
    frame = reference.frame_of(np.full((120, 160, 3), 90.0), "yuv420p", COLOURS["709"])
    picture = backend.upload(lane, frame)
    crop = cut_crop(profile, lane, picture, frontal((80, 60), 20), 64)
    profile.finish(lane, crop, np.full((64, 64, 3), 0.5, np.float32), None)
    profile.paste(lane, picture, crop)
    assert all(np.array_equal(a, b) for a, b in zip(picture.planes, frame.planes, strict=True))
    assert isinstance(backend, NullBackend)
    assert backend.calls["paste"] == 1
    assert crop.swapped
