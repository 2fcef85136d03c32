"""What hides a face, told by its own appearance: against the truth of synthetic pictures, and on painted ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from livefuse.align.cut import Cut, Face, RegionCut, TemplateCut
from livefuse.align.templates import five_points
from livefuse.composite.masks.estimate import OcclusionEstimate
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, U8, Crop, HostFrame
from livefuse.source.synthetic.source import SyntheticSource
from livefuse.swap.mesh import mask, topology
from tests.unit import swap_faces

FRAME_NS = 33_333_333
LANE = Lane(0)
NO_PICTURE = Picture((), "rgb24", 0, 0, HostFrame.of_rgb(np.zeros((2, 2, 3), np.uint8)).colour)
LEARNT = 20  # frames, with some to spare
GRAINS = 11  # more than the frames over which motion is told


def hole(visible: U8 | None, like: Crop) -> npt.NDArray[np.bool_]:
    height, width = like.image.shape[:2]
    if visible is None:
        return np.zeros((height, width), np.bool_)
    return np.asarray(cv2.resize(visible, (width, height), interpolation=cv2.INTER_LINEAR) < 128, np.bool_)


def swapped_area(crop: Crop) -> npt.NDArray[np.bool_]:
    frame = topology.face_frame(crop.landmarks)
    return np.asarray(mask.draw_opacity(crop.image.shape[:2], crop.landmarks, frame, 0.5) > 127, np.bool_)


def filmed(url: str, frames: int, cut: Cut, backend: CpuBackend) -> Iterator[tuple[Crop, npt.NDArray[np.bool_], int]]:
    """Crops of a synthetic face with its true landmarks, what truly covers it, and when."""
    source = SyntheticSource(url)
    for i in range(frames):
        frame = source.frame(i)
        landmarks = np.asarray(frame.truth.landmarks[0], np.float32)
        crop = cut(LANE, backend.upload(LANE, frame), Face(1, five_points(landmarks), landmarks), 0)
        size = crop.image.shape[1::-1]
        covered = cv2.warpAffine(frame.truth.occlusion(), crop.to_crop, size) > 127
        yield crop, np.asarray(covered, np.bool_), frame.pts_ns


def intersection_over_union(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


@pytest.mark.parametrize(
    ("cut_name", "floor"), [("region", 0.62), ("template", 0.6)], ids=["at the frame's resolution", "128 px template"]
)
def test_a_hand_is_found(cut_name: str, floor: float) -> None:
    backend = CpuBackend()
    cut: Cut = RegionCut(backend) if cut_name == "region" else TemplateCut(backend.warp, "arcface_128", 128)
    masker, found = OcclusionEstimate(), []
    for crop, covered, t_ns in filmed("synthetic:640x360@30?hand=1&seed=1", 75, cut, backend):
        (visible,) = masker.begin(LANE, NO_PICTURE, [crop], t_ns)()
        area = swapped_area(crop)
        if (covered & area).sum() > 0.05 * area.sum():
            found.append(intersection_over_union(hole(visible, crop) & area, covered & area))
    assert len(found) > 20
    assert np.mean(found) > floor


def test_a_face_that_turns_and_talks_has_no_hole() -> None:
    backend, masker = CpuBackend(), OcclusionEstimate()
    for crop, _, t_ns in filmed("synthetic:640x360@30?seed=2", 90, RegionCut(backend), backend):
        assert masker.begin(LANE, NO_PICTURE, [crop], t_ns)() == [None]


class Still:
    """A face that holds still before a noisy camera, and a masker that looks at it."""

    def __init__(self, seed: int = 3, grid_px: int = 64) -> None:
        self.crop, self.masker = swap_faces.crop(seed), OcclusionEstimate(grid_px)
        self._noise: dict[tuple[int, ...], F32] = {}
        self.t_ns = 0

    def look(self, image: U8 | None = None, landmarks: F32 | None = None, track: int = 1) -> U8 | None:
        image = self.crop.image if image is None else image
        noisy = np.clip(image + self._grain(image.shape), 0, 255).astype(np.uint8)
        landmarks = self.crop.landmarks if landmarks is None else landmarks
        crop = replace(self.crop, track=track, image=noisy, landmarks=landmarks)
        before = noisy.copy()
        (visible,) = self.masker.begin(LANE, NO_PICTURE, [crop], self.t_ns)()
        np.testing.assert_array_equal(noisy, before)
        self.t_ns += FRAME_NS
        return visible

    def _grain(self, shape: tuple[int, ...]) -> F32:
        """The camera's noise of this frame: one of a few, as drawing it anew would take longer than all the rest."""
        if shape not in self._noise:
            self._noise[shape] = np.random.default_rng(5).normal(0, 2, (GRAINS, *shape)).astype(np.float32)
        return self._noise[shape][self.t_ns // FRAME_NS % GRAINS]

    def learn(self, frames: int = LEARNT) -> None:
        for _ in range(frames):
            assert self.look() is None

    def box(self) -> tuple[int, int, int, int]:
        """Over mouth and chin, from the face's image-right side."""
        frame = topology.face_frame(self.crop.landmarks)
        x1, y1 = (frame.origin + frame.unit_px * np.array([-0.1, 0.5])).astype(int)
        return int(x1), int(y1), self.crop.image.shape[1], self.crop.image.shape[0]

    def held(self) -> U8:
        """The picture with a microphone's grey foam before mouth and cheek."""
        image, (x1, y1, x2, y2) = self.crop.image.copy(), self.box()
        image[y1:y2, x1:x2] = np.random.default_rng(1).integers(50, 90, (y2 - y1, x2 - x1, 1))
        return image

    def truth(self) -> npt.NDArray[np.bool_]:
        covered, (x1, y1, x2, y2) = np.zeros(self.crop.image.shape[:2], np.bool_), self.box()
        covered[y1:y2, x1:x2] = True
        return covered & swapped_area(self.crop)


@pytest.mark.parametrize("grid_px", [40, 64, 96])
def test_a_thing_before_the_face_is_cut_out_to_its_edges(grid_px: int) -> None:
    still = Still(grid_px=grid_px)
    still.learn()
    visible = [still.look(still.held()) for _ in range(5)][-1]
    found = hole(visible, still.crop) & swapped_area(still.crop)
    assert intersection_over_union(found, still.truth()) > 0.85


def test_nothing_is_said_of_a_face_that_is_not_known_yet() -> None:
    still = Still()
    still.learn(3)
    assert still.look(still.held()) is None


def test_what_is_taken_away_closes_at_once() -> None:
    still = Still()
    still.learn()
    assert all(still.look(still.held()) is not None for _ in range(5)[2:])
    for _ in range(20):
        still.look(still.held())
    assert [still.look() for _ in range(6)][-1] is None


def test_what_stays_for_long_belongs_to_the_face() -> None:
    """Glasses that were put on, and a lock on what was no face: neither shows the real face for ever."""
    still = Still(grid_px=40)
    still.learn()
    seen = [still.look(still.held()) is not None for _ in range(7 * 30)]
    assert all(seen[5 : 4 * 30])
    assert not any(seen[6 * 30 :])


@pytest.mark.parametrize("change", ["dim", "warm", "from a side"])
def test_light_may_change(change: str) -> None:
    still = Still()
    still.learn()
    image = still.crop.image.astype(np.float32)
    across = np.linspace(0.75, 1.1, image.shape[1], dtype=np.float32)[None, :, None]
    gains = {"dim": np.full(3, 0.6), "warm": np.array([1.05, 0.95, 0.8]), "from a side": across}
    lit = np.clip(image * gains[change], 0, 255).astype(np.uint8)
    assert [still.look(lit) for _ in range(30)] == [None] * 30


def test_lips_may_part_and_eyes_may_shut() -> None:
    still = Still()
    still.learn()
    frame, skin = topology.face_frame(still.crop.landmarks), still.crop.landmarks[29]
    for i in range(30):
        parted, image = still.crop.landmarks.copy(), still.crop.image.copy()
        parted[topology.INNER_LOWER] -= 0.09 * frame.unit_px * abs(np.sin(i / 4)) * frame.up
        cv2.fillPoly(image, [np.round(parted[topology.INNER_LIPS]).astype(np.int32)], (40, 15, 15))
        for eye in (topology.EYE_LEFT, topology.EYE_RIGHT) if i % 15 < 4 else ():
            lid = image[tuple(np.round(skin[::-1]).astype(int))].tolist()
            cv2.fillPoly(image, [np.round(parted[eye]).astype(np.int32)], lid)
        assert still.look(image, parted) is None


def test_landmarks_may_tremble() -> None:
    still, noise = Still(), np.random.default_rng(2)
    still.learn()
    for _ in range(30):
        trembling = still.crop.landmarks + noise.normal(0, 1.0, still.crop.landmarks.shape).astype(np.float32)
        assert still.look(landmarks=trembling) is None


def test_a_cut_to_another_face_starts_afresh() -> None:
    still, other = Still(0), swap_faces.crop(1)
    still.learn()
    for _ in range(LEARNT):
        assert still.look(other.image, other.landmarks) is None


def test_a_face_is_forgotten_a_second_after_it_was_last_seen() -> None:
    still = Still()
    still.learn()
    still.t_ns += 1_200_000_000
    assert [still.look(still.held()) for _ in range(5)] == [None] * 5


def test_each_track_has_its_own_memory() -> None:
    still = Still()
    still.learn()
    assert [still.look(still.held(), track=2) for _ in range(LEARNT)] == [None] * LEARNT
    assert [still.look(still.held()) for _ in range(5)][-1] is not None


def test_five_points_serve_where_there_are_no_landmarks() -> None:
    still, nowhere = Still(), np.empty((0, 2), np.float32)
    for _ in range(LEARNT):
        assert still.look(landmarks=nowhere) is None
    visible = [still.look(still.held(), nowhere) for _ in range(5)][-1]
    found = hole(visible, still.crop) & swapped_area(still.crop)
    assert intersection_over_union(found, still.truth()) > 0.75


@pytest.mark.parametrize("broken", ["one place", "not finite"])
def test_landmarks_that_are_no_face_give_nothing(broken: str) -> None:
    still = Still()
    still.learn()
    landmarks = np.full((66, 2), 100 if broken == "one place" else np.nan, np.float32)
    assert still.look(landmarks=landmarks) is None
    assert still.look() is None


def test_points_that_are_no_face_give_nothing() -> None:
    still = Still()
    crop = replace(still.crop, points=np.full((5, 2), 60, np.float32), landmarks=np.empty((0, 2), np.float32))
    assert still.masker.begin(LANE, NO_PICTURE, [crop], 0)() == [None]


def test_the_grid_may_change_between_frames() -> None:
    still = Still()
    still.learn()
    still.masker.grid_px = 40
    still.learn()
    assert [still.look(still.held()) for _ in range(5)][-1] is not None
