"""The apps that have access: kept so that they survive, found by their token, and never all allowed."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
from pathlib import Path

import pytest

from livefuse.daemon import apps as apps_module
from livefuse.daemon.app_names import MOST_CHARACTERS, checked_app_name
from livefuse.daemon.apps import Apps
from livefuse.errors import BadValue, DaemonError, NotHere


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "apps.json"


def test_a_token_leads_to_its_app_and_nothing_else_does(file: Path) -> None:
    apps = Apps(file)
    deck, token = apps.add("Stream Deck", ["control", "view"])
    _, other = apps.add("Watcher", ["view"])
    assert apps.with_token(token) == deck
    assert deck.scopes == ("view", "control")
    assert len(token) >= 47
    assert token != other
    for wrong in ("", token[:-1], token + "x", deck.id, deck.token_sha256):
        assert apps.with_token(wrong) is None


def test_only_the_hash_of_a_token_is_kept_for_its_user_alone(file: Path) -> None:
    apps = Apps(file)
    app, token = apps.add("Stream Deck", ["view"])
    text = file.read_text()
    assert token not in text
    assert hashlib.sha256(token.encode()).hexdigest() in text
    assert token not in repr(app)
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_they_are_there_again_after_a_restart(file: Path) -> None:
    first = Apps(file)
    app, token = first.add("Stream Deck", ["view"])
    assert first.list()[0].last_used == ""
    first.with_token(token)
    first.keep_use()
    again = Apps(file)
    assert again.list()[0].last_used
    assert again.with_token(token) is not None
    again.remove(app.id)
    assert Apps(file).with_token(token) is None


def test_what_another_daemon_of_the_user_revokes_is_revoked_here(file: Path) -> None:
    here, there = Apps(file), Apps(file)
    app, token = here.add("Stream Deck", ["view", "control"])
    assert there.with_token(token) is not None
    there.change(app.id, scopes=["view"])
    assert here.scopes(app.id) == ("view",)
    there.remove(app.id)
    assert here.with_token(token) is None
    assert here.scopes(app.id) == ()


def test_both_may_add(file: Path) -> None:
    here, there = Apps(file), Apps(file)
    here.add("One", ["view"])
    there.add("Two", ["view"])
    here.add("Three", ["view"])
    assert [app.name for app in there.list()] == ["One", "Two", "Three"]


def test_changes_are_checked(file: Path) -> None:
    apps = Apps(file)
    app, _ = apps.add("Deck", ["view"])
    assert apps.change(app.id, name=" Stream  Deck ", scopes=["identities", "view", "view"]).name == "Stream Deck"
    assert apps.list()[0].scopes == ("view", "identities")
    with pytest.raises(BadValue):
        apps.change(app.id, scopes=[])
    for act in (lambda: apps.change("0" * 16, name="x"), lambda: apps.remove("0" * 16)):
        with pytest.raises(NotHere):
            act()


def test_there_is_an_end_to_them(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps_module, "MOST_APPS", 2)
    apps = Apps(file)
    apps.add("One", ["view"])
    apps.add("Two", ["view"])
    with pytest.raises(BadValue, match="2 apps"):
        apps.add("Three", ["view"])


def damaged(text: str) -> list[str]:
    """What may become of a file: cut, emptied, another version, unknown scopes, a bit that flipped."""
    tree = json.loads(text)
    tree["apps"][0]["scopes"] = ["owner"]
    return [text[:-9], "", "[]", "null", json.dumps(tree), text.replace('"schema_version":1', '"schema_version":2', 1),
            text.replace('"schema_version": 1', '"schema_version": 2', 1), text.replace("control", "contrml")]  # fmt: skip


def test_a_damaged_file_allows_nobody_is_said_and_is_kept(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    _, token = Apps(file).add("Deck", ["view", "control"])
    sound = file.read_text()
    caplog.set_level(logging.ERROR)
    for text in damaged(sound):
        if text == sound:
            continue
        file.write_text(text)
        caplog.clear()
        apps = Apps(file)
        assert apps.with_token(token) is None, text
        assert "cannot be read" in apps.problem
        assert "apps.json cannot be read" in caplog.text
        apps.add("Another", ["view"])
        assert (apps.problem, [app.name for app in apps.list()]) == ("", ["Another"])
        assert file.with_suffix(".damaged").read_text() == text


def test_any_single_bit_that_flips_gives_no_more_than_before(file: Path) -> None:
    _, token = Apps(file).add("Deck", ["view"])
    sound = file.read_bytes()
    for at in range(0, len(sound) * 8, 7):
        flipped = bytearray(sound)
        flipped[at // 8] ^= 1 << at % 8
        file.write_bytes(bytes(flipped))
        found = Apps(file).with_token(token)
        assert found is None or found.scopes == ("view",)


def test_what_cannot_be_written_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    apps = Apps(tmp_path / "state" / "apps.json")
    with pytest.raises(DaemonError, match=r"apps\.json"):
        apps.add("Deck", ["view"])
    assert list(apps.list()) == []
    apps.keep_use()


def test_a_write_that_fails_leaves_the_old_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apps = Apps(file)
    app, token = apps.add("Deck", ["view"])
    before = file.read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(apps_module, "write_durably", full)
    with pytest.raises(DaemonError, match="No space left"):
        apps.remove(app.id)
    assert file.read_text() == before
    assert apps.with_token(token) is not None


@pytest.mark.parametrize("name", ["Stream Deck", "OBS-Skript 2", "ステージ", "Ça va?", "  two   words ", "مُتَحَكِّم"])
def test_names_of_any_script_are_taken(name: str) -> None:
    assert checked_app_name(name) == " ".join(name.split())


@pytest.mark.parametrize(
    "name",
    [
        "", "   ", "a" * (MOST_CHARACTERS + 1), "deck\n", "a\x00b", "a\u202eb", "a\u200bb", "\u2066deck", "a\u2028b", "a\ue000",
        "a\ud800", "a\ufeffb", "...", "\x1b[31mred", "Z" + "\u0301" * 9, "a\u00adb",
    ],
)  # fmt: skip
def test_names_that_are_not_what_is_seen_are_refused(name: str) -> None:
    with pytest.raises(BadValue):
        checked_app_name(name)
