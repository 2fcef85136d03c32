"""Changes that are taken back: what they replaced, in which order, and what is never laid back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from livefuse.config import Config, make_config
from livefuse.daemon.history import MOST_STEPS, History, named, undo
from livefuse.daemon_config import laid_over
from livefuse.errors import BadValue, NotHere
from tests.unit.api_calls import Api, fake_api
from tests.unit.web_fakes import FakeChannel


class Changed(FakeChannel):
    """A channel that is nothing but its configuration, and remembers what its changes replaced."""

    def __init__(self, name: str = "live") -> None:
        super().__init__(name)
        self.now_s = 0.0
        self.history = History(lambda: self.now_s)

    async def change(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        self.now_s += 10.0
        with self.history.noting(lambda: self.config):
            self.config = make_config(laid_over(self.config.model_dump(), overrides))
            if self.config.swap.model == "broken":
                self.config = Config()
                raise BadValue("no such model", hint="choose another")
        return {"live": [], "restarted": False}


@pytest.fixture
def channel() -> Changed:
    return Changed()


def change(channel: Changed, **overrides: Any) -> None:
    asyncio.run(channel.change(overrides))


def take_back(channel: Changed) -> str:
    return asyncio.run(undo(channel))[0].what


def test_the_last_change_is_taken_back_then_the_one_before(channel: Changed) -> None:
    change(channel, swap={"seam": 0.1})
    with named("preset evening"):
        change(channel, swap={"seam": 0.9, "keep_eyes": True}, source="synthetic:64x48@5")
    assert [(step.what, step.keys) for step in channel.history.steps] == [
        ("preset evening", ("source", "swap.keep_eyes", "swap.seam")),
        ("", ("swap.seam",)),
    ]
    assert take_back(channel) == "preset evening"
    assert channel.config == make_config({"swap": {"seam": 0.1}})
    take_back(channel)
    assert channel.config == Config()
    with pytest.raises(NotHere, match="nothing to undo"):
        take_back(channel)


def test_what_somebody_else_changed_meanwhile_stays(channel: Changed) -> None:
    change(channel, swap={"seam": 0.1})
    channel.config = make_config(laid_over(channel.config.model_dump(), {"overlay": {"enabled": True}}))
    take_back(channel)
    assert (channel.config.swap.seam, channel.config.overlay.enabled) == (Config().swap.seam, True)


def test_privacy_that_was_closed_is_never_opened_by_undoing(channel: Changed) -> None:
    channel.config = make_config({"privacy": {"mode": "open"}})
    change(channel, privacy={"mode": "closed"})
    assert channel.history.steps == []
    channel.config = make_config({"privacy": {"mode": "open"}})
    change(channel, privacy={"mode": "closed"}, swap={"seam": 0.2})
    take_back(channel)
    assert (channel.config.privacy.mode, channel.config.swap.seam) == ("closed", Config().swap.seam)


def test_privacy_that_was_opened_is_closed_again(channel: Changed) -> None:
    change(channel, privacy={"mode": "open"})
    take_back(channel)
    assert channel.config.privacy.mode == "closed"


def test_a_change_that_failed_or_changed_nothing_is_not_remembered(channel: Changed) -> None:
    with pytest.raises(BadValue):
        change(channel, swap={"model": "broken"})
    change(channel, swap={"seam": Config().swap.seam})
    assert channel.history.steps == []


def test_what_cannot_be_taken_back_now_can_be_later(channel: Changed) -> None:
    channel.config = make_config({"swap": {"model": "broken"}})
    change(channel, swap={"model": "mesh"})
    with pytest.raises(BadValue):
        take_back(channel)
    assert [step.keys for step in channel.history.steps] == [("swap.model",)]


def test_a_slider_that_is_dragged_is_one_change(channel: Changed) -> None:
    def drag(seam: float) -> None:
        channel.now_s -= 9.5  # half a second apart
        change(channel, swap={"seam": seam})

    change(channel, swap={"seam": 0.1})
    for seam in (0.2, 0.3, 0.4):
        drag(seam)
    assert len(channel.history.steps) == 1
    change(channel, swap={"seam": 0.6})
    assert len(channel.history.steps) == 2, "after a while it is another one"
    take_back(channel)
    assert channel.config.swap.seam == 0.4
    drag(0.8)
    assert len(channel.history.steps) == 2, "what comes after an undo is never a part of what came before"


def test_twenty_are_remembered(channel: Changed) -> None:
    for number in range(MOST_STEPS + 5):
        change(channel, detect={"size": 200 + number})
    assert len(channel.history.steps) == MOST_STEPS
    for _ in range(MOST_STEPS):
        take_back(channel)
    assert channel.config.detect.size == 204


@pytest.fixture
def api(tmp_path: Path, channel: Changed) -> Iterator[Api]:
    with fake_api(tmp_path) as made:
        made.daemon.channels["live"] = channel
        yield made


def test_over_http(api: Api, channel: Changed) -> None:
    api("PATCH", "/api/sessions/live", json={"swap": {"seam": 0.9}})
    api("PUT", "/api/presets/soft", json={"swap": {"seam": 0.2}})
    api("POST", "/api/sessions/live/preset/soft")
    steps = api("GET", "/api/sessions/live/history").json()["steps"]
    assert [(step["what"], step["keys"]) for step in steps] == [("preset soft", ["swap.seam"]), ("", ["swap.seam"])]
    undone = api("POST", "/api/sessions/live/undo").json()
    assert (undone["what"], undone["keys"], undone["left"], undone["restarted"]) == (
        "preset soft",
        ["swap.seam"],
        1,
        False,
    )
    assert channel.config.swap.seam == 0.9
    api("POST", "/api/sessions/live/undo")
    api.refused("POST", "/api/sessions/live/undo", 404, "LF0901")
    api.refused("POST", "/api/sessions/nobody/undo", 404, "LF0901")
    api.refused("GET", "/api/sessions/live/history", 401, "LF0903", token=None)
