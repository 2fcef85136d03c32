"""Choosing among followed faces: each rule with made detections, frame by frame, and what keeps it from flickering."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np
import pytest

from livefuse.config import DetectConfig, TrackConfig
from livefuse.detect.choose import Chooser
from livefuse.detect.claim import Claims
from livefuse.detect.likeness import Likeness
from livefuse.detect.seat import PATIENCE_FRAMES, Place, Seats
from livefuse.detect.track import Tracker
from livefuse.device.base import Lane, Picture
from livefuse.errors import BadValue
from livefuse.frame import F32, Faces
from tests.unit.test_track import FRAME_NS, HEIGHT, WIDTH, Face, chosen_ids, id_near, play, seen, short_runs, sway

Scene = Callable[[int], Iterable[Face]]
PEOPLE = np.eye(4, 8, dtype=np.float32)


class NoRecogniser:
    def embed(self, lane: Lane, picture: Picture, points: F32) -> F32:
        raise AssertionError("nobody was to be looked at")


def follow(scene: Scene, frames: int, **config: object) -> list[Faces]:
    return play(Tracker(TrackConfig.model_validate(config), DetectConfig()), scene, frames)


def changes(out: list[Faces], since: int = 3) -> int:
    """How often the choice changed after it was first made."""
    choices = [tuple(sorted(chosen_ids(faces))) for faces in out[since:]]
    return sum(a != b for a, b in pairwise(choices))


def centres(out: Faces) -> dict[int, float]:
    return {int(i): float(box[0] + box[2]) / 2 for i, box in zip(out.ids, out.boxes, strict=True)}


def three(k: int) -> list[Face]:
    return [sway(k, 950, 360, 100), sway(k, 300, 200, 160), sway(k, 640, 400, 80)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"faces": "largest"}, [300]),
        ({"faces": "centre"}, [640]),
        ({"faces": "index", "index": 0}, [300]),
        ({"faces": "index", "index": 1}, [640]),
        ({"faces": "index", "index": 2}, [950]),
        ({"faces": "index", "index": 3}, []),
        ({"faces": "all"}, [300, 640, 950]),
        ({"faces": "all", "most": 2}, [300, 950]),
        ({"faces": "all", "min_px": 90}, [300, 950]),
        ({"faces": "centre", "min_px": 90}, [950]),
        ({"faces": "index", "index": 1, "min_px": 90}, [950]),
        ({"faces": "one", "min_px": 170}, []),
    ],
)
@pytest.mark.parametrize("at_once", [False, True])
def test_who_is_chosen(config: dict[str, object], expected: list[int], at_once: bool) -> None:
    if at_once:
        config = {**config, "min_hits": 1, "look_seconds": 0}
    out = follow(three, 1 if at_once else 40, **config)[-1]
    x = centres(out)
    found = sorted(x[i] for i in chosen_ids(out))
    assert [min((300, 640, 950), key=lambda e: abs(e - v)) for v in found] == expected
    assert out.roles.tolist() == [0] * len(out)


def alternating(k: int) -> list[Face]:
    """Two faces of nearly equal size and distance from the middle, of which now one and now the other is ahead."""
    lead = 1 if k // 8 % 2 else -1
    return [(440 - 15 * lead, 360, 120 + 8 * lead), (840 - 15 * lead, 360, 120 - 8 * lead)]


def abreast(k: int) -> list[Face]:
    """Two faces one above the other that take turns at being left."""
    lead = 1 if k // 8 % 2 else -1
    return [(640 - 8 * lead, 180, 120), (640 + 8 * lead, 560, 120)]


RULES: list[tuple[str, Scene]] = [("largest", alternating), ("centre", alternating), ("index", abreast)]


@pytest.mark.parametrize(("faces", "scene"), RULES)
def test_faces_nearly_alike_do_not_alternate(faces: str, scene: Scene) -> None:
    out = follow(scene, 80, faces=faces, smooth=False)
    assert changes(out) == 0
    assert len(chosen_ids(out[-1])) == 1


@pytest.mark.parametrize(("faces", "scene"), RULES)
def test_they_would_without_hysteresis(faces: str, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livefuse.detect.seat.PATIENCE_FRAMES", 1)
    monkeypatch.setattr("livefuse.detect.seat._ABREAST", 0.0)
    monkeypatch.setattr("livefuse.detect.choose._LARGER", 0.0)
    monkeypatch.setattr("livefuse.detect.choose._NEARER", 0.0)
    assert changes(follow(scene, 80, faces=faces, smooth=False)) > 5


@pytest.mark.parametrize(("frames", "taken"), [(PATIENCE_FRAMES - 2, False), (60, True)])
def test_a_much_larger_face_takes_over_if_it_stays(frames: int, taken: bool) -> None:
    def scene(k: int) -> list[Face]:
        return [sway(k, 300, 360, 120), sway(k, 900, 360, 180 if 20 <= k < 20 + frames else 100)]

    out = follow(scene, 60, faces="largest", smooth=False)
    first, other = id_near(out[10], 300, 360), id_near(out[10], 900, 360)
    assert chosen_ids(out[19 + min(frames, 8)]) == [first]
    assert chosen_ids(out[-1]) == [other if taken else first]


def test_a_face_clearly_nearer_the_middle_takes_over() -> None:
    def scene(k: int) -> list[Face]:
        return [sway(k, 500 - 8 * min(k, 50), 360), sway(k, 1100 - 8 * min(k, 50), 360)]

    out = follow(scene, 90, faces="centre")
    assert chosen_ids(out[5]) == [id_near(out[5], 460, 360)]
    assert chosen_ids(out[-1]) == [id_near(out[-1], 700, 360)]
    assert changes(out) == 1


def test_the_place_of_one_who_leaves_falls_to_the_next() -> None:
    def scene(k: int) -> list[Face]:
        people = [sway(k, 200, 360), sway(k, 640, 360), sway(k, 1000, 360)]
        return people if k < 30 else people[1:]

    first = follow(scene, 80, faces="index", index=0)
    assert chosen_ids(first[20]) == [id_near(first[20], 200, 360)]
    assert chosen_ids(first[-1]) == [id_near(first[-1], 640, 360)]
    third = follow(scene, 80, faces="index", index=2)
    assert chosen_ids(third[20]) == [id_near(third[20], 1000, 360)]
    assert chosen_ids(third[-1]) == [], "there is no third any more"


def test_a_face_about_as_high_as_the_least_does_not_flicker() -> None:
    out = follow(lambda k: [sway(k, 640, 360, 104 if k // 6 % 2 else 90)], 90, faces="all", min_px=100, smooth=False)
    assert changes(out, 9) == 0
    assert len(chosen_ids(out[-1])) == 1
    out = follow(lambda k: [sway(k, 640, 360, 120 if k < 30 else 80)], 60, faces="all", min_px=100, smooth=False)
    assert (len(chosen_ids(out[20])), len(chosen_ids(out[-1]))) == (1, 0)


def test_a_crowd_of_like_size_keeps_who_is_swapped() -> None:
    rng = np.random.default_rng(3)

    def scene(k: int) -> list[Face]:
        return [(150.0 + 200 * i, 360.0, 110 + 8 * rng.normal()) for i in range(6)]

    out = follow(scene, 80, faces="all", most=3, smooth=False)
    assert {len(chosen_ids(faces)) for faces in out[3:]} == {3}
    assert changes(out) == 0


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("faces", ["largest", "centre", "index"])
def test_no_rule_flickers(seed: int, faces: str) -> None:
    rng = np.random.default_rng(seed)
    lost, size = rng.random((100, 3)) < 0.3, 110 * np.exp(0.3 * rng.normal(size=(100, 3)))

    def scene(k: int) -> list[Face]:
        return [sway(k, 250 + 350 * i, 360, float(size[k // 5, i])) for i in range(3) if not lost[k, i]]

    out = follow(scene, 100, faces=faces, min_hits=1)
    for track in {int(i) for f in out for i in f.ids}:
        assert not short_runs([bool(f.chosen[f.ids == track].any()) for f in out])


@pytest.mark.parametrize("faces", ["all", "largest", "centre", "index", "one"])
def test_another_rule_while_running_leaves_ids_as_they_are(faces: str) -> None:
    tracker = Tracker(TrackConfig(faces="largest"), DetectConfig())
    before = play(tracker, three, 30)[-1]
    tracker.choose_by(Chooser(TrackConfig.model_validate({"faces": faces, "index": 2})))
    after = play(tracker, three, 30, first=30)
    assert {tuple(f.ids.tolist()) for f in after} == {tuple(before.ids.tolist())}
    expected = {"all": [300, 640, 950], "largest": [300], "centre": [640], "index": [950], "one": [640]}
    x = centres(after[-1])
    near = [min((300, 640, 950), key=lambda e: abs(e - v)) for v in sorted(x[i] for i in chosen_ids(after[-1]))]
    assert near == expected[faces] or faces == "one"


@pytest.mark.parametrize("faces", ["one", "largest"])
def test_another_setting_of_the_same_rule_does_not_change_who_is_swapped(faces: str) -> None:
    def scene(k: int) -> list[Face]:
        return [sway(k, 640, 360, 120), sway(k, 1000, 360, 100 if k < 20 else 145)]

    tracker = Tracker(TrackConfig.model_validate({"faces": faces}), DetectConfig())
    before = chosen_ids(play(tracker, scene, 40)[-1])
    tracker.choose_by(Chooser(TrackConfig.model_validate({"faces": faces, "min_px": 20})))
    assert {tuple(chosen_ids(f)) for f in play(tracker, scene, 30, first=40)} == {tuple(before)}
    assert len(before) == 1


def test_a_reference_is_needed_and_a_recogniser_for_it() -> None:
    with pytest.raises(BadValue, match="without a photo"):
        Tracker(TrackConfig(faces="like"), DetectConfig())
    with pytest.raises(BadValue, match="no recogniser"):
        Chooser(TrackConfig(), references=PEOPLE)
    with pytest.raises(BadValue, match="4 reference photos for 2 roles"):
        Chooser(TrackConfig(), likeness=Likeness(NoRecogniser()), references=PEOPLE, roles=(1, 2))


def test_rules_without_references_look_at_nobody() -> None:
    chooser = Chooser(TrackConfig(faces="all"), likeness=Likeness(NoRecogniser()))
    tracker = Tracker(TrackConfig(faces="all"), DetectConfig(), chooser=chooser)
    assert len(chosen_ids(tracker.update(seen([sway(0, 640, 360)]), 0, WIDTH, HEIGHT))) == 0
    assert len(chosen_ids(tracker.update(seen([sway(1, 640, 360)]), FRAME_NS, WIDTH, HEIGHT))) == 1
    assert not chooser.at_once


def test_seats_fill_at_once_and_change_one_at_a_time() -> None:
    seats = Seats(0.3)
    assert sorted(seats.update({1: 1.0, 2: 2.0, 3: 1.5}, 2)) == [2, 3]
    for _ in range(PATIENCE_FRAMES - 1):
        assert sorted(seats.update({1: 1.9, 2: 2.0, 3: 1.5}, 2)) == [2, 3]
    assert sorted(seats.update({1: 1.9, 2: 2.0, 3: 1.5}, 2)) == [1, 2]
    assert sorted(seats.update({1: 1.9, 3: 1.5}, 2)) == [1, 3]
    assert seats.update({1: 1.9, 3: 1.5}, 1) == [1]
    assert seats.update({}, 1) == []


def test_a_rival_that_was_better_only_now_and_then_gets_no_seat() -> None:
    seats = Seats(0.3)
    for k in range(100):
        assert seats.update({1: 1.0, 2: 0.5 if k % PATIENCE_FRAMES == 0 else 2.0}, 1) == [1]


def test_a_place_beyond_the_last_is_nobody_s() -> None:
    place = Place(2)
    assert place.update({1: (100, 50), 2: (300, 50)}) is None
    assert place.update({1: (100, 50), 2: (300, 50), 3: (200, 50)}) == 2
    assert Place(0).update({}) is None


def likeness_of(*rows: list[float]) -> F32:
    return np.array(rows, np.float32)


def test_a_good_match_is_not_given_up_for_two_poor_ones() -> None:
    claims = Claims(PEOPLE[:2], (1, 2), 0.4)
    assert claims.update([7, 8], likeness_of([0.9, 0.41], [0.41, 0.1])) == {7: 1}


def test_claims_are_one_to_one() -> None:
    claims = Claims(PEOPLE[:2], (1, 2), 0.4)
    assert claims.update([7, 8, 9], likeness_of([0.8, 0.7], [0.7, 0.2], [0.1, 0.1])) == {7: 2, 8: 1}
    assert Claims(PEOPLE[:2], (1, 2), 0.4).update([], np.empty((0, 2), np.float32)) == {}


def test_an_unknown_face_claims_nothing() -> None:
    assert Claims(PEOPLE[:1], (0,), 0.0).update([7], likeness_of([np.nan])) == {}


@pytest.mark.parametrize(
    ("holder", "rival", "goes_to"),
    [(0.6, 0.65, 7), (0.6, 0.7, 8), (0.33, 0.1, 7), (0.27, 0.1, None), (0.36, 0.42, 7), (0.36, 0.46, 8)],
)
def test_a_claim_is_kept_until_another_is_clearly_better_or_it_is_clearly_wrong(
    holder: float, rival: float, goes_to: int | None
) -> None:
    claims = Claims(PEOPLE[:1], (0,), 0.4)
    assert claims.update([7, 8], likeness_of([0.6], [0.1])) == {7: 0}
    for _ in range(PATIENCE_FRAMES - 1):
        assert claims.update([7, 8], likeness_of([holder], [rival])) == {7: 0}
    expected = {} if goes_to is None else {goes_to: 0}
    assert claims.update([7, 8], likeness_of([holder], [rival])) == expected


@pytest.mark.parametrize("seed", range(6))
def test_claims_are_stable_under_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    claims = Claims(PEOPLE[:3], (1, 2, 3), 0.4)
    true = np.full((4, 3), 0.3)
    true[[0, 1, 2], [2, 0, 1]] = 0.5
    claims.update([5, 6, 7, 8], true.astype(np.float32))
    for _ in range(300):
        found = claims.update([5, 6, 7, 8], (true + 0.06 * rng.normal(size=true.shape)).astype(np.float32))
        assert found == {5: 3, 6: 1, 7: 2}


def test_two_who_trade_likeness_trade_roles_together() -> None:
    claims = Claims(PEOPLE[:2], (1, 2), 0.4)
    assert claims.update([7, 8], likeness_of([0.8, 0.1], [0.1, 0.8])) == {7: 1, 8: 2}
    results = [claims.update([7, 8], likeness_of([0.1, 0.8], [0.8, 0.1])) for _ in range(PATIENCE_FRAMES)]
    assert results[:-1] == [{7: 1, 8: 2}] * (PATIENCE_FRAMES - 1)
    assert results[-1] == {7: 2, 8: 1}


def test_a_part_whose_wearer_left_is_free_at_once() -> None:
    claims = Claims(PEOPLE[:1], (1,), 0.4)
    assert claims.update([7, 8], likeness_of([0.8], [0.6])) == {7: 1}
    assert claims.update([8], likeness_of([0.6])) == {8: 1}
