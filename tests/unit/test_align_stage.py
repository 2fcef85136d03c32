"""The alignment stage, with a landmarker that does as it is told."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from livefuse.align.cut import RegionCut, TemplateCut
from livefuse.align.stage import Align, AlignByPoints, agrees
from livefuse.align.templates import TEMPLATES, five_points, transform_points
from livefuse.config import TrackConfig
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, Crops, Faces
from tests.unit.photos import picture_of

FRAME_NS = 33_333_333
CUT = RegionCut(CpuBackend())


def face_at(x: float, y: float) -> F32:
    points = np.random.default_rng(4).uniform(-60, 60, (66, 2))
    points[36:42], points[42:48], points[30], points[58], points[62] = (
        (-30, -30),
        (30, -30),
        (0, 5),
        (-25, 35),
        (25, 35),
    )
    points[8], points[17:27] = (0, 75), (0, -45)
    return np.asarray(points + np.array([x, y]), np.float32)


class Told:
    """Finds the landmarks and the confidence it is given; remembers what it was asked."""

    looks_ahead = True

    def __init__(self, *faces: F32) -> None:
        self.faces, self.level = list(faces), [0.8] * len(faces)
        self.previous: list[F32 | None] = []
        self.begun: list[F32] = []
        self.ahead = np.stack(faces) + np.float32(1)

    def __call__(self, lane: Lane, picture: Picture, points: F32, previous: F32 | None = None) -> tuple[F32, F32]:
        self.previous.append(previous)
        n = len(points)
        return np.stack(self.faces[:n]), np.stack([np.full(66, level, np.float32) for level in self.level[:n]])

    def begin(self, lane: Lane, picture: Picture, previous: F32) -> Callable[[], tuple[F32, F32]]:
        self.begun.append(previous)
        return lambda: (self.ahead, np.full((len(self.ahead), 66), 0.8, np.float32))


def faces_of(*landmarks: F32, chosen: tuple[bool, ...] | None = None, missed: int = 0, score: float = 0.9) -> Faces:
    points = np.stack([five_points(x) for x in landmarks])
    boxes = np.concatenate((points.min(axis=1) - 20, points.max(axis=1) + 20), axis=1)
    faces = Faces.of(boxes, [score] * len(landmarks), points)
    faces.ids = np.arange(len(landmarks)) + 7
    faces.chosen = np.array(chosen or (True,) * len(landmarks))
    faces.missed = np.full(len(landmarks), missed)
    return faces


def a_picture() -> Picture:
    return picture_of(np.random.default_rng(0).integers(0, 255, (480, 640, 3)).astype(np.uint8))


def play(align: Align, told: Told, levels: list[float], missed: int = 0) -> list[Crops]:
    picture, out = a_picture(), []
    for k, level in enumerate(levels):
        told.level = [level]
        out.append(align(Lane(0), picture, faces_of(told.faces[0], missed=missed), k * FRAME_NS, CUT))
    return out


def test_landmarks_begun_ahead_are_used_where_the_detector_agrees() -> None:
    told = Told(face_at(300, 200))
    align, picture, lane = Align(told, TrackConfig(smooth=False)), a_picture(), Lane(0)
    align.begin(lane, picture)
    assert not told.begun, "nobody is followed yet"
    first = align(lane, picture, faces_of(told.faces[0]), 0, CUT)
    align.begin(lane, picture)
    np.testing.assert_allclose(told.begun[0][0], told.faces[0])
    second = align(lane, picture, faces_of(told.faces[0]), FRAME_NS, CUT)
    assert len(told.previous) == 1, "the network was not asked again"
    np.testing.assert_allclose(to_frame(second), to_frame(first) + 1, atol=1e-3)


def test_a_face_that_jumped_is_placed_anew() -> None:
    told = Told(face_at(200, 200))
    align, picture, lane = Align(told, TrackConfig(smooth=False)), a_picture(), Lane(0)
    align(lane, picture, faces_of(told.faces[0]), 0, CUT)
    align.begin(lane, picture)
    told.faces = [face_at(450, 300)]
    moved = align(lane, picture, faces_of(told.faces[0]), FRAME_NS, CUT)
    assert len(told.previous) == 2
    np.testing.assert_allclose(to_frame(moved), told.faces[0], atol=1e-3)


def to_frame(crops: Crops) -> F32:
    return np.asarray(crops[0].landmarks - crops[0].to_crop[:, 2], np.float32)


def test_one_crop_for_each_chosen_face_read_exactly_from_the_frame() -> None:
    a, b, c = face_at(150, 200), face_at(320, 240), face_at(500, 250)
    picture, lane = a_picture(), Lane(0)
    crops = Align(Told(a, c), TrackConfig())(lane, picture, faces_of(a, b, c, chosen=(True, False, True)), 0, CUT)
    assert [crop.track for crop in crops] == [7, 9]
    for crop, landmarks in zip(crops, (a, c), strict=True):
        h, w = crop.image.shape[:2]
        x, y = (-crop.to_crop[:, 2]).astype(int)
        np.testing.assert_array_equal(crop.image, picture.planes[0][y : y + h, x : x + w])
        np.testing.assert_allclose(crop.landmarks, transform_points(crop.to_crop, landmarks), atol=1e-3)
        np.testing.assert_allclose(crop.points, five_points(crop.landmarks), atol=1e-3)
        assert crop.mask is None
        assert not crop.swapped
    assert not np.shares_memory(crops[0].image, crops[1].image)


def test_nothing_chosen_is_nothing_asked() -> None:
    told = Told(face_at(300, 200))
    align = Align(told, TrackConfig())
    assert align(Lane(0), a_picture(), faces_of(told.faces[0], chosen=(False,)), 0, CUT) == []
    assert align(Lane(0), a_picture(), Faces.none(), FRAME_NS, CUT) == []
    assert told.previous == []


def test_the_crop_follows_the_previous_landmarks_while_they_agree() -> None:
    told = Told(face_at(300, 200))
    align, picture = Align(told, TrackConfig(smooth=False)), a_picture()
    for k, x in enumerate((300, 305, 450)):
        align(Lane(0), picture, faces_of(face_at(x, 200)), k * FRAME_NS, CUT)
    first, second, third = told.previous
    assert first is not None
    assert second is not None
    assert third is not None
    assert np.isnan(first).all()
    np.testing.assert_array_equal(second[0], told.faces[0])
    assert np.isnan(third).all()  # the tracker sees the face somewhere else


def test_what_is_no_face_gets_no_crop() -> None:
    told = Told(face_at(300, 200))
    out = play(Align(told, TrackConfig()), told, [0.2] * 12)
    assert out == [[]] * 12


def test_confidence_between_the_levels_changes_nothing() -> None:
    told = Told(face_at(300, 200))
    out = play(Align(told, TrackConfig()), told, [0.7] * 8 + [0.45] * 20)
    assert all(len(crops) == 1 for crops in out)
    out = play(Align(told, TrackConfig()), told, [0.2] * 8 + [0.45] * 20)
    assert not any(out)


def test_no_verdict_is_shorter_than_five_frames() -> None:
    rng = np.random.default_rng(8)
    for _ in range(10):
        told = Told(face_at(300, 200))
        out = play(Align(told, TrackConfig()), told, rng.choice([0.1, 0.8], 80).tolist())
        flags = np.array([bool(crops) for crops in out])
        edges = np.flatnonzero(np.diff(flags)) + 1
        assert (np.diff(edges) >= 5).all()
        assert len(edges) > 2


def test_frames_of_doubt_keep_the_last_good_landmarks() -> None:
    told = Told(face_at(300, 200))
    align, picture = Align(told, TrackConfig()), a_picture()
    good = align(Lane(0), picture, faces_of(told.faces[0]), 0, CUT)
    told.level, told.faces = [0.1], [face_at(360, 300)]
    doubtful = align(Lane(0), picture, faces_of(face_at(300, 200)), FRAME_NS, CUT)
    np.testing.assert_allclose(doubtful[0].landmarks, good[0].landmarks, atol=1e-3)


def test_a_face_is_accepted_only_while_the_detector_sees_it() -> None:
    told = Told(face_at(300, 200))
    align = Align(told, TrackConfig())
    assert not any(play(align, told, [0.8] * 8, missed=2))
    assert all(play(align, told, [0.8] * 3))


def test_two_weak_witnesses_make_no_face_but_one_strong_one_helps_the_other() -> None:
    for score, level, expected in ((0.62, 0.55, 0), (0.9, 0.55, 1), (0.62, 0.8, 1)):
        told = Told(face_at(300, 200))
        told.level = [level]
        crops = Align(told, TrackConfig())(Lane(0), a_picture(), faces_of(told.faces[0], score=score), 0, CUT)
        assert len(crops) == expected


def test_agreement_of_landmarks_and_points() -> None:
    landmarks = face_at(300, 200)
    points = five_points(landmarks)
    assert agrees(landmarks, points)
    assert agrees(landmarks, points + 10)
    assert not agrees(landmarks, points + 60)
    assert not agrees(landmarks, (points - points.mean(axis=0)) * 2 + points.mean(axis=0))


def test_a_landmarker_that_goes_by_the_points_alone_is_never_begun_ahead() -> None:
    told = Told(face_at(300, 200))
    told.looks_ahead = False
    align, picture = Align(told, TrackConfig()), a_picture()
    align(Lane(0), picture, faces_of(told.faces[0]), 0, CUT)
    align.begin(Lane(0), picture)
    assert told.begun == []


def test_without_a_landmarker_faces_are_cut_by_their_points() -> None:
    faces = faces_of(face_at(150, 200), face_at(320, 240), chosen=(False, True))
    faces.roles[:] = 3
    template = TemplateCut(CpuBackend().warp, "arcface_128", 128)
    (crop,) = AlignByPoints()(Lane(0), a_picture(), faces, 0, template)
    assert (crop.track, crop.role, crop.image.shape) == (8, 3, (128, 128, 3))
    assert len(crop.landmarks) == 0
    wanted = TEMPLATES["arcface_128"] * 128
    assert np.abs(crop.points - wanted).mean() < 12
    np.testing.assert_allclose(crop.points.mean(axis=0), wanted.mean(axis=0), atol=1e-3)


def test_a_face_whose_points_coincide_is_left_to_the_cover() -> None:
    faces = faces_of(face_at(150, 200), face_at(320, 240))
    faces.points[0] = (100, 100)
    template = TemplateCut(CpuBackend().warp, "arcface_128", 128)
    assert [crop.track for crop in AlignByPoints()(Lane(0), a_picture(), faces, 0, template)] == [8]
