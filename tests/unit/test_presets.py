"""Presets: what is kept comes back, names stay names, secrets stay out."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livefuse.config import make_config
from livefuse.daemon.presets import Presets
from livefuse.daemon.shown import holds_secret, shown, unmasked
from livefuse.daemon.toml_text import toml_text
from livefuse.errors import BadValue, ConfigError, NotHere, UnknownKey

TREE: dict[str, Any] = {
    "seconds": 2.5,
    "privacy": {"mode": "open"},
    "mask": {"areas": ["mouth", "upper-face"], "box": True},
    "cast": [{"like": 'a "b" \\ c\n.png', "photo": "ä", "face": 1}],
}


@pytest.fixture
def presets(tmp_path: Path) -> Presets:
    return Presets(tmp_path / "presets")


def test_what_is_kept_comes_back_and_nothing_more(presets: Presets) -> None:
    assert presets.names() == []
    assert presets.put("evening", TREE) is True
    assert presets.get("evening") == TREE
    assert presets.names() == ["evening"]
    assert presets.put("evening", {"swap": {"seam": 0.1}}) is False
    assert presets.get("evening") == {"swap": {"seam": 0.1}}


def test_it_is_one_toml_file_that_nobody_else_reads(presets: Presets) -> None:
    presets.put("evening", TREE)
    (path,) = presets.folder.glob("*.toml")
    assert tomllib.loads(path.read_text("utf-8"))["privacy"] == {"mode": "open"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_one_that_is_gone_is_not_here(presets: Presets) -> None:
    presets.put("evening", {})
    assert presets.get("evening") == {}
    presets.remove("evening")
    with pytest.raises(NotHere):
        presets.get("evening")
    with pytest.raises(NotHere):
        presets.remove("evening")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "a.b", "A", "a\0", "-a", "x" * 49, "é", "a\n"])
def test_a_name_never_leads_out_of_the_folder(presets: Presets, name: str) -> None:
    for act in (presets.get, presets.remove, lambda n: presets.put(n, {})):
        with pytest.raises(BadValue):
            act(name)
    assert not presets.folder.exists()


def test_what_no_session_takes_is_refused(presets: Presets) -> None:
    with pytest.raises(UnknownKey, match="privcy"):
        presets.put("p", {"privcy": {"mode": "open"}})
    with pytest.raises(BadValue):
        presets.put("p", {"privacy": {"mode": "ajar"}})
    with pytest.raises(BadValue, match="seconds = None"):
        presets.put("p", {"seconds": None})
    with pytest.raises(BadValue, match="UTF-8"):
        presets.put("p", {"source": "\ud800"})
    assert presets.names() == []


@pytest.mark.parametrize(
    "tree",
    [
        {"source": "rtsp://cam:hunter2@host/x"},
        {"source": "rtsp://cam:${PASS:hunter2}@host/x"},
        {"sinks": ["null:", "rtmp://host/app/streamkey"]},
        {"source": "http://host/x.mp4?token=abc"},
    ],
)
def test_a_secret_is_refused_without_repeating_it(presets: Presets, tree: dict[str, Any]) -> None:
    with pytest.raises(BadValue) as refused:
        presets.put("p", tree)
    assert "hunter2" not in str(refused.value)
    assert "streamkey" not in str(refused.value)


def test_a_variable_is_no_secret(presets: Presets) -> None:
    tree = {"source": "rtsp://cam:${PASS}@host/x", "sinks": ["rtmp://host/app/${KEY}"]}
    presets.put("p", tree)
    assert presets.get("p") == tree


def test_a_file_damaged_by_hand_says_so(presets: Presets) -> None:
    presets.put("p", {})
    (presets.folder / "p.toml").write_text("privacy = [")
    with pytest.raises(ConfigError, match="not valid TOML"):
        presets.get("p")


def test_secrets_are_masked_and_come_back_whole() -> None:
    config = make_config({"source": "rtsp://cam:hunter2@host/x", "sinks": ["null:", "rtmp://host/app/key"]})
    seen = shown(config)
    assert "hunter2" not in str(seen)
    assert "app/key" not in str(seen)
    back = unmasked({"source": seen["source"], "sinks": ["vcam:", seen["sinks"][1]]}, config)
    assert back == {"source": config.source, "sinks": ["vcam:", "rtmp://host/app/key"]}


def test_only_what_is_written_out_is_a_secret() -> None:
    assert holds_secret("srt://host:1?passphrase=x")
    assert not holds_secret("srt://host:1?passphrase=${X}")
    assert not holds_secret("camera:0")
    assert not holds_secret("/tmp/a.mp4")


_KEYS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_PLAIN = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
_VALUES = st.recursive(
    _PLAIN, lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(_KEYS, v, max_size=3)), max_leaves=8
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(_KEYS, _VALUES, max_size=4))
def test_every_tree_is_read_back_as_it_was_written(tree: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(tree)) == tree
