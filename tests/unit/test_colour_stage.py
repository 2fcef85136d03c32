from __future__ import annotations

import cv2
import numpy as np
import pytest

from livefuse.composite.colour.make import make_colour, profile_seam
from livefuse.config import make_config
from livefuse.device.base import Lane
from livefuse.frame import F32, Crop
from tests.unit.colour_scenes import FRAME_NS, SIDE, as_u8, changed, face, mask, points, skin_of, stage

METHODS = ("lab", "histogram", "relight")
TINT = np.array([0.7, 0.85, 1.1], np.float32)


@pytest.mark.parametrize("settings", [{"colour.method": "none"}, {"colour.method": "lab", "colour.amount": 0.0}])
def test_nothing_is_made_of_nothing(settings: dict[str, object]) -> None:
    assert make_colour(make_config({}, settings)) is None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fine", [False, True])
def test_takes_the_targets_colour(method: str, fine: bool) -> None:
    target, swapped = face(seed=2) * TINT, face(seed=3)
    crop = changed(stage(method), target, swapped, fine=fine)
    assert np.abs(skin_of(crop.image) - skin_of(target)).max() < 4
    assert np.abs(skin_of(swapped) - skin_of(target)).max() > 20
    if fine:
        assert crop.fine is not None
        assert (crop.image == crop.fine.astype(np.uint8)).all()  # truncated, as the facefusion profile does it
        assert crop.fine.min() >= 0
        assert crop.fine.max() <= 255


@pytest.mark.parametrize("method", METHODS)
def test_floats_and_bytes_agree(method: str) -> None:
    target, swapped = face(seed=2) * TINT, np.rint(face(seed=3))
    coarse, fine = (changed(stage(method), target, swapped, fine=each) for each in (False, True))
    assert fine.fine is not None
    assert np.abs(coarse.image - fine.fine).max() < 1.01


@pytest.mark.parametrize("method", METHODS)
def test_amount_goes_from_nothing_to_all(method: str) -> None:
    target, swapped = face(seed=2) * TINT, face(seed=3)
    none, half, whole = (
        skin_of(changed(stage(method, amount=amount), target, swapped).image) for amount in (1e-6, 0.5, 1.0)
    )
    assert none == pytest.approx(skin_of(as_u8(swapped)), abs=0.6)
    assert np.abs(half - (none + whole) / 2).max() < 4


@pytest.mark.parametrize("method", METHODS)
def test_like_colours_stay(method: str) -> None:
    same = face(seed=2)
    assert np.abs(changed(stage(method), same, same).image.astype(int) - as_u8(same)).mean() < 1.0


@pytest.mark.parametrize("method", METHODS)
def test_unswapped_crops_are_left_alone(method: str) -> None:
    colour, lane = stage(method), Lane(0)
    crops = [
        Crop(i, as_u8(face(seed=i)), np.eye(2, 3, dtype=np.float32), points(), np.empty((0, 2), np.float32))
        for i in range(3)
    ]
    colour.begin(lane, crops)
    crops[1].mask = mask()  # a mask, but no swap; the third is swapped, but has no mask
    crops[2].swapped = True
    colour(lane, crops, 0)
    for i, crop in enumerate(crops):
        assert (crop.image == as_u8(face(seed=i))).all()


def test_a_crop_that_was_not_there_before_the_swap_is_left_alone() -> None:
    crop = Crop(7, as_u8(face()), np.eye(2, 3, dtype=np.float32), points(), np.empty((0, 2), np.float32))
    crop.mask, crop.swapped = mask(), True
    stage("lab")(Lane(0), [crop], 0)
    assert (crop.image == as_u8(face())).all()


def means(method: str, seconds: float, frames: list[tuple[F32, F32]]) -> F32:
    colour = stage(method, seconds=seconds)
    return np.array([skin_of(changed(colour, t, s, i * FRAME_NS).image) for i, (t, s) in enumerate(frames)])


@pytest.mark.parametrize("method", METHODS)
def test_noise_does_not_flicker(method: str) -> None:
    """Sensor noise of 6 levels, half of it in patches of 16 px as codecs leave it: the mean colour of the skin changes by
    less than 0.2 levels per frame, a third at most of what it does unsmoothed."""
    rng = np.random.default_rng(0)

    def noisy(image: F32) -> F32:
        patches = cv2.resize(rng.normal(0, 3, (8, 8, 3)), (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)
        return np.asarray(image + rng.normal(0, 5, image.shape) + patches, np.float32)

    target, swapped = face(90, seed=2) * TINT, face(150)
    frames = [(noisy(target), swapped) for _ in range(40)]
    steady, plain = (float(np.abs(np.diff(means(method, s, frames), axis=0)).mean()) for s in (0.4, 0.0))
    assert steady < 0.2
    assert steady < plain / 3


@pytest.mark.parametrize("method", METHODS)
def test_a_switched_light_is_followed_in_time(method: str) -> None:
    """Nine tenths of the change within `seconds` and two frames, without overshoot."""
    bright, dark, swapped = face(140, seed=2), face(140, seed=2) * 0.5, face(140)
    found = means(method, 0.4, [(bright, swapped)] * 5 + [(dark, swapped)] * 40)
    first, last = found[4].mean(), found[-1].mean()
    done = (found.mean(axis=1) - first) / (last - first)
    assert last == pytest.approx(skin_of(dark).mean(), abs=4)
    assert done[5 + 14] > 0.88
    assert done[5 + 4] < 0.75
    assert done.max() < 1.02


def test_side_light_is_followed_too() -> None:
    """The light goes from the left to the right: what changes opposite halves in opposite ways is no hand."""
    across = np.linspace(-0.6, 0.6, SIDE, dtype=np.float32)[None, :, None]
    base, colour = face(120), stage("relight")
    for i in range(30):
        side = np.exp(-across if i < 5 else across)
        crop = changed(colour, base * side, base, i * FRAME_NS)
        if i == 5 + 14:
            cheeks = [crop.image[60:80, a:b].mean() for a, b in ((28, 46), (82, 100))]
            wanted = [(base * side)[60:80, a:b].mean() for a, b in ((28, 46), (82, 100))]
    assert np.log(cheeks[1] / cheeks[0]) > 0.75 * np.log(wanted[1] / wanted[0])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("thing", [(230, 240, 250), (15, 15, 20), (30, 60, 200)])
def test_a_hand_passing_changes_little(method: str, thing: tuple[int, int, int]) -> None:
    """White, black or blue over 30 % of the crop, passing from below in front of the target: the mean colour of the
    skin above it changes by less than 4 levels, where the mean of what is seen changes by 20 and more."""
    target, swapped = face(seed=2) * TINT, face(seed=3)
    colour, found = stage(method), []
    edges = [SIDE] * 8 + list(range(SIDE, round(0.7 * SIDE), -5)) + [round(0.7 * SIDE)] * 15
    for i, edge in enumerate(edges):
        seen = target.copy()
        seen[edge:] = thing
        found.append(skin_of(changed(colour, seen, swapped, i * FRAME_NS).image))
    assert np.abs(np.array(found) - found[0]).max() < 4


def test_a_flash_does_not_pump() -> None:
    target, swapped = face(seed=2) * TINT, face(seed=3)
    found = means("relight", 0.4, [((target * 1.8) if i == 10 else target, swapped) for i in range(30)])
    assert np.abs(found - found[0]).max() < 0.5


def test_another_identity_gets_its_own_colours_at_once() -> None:
    """What is worn changes between two frames: the first frame of the new face is not toned for the old one."""
    target, colour = face(110, seed=2), stage("relight")
    for i in range(10):
        changed(colour, target, face(170), i * FRAME_NS)
    crop = changed(colour, target, face(80, seed=5), 10 * FRAME_NS)
    assert np.abs(skin_of(crop.image) - skin_of(target)).max() < 4


def test_a_track_that_was_away_starts_afresh() -> None:
    bright, dark, swapped, colour = face(140, seed=2), face(70, seed=2), face(120), stage("relight")
    for i in range(5):
        changed(colour, bright, swapped, i * FRAME_NS)
    soon = skin_of(changed(colour, dark, swapped, 6 * FRAME_NS).image)
    late = skin_of(changed(colour, dark, swapped, 6 * FRAME_NS + 1_100_000_000).image)
    assert np.abs(late - skin_of(dark)).max() < 6
    assert soon.mean() > late.mean() + 30


def test_tracks_do_not_mix() -> None:
    bright, dark, swapped, colour = face(140, seed=2), face(70, seed=2), face(120), stage("lab")
    for i in range(4):
        one = changed(colour, bright, swapped, i * FRAME_NS, track=1)
        other = changed(colour, dark, swapped, i * FRAME_NS, track=2)
    assert np.abs(skin_of(one.image) - skin_of(bright)).max() < 4
    assert np.abs(skin_of(other.image) - skin_of(dark)).max() < 4


def test_what_a_mask_stage_found_hidden_does_not_count() -> None:
    """A thing in the face's own hues, which colours alone cannot tell: `visible` of the frame before says so."""
    target, swapped, lane = face(seed=2), face(seed=3), Lane(0)
    hidden = target.copy()
    hidden[70:] *= 0.75
    visible = np.full((16, 16), 255, np.uint8)
    visible[8:] = 0
    found = []
    for known in (None, visible):
        colour = stage("lab", seconds=0)
        for i in range(3):
            crop = Crop(1, as_u8(hidden), np.eye(2, 3, dtype=np.float32), points(), np.empty((0, 2), np.float32))
            colour.begin(lane, [crop])
            crop.image[...] = as_u8(swapped)
            crop.mask, crop.swapped = mask(), True
            colour(lane, [crop], i * FRAME_NS)
            crop.visible = known
        found.append(skin_of(crop.image)[0])
    wanted = skin_of(changed(stage("lab"), target, swapped).image)[0]
    assert abs(found[1] - wanted) < abs(found[0] - wanted) / 2


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fine", [False, True])
def test_ground_beside_the_face_neither_counts_nor_changes(method: str, fine: bool) -> None:
    """FaceFusion's mask is a box: the ground in it, as bright in target and swap, is no reason to leave the face as it
    is, and keeps its colour to the byte."""
    beside = mask() < 3
    target, swapped = face(90, seed=2) * TINT, face(170, seed=3)
    target[beside] = swapped[beside] = (200, 210, 220)
    crop = changed(stage(method, profile="facefusion"), target, swapped, fine=fine, box=True)
    assert np.abs(skin_of(crop.image) - skin_of(target)).max() < 5
    far = np.ones((SIDE, SIDE), bool)
    far[4:-4, 8:-8] = False
    assert (crop.image[far & beside] == (200, 210, 220)).all()


@pytest.mark.parametrize("method", METHODS)
def test_colours_meet_at_the_seam_after_the_method(method: str) -> None:
    """A target whose rim is redder than its middle: no statistics bring that over, the tint at the seam does; at 0 not."""
    target, swapped = face(120, seed=2), face(120, seed=2)
    ramp = ((mask() > 30) & (mask() < 225))[..., None]
    target += cv2.GaussianBlur((mask() < 200).astype(np.float32), (0, 0), 4)[..., None] * (25, 0, -15)
    found = [
        np.abs((changed(stage(method, seam=seam), target, swapped).image - target) * ramp).sum() / ramp.sum()
        for seam in (1.0, 0.0)
    ]
    assert found[0] < 0.7 * found[1]


def test_a_face_that_was_all_hidden_is_toned_when_it_comes_back() -> None:
    target, swapped, colour, lane = face(90, seed=2), face(160), stage("relight"), Lane(0)
    for i in range(3):
        crop = Crop(1, as_u8(target), np.eye(2, 3, dtype=np.float32), points(), np.empty((0, 2), np.float32))
        colour.begin(lane, [crop])
        crop.image[...] = as_u8(swapped)
        crop.mask, crop.swapped = mask(), True
        colour(lane, [crop], i * FRAME_NS)
        crop.visible = np.zeros((16, 16), np.uint8)
        assert np.abs(skin_of(crop.image) - skin_of(target)).max() < 6


def test_the_profile_leaves_the_seam_to_the_stage() -> None:
    assert profile_seam(make_config({}, {"colour.seam": 0.6})) == 0.6
    assert profile_seam(make_config({}, {"colour.seam": 0.6, "colour.method": "relight"})) == 0.0
