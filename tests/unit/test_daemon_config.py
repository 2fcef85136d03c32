"""What `livefuse serve` is told, from one file that `livefuse run` reads as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from livefuse.config import environment_overrides, load_config
from livefuse.daemon_config import (
    DEFAULT_SESSION,
    DaemonConfig,
    check_session_name,
    daemon_environment,
    laid_over,
    load_daemon_config,
    make_daemon_config,
)
from livefuse.errors import BadValue, ConfigError, UnknownKey


def test_without_a_file_one_session_of_the_usual_settings_runs() -> None:
    config = load_daemon_config(None)
    assert list(config.sessions) == [DEFAULT_SESSION]
    assert config.serve.host == "127.0.0.1"
    assert config.webrtc.ice_servers == (), "no server is asked for anything unless somebody names it"


def test_overrides_reach_the_daemon_or_the_first_session() -> None:
    config = load_daemon_config(None, {"serve.port": 0, "webrtc.codec": "vp8", "swap.seam": 0.2, "seconds": 3})
    assert config.serve.port == 0
    assert config.webrtc.codec == "vp8"
    assert config.sessions["live"].swap.seam == 0.2
    assert config.sessions["live"].seconds == 3


def test_named_sessions_are_laid_over_the_usual_keys() -> None:
    tree = {
        "source": "synthetic:320x240@30",
        "swap": {"seam": 0.3, "fade_frames": 0},
        "sessions": {"b": {"swap": {"seam": 1}}},
    }
    config = make_daemon_config(tree)
    assert list(config.sessions) == ["live", "b"]
    assert config.sessions["b"].source == "synthetic:320x240@30"
    assert config.sessions["b"].swap.seam == 1
    assert config.sessions["b"].swap.fade_frames == 0
    assert config.sessions["live"].swap.seam == 0.3


def test_with_named_sessions_alone_there_is_no_other() -> None:
    assert list(make_daemon_config({"sessions": {"a": {}, "b": {}}}).sessions) == ["a", "b"]


def test_one_file_serves_run_and_serve(tmp_path: Path) -> None:
    file = tmp_path / "livefuse.toml"
    file.write_text(
        'source = "synthetic:160x120@30"\n[serve]\nport = 1234\n[webrtc]\naudio = false\n[sessions.b]\nseconds = 1\n'
    )
    assert load_config(file).source == "synthetic:160x120@30"
    config = load_daemon_config(file)
    assert (config.serve.port, config.webrtc.audio, config.sessions["b"].seconds) == (1234, False, 1)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"serve": {"prot": 1}}, "serve.prot"),
        ({"serve": {"port": 70000}}, "serve.port"),
        ({"webrtc": {"bitrate": "fast"}}, "webrtc.bitrate"),
        ({"webrtc": {"ports": "5000"}}, "webrtc.ports"),
        ({"webrtc": {"ice_servers": [{"urls": ["http://stun.example"]}]}}, "ice_servers"),
        ({"sessions": {"b": {"swp": {}}}}, "sessions.b: unknown key `swp`"),
        ({"sessions": {"b": 3}}, "sessions.b = 3"),
        ({"sessions": 3}, "sessions = 3"),
    ],
)
def test_what_makes_no_sense_is_named(tree: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("(", r"\(")):
        make_daemon_config(tree)


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(UnknownKey) as caught:
        make_daemon_config({"serve": {"prot": 1}})
    assert "serve.port" in caught.value.hint


@pytest.mark.parametrize("name", ["", "Live", "a b", "../x", "api", "metrics", "x" * 33, "-a", "é"])
def test_names_that_no_path_can_have_are_refused(name: str) -> None:
    with pytest.raises(BadValue):
        check_session_name(name)
    with pytest.raises(BadValue):
        make_daemon_config({"sessions": {name: {}}})


def test_laying_over_goes_key_by_key_and_leaves_its_arguments() -> None:
    below = {"a": {"x": 1, "y": 2}, "b": 1}
    assert laid_over(below, {"a": {"y": 3}, "c": {"z": 1}}) == {"a": {"x": 1, "y": 3}, "b": 1, "c": {"z": 1}}
    assert below == {"a": {"x": 1, "y": 2}, "b": 1}


def test_the_environment_reaches_the_daemon_and_not_a_session() -> None:
    said = {"LIVEFUSE_SERVE__HOST": "0.0.0.0", "LIVEFUSE_WEBRTC__AUDIO": "false", "LIVEFUSE_SWAP__SEAM": "0.1"}
    assert daemon_environment(said) == {"serve.host": "0.0.0.0", "webrtc.audio": False}
    assert environment_overrides(said) == {"swap.seam": 0.1}
    with pytest.raises(UnknownKey, match="SERVE__PROT"):
        daemon_environment({"LIVEFUSE_SERVE__PROT": "1"})


def test_every_key_says_what_it_is() -> None:
    for section in (DaemonConfig().serve, DaemonConfig().webrtc):
        for name, field in type(section).model_fields.items():
            assert field.description, name
