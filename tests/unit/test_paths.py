from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from livefuse.paths import Paths


def test_livefuse_home_moves_every_folder(tmp_path: Path) -> None:
    found = Paths.default({"LIVEFUSE_HOME": str(tmp_path)})
    folders = [getattr(found, field.name) for field in fields(found)]
    assert all(tmp_path in folder.parents for folder in folders)
    assert len(set(folders)) == len(folders)
    assert found.config_file == tmp_path / "config" / "livefuse.toml"
    assert found.recipes == tmp_path / "config" / "recipes"
    assert not list(tmp_path.iterdir()), "asking for paths must not make folders"


def test_home_may_be_written_with_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert Paths.default({"LIVEFUSE_HOME": "~/fuse"}).models == tmp_path / "fuse" / "models"


def test_a_relative_home_does_not_depend_on_later_directory_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Paths.default({"LIVEFUSE_HOME": "here"}).models == tmp_path / "here" / "models"


@pytest.mark.parametrize("environ", [{}, {"LIVEFUSE_HOME": ""}])
def test_without_home_the_platform_decides(environ: dict[str, str]) -> None:
    found = Paths.default(environ)
    assert found.models == found.data / "models"
    assert "livefuse" in found.config.parts
    assert all(Path(text).is_absolute() for text in found.as_dict().values())
