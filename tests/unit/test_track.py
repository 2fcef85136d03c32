"""The tracker: scenarios with made detections, frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import pytest

from livefuse.config import DetectConfig, TrackConfig
from livefuse.detect.track import MIN_RUN_FRAMES, Tracker
from livefuse.frame import Faces

WIDTH, HEIGHT, FRAME_NS = 1280, 720, 33_333_333
UNIT = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]])

Face = tuple[float, float, float]  # centre x, centre y, size


def seen(faces: Iterable[Face], score: float = 0.9) -> Faces:
    boxes = [[x - s / 2, y - s / 2, x + s / 2, y + s / 2] for x, y, s in faces]
    points = [UNIT * (box[2] - box[0]) + box[:2] for box in boxes]
    if not boxes:
        return Faces.none()
    return Faces.of(boxes, [score] * len(boxes), points)


def run(
    scene: Callable[[int], Iterable[Face] | None], frames: int, *, faces: str = "one", first: int = 0, **config: object
) -> list[Faces]:
    tracker = make(faces=faces, **config)
    return play(tracker, scene, frames, first)


def make(**config: object) -> Tracker:
    return Tracker(TrackConfig.model_validate({"faces": "one", **config}), DetectConfig())


def play(tracker: Tracker, scene: Callable[[int], Iterable[Face] | None], frames: int, first: int = 0) -> list[Faces]:
    out = []
    for k in range(first, first + frames):
        faces = scene(k)
        found = None if faces is None else seen(faces)
        out.append(tracker.update(found, k * FRAME_NS, WIDTH, HEIGHT))
    return out


def chosen_ids(faces: Faces) -> list[int]:
    return faces.ids[faces.chosen].tolist()


def id_near(faces: Faces, x: float, y: float) -> int:
    centres = (faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2
    return int(faces.ids[np.linalg.norm(centres - [x, y], axis=1).argmin()])


def sway(k: int, x: float, y: float, size: float = 120) -> Face:
    return x + 12 * np.sin(k / 4), y + 5 * np.sin(k / 5), size


def short_runs(flags: list[bool]) -> list[int]:
    """Lengths of inner on/off runs shorter than the least."""
    edges = [0, *(i for i in range(1, len(flags)) if flags[i] != flags[i - 1]), len(flags)]
    lengths = [b - a for a, b in pairwise(edges)]
    return [n for n in lengths[1:-1] if n < MIN_RUN_FRAMES]


def test_a_face_is_reported_at_once_and_chosen_after_min_hits() -> None:
    out = run(lambda k: [sway(k, 640, 360)], 6, min_hits=3)
    assert [len(f) for f in out] == [1] * 6
    assert [f.chosen.tolist() for f in out] == [[False], [False], [True], [True], [True], [True]]
    assert [int(f.age[0]) for f in out] == list(range(6))


def test_a_face_seen_in_somebody_s_hair_is_not_swapped() -> None:
    def scene(k: int) -> list[Face]:
        x, y, size = sway(k, 640, 400)
        return [(x, y, size), (x + 20, y - 90, size)] if k > 10 else [(x, y, size)]

    out = run(scene, 60, faces="all")
    assert {len(faces) for faces in out[15:]} == {2}, "it is reported all the same"
    assert {tuple(chosen_ids(faces)) for faces in out[5:]} == {(int(out[0].ids[0]),)}


def test_somebody_larger_passing_in_front_is_swapped() -> None:
    def scene(k: int) -> list[Face]:
        return [sway(k, 640, 400), (100 + 10 * k, 400.0, 220.0)] if k > 10 else [sway(k, 640, 400)]

    out = run(scene, 60, faces="all")
    assert all(len(chosen_ids(faces)) == 2 for faces in out[14:40])


def test_a_file_job_chooses_among_several_faces_at_once() -> None:
    out = run(lambda k: [sway(k, 300, 360), sway(k, 900, 360, 200)], 1, min_hits=1, look_seconds=0)
    assert chosen_ids(out[0]) == [id_near(out[0], 900, 360)]


def test_the_largest_most_central_face_gets_the_lock_and_keeps_it() -> None:
    # The other one grows to twice the size later: the lock stays.
    def scene(k: int) -> list[Face]:
        return [sway(k, 300, 360), sway(k + 9, 900, 360, 80 + 5 * max(0, min(k - 20, 30)))]

    out = run(scene, 60)
    locked = id_near(out[30], 300, 360)
    assert {i for f in out for i in chosen_ids(f)} == {locked}
    assert chosen_ids(out[-1]) == [locked]


def test_all_confirmed_faces_are_chosen_when_all_are_wanted() -> None:
    out = run(lambda k: [sway(k, 300, 360), sway(k, 900, 360, 60)], 10, faces="all")
    assert len(chosen_ids(out[-1])) == 2


def test_crossing_faces_keep_their_ids() -> None:
    def scene(k: int) -> list[Face]:
        a, b = (200 + 14 * k, 330, 110), (1000 - 14 * k, 390, 120)
        return [a, b] if k % 2 else [b, a]

    out = run(scene, 58, faces="all")
    assert id_near(out[5], 270, 330) == id_near(out[-1], 998, 330)
    assert id_near(out[5], 930, 390) == id_near(out[-1], 202, 390)
    assert len({int(i) for f in out for i in f.ids}) == 2


def test_crossing_faces_keep_their_ids_though_one_hides_the_other() -> None:
    def scene(k: int) -> list[Face]:
        a, b = (200 + 14 * k, 350, 110), (1000 - 14 * k, 370, 120)
        return [a] if abs(a[0] - b[0]) < 60 else [a, b]

    out = run(scene, 58, faces="all")
    assert id_near(out[5], 270, 350) == id_near(out[-1], 998, 350)
    assert id_near(out[5], 930, 370) == id_near(out[-1], 202, 370)


def test_a_passer_by_does_not_take_the_lock_even_in_front_of_the_locked_face() -> None:
    def scene(k: int) -> list[Face]:
        walker = (-100 + 18 * k, 380, 170)
        hidden = abs(walker[0] - 640) < 90
        return ([] if hidden else [sway(k, 640, 360)]) + ([walker] if 0 < walker[0] < WIDTH else [])

    out = run(scene, 80)
    locked = chosen_ids(out[5])
    assert locked == [id_near(out[5], 640, 360)]
    assert {tuple(chosen_ids(f)) for f in out[5:]} <= {tuple(locked), ()}
    assert chosen_ids(out[-1]) == locked == [id_near(out[-1], 640, 360)]


def test_a_lost_face_is_held_then_dropped_and_its_return_takes_the_lock_at_once() -> None:
    def scene(k: int) -> list[Face]:
        return [] if 30 <= k < 60 else [sway(k, 640, 360)]

    out = run(scene, 80, hold_frames=6)
    held = [k for k in range(30, 60) if len(out[k])]
    assert held == list(range(30, 36))
    assert all(out[k].chosen.all() for k in held)
    assert [int(out[k].missed[0]) for k in held] == [1, 2, 3, 4, 5, 6]
    assert chosen_ids(out[60]) == chosen_ids(out[20])


@pytest.mark.parametrize(("away_s", "expected"), [(1.0, False), (3.0, True)])
def test_another_face_takes_over_only_after_lock_seconds(away_s: float, expected: bool) -> None:
    def scene(k: int) -> list[Face]:
        return [sway(k, 1000, 300, 100)] + ([sway(k, 400, 360)] if k < 30 else [])

    out = run(scene, 30 + int(away_s * 30), lock_seconds=2.0)
    first = chosen_ids(out[20])
    assert (chosen_ids(out[-1]) not in ([], first)) is expected


def test_a_return_elsewhere_or_of_another_size_is_somebody_else() -> None:
    def scene(k: int) -> list[Face]:
        return [sway(k, 400, 360)] if k < 20 else ([] if k < 40 else [sway(k, 1000, 360)])

    out = run(scene, 60, faces="all")
    assert set(out[-1].ids.tolist()).isdisjoint(out[10].ids.tolist())


def test_verify_can_refuse_a_return() -> None:
    def scene(k: int) -> list[Face]:
        return [] if 20 <= k < 40 else [sway(k, 640, 360)]

    tracker = Tracker(TrackConfig(faces="all"), DetectConfig(), verify=lambda track, found, i: False)
    out = play(tracker, scene, 50)
    assert out[-1].ids.tolist() == [2]


def test_a_painting_does_not_get_the_lock_while_somebody_moves() -> None:
    rng = np.random.default_rng(0)

    def scene(k: int) -> list[Face]:
        wobble = rng.normal(size=2) * 0.5
        return [(640 + wobble[0], 300 + wobble[1], 150), sway(k, 300, 420, 110)]

    out = run(scene, 60)
    assert {i for f in out for i in chosen_ids(f)} == {id_near(out[-1], 300, 420)}
    assert chosen_ids(out[-1])


def test_a_painting_that_came_first_gives_the_lock_up_to_the_person_who_comes() -> None:
    def scene(k: int) -> list[Face]:
        return [(640, 300, 150)] + ([sway(k, 300, 420, 110)] if k >= 20 else [])

    out = run(scene, 80)
    assert chosen_ids(out[10]) == [id_near(out[10], 640, 300)]
    assert chosen_ids(out[-1]) == [id_near(out[-1], 300, 420)]


def test_a_face_on_its_own_is_chosen_even_if_it_never_moves() -> None:
    out = run(lambda k: [(640, 360, 150)], 40)
    assert all(f.chosen.all() for f in out[1:])


def test_predicts_between_detections_of_every_third_frame() -> None:
    def scene(k: int) -> list[Face] | None:
        return [(200 + 8 * k, 360, 120)] if k % 3 == 0 else None

    out = run(scene, 60, faces="all", min_hits=2)
    assert len({int(i) for f in out for i in f.ids}) == 1
    for k in range(30, 60):
        centre = (out[k].boxes[0, 0] + out[k].boxes[0, 2]) / 2
        assert abs(centre - (200 + 8 * k)) < 8, k  # within one frame of motion
        assert int(out[k].missed[0]) == k % 3
    assert all(f.chosen.all() for f in out[3:])


def test_a_face_that_the_detector_loses_between_runs_is_held_from_its_first_miss() -> None:
    def scene(k: int) -> list[Face] | None:
        return None if k % 3 else ([sway(k, 640, 360)] if k < 30 else [])

    out = run(scene, 50, hold_frames=6)
    assert [k for k in range(30, 50) if len(out[k])] == list(range(30, 36))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("faces", ["one", "all"])
@pytest.mark.parametrize("hold", [0, 2, 6])
def test_chosen_never_flickers(seed: int, faces: str, hold: int) -> None:
    rng = np.random.default_rng(seed)
    lost = rng.random((120, 2)) < 0.45

    def scene(k: int) -> list[Face]:
        both = [sway(k, 400, 360), sway(k, 900, 360, 100)]
        return [face for face, gone in zip(both, lost[k], strict=True) if not gone]

    out = run(scene, 120, faces=faces, hold_frames=hold, min_hits=1)
    for track in {int(i) for f in out for i in f.ids}:
        flags = [bool(f.chosen[f.ids == track].any()) for f in out]
        assert not short_runs(flags)


def test_ids_are_never_reused() -> None:
    def scene(k: int) -> list[Face]:
        return [(100 + 300 * (k // 20 % 4), 200 + 100 * (k // 80), 90)] if k % 20 < 6 else []

    births: list[int] = []
    for f in run(scene, 320, faces="all", lock_seconds=0.1, hold_frames=2):
        births += [int(i) for i, age in zip(f.ids, f.age, strict=True) if age == 0]
    assert births == sorted(set(births))
    assert len(births) == 16


def test_smoothing_quiets_a_still_face_and_can_be_turned_off() -> None:
    noise = np.random.default_rng(5).normal(size=(90, 2)) * 1.5

    def scene(k: int) -> list[Face]:
        return [(640 + noise[k, 0], 360 + noise[k, 1], 150)]

    smooth, rough = (np.stack([f.boxes[0] for f in run(scene, 90, smooth=on)]) for on in (True, False))
    assert np.diff(smooth, axis=0).std() < 0.5 * np.diff(rough, axis=0).std()
    np.testing.assert_allclose(rough[7], seen(scene(7)).boxes[0], rtol=1e-6)


def test_weak_detections_continue_a_face_but_begin_none() -> None:
    tracker = make(faces="all")
    out = [tracker.update(seen([sway(k, 640, 360)], 0.4), k * FRAME_NS, WIDTH, HEIGHT) for k in range(5)]
    assert [len(f) for f in out] == [0] * 5
    out = [tracker.update(seen([sway(k, 640, 360)], 0.9), k * FRAME_NS, WIDTH, HEIGHT) for k in range(5, 8)]
    out = [tracker.update(seen([sway(k, 640, 360)], 0.4), k * FRAME_NS, WIDTH, HEIGHT) for k in range(8, 30)]
    assert all(f.chosen.all() and len(f) == 1 and f.missed[0] == 0 for f in out)


def test_a_clock_that_starts_anew_starts_the_tracker_anew() -> None:
    tracker = make(faces="all")
    before = play(tracker, lambda k: [sway(k, 640, 360)], 10, first=100)[-1]
    after = play(tracker, lambda k: [sway(k, 640, 360)], 10, first=0)[-1]
    assert set(before.ids.tolist()).isdisjoint(after.ids.tolist())
    assert np.isfinite(after.boxes).all()


def test_nothing_seen_is_nothing_reported() -> None:
    out = run(lambda k: [], 3)
    assert [len(f) for f in out] == [0, 0, 0]
    assert out[0].points.shape == (0, 5, 2)
