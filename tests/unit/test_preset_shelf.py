"""Presets as people handle them: saved from a session, looked at, numbered, renamed, passed on as files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livefuse.config import Config, make_config
from livefuse.daemon.preset_parts import PARTS, differences, notable, part_of, parts_in, to_apply
from livefuse.daemon.preset_text import MOST_CHARACTERS, as_json, as_toml, read_preset
from livefuse.daemon.presets import Presets
from livefuse.daemon_config import laid_over
from livefuse.errors import AlreadyHere, BadValue, NotHere, UnknownKey
from tests.unit.api_calls import Api, fake_api

LIVELY = make_config(
    {
        "source": "synthetic:64x48@5",
        "swap": {"model": "inswapper_128", "keep_mouth": True},
        "identity": {"photo": "anna", "consent": "self"},
        "privacy": {"mode": "open"},
    }
)


@pytest.fixture
def presets(tmp_path: Path) -> Presets:
    return Presets(tmp_path / "presets")


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    with fake_api(tmp_path) as made:
        made.daemon.channels["live"].config = LIVELY
        yield made


def test_a_look_is_saved_whole_and_nothing_else() -> None:
    tree = part_of(LIVELY, ["look"])
    assert set(tree) == {"swap", "mask", "colour", "enhance", "expression", "profile", "overlay"}
    assert tree["swap"]["model"] == "inswapper_128"
    assert tree["enhance"]["model"] == "", "what is off is said to be off"
    assert make_config(part_of(LIVELY, PARTS)).model_copy(update={"live": LIVELY.live}) == LIVELY


def test_its_parts_are_told() -> None:
    assert parts_in(part_of(LIVELY, ["look", "source"])) == ["look", "source"]
    assert parts_in({"runtime": {"threads": 2}, "sinks": []}) == ["outputs", "other"]


def test_what_was_unsaid_is_unsaid_again() -> None:
    plain = to_apply(part_of(Config(), ["look"]))
    after = make_config(laid_over(LIVELY.model_dump(), plain))
    assert after.swap == Config().swap, "also keep_mouth, which files cannot hold a null for"
    assert to_apply({"swap": {"seam": 0.1}}) == {"swap": {"seam": 0.1}}


def test_another_face_has_its_own_consent() -> None:
    after = make_config(laid_over(LIVELY.model_dump(), to_apply({"identity": {"photo": "synthetic:3"}})))
    assert (after.identity.photo, after.identity.consent) == ("synthetic:3", None)


def test_what_a_preset_would_change_is_told_without_secrets() -> None:
    now = make_config({"sinks": ["rtmp://host/app/streamkey"]})
    changes = {
        c.key: c for c in differences(now, {"swap": {"seam": 0.9}, "sinks": ["vcam:"], "live": {"deadline_ms": 50}})
    }
    assert (changes["swap.seam"].before, changes["swap.seam"].after) == (0.5, 0.9)
    assert "seam" in changes["swap.seam"].about
    assert changes["sinks"].before == ["rtmp://host/app/***"]
    assert (changes["live.deadline_ms"].restart, changes["swap.seam"].restart) == (True, False)
    assert differences(now, {"swap": {"seam": 0.5}}) == []


def test_what_is_special_about_it_is_told() -> None:
    assert notable(part_of(LIVELY, ["look"])) == {"swap.model": "inswapper_128", "swap.keep_mouth": True}
    assert notable({"swap": {"model": "mesh"}}) == {}


def test_numbers_are_given_in_turn_and_change_places(presets: Presets) -> None:
    for name in ("a", "b", "c"):
        presets.put(name, {})
    assert presets.numbers() == {"a": 1, "b": 2, "c": 3}
    presets.number("c", 1)
    assert presets.numbers() == {"a": 3, "b": 2, "c": 1}
    presets.number("b", None)
    presets.number("a", 2)
    assert presets.numbers() == {"a": 2, "c": 1}
    presets.remove("c")
    presets.put("d", {})
    assert presets.numbers() == {"a": 2, "d": 1}, "the number of one that is gone is free"
    for number in range(10):
        presets.put(f"x{number}", {})
    assert len(presets.numbers()) == 9, "there are nine keys"
    with pytest.raises(NotHere):
        presets.number("nobody", 3)
    (presets.folder / "numbers.json").write_text("[]")
    assert presets.numbers() == {}


def test_renaming_keeps_number_and_content(presets: Presets) -> None:
    presets.put("a", {"swap": {"seam": 0.1}})
    presets.put("b", {})
    presets.rename("a", "evening")
    assert presets.get("evening") == {"swap": {"seam": 0.1}}
    assert presets.numbers() == {"evening": 1, "b": 2}
    presets.duplicate("evening", "night")
    assert presets.get("night") == presets.get("evening")
    for act in (presets.rename, presets.duplicate):
        with pytest.raises(AlreadyHere):
            act("evening", "b")
        with pytest.raises(NotHere):
            act("nobody", "c")
        with pytest.raises(BadValue):
            act("evening", "../c")


TREE: dict[str, Any] = {"seconds": 2.5, "swap": {"seam": 0.1}, "mask": {"areas": ["mouth"]}}


@pytest.mark.parametrize("written", [as_toml, as_json])
def test_what_is_exported_is_imported(written: Any) -> None:
    assert read_preset(written("evening", TREE)) == ("evening", TREE)


def test_files_may_be_written_by_hand() -> None:
    assert read_preset("[swap]\nseam = 0.1\n") == ("", {"swap": {"seam": 0.1}})
    assert read_preset('{"swap": {"seam": 0.1}}') == ("", {"swap": {"seam": 0.1}})


def test_every_unknown_key_is_named() -> None:
    with pytest.raises(UnknownKey, match=r"`swap\.sean`, `wings`, `mask\.colour`"):
        read_preset("[swap]\nsean = 1\nseam = 0.5\n[wings]\nx = 1\n[mask]\ncolour = 1\n")
    many = "".join(f"k{number} = 1\n" for number in range(9))
    with pytest.raises(UnknownKey, match="`k4` and 4 more"):
        read_preset(many)


@pytest.mark.parametrize(
    "text",
    [
        "no toml",
        "{no json",
        "[" * 20_000,
        '{"a":' * 10_000,
        '{"name": 1, "config": {}}',
        '{"config": []}',
        "[swap]\n" + "a = [" * 5_000,
        "x" * (MOST_CHARACTERS + 1),
    ],
)
def test_what_is_no_preset_is_refused_in_words(text: str) -> None:
    with pytest.raises((BadValue, UnknownKey)):
        read_preset(text)
    with pytest.raises(UnknownKey, match="extra"):
        read_preset('{"config": {}, "extra": 1}')


def test_saved_previewed_and_applied_over_http(api: Api) -> None:
    saved = api("POST", "/api/presets/evening/save", json={"session": "live"})
    assert (saved.status_code, saved.json()["config"]["swap"]["model"]) == (201, "inswapper_128")
    assert "identity" not in saved.json()["config"], "by default a look has no face"
    api.refused("POST", "/api/presets/evening/save", 409, "LF0902", json={"session": "live"})
    parts = {"session": "live", "parts": ["identity", "privacy"], "overwrite": True}
    assert api("POST", "/api/presets/evening/save", json=parts).json()["config"]["privacy"]["mode"] == "open"
    api.refused("POST", "/api/presets/evening/save", 422, "LF0102", json={"session": "live", "parts": ["soul"]})
    api.refused("POST", "/api/presets/x/save", 404, "LF0901", json={"session": "nobody"})
    api.daemon.channels["live"].config = Config()
    preview = api("GET", "/api/sessions/live/preset/evening").json()
    assert {change["key"] for change in preview["changes"]} == {"identity.photo", "identity.consent", "privacy.mode"}
    assert api("POST", "/api/sessions/live/preset/evening").status_code == 200
    assert api.daemon.channels["live"].changes[-1]["identity"]["face"] is None


def test_a_stream_key_is_not_saved(api: Api) -> None:
    api.daemon.channels["live"].config = make_config({"sinks": ["rtmp://host/app/streamkey"]})
    body = {"session": "live", "parts": ["outputs"]}
    problem = api.refused("POST", "/api/presets/evening/save", 422, "LF0102", json=body)
    assert "streamkey" not in json.dumps(problem)


def test_cards_tell_a_preset_at_a_glance(api: Api) -> None:
    api("PUT", "/api/presets/evening", json={"swap": {"model": "ghost_1_256"}})
    folder = api.daemon.presets.folder
    (folder / "broken.toml").write_text("[swap]\nsean = 1\n")
    found = api("GET", "/api/presets").json()
    assert found["presets"] == ["broken", "evening"]
    broken, evening = found["cards"]
    assert "sean" in broken["problem"]
    assert (evening["number"], evening["parts"], evening["notable"]) == (1, ["look"], {"swap.model": "ghost_1_256"})
    assert api("POST", "/api/presets/evening/number", json={"number": 7}).json()["number"] == 7
    api.refused("POST", "/api/presets/evening/number", 422, "LF0102", json={"number": 10})


def test_exported_and_imported_over_http(api: Api) -> None:
    api("PUT", "/api/presets/evening", json=TREE)
    toml = api("GET", "/api/presets/evening/export")
    assert toml.headers["content-type"].startswith("application/toml")
    assert toml.headers["content-disposition"] == 'attachment; filename="evening.toml"'
    assert tomllib.loads(toml.text) == TREE
    kept = api("POST", "/api/presets/import", json={"text": toml.text, "name": "night"})
    assert (kept.status_code, kept.json()) == (201, {"name": "night", "config": TREE})
    written = api("GET", "/api/presets/evening/export?format=json")
    assert written.json() == {"schema_version": 1, "name": "evening", "config": TREE}
    api.refused("POST", "/api/presets/import", 409, "LF0902", json={"text": written.text})
    assert api("POST", "/api/presets/import", json={"text": written.text, "overwrite": True}).status_code == 201
    api.refused("POST", "/api/presets/import", 422, "LF0101", json={"text": "wings = 1", "name": "x"})
    api.refused("POST", "/api/presets/import", 422, "LF0102", json={"text": "[swap]\nseam = 0.1\n"})
    api.refused("POST", "/api/presets/import", 422, "LF0102", json={"text": "[swap]\nseam = 7\n", "name": "x"})
    api.refused("POST", "/api/presets/import", 422, "LF0102", json={"text": "x" * 70_000, "name": "x"})
    secret = 'sinks = ["rtmp://host/app/streamkey"]'
    api.refused("POST", "/api/presets/import", 422, "LF0102", json={"text": secret, "name": "x"})
    assert api("GET", "/api/presets").json()["presets"] == ["evening", "night"]


def test_renamed_and_duplicated_over_http(api: Api) -> None:
    api("PUT", "/api/presets/evening", json=TREE)
    assert api("POST", "/api/presets/evening/rename", json={"to": "late"}).json() == {"name": "late", "config": TREE}
    assert api("POST", "/api/presets/late/duplicate", json={"to": "later"}).status_code == 201
    api.refused("POST", "/api/presets/late/rename", 409, "LF0902", json={"to": "later"})
    api.refused("POST", "/api/presets/evening/rename", 404, "LF0901", json={"to": "x"})
