from __future__ import annotations

from pathlib import Path

import pytest

from livefuse.cli.options import settings
from livefuse.config import Config, environment_overrides, known_keys, load_config, make_config
from livefuse.errors import BadValue, ConfigError, UnknownKey


def test_toml_and_overrides_make_one_value(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('source = "camera:0"\n[privacy]\nmode = "open"\n[detect]\nsize = 640\n')
    config = load_config(file, {"detect.size": 480, "sinks": ["null:"]})
    assert (config.source, config.privacy.mode, config.detect.size, config.sinks) == (
        "camera:0",
        "open",
        480,
        ("null:",),
    )


@pytest.mark.parametrize(
    ("tree", "named"),
    [({"privcy": {}}, "privacy"), ({"privacy": {"moed": "open"}}, "privacy.mode"), ({"sink": "x"}, "sinks")],
)
def test_an_unknown_key_names_the_nearest(tree: dict[str, object], named: str) -> None:
    with pytest.raises(UnknownKey) as caught:
        make_config(tree)
    assert named in caught.value.hint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("detect.size", 7),
        ("privacy.mode", "maybe"),
        ("seconds", -1),
        ("identity.consent", "she said so"),
        ("runtime.threads", "x"),
    ],
)
def test_a_bad_value_names_the_key_and_the_value(key: str, value: object) -> None:
    with pytest.raises(BadValue) as caught:
        make_config({}, {key: value})
    assert key in caught.value.message
    assert repr(value) in caught.value.message


def test_a_file_that_is_missing_or_no_toml_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("source = camera:0")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_config(tmp_path / "bad.toml")


def test_the_environment_reaches_every_section() -> None:
    given = {"LIVEFUSE_DETECT__SIZE": "640", "LIVEFUSE_PRIVACY__MODE": "open", "LIVEFUSE_HOME": "/x", "PATH": "/bin"}
    assert environment_overrides(given) == {"detect.size": 640, "privacy.mode": "open"}
    with pytest.raises(UnknownKey, match=r"detect\.sise"):
        environment_overrides({"LIVEFUSE_DETECT__SISE": "640"})


def test_set_words_are_toml_and_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFUSE_DETECT__SIZE", "640")
    assert settings({}, None) == {"detect.size": 640}
    assert settings({"detect.size": 480}, None) == {"detect.size": 480}
    assert settings({"detect.size": 480}, ["detect.size=320", "track.smooth=false", "source=camera:0"]) == {
        "detect.size": 320,
        "track.smooth": False,
        "source": "camera:0",
    }
    with pytest.raises(BadValue, match="--set"):
        settings({}, ["detect.size"])


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config().source = "camera:1"  # type: ignore[misc]


def test_closed_is_the_default_and_keys_are_dotted() -> None:
    assert Config().privacy.mode == "closed"
    assert {"source", "identity.photo", "privacy.mode"} <= set(known_keys())


@pytest.mark.parametrize(
    "key", ["seconds", "live.stall_ms", "live.lost_ms", "live.deadline_ms", "live.reconnect_max_s"]
)
@pytest.mark.parametrize("value", [float("inf"), float("nan"), 1e300, 0.0])
def test_times_that_no_clock_can_wait_for_are_refused(key: str, value: float) -> None:
    with pytest.raises(BadValue):
        make_config({}, {key: value})
