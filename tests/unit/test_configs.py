from __future__ import annotations

from pathlib import Path

import pytest

from livefuse.config import OutputConfig, load_config
from livefuse.daemon_config import load_daemon_config
from livefuse.sinks.url import parse_sink_url
from livefuse.source.url import parse

FOLDER = Path(__file__).parents[2] / "configs"
CONFIGS = sorted(FOLDER.glob("*.toml"))


def test_there_is_one_for_every_use() -> None:
    assert {"webcam.toml", "stream.toml", "file.toml", "cpu.toml", "serve.toml"} <= {path.name for path in CONFIGS}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_loads_and_its_urls_parse(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    config = load_config(path)
    parse(config.source, {})
    assert config.sinks
    for sink in config.sinks:
        parse_sink_url(sink)
    assert config.output.codec in {OutputConfig().codec, "hevc"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_runs_as_it_is_without_anybodys_photo_and_stays_private(path: Path) -> None:
    config = load_config(path)
    assert (config.identity.photo, config.identity.consent) == ("synthetic:7", "synthetic")
    assert config.privacy.mode == "closed"
    assert config.overlay.badge


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_daemon_takes_it_for_the_same_session(path: Path) -> None:
    assert load_daemon_config(path).sessions == {"live": load_config(path)}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_it_says_how_it_is_run(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("# ")
    assert f"livefuse run configs/{path.name}" in text


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_its_detector_has_a_recipe(path: Path) -> None:
    from livefuse.weights.recipe import load_recipe

    assert load_recipe(load_config(path).detect.model).kind == "detector"
