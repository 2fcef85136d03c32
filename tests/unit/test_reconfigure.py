"""From one configuration to another: what may happen while a session runs, and what may not."""

from __future__ import annotations

from livefuse.config import Config, make_config
from livefuse.daemon_config import laid_over
from livefuse.reconfigure import changed_keys, plan


def with_(**tree: object) -> Config:
    return make_config(laid_over(Config().model_dump(), tree))


def test_nothing_changed_is_nothing_to_do() -> None:
    steps = plan(Config(), Config())
    assert steps.keys == []
    assert steps.restart == []
    assert not any([steps.look, steps.choice, steps.stages, steps.source])


def test_what_differs_is_named_by_dotted_keys() -> None:
    new = with_(mask={"every": 3}, source="synthetic:320x240@30")
    assert changed_keys(Config(), new) == ["source", "mask.every"]


def test_looks_choices_and_stages_are_told_apart() -> None:
    assert plan(Config(), with_(swap={"seam": 0.2})).look
    assert not plan(Config(), with_(swap={"seam": 0.2})).stages
    assert plan(Config(), with_(track={"index": 1})).choice
    assert plan(Config(), with_(track={"hold_frames": 9})).stages
    assert plan(Config(), with_(detect={"size": 640})).stages
    assert plan(Config(), with_(privacy={"mode": "open"})).look


def test_what_a_running_session_cannot_take_is_named() -> None:
    steps = plan(Config(), with_(live={"deadline_ms": 50}, privacy={"cover": "slate"}, swap={"seam": 0.1}))
    assert sorted(steps.restart) == ["live.deadline_ms", "privacy.cover"]


def test_sinks_are_counted_as_often_as_they_stand_there() -> None:
    old, new = with_(sinks=("null:", "a.mp4", "null:")), with_(sinks=("null:", "b.mp4"))
    steps = plan(old, new)
    assert steps.sinks_added == ["b.mp4"]
    assert steps.sinks_removed == ["a.mp4", "null:"]
