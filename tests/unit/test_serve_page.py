"""docs/serve.md and deploy/README.md say what is so: their commands parse, their settings load, their addresses open."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main

from livefuse.cli.app import app
from livefuse.config import known_keys
from livefuse.daemon_config import DaemonConfig, make_daemon_config
from livefuse.reconfigure import plan
from livefuse.sinks.url import parse_sink_url
from livefuse.source.url import parse

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs" / "serve.md", ROOT / "docs" / "reach.md", ROOT / "deploy" / "README.md"]
COMMANDS: Any = typer.main.get_command(app)
TEXT = {path: path.read_text("utf-8") for path in PAGES}


def blocks(kind: str) -> list[str]:
    return [block for text in TEXT.values() for block in re.findall(rf"```{kind}\n(.*?)```", text, re.S)]


def typed() -> list[str]:
    """Every command of a console block, without what is said to be left out."""
    lines = (part.strip() for block in blocks("console") for line in block.splitlines() for part in line.split(";"))
    return sorted({line.partition(" #")[0].strip() for line in lines if line.startswith("livefuse ")})


def mentioned() -> list[str]:
    """Every command that running text names, its arguments or not."""
    words = {found for text in TEXT.values() for found in re.findall(r"`(livefuse [^`]+)`", text)}
    return sorted(words)


def found(line: str) -> tuple[Any, list[str]]:
    """The command that a line names, and its arguments."""
    words = shlex.split(line)[1:]
    command = COMMANDS
    while hasattr(command, "commands"):
        assert words[:1], line
        assert words[0] in command.commands
        command = command.commands[words.pop(0)]
    return command, words


@pytest.mark.parametrize("line", typed())
def test_a_command_to_type_parses(line: str) -> None:
    command, words = found(line)
    command.make_context(line, words)


@pytest.mark.parametrize("line", mentioned())
def test_a_command_that_is_mentioned_is_one(line: str) -> None:
    found(line)


def test_the_page_shows_every_command_of_the_group() -> None:
    names = COMMANDS.commands["sessions"].commands
    shown = " ".join(typed() + mentioned())
    assert [name for name in names if f"livefuse sessions {name}" not in shown] == []


@pytest.mark.parametrize("block", blocks("toml"), ids=lambda block: block.splitlines()[0][:30])
def test_settings_of_the_page_load(block: str) -> None:
    config = make_daemon_config(tomllib.loads(block), origin="the page")
    for session in config.sessions.values():
        parse(session.source, {"CAMERA_PASSWORD": "x"})


def test_outputs_of_the_page_are_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_KEY", "x")
    sinks = [
        url
        for block in blocks("toml")
        for session in make_daemon_config(tomllib.loads(block)).sessions.values()
        for url in session.sinks
    ]
    assert {parse_sink_url(url).scheme for url in sinks} >= {"rtmp", "rtsp", "udp"}


def test_sources_that_wait_do() -> None:
    rows = re.findall(r"^\| `((?:rtmp|rtsp|srt|udp)://[^`]+)` \|", TEXT[PAGES[0]], re.M)
    assert len(rows) == 4
    assert all(parse(url).waits for url in rows)


def test_every_setting_that_the_page_names_is_one() -> None:
    known = {
        f"{name}.{key}" for name in ("serve", "webrtc") for key in type(getattr(DaemonConfig(), name)).model_fields
    }
    known |= {*known_keys()}
    named = {word for text in TEXT.values() for word in re.findall(r"`((?:serve|webrtc)\.[a-z_]+)", text)}
    assert len(named) > 8
    assert named - known == set()


def test_what_takes_effect_without_a_gap_is_what_the_page_says() -> None:
    from livefuse.config import Config, make_config

    row = re.search(r"\| without a gap \| (.+) \|", TEXT[PAGES[0]])
    assert row
    told = set(re.findall(r"`([a-z_.]+)`", row[1]))
    for key in known_keys():
        section = key.partition(".")[0]
        changed = make_config({}, {key: other}) if (other := _another(key)) is not None else None
        if changed is None or key == "auto_pull":  # which matters only when something else changes
            continue
        live = not plan(Config(), changed).restart
        assert live == (key in told or section in told), key


def _another(key: str) -> object:
    """A value that the key does not have by default, where one is easily found."""
    from livefuse.config import Config

    section, _, name = key.rpartition(".")
    value = getattr(getattr(Config(), section) if section else Config(), name)
    if isinstance(value, bool):
        return not value
    examples: dict[str, object] = {
        "source": "webrtc:", "sinks": ("udp://127.0.0.1:5004",), "privacy.mode": "open", "privacy.cover": "slate",
        "live.deadline_ms": 50.0, "output.preset": "medium", "identity.photo": "synthetic:3", "detect.size": 640,
        "swap.model": "inswapper_128", "seconds": 5.0, "enhance.model": "gfpgan_1.4", "colour.method": "lab",
    }  # fmt: skip
    return examples.get(key)
