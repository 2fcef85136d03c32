from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from livefuse.config import SwapConfig
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, U8, Crop
from livefuse.swap.mesh import mask, topology
from livefuse.swap.mesh.swapper import MeshSwapper
from tests.unit.swap_faces import crop, identity, mouth_open

FRAME_NS = 33_000_000
BACKEND = CpuBackend()


def swapped(target: Crop, seed: int, **settings: object) -> Crop:
    swapper = MeshSwapper(SwapConfig.model_validate(settings), BACKEND)
    return swapper(Lane(0), [target], [identity(seed)], 0)[0]


def blended(before: U8, after: Crop) -> F32:
    assert after.mask is not None
    weight = after.mask[..., None].astype(np.float32) / 255
    return np.asarray(after.image * weight + before * (1 - weight), np.float32)


def test_swap_changes_the_face_and_nothing_else() -> None:
    target = crop(1)
    before = target.image.copy()
    after = swapped(target, 7)
    assert after.swapped
    assert after.mask is not None
    assert after.mask.dtype == np.uint8
    assert after.mask.shape == before.shape[:2]
    assert (after.image[after.mask == 0] == before[after.mask == 0]).all()
    changed = np.abs(blended(before, after) - before).mean(2)
    assert changed[after.mask > 200].mean() > 2


def test_identity_on_itself_is_the_photo() -> None:
    target = crop(7)
    before = target.image.copy()
    after = swapped(target, 7)
    assert after.mask is not None
    error = (after.image.astype(np.float32) - before)[after.mask > 200]
    assert 10 * np.log10(255**2 / np.mean(error * error)) > 35
    assert np.abs(error.mean(0)).max() < 3, "a cast"


def test_light_of_the_target_falls_on_the_swapped_face() -> None:
    bright, dark = crop(1), crop(1)
    dark.image = (dark.image * 0.4).astype(np.uint8)
    results = [swapped(target, 7) for target in (bright, dark)]
    means = [float(r.image[r.mask > 200].mean()) for r in results if r.mask is not None]
    assert means[1] / means[0] == pytest.approx(0.4, abs=0.08)


def test_colour_zero_leaves_the_photo_s_light() -> None:
    dark = crop(1)
    dark.image = (dark.image * 0.3).astype(np.uint8)
    matched, raw = swapped(crop_like(dark), 7), swapped(crop_like(dark), 7, colour=0.0)
    assert raw.mask is not None
    assert matched.mask is not None
    assert raw.image[raw.mask > 200].mean() > 1.8 * matched.image[matched.mask > 200].mean()


def crop_like(target: Crop) -> Crop:
    return Crop(target.track, target.image.copy(), target.to_crop, target.points, target.landmarks)


def test_mask_is_zero_outside_the_face_and_in_the_open_mouth() -> None:
    target = crop(1)
    target.landmarks = mouth_open(target.landmarks, 0.3)
    after = swapped(target, 7)
    assert after.mask is not None
    contour = mask.face_contour(target.landmarks, topology.face_frame(target.landmarks))
    assert after.mask[mask.inside(contour, after.mask.shape) == 0].max() == 0
    x, y = target.landmarks[topology.INNER_LIPS].mean(0)
    assert after.mask[round(float(y)), round(float(x))] == 0
    own = swapped(crop_opened(), 7, keep_mouth=False)
    assert own.mask is not None
    assert own.mask[round(float(y)), round(float(x))] > 0


def crop_opened() -> Crop:
    target = crop(1)
    target.landmarks = mouth_open(target.landmarks, 0.3)
    return target


def test_eyes_can_stay_the_target_s() -> None:
    target = crop(1)
    x, y = target.landmarks[topology.EYE_LEFT].mean(0)
    kept, replaced = swapped(crop(1), 7, keep_eyes=True), swapped(crop(1), 7, keep_eyes=False)
    assert kept.mask is not None
    assert replaced.mask is not None
    assert kept.mask[round(float(y)), round(float(x))] < 120
    assert replaced.mask[round(float(y)), round(float(x))] == 255


def test_new_face_never_shows_the_real_one_through() -> None:
    swapper = MeshSwapper(SwapConfig(fade_frames=4), BACKEND)
    after = swapper(Lane(0), [crop(1)], [identity(7)], 0)[0]
    assert after.mask is not None
    assert after.mask.max() == 255


def test_fade_in_ramps_up_where_it_may() -> None:
    swapper, lane = MeshSwapper(SwapConfig(fade_frames=3), BACKEND, fade_in=True), Lane(0)
    tops = []
    for i in range(6):
        after = swapper(lane, [crop(1)], [identity(7)], i * FRAME_NS)[0]
        assert after.mask is not None
        tops.append(int(after.mask.max()))
    assert tops == pytest.approx([64, 128, 191, 255, 255, 255], abs=1)


def test_new_identity_cross_fades() -> None:
    swapper, lane = MeshSwapper(SwapConfig(fade_frames=3), BACKEND), Lane(0)
    before = crop(1).image
    frames = [
        blended(before, swapper(lane, [crop(1)], [identity(seed)], i * FRAME_NS)[0])
        for i, seed in enumerate([7, 7, 3, 3, 3, 3, 3])
    ]
    total = np.abs(frames[-1] - frames[1]).mean()
    steps = [float(np.abs(b - a).mean()) for a, b in pairwise(frames[1:])]
    assert total > 1
    assert max(steps) < 0.5 * total, "the change is spread over frames"
    assert steps[-1] < 0.05 * total, "and then over"


def test_identity_is_prepared_once() -> None:
    swapper = MeshSwapper(SwapConfig(), BACKEND)
    first = swapper.prepared(identity(7))
    assert swapper.prepared(identity(7)) is first
    assert swapper.prepared(identity(3)) is not first


def test_two_faces_at_once() -> None:
    targets = [crop(1, track=1), crop(3, track=2)]
    before = [target.image.copy() for target in targets]
    after = MeshSwapper(SwapConfig(), BACKEND)(Lane(0), targets, [identity(7)], 0)
    for was, one in zip(before, after, strict=True):
        alone = MeshSwapper(SwapConfig(), BACKEND)(
            Lane(1), [crop(1 if one.track == 1 else 3, one.track)], [identity(7)], 0
        )[0]
        assert one.swapped
        assert one.mask is not None
        assert alone.mask is not None
        assert (one.mask == alone.mask).all(), "one face's mask was overwritten by the other's"
        assert (blended(was, one) == blended(was, alone)).all()


def test_state_of_a_lost_track_is_dropped() -> None:
    swapper, lane = MeshSwapper(SwapConfig(fade_frames=3), BACKEND, fade_in=True), Lane(0)
    for i in range(5):
        swapper(lane, [crop(1)], [identity(7)], i * FRAME_NS)
    for i in range(5, 50):
        swapper(lane, [], [identity(7)], i * FRAME_NS)
    after = swapper(lane, [crop(1)], [identity(7)], 50 * FRAME_NS)[0]
    assert after.mask is not None
    assert after.mask.max() == 64, "the face came back as a new one"


def test_nothing_is_allocated_per_frame() -> None:
    swapper, lane = MeshSwapper(SwapConfig(), BACKEND), Lane(0)
    swapper(lane, [crop(1)], [identity(7)], 0)
    held = lane.nbytes
    for i in range(1, 4):
        swapper(lane, [crop(1)], [identity(7)], i * FRAME_NS)
    assert lane.nbytes == held


@pytest.mark.parametrize("kind", ["point", "nan", "scrambled"])
def test_hopeless_landmarks_leave_the_face_to_the_privacy_cover(kind: str) -> None:
    target = crop(1)
    if kind == "point":
        target.landmarks = np.full((66, 2), 100, np.float32)
    elif kind == "nan":
        target.landmarks = np.full((66, 2), np.nan, np.float32)
    else:
        order = np.random.default_rng(1).permutation(66)
        order[36:48] = np.arange(36, 48)
        target.landmarks = target.landmarks[order]
    before = target.image.copy()
    after = MeshSwapper(SwapConfig(), BACKEND)(Lane(0), [target], [identity(7)], 0)[0]
    assert not after.swapped
    assert after.mask is None
    assert (after.image == before).all()


def test_still_target_gives_a_still_result() -> None:
    swapper, lane = MeshSwapper(SwapConfig(), BACKEND), Lane(0)
    frames = []
    for i in range(20):
        swapper_out = swapper(lane, [crop(1)], [identity(7)], i * FRAME_NS)[0]
        frames.append(blended(crop(1).image, swapper_out))
    assert np.abs(frames[-1] - frames[-2]).max() <= 2


def test_face_at_the_edge_of_the_picture() -> None:
    target = crop(1)
    cut = Crop(1, target.image[:, :140].copy(), target.to_crop, target.points, target.landmarks)
    after = MeshSwapper(SwapConfig(), BACKEND)(Lane(0), [cut], [identity(7)], 0)[0]
    assert after.mask is not None
    assert after.mask.shape == (330, 140)
    assert after.mask.max() == 255
