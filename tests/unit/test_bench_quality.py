"""`bench quality`: swaps of constructed clips whose figures are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from livefuse.bench.quality.clips import ClipFrame
from livefuse.bench.quality.compare import shown
from livefuse.bench.quality.figures import Figures, Outside, summed_up
from livefuse.bench.quality.original import Target, look_at
from livefuse.errors import NoFace
from livefuse.frame import U8
from livefuse.source.synthetic.truth import Cover, SyntheticTruth, truth_of
from tests.unit.quality_scenes import (
    FRAMES,
    HEIGHT,
    LANDMARKS,
    UNIT_PX,
    WIDTH,
    FixedJudges,
    face_mask,
    still_clip,
    texture,
    watched,
)

EXPECTED = 2 / np.sqrt(np.pi)  # mean |a - b| of two normal values of spread 1


@pytest.fixture
def picture() -> U8:
    return FixedJudges().original


def test_a_clip_that_is_not_changed_has_no_flicker_and_nothing_swapped(picture: U8) -> None:
    figures = watched(still_clip(picture), lambda _, rgb: rgb, FixedJudges((5, 0))).figures
    assert (figures.frames, figures.faces, figures.swapped) == (FRAMES, FRAMES, 0)
    assert figures.own == pytest.approx(1)
    assert figures.landmark_error_percent == 0
    assert figures.outside_changed == 0
    assert figures.outside_psnr_db == float("inf")
    assert np.isnan([figures.flicker, figures.edge_flicker, figures.seam, figures.identity, figures.hand]).all()
    told = figures.as_dict()
    assert told["flicker"] is None
    assert told["outside_psnr_db"] is None
    json.dumps(told, allow_nan=False)


def test_a_steady_swap_of_a_still_clip_does_not_flicker(picture: U8) -> None:
    def change(_: int, rgb: U8) -> U8:
        rgb[face_mask()] += 25
        return rgb

    figures = watched(still_clip(picture), change).figures
    assert figures.swapped == 1
    assert figures.flicker == figures.edge_flicker == figures.pulse == 0
    assert figures.sharpness == pytest.approx(1, abs=0.01)
    assert figures.outside_changed == 0


@pytest.mark.parametrize("of_whole_face", [True, False], ids=["one brightness a frame", "one a pixel"])
def test_brightness_noise_is_flicker_of_its_spread(picture: U8, of_whole_face: bool) -> None:
    rng, sigma, face = np.random.default_rng(3), 6.0, face_mask()
    drawn = np.rint(rng.standard_normal(30) * sigma)
    steps = float(np.abs(np.diff(drawn)).mean())
    assert steps == pytest.approx(EXPECTED * sigma, rel=0.3)

    def change(index: int, rgb: U8) -> U8:
        size = 1 if of_whole_face else int(face.sum())
        noise = drawn[index] if of_whole_face else np.rint(rng.standard_normal((size, 1)) * sigma)
        rgb[face] = np.clip(rgb[face] + 30.0 + noise, 0, 255)
        return rgb

    frames = 30 if of_whole_face else 6
    figures = watched(still_clip(picture, frames), change).figures
    expected = steps if of_whole_face else EXPECTED * sigma
    assert figures.flicker == pytest.approx(expected, rel=0.02)
    assert figures.pulse == pytest.approx(steps if of_whole_face else 0, abs=0.25)
    assert 0.3 * expected < figures.edge_flicker < expected  # part of the edge lies outside of what was swapped


def test_motion_of_the_face_is_not_flicker() -> None:
    wide = texture(HEIGHT, WIDTH + 60, seed=5)
    clip = [ClipFrame(np.ascontiguousarray(wide[:, 2 * i : 2 * i + WIDTH]), i, None) for i in range(8)]

    def change(_: int, rgb: U8) -> U8:
        rgb[face_mask()] += 25
        return rgb

    figures = watched(clip, change).figures
    moved = np.abs(clip[1].rgb.astype(int) - clip[0].rgb).mean()
    assert moved > 8
    assert abs(figures.flicker) < 0.02 * moved


def test_an_outline_that_trembles_flickers_at_the_edge_only(picture: U8) -> None:
    def change(index: int, rgb: U8) -> U8:
        rgb[face_mask(grow_px=4 if index % 2 else 0)] += 40
        return rgb

    figures = watched(still_clip(picture), change).figures
    assert figures.flicker == 0
    band_px = 0.18 * UNIT_PX  # a ring of 4 px that changes by 40 levels in each frame, in a band of 0.18 units
    assert figures.edge_flicker == pytest.approx(40 * 4 / band_px, rel=0.2)


def test_landmarks_that_shift_are_an_error_of_that_part_of_the_eye_distance(picture: U8) -> None:
    def change(_: int, rgb: U8) -> U8:
        rgb[face_mask()] += 25
        return rgb

    figures = watched(still_clip(picture), change, FixedJudges((0.0, 2.0))).figures
    eyes_px = float(np.linalg.norm(LANDMARKS[45] - LANDMARKS[36]))
    assert figures.landmark_error_percent == pytest.approx(200 / eyes_px, rel=1e-3)
    assert figures.mouth_difference == pytest.approx(0, abs=1e-6)


def test_identity_is_the_likeness_to_who_is_put_on(picture: U8) -> None:
    def change(_: int, rgb: U8) -> U8:
        rgb[face_mask()] = (228, 128, 128)
        return rgb

    red, green = np.array([9, 0, 0], np.float32), np.array([0, 9, 0], np.float32)
    assert watched(still_clip(picture), change, identity=red).figures.identity == pytest.approx(1)
    other = watched(still_clip(picture), change, identity=green).figures
    assert other.identity == pytest.approx(0, abs=1e-6)
    assert other.own < 0.9
    own = FixedJudges().embed(picture, LANDMARKS[:5])
    assert other.identity_original == pytest.approx(float(own[1] / np.linalg.norm(own)), abs=1e-6)


def hand_truth() -> SyntheticTruth:
    """A hand before the left half of the face and beyond."""
    x2 = round(float(LANDMARKS[30, 0]))
    cover = Cover(0, 0, np.full((HEIGHT, x2), 255, np.uint8))
    facing = np.ones((1, 66), np.bool_)
    return truth_of(WIDTH, HEIGHT, LANDMARKS[None], facing, (0,), cover)


def test_what_a_swap_does_to_a_hand_is_told_and_kept_out_of_the_rest(picture: U8) -> None:
    truth, face = hand_truth(), face_mask()
    left = np.indices((HEIGHT, WIDTH))[1] < truth.cover.alpha.shape[1]  # type: ignore[union-attr]
    painted = [30, 48, 33, 41, 36, 45]

    def change(index: int, rgb: U8) -> U8:
        rgb[face & left] += np.uint8(painted[index])  # the hand is painted over, differently each time
        rgb[face & ~left] += 20
        return rgb

    figures = watched(still_clip(picture, truth=truth), change, FixedJudges((9, 9))).figures
    assert figures.hand == pytest.approx(np.mean(painted), rel=1e-5)
    assert figures.flicker == 0
    assert np.isnan([figures.landmark_error_percent, figures.own]).all()  # the hand's, not the face's
    kept = watched(still_clip(picture, truth=truth), lambda _, rgb: np.where((face & ~left)[..., None], rgb + 20, rgb))
    assert kept.figures.hand == 0


def test_frames_without_a_face_are_left_out(picture: U8) -> None:
    clip = still_clip(picture, 4)
    clip[1] = ClipFrame(np.zeros_like(picture), 1, None)
    figures = watched(clip, lambda _, rgb: rgb).figures
    assert (figures.frames, figures.faces) == (4, 3)
    targets = look_at(clip, FixedJudges())
    assert targets[1] is None
    assert shown(targets, 2) == [2, 3] or len(shown(targets, 2)) == 2
    with pytest.raises(NoFace, match="4 frames"):
        shown(look_at([clip[1]] * 4, FixedJudges()), 2)


def test_what_changes_outside_of_the_face_is_told(picture: U8) -> None:
    def change(_: int, rgb: U8) -> U8:
        rgb[face_mask()] += 25
        rgb[0, :10] ^= 1
        return rgb

    figures = watched(still_clip(picture), change).figures
    x1, y1, x2, y2 = look_at(still_clip(picture, 1), FixedJudges())[0].window.box  # type: ignore[union-attr]
    pixels = WIDTH * HEIGHT - (x2 - x1) * (y2 - y1)
    assert figures.outside_changed == pytest.approx(10 / pixels)
    assert figures.outside_psnr_db == pytest.approx(10 * np.log10(255**2 * pixels / 10))


def test_times_are_those_after_the_warm_up() -> None:
    figures = summed_up([], [900.0, 800.0, 700.0, *range(1, 101)], Outside())
    assert figures.ms_p50 == pytest.approx(50.5)
    assert figures.ms_p95 == pytest.approx(95.05)
    assert figures.fps == pytest.approx(1000 / 50.5)
    assert np.isnan(figures.outside_changed)


def test_half_of_the_frames_shown_are_of_the_passing_hand() -> None:
    target = look_at(still_clip(texture(HEIGHT, WIDTH), 1), FixedJudges())[0]
    assert target is not None
    targets: list[Target | None] = [replace(target, index=i, covered=0.3 if 20 <= i < 30 else 0.0) for i in range(60)]
    chosen = shown(targets, 4)
    assert len(chosen) == 4
    assert sum(20 <= i < 30 for i in chosen) == 2
    assert shown(targets[:20], 4) == [2, 7, 12, 17]
    assert shown(targets[:3], 4) == [0, 1, 2]


def test_every_figure_is_in_the_record() -> None:
    told = summed_up([], [5.0] * 9, Outside()).as_dict()
    assert set(told) == set(Figures.__dataclass_fields__) | {"fps"}
    assert told["fps"] == pytest.approx(200)
