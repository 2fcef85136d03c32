"""The stage: what reaches the mask with which a swapped crop is pasted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from livefuse.align.templates import five_points, transform_points
from livefuse.composite.masks.framing import ByPoints, WholeCrop
from livefuse.composite.masks.keep import Keep
from livefuse.composite.masks.occluder import Occluder
from livefuse.composite.masks.parser import Parser
from livefuse.composite.masks.parts import Networks
from livefuse.composite.masks.soft import Soft
from livefuse.composite.masks.stage import Masks
from livefuse.composite.profiles.base import Profile
from livefuse.composite.profiles.deep_live_cam import DeepLiveCam
from livefuse.composite.profiles.insightface import InsightFace
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, U8, Crop, Crops, HostFrame
from livefuse.swap.mesh import topology
from livefuse.weights.recipe import load_recipe
from tests.unit.engines import FunctionEngine
from tests.unit.mask_networks import NO_LANDMARKS, aligned_crop, engine, noise, swapped, xseg
from tests.unit.swap_faces import crop as region_crop
from tests.unit.swap_faces import mouth_open

FRAME_NS = 33_333_333


class Estimate:
    """Says of every face what it was given."""

    def __init__(self, mask: U8 | None) -> None:
        self.mask = mask

    def begin(self, lane: Lane, picture: Picture, crops: Crops, t_ns: int) -> Callable[[], list[U8 | None]]:
        return lambda: [self.mask] * len(crops)


def picture_of(image: U8) -> Picture:
    return CpuBackend().upload(Lane(0), HostFrame.of_rgb(image))


GREY = noise(512)


def through(stage: Masks[Any], crops: Sequence[Crop], frame: int = 0, *, swap: bool = True) -> list[Crop]:
    lane, picture = Lane(0), picture_of(GREY)
    stage.begin(lane, picture, list(crops), frame * FRAME_NS)
    for crop in crops if swap else ():
        swapped(crop)
    stage(lane, picture, list(crops), frame * FRAME_NS)
    return list(crops)


def left_hidden(side: int = 64) -> U8:
    mask = np.full((side, side), 255, np.uint8)
    mask[:, : side // 2] = 0
    return mask


def test_an_estimate_lowers_the_mask_where_it_hides() -> None:
    stage = Masks(Networks(WholeCrop()), Estimate(left_hidden()), Soft(64, 0.0))
    (crop,) = through(stage, [aligned_crop(256)])
    assert crop.mask is not None
    assert crop.visible is not None
    assert crop.mask[:, :124].max() == 0
    assert crop.mask[:, 132:].min() == 255
    assert np.array_equal(crop.visible, crop.mask)  # the swapper's own was 255 everywhere


def test_the_swappers_own_mask_stays_in_force() -> None:
    stage = Masks(Networks(WholeCrop()), Estimate(left_hidden()), Soft(64, 0.0))
    lane, crop = Lane(0), aligned_crop(128)
    stage.begin(lane, picture_of(GREY), [crop], 0)
    swapped(crop, opacity=100)
    crop.mask.flags.writeable = False  # type: ignore[union-attr]  # profiles share cached masks
    stage(lane, picture_of(GREY), [crop], 0)
    assert crop.mask is not None
    assert (crop.mask[64, 0], crop.mask[64, 127]) == (0, 100)


def test_where_nothing_is_hidden_nothing_changes() -> None:
    stage = Masks(Networks(WholeCrop()), Estimate(None), Soft(64, 0.5))
    lane, crop = Lane(0), aligned_crop(128)
    stage.begin(lane, picture_of(GREY), [crop], 0)
    mask = swapped(crop).mask
    stage(lane, picture_of(GREY), [crop], 0)
    assert crop.mask is mask
    assert crop.visible is None


def test_a_crop_that_was_not_swapped_is_left_alone() -> None:
    stage = Masks(Networks(WholeCrop()), Estimate(left_hidden()), Soft(64, 0.0))
    (crop,) = through(stage, [aligned_crop(128)], swap=False)
    assert crop.mask is None
    assert crop.visible is None


def hiding(level: float) -> FunctionEngine:
    """An XSeg that says of every pixel the same."""
    return xseg(lambda image: np.full((256, 256), level, np.float32))


def test_the_most_careful_of_several_counts() -> None:
    ys, xs = np.indices((256, 256))
    engines = (xseg(lambda _: (xs > 80).astype(np.float32)), xseg(lambda _: (ys > 120).astype(np.float32)))
    networks = Networks(WholeCrop(), tuple(Occluder(load_recipe("xseg_1"), one) for one in engines))
    (crop,) = through(Masks(networks, None, Soft(128, 0.0)), [aligned_crop(256)])
    assert crop.mask is not None
    assert [int(crop.mask[y, x]) for y, x in ((60, 40), (60, 200), (200, 40), (200, 200))] == [0, 0, 0, 255]
    assert crop.mask[:119].max() <= 2  # outside of the shape nothing shows: the edge is soft inwards
    assert 5 < np.count_nonzero((crop.mask[:, 200] > 5) & (crop.mask[:, 200] < 250)) < 20


def test_networks_run_every_nth_frame_and_at_once_for_a_new_face() -> None:
    network = hiding(1.0)
    stage = Masks(Networks(WholeCrop(), (Occluder(load_recipe("xseg_1"), network),)), None, Soft(128, 0.0), every=3)
    runs = []
    for frame in range(7):
        tracks = [1] if frame < 4 else [1, 2]
        through(stage, [aligned_crop(128, track=track) for track in tracks], frame)
        runs.append([len(feeds["input"]) for feeds in network.fed])
        network.fed.clear()
    # face 1 is new on frame 0, face 2 on frame 4; on frames 2 and 5 it is everybody's turn
    assert runs == [[1], [], [1], [], [1], [2], []]
    stage.every = 1
    through(stage, [aligned_crop(128)], 7)
    assert len(network.fed) == 1


def test_between_runs_a_mask_moves_along_with_the_face() -> None:
    """A region crop's face moves, grows and turns between two frames; its mask does, without a run."""
    ys, _ = np.indices((256, 256))
    network = xseg(lambda _: (ys > 128).astype(np.float32))  # below the middle of the aligned face all is visible
    stage = Masks(
        Networks(ByPoints(CpuBackend()), (Occluder(load_recipe("xseg_1"), network),)), None, Soft(128, 0.0), every=5
    )
    through(stage, [region_crop(3)])
    move = np.array([[0.66, -0.2, 70], [0.2, 0.66, 10]], np.float32)
    moved = region_crop(3)
    moved.landmarks = transform_points(move, moved.landmarks)
    moved.points = five_points(moved.landmarks)
    (crop,) = through(stage, [moved], 1)
    assert len(network.fed) == 1
    assert crop.mask is not None
    brow, chin = moved.landmarks[19], moved.landmarks[8]
    across = (moved.landmarks[8] - moved.landmarks[27]) / 4
    x, y = np.round(brow).astype(int)
    assert crop.mask[y, x] == 0
    x, y = np.round(chin - across / 2).astype(int)
    assert crop.mask[y, x] == 255


def test_regions_come_from_the_swapped_face() -> None:
    """A parser that calls bright pixels skin: the target is dark, the swapped face bright in its right half."""

    def logits(blob: F32) -> F32:
        out = np.zeros((len(blob), 19, 512, 512), np.float32)
        out[:, 1] = blob.mean(axis=1)
        return out

    parser = Parser(load_recipe("bisenet_resnet_34"), engine(("batch", 3, 512, 512), logits), ["skin"])
    stage = Masks(Networks(ByPoints(CpuBackend()), parser=parser), None, Soft(128, 0.0))
    crop, lane = region_crop(3), Lane(0)
    stage.begin(lane, picture_of(GREY), [crop], 0)
    crop.image[:] = 0
    middle = int(crop.points[2, 0])
    crop.image[:, middle:] = 255
    swapped(crop)
    stage(lane, picture_of(GREY), [crop], 0)
    assert crop.mask is not None
    y = int(crop.points[2, 1])
    assert crop.mask[y, middle - 8] == 0
    assert crop.mask[y, middle + 12] > 240


@pytest.mark.parametrize("cut", ["template", "region"])
def test_areas_and_box_of_our_own(cut: str) -> None:
    crop = aligned_crop(256) if cut == "template" else region_crop(3)
    framing = WholeCrop() if cut == "template" else ByPoints(CpuBackend())
    stage = Masks(Networks(framing), None, Soft(64, 0.5, areas=("upper-face",), box=(0.3, (0, 0, 0, 0))))
    through(stage, [crop])
    assert crop.mask is not None
    marks = np.round(crop.landmarks).astype(int)
    eye, chin = marks[36:42].mean(axis=0).astype(int), marks[8]
    forehead = (marks[19] + (marks[19] - marks[8]) * 0.1).astype(int)
    assert crop.mask[eye[1], eye[0]] == 255
    assert crop.mask[min(chin[1], len(crop.mask) - 1), chin[0]] == 0
    assert crop.mask[forehead[1], forehead[0]] > 200  # unlike FaceFusion's
    assert crop.mask[:, 0].max() == 0


def test_without_landmarks_areas_and_keeping_do_nothing() -> None:
    crop = aligned_crop(128)
    crop.landmarks = NO_LANDMARKS
    stage = Masks(Networks(WholeCrop()), None, Soft(64, 0.5, areas=("mouth",), keep=Keep(True, True)))
    through(stage, [crop])
    assert crop.visible is None


def test_an_open_mouth_and_the_eyes_stay_the_targets() -> None:
    shut, wide = aligned_crop(256), aligned_crop(256)
    wide.landmarks = mouth_open(wide.landmarks, 0.25)
    shut.landmarks = wide.landmarks.copy()
    shut.landmarks[topology.INNER_LOWER] = shut.landmarks[topology.INNER_UPPER][::-1]
    stage = Masks(Networks(WholeCrop()), None, Soft(64, 0.5, keep=Keep(mouth=True, eyes=True)))
    for crop, kept in ((wide, True), (shut, False)):
        through(stage, [crop])
        assert crop.mask is not None
        mouth = np.round(crop.landmarks[topology.INNER_LIPS].mean(axis=0)).astype(int)
        eye = np.round(crop.landmarks[topology.EYE_RIGHT].mean(axis=0)).astype(int)
        assert (crop.mask[mouth[1], mouth[0]] < 10) == kept
        assert crop.mask[eye[1], eye[0]] < 25
        assert crop.mask[10, 128] == 255


def test_a_hidden_part_shows_the_target_through_other_programs_pastes() -> None:
    for profile in (InsightFace(CpuBackend()), DeepLiveCam(CpuBackend())):
        plain, hidden = pasted(profile, None), pasted(profile, left_hidden())
        centre = slice(118, 138)
        assert (plain[centre, 94:120] == 0).all()  # the swapped face is black
        assert (hidden[centre, 94:120] == 200).all()  # the target is grey
        assert (hidden[centre, 136:160] == 0).all()


def pasted(profile: Profile, mask: U8 | None) -> U8:
    """The red channel of a grey picture onto whose middle a black crop of 128 was pasted."""
    image = np.full((256, 256, 3), 200, np.uint8)
    lane, picture = Lane(0), picture_of(image)
    crop = aligned_crop(128)
    crop.to_crop = np.array([[1, 0, -64], [0, 1, -64]], np.float32)
    stage = Masks(Networks(WholeCrop()), Estimate(mask), Soft(64, 0.0))
    stage.begin(lane, picture, [crop], 0)
    profile.finish(lane, crop, np.zeros((128, 128, 3), np.float32), None)
    stage(lane, picture, [crop], 0)
    profile.paste(lane, picture, crop)
    return picture.planes[0][..., 0].copy()


def test_a_face_without_a_shape_gets_no_mask_and_costs_the_others_none() -> None:
    flat, lost, sound = (region_crop(3, track) for track in (1, 2, 3))
    flat.points = np.repeat(flat.points[:1], 5, axis=0)
    lost.landmarks[:] = np.nan
    stage = Masks(Networks(ByPoints(CpuBackend())), Estimate(left_hidden()), Soft(64, 0.5, areas=("mouth",)))
    through(stage, [flat, lost, sound])
    assert flat.visible is None
    assert lost.visible is None
    assert sound.visible is not None


def test_what_was_seen_of_a_face_is_forgotten_with_it() -> None:
    stage = Masks(Networks(WholeCrop()), Estimate(left_hidden()), Soft(64, 0.5))
    for track in range(300):  # unrelated pictures, without a time
        through(stage, [aligned_crop(128, track=track)])
    assert len(stage._tracks) <= 129
    through(stage, [aligned_crop(128, track=1000)], frame=60)
    assert list(stage._tracks) == [1000]


def test_a_swap_that_failed_does_not_spoil_the_next_frame() -> None:
    network = hiding(0.0)
    stage = Masks(Networks(WholeCrop(), (Occluder(load_recipe("xseg_1"), network),)), None, Soft(128, 0.0), every=10)
    stage.begin(Lane(0), picture_of(GREY), [aligned_crop(128)], 0)  # and no swap
    (crop,) = through(stage, [aligned_crop(128)], 1)
    assert crop.mask is not None
    assert crop.mask.max() == 0


def test_how_much_of_the_swap_is_taken_away_is_said() -> None:
    """The privacy guard asks for it."""
    stage = Masks(Networks(WholeCrop()), Estimate(left_hidden()), Soft(64, 0.0))
    (crop,) = through(stage, [aligned_crop(256)])
    assert crop.hidden == pytest.approx(0.5, abs=0.02)
    stage = Masks(Networks(WholeCrop()), Estimate(None), Soft(64, 0.0))
    (crop,) = through(stage, [aligned_crop(256)])
    assert crop.hidden == 0


def test_between_its_turns_the_estimates_last_answer_moves_with_the_face() -> None:
    estimate = Estimate(left_hidden())
    stage = Masks(Networks(WholeCrop()), estimate, Soft(64, 0.0))
    stage.estimate_every = 3
    levels = []
    for frame in range(7):
        estimate.mask = left_hidden() if frame < 3 else None
        (crop,) = through(stage, [aligned_crop(256)], frame)
        assert crop.mask is not None
        levels.append(int(crop.mask[128, 60]))
    # asked on the third and the sixth frame; hidden from the third on, seen to be free again on the sixth
    assert levels == [255, 255, 0, 0, 0, 255, 255]
