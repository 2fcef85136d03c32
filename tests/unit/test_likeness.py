"""Looking at faces to know who is who: when, how often, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from livefuse.align.recogniser import Recogniser
from livefuse.config import DetectConfig, TrackConfig
from livefuse.detect.choose import Chooser
from livefuse.detect.likeness import Likeness, good_view
from livefuse.detect.stage import Detect
from livefuse.detect.track import Tracker
from livefuse.detect.yunet import YuNet
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.errors import DegenerateFace
from livefuse.frame import F32, Colour, Faces
from livefuse.weights.recipe import load_recipe
from tests.bench.street import decoded
from tests.unit.photos import engine
from tests.unit.test_track import FRAME_NS, HEIGHT, UNIT, WIDTH, chosen_ids, id_near, seen

Person = tuple[float, float, float, int]  # centre x, centre y, size, who
Scene = Callable[[int], Sequence[Person]]
PEOPLE = np.eye(5, 16, dtype=np.float32)
PICTURE = Picture((), "rgb24", WIDTH, HEIGHT, Colour())


class Stage:
    """A made scene behind a real detection stage; as detector it says where faces are, as recogniser whose they are."""

    def __init__(self, scene: Scene, noise: float = 0.2, references: F32 | None = None, **config: object) -> None:
        self._scene, self._noise = scene, noise
        self._rng = np.random.default_rng(0)
        self.frame, self.looks = -1, dict[int, list[int]]()
        track = TrackConfig.model_validate({"faces": "all", **config})
        self.likeness = Likeness(self)
        self.tracker = Tracker(
            track, DetectConfig(), chooser=Chooser(track, likeness=self.likeness, references=references)
        )
        self.detect = Detect(self, self.tracker)

    def begin(self, lane: Lane, picture: Picture) -> Callable[[], Faces]:
        self.frame += 1
        return lambda: seen([person[:3] for person in self._scene(self.frame)])

    def embed(self, lane: Lane, picture: Picture, points: F32) -> F32:
        assert points.shape == (1, 5, 2)
        scene = self._scene(self.frame)
        centre = points[0, :2].mean(axis=0)
        off = [np.hypot(centre[0] - x, centre[1] - (y - 0.1 * size)) for x, y, size, _ in scene]
        who = scene[int(np.argmin(off))][3]
        self.looks.setdefault(self.frame, []).append(who)
        if who >= len(PEOPLE):
            raise DegenerateFace("no face")
        rough = PEOPLE[who] + self._noise * self._rng.normal(size=16)
        return np.asarray(rough / np.linalg.norm(rough), np.float32)[None]

    def play(self, frames: int) -> list[Faces]:
        out = []
        for _ in range(frames):
            self.detect.begin(Lane(0), PICTURE)
            out.append(self.detect(Lane(0), PICTURE, (self.frame) * FRAME_NS))
        return out


def walk(k: int, x: float, who: int, size: float = 120) -> Person:
    return x + 12 * np.sin(k / 4), 360 + 5 * np.sin(k / 5), size, who


def two(k: int) -> list[Person]:
    return [walk(k, 400, 0), walk(k, 900, 1)]


def five(k: int) -> list[Person]:
    return [walk(k, 150 + 230 * i, i, 100) for i in range(5)]


def test_at_most_one_face_a_frame_is_looked_at_and_all_are_in_turn() -> None:
    stage = Stage(five)
    stage.play(90)
    assert max(len(who) for who in stage.looks.values()) == 1
    assert {who[0] for who in stage.looks.values()} == {0, 1, 2, 3, 4}
    assert {who[0] for k, who in stage.looks.items() if k <= 6} == {0, 1, 2, 3, 4}, "new faces come first"
    settled = [who for k, who in stage.looks.items() if k >= 60]
    assert 5 <= len(settled) <= 10, "each face about every 0.7 s"


def test_a_single_picture_s_faces_are_all_looked_at_at_once() -> None:
    stage = Stage(five, references=PEOPLE[2:3], faces="like", min_hits=1, look_seconds=0)
    out = stage.play(1)[0]
    assert sorted(stage.looks[0]) == [0, 1, 2, 3, 4]
    assert chosen_ids(out) == [id_near(out, 610, 360)]
    stage.detect.restart()
    again = stage.play(1)[0]
    assert len(stage.looks[1]) == 5
    assert chosen_ids(again) == [id_near(again, 610, 360)]
    assert set(again.ids.tolist()).isdisjoint(out.ids.tolist())


def test_a_cast_is_given_its_parts_in_one_picture() -> None:
    stage = Stage(five, references=PEOPLE[[3, 1]], min_hits=1, look_seconds=0)
    out = stage.play(1)[0]
    parts = {int(i): int(role) for i, role, on in zip(out.ids, out.roles, out.chosen, strict=True) if on}
    assert parts == {id_near(out, 840, 360): 1, id_near(out, 380, 360): 2}


def test_who_is_like_the_photo_is_chosen_though_larger_faces_are_there() -> None:
    out = Stage(
        lambda k: [walk(k, 400, 0, 180), walk(k, 900, 1, 90)], references=PEOPLE[1:2], faces="like", likeness=0.4
    ).play(60)
    assert {tuple(chosen_ids(f)) for f in out[4:]} == {(id_near(out[-1], 900, 360),)}


def test_nobody_is_chosen_when_nobody_is_like_the_photo() -> None:
    out = Stage(two, references=PEOPLE[4:], faces="like").play(60)
    assert not any(f.chosen.any() for f in out)


@pytest.mark.parametrize("seed", range(3))
def test_a_cast_keeps_its_parts_under_noise(seed: int) -> None:
    stage = Stage(five, noise=0.25, references=PEOPLE[[4, 0, 2]])
    stage._rng = np.random.default_rng(seed)
    out = stage.play(150)
    parts = [tuple(zip(f.ids.tolist(), f.roles.tolist(), f.chosen.tolist(), strict=True)) for f in out[20:]]
    assert len(set(parts)) == 1
    last = out[-1]
    worn = {int(i): int(r) for i, r, on in zip(last.ids, last.roles, last.chosen, strict=True) if on}
    assert worn == {id_near(last, 1070, 360): 1, id_near(last, 150, 360): 2, id_near(last, 610, 360): 3}


def test_others_wear_role_0_if_they_are_to() -> None:
    stage = Stage(two)
    stage.detect.choose(
        Chooser(TrackConfig(faces="all"), likeness=stage.likeness, references=PEOPLE[1:2], roles=(3,), others=True)
    )
    out = stage.play(40)[-1]
    roles = {int(i): int(r) for i, r in zip(out.ids, out.roles, strict=True)}
    assert out.chosen.all()
    assert roles == {id_near(out, 400, 360): 0, id_near(out, 900, 360): 3}


def test_a_part_of_the_cast_goes_before_larger_faces() -> None:
    stage = Stage(lambda k: [walk(k, 400, 0, 180), walk(k, 900, 1, 90)])
    track = TrackConfig(faces="all", most=1)
    stage.detect.choose(Chooser(track, likeness=stage.likeness, references=PEOPLE[1:2], others=True))
    out = stage.play(60)[-1]
    assert chosen_ids(out) == [id_near(out, 900, 360)]


def test_another_reference_while_running_needs_no_new_look_and_leaves_ids() -> None:
    stage = Stage(two, references=PEOPLE[:1], faces="like")
    before = stage.play(30)[-1]
    chooser = Chooser(TrackConfig(faces="like"), likeness=stage.likeness, references=PEOPLE[1:2])
    stage.detect.choose(chooser)
    after = stage.play(1)[0]
    assert after.ids.tolist() == before.ids.tolist()
    assert chosen_ids(before) == [id_near(before, 400, 360)]
    assert chosen_ids(after) == [id_near(after, 900, 360)]


def test_somebody_else_coming_back_does_not_get_the_id() -> None:
    def scene(k: int) -> list[Person]:
        return [] if 40 <= k < 60 else [walk(k, 640, 0 if k < 40 else 1)]

    stage = Stage(scene, lock_seconds=2)
    assert {tuple(f.ids.tolist()) for f in stage.play(40)} == {(1,)}
    assert stage.play(30)[-1].ids.tolist() == [2]
    same = Stage(lambda k: [] if 40 <= k < 60 else [walk(k, 640, 0)], lock_seconds=2)
    assert same.play(70)[-1].ids.tolist() == [1]


def test_a_track_does_not_jump_onto_somebody_else() -> None:
    """The face turns away while another one appears beside it, near enough to be taken for it."""

    def scene(k: int) -> list[Person]:
        return [walk(k, 640, 0)] if k < 40 else [walk(k, 720, 1)]

    out = Stage(scene, hold_frames=0).play(60)
    assert {tuple(f.ids.tolist()) for f in out[:40]} == {(1,)}
    assert out[-1].ids.tolist() == [2]


def test_a_track_that_shows_somebody_else_for_good_gets_another_id() -> None:
    """Two change places too smoothly for geometry to tell; the first is remembered and has its id when it comes back."""

    def scene(k: int) -> list[Person]:
        return [walk(k, 640, 0 if k < 60 or k >= 150 else 1)] if not 130 <= k < 150 else []

    out = Stage(scene, lock_seconds=5).play(180)
    assert {tuple(f.ids.tolist()) for f in out[:60]} == {(1,)}
    assert out[120].ids.tolist() == [2]
    assert out[-1].ids.tolist() == [1]


def test_one_doubtful_look_is_forgotten() -> None:
    out = Stage(lambda k: [walk(k, 640, 1 if k in range(60, 63) else 0)]).play(150)
    assert {tuple(f.ids.tolist()) for f in out} == {(1,)}


def test_a_face_whose_points_make_none_is_not_known_and_keeps_no_other_from_being() -> None:
    stage = Stage(lambda k: [walk(k, 300, 9, 200), walk(k, 900, 0, 80)], references=PEOPLE[:1])
    out = stage.play(30)[-1]
    assert chosen_ids(out) == [id_near(out, 900, 360)]
    assert np.isnan(stage.likeness.similarity([id_near(out, 300, 360)], PEOPLE)).all()


def test_similarity_is_the_cosine_to_each_reference() -> None:
    stage = Stage(two, noise=0.0)
    stage.play(10)
    np.testing.assert_allclose(stage.likeness.similarity([1, 2, 77], PEOPLE[:2])[:2], np.eye(2), atol=1e-6)
    assert np.isnan(stage.likeness.similarity([77], PEOPLE)).all()


def test_a_clock_that_starts_anew_forgets_faces() -> None:
    stage = Stage(two)
    stage.play(20)
    stage.frame = -1
    stage.play(5)
    assert np.isnan(stage.likeness.similarity([1, 2], PEOPLE)).all()
    assert not np.isnan(stage.likeness.similarity([3, 4], PEOPLE)).any()


def test_a_good_view_is_large_frontal_and_certain() -> None:
    face = UNIT * 100
    assert good_view(face, 0.9)
    assert not good_view(face, 0.5)
    assert not good_view(face * 0.2, 0.9)
    profile = face.copy()
    profile[:, 0] = 30 + (profile[:, 0] - 30) * 0.3
    assert not good_view(profile, 0.9)
    turned = face.copy()
    turned[2, 0] += 18
    assert not good_view(turned, 0.9)
    down = face.copy()
    down[2, 1] += 22
    assert not good_view(down, 0.9)


def test_the_person_of_a_photo_is_followed_through_a_street(shared: Path) -> None:
    """A crop of an early frame stands for the photo: a man who walks towards the camera among others."""
    backend, lane = CpuBackend(), Lane(0)
    detector = YuNet(engine(shared, "yunet_n_dynamic.onnx"), backend, size_px=480, max_faces=16)
    recogniser = Recogniser(engine(shared, "mobilefacenet_128d.onnx"), backend, load_recipe("mobilefacenet"))
    track = TrackConfig(faces="like")
    tracker, chosen = None, []
    for k, frame in enumerate(decoded(shared / "media" / "street_1080p.mp4")):
        picture = backend.upload(lane, frame)
        if tracker is None:
            found = detector(lane, picture)
            wanted = int(np.abs(found.boxes[:, [0, 2]].mean(axis=1) - 960).argmin())
            reference = recogniser.embed(lane, picture, found.points[wanted : wanted + 1])
            chooser = Chooser(track, likeness=Likeness(recogniser), references=reference)
            tracker = Tracker(track, DetectConfig(size=480, max_faces=16), chooser=chooser)
            detect = Detect(detector, tracker)
        detect.begin(lane, picture)
        faces = detect(lane, picture, frame.pts_ns)
        chosen.append(chosen_ids(faces))
        if k == 31:
            break
    assert len({tuple(ids) for ids in chosen[15:]}) == 1
    assert all(len(ids) == 1 for ids in chosen[15:])
    assert {i for ids in chosen for i in ids} == set(chosen[-1])
    x, y = (faces.boxes[faces.chosen][0, :2] + faces.boxes[faces.chosen][0, 2:]) / 2
    assert np.hypot(x - 1020, y - 734) < 60, "where he is by then, by eye"
