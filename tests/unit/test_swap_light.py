from __future__ import annotations

import numpy as np
import pytest

from livefuse.device.base import Lane
from livefuse.frame import F32
from livefuse.swap.mesh import light, topology
from livefuse.swap.mesh.detail import Sharpness, fitting_blur
from livefuse.swap.mesh.light import Light, Look
from tests.unit.swap_faces import crop

SHAPE = (light.ROWS, light.COLUMNS)


def face(level: float = 120.0, seed: int = 2) -> F32:
    """Grey levels with some features."""
    noise = np.random.default_rng(seed).normal(0, 12, (*SHAPE, 3))
    return np.clip(level * np.array([1.1, 0.9, 0.8]) + noise, 1, 255).astype(np.float32)


def look(target: F32, photo: F32, skin: F32 | None = None) -> Look:
    whole = np.ones(SHAPE, np.float32)
    return Look(target, photo, whole if skin is None else skin, whole)


def test_like_light_gives_no_gain() -> None:
    tone = Light().follow(look(face(), face()))
    assert np.abs(tone.gain - 1).max() < 0.02
    assert np.abs(tone.offset).max() < 2


@pytest.mark.parametrize("factor", [0.5, 1.4])
def test_exposure_is_matched(factor: float) -> None:
    photo = face(100)
    tone = Light().follow(look(photo * factor, photo))
    result = photo * tone.gain + tone.offset
    assert result.mean() == pytest.approx(photo.mean() * factor, rel=0.05)


def test_side_light_falls_across_the_face() -> None:
    ramp = np.linspace(0.6, 1.4, SHAPE[1], dtype=np.float32)[None, :, None]
    photo = face(100)
    tone = Light().follow(look(photo * ramp, photo))
    result = photo * tone.gain + tone.offset
    sides = result[:, 2:10].mean(), result[:, -10:-2].mean()
    wanted = (photo * ramp)[:, 2:10].mean(), (photo * ramp)[:, -10:-2].mean()
    assert sides == pytest.approx(wanted, rel=0.12)


def test_dark_features_do_not_leak() -> None:
    target, photo, skin = face(), face(), np.ones(SHAPE, np.float32)
    target[14:18, 6:12] = 5  # an eye that is no skin
    skin[12:20, 4:14] = 0
    tone = Light().follow(look(target, photo, skin))
    assert tone.gain.min() > 0.85


def test_no_skin_in_sight_is_no_division_by_zero() -> None:
    tone = Light().follow(look(face(), face(), np.zeros(SHAPE, np.float32)))
    assert np.isfinite(tone.gain).all()
    assert np.isfinite(tone.offset).all()


def test_smooth_parts_stay_below_white() -> None:
    photo = face(150)
    tone = Light().follow(look(np.full_like(photo, 255), photo))
    assert np.percentile(photo * tone.gain + tone.offset, 50) < 250


def test_step_of_light_is_followed_slowly_and_without_overshoot() -> None:
    photo, state = face(100), Light()
    state.follow(look(photo, photo))
    goal = Light().follow(look(photo * 1.6, photo)).gain.mean()
    levels = [float(state.follow(look(photo * 1.6, photo)).gain.mean()) for _ in range(80)]
    steps = np.diff([1.0, *levels])
    assert steps.max() <= 0.06 + 1e-3
    assert steps.min() > -2e-3
    assert max(levels) <= goal * 1.02
    assert levels[-1] == pytest.approx(goal, rel=0.03)


def test_flash_of_one_frame_hardly_shows() -> None:
    photo, state = face(100), Light()
    state.follow(look(photo, photo))
    flashed = state.follow(look(np.minimum(photo * 2.2, 255), photo)).gain.mean()
    assert abs(flashed - 1) < 0.07


def test_relight_applies_gain_and_amount() -> None:
    frame = topology.face_frame(crop(3).landmarks)
    tone = light.Tone(np.full((*SHAPE, 3), 0.5, np.float32), np.array([10, 0, 0], np.float32))
    for amount, wanted in ((1.0, (60, 50, 50)), (0.5, (80, 75, 75))):
        image = np.full((330, 280, 3), 100, np.uint8)
        light.relight(Lane(0), image, tone, frame, amount)
        assert np.abs(image.astype(int) - wanted).max() <= 1


def test_gain_lands_where_it_was_measured() -> None:
    frame = topology.face_frame(crop(3).landmarks)
    gain = np.ones((*SHAPE, 3), np.float32)
    gain[10:14, 6:10] = 2
    image = np.full((330, 280, 3), 100, np.uint8)
    light.relight(Lane(0), image, light.Tone(gain, np.zeros(3, np.float32)), frame, 1.0)
    x, y = light.lattice_points(frame)[12, 8]
    assert image[round(float(y)), round(float(x))].min() > 170
    x, y = light.lattice_points(frame)[12, 20]
    assert image[round(float(y)), round(float(x))].max() < 105


def test_blur_matches_a_soft_target() -> None:
    import cv2

    sharp = np.asarray(np.random.default_rng(3).integers(0, 255, (96, 96)), np.uint8)
    soft = cv2.GaussianBlur(sharp, (0, 0), 1.3)
    assert fitting_blur(sharp, soft) == pytest.approx(1.3, abs=0.25)
    assert fitting_blur(soft, sharp) == 0
    assert fitting_blur(sharp, sharp) == 0


def test_sharp_target_leaves_the_photo_untouched() -> None:
    target = crop(3)
    frame, photo = topology.face_frame(target.landmarks), target.image.copy()
    Sharpness().match(photo, target.image, frame)
    assert (photo == target.image).all()
