"""`livefuse identity`, as it is typed: results on standard output, the rest on standard error."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from livefuse import photos
from livefuse.cli.app import run_command
from livefuse.source.image import read_image
from livefuse.swap import consent
from tests.unit.identity_sources import SquareFinder, embed_by, square_photo

Said = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where identities lie; squares are faces, and `c.png` shows somebody else."""
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(photos, "photo_finder", lambda config: SquareFinder())
    monkeypatch.setattr(photos, "photo_embedder", lambda config: embed_by({"c.png": 1}))
    for i, name in enumerate("abcd"):
        square_photo(tmp_path / f"{name}.png", colour=i)
    square_photo(tmp_path / "tiny.png", (200, 100, 20))
    return tmp_path / "home" / "identities"


def ok(said: Said, *arguments: str) -> str:
    assert run_command(["identity", *arguments]) == 0, said.readouterr().err
    return said.readouterr().out


def fails(said: Said, code: int, *arguments: str) -> str:
    said.readouterr()
    assert run_command(["identity", *arguments]) == code
    out, err = said.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err


def test_add_list_show_remove(folder: Path, capsys: Said) -> None:
    out = ok(capsys, "add", "Ada", "a.png", "b.png", "d.png", "c.png", "tiny.png", "--consent", "self", "--by", "Ada L")
    assert "3 of 4 shots" in out
    assert "consent: self, said by Ada L" in out
    assert [line.split()[0] for line in out.splitlines() if ".png" in line] == [
        "best",
        "used",
        "used",
        "another",
        "left",
    ]
    assert "only 20 px" in out
    listed = ok(capsys, "list")
    assert "Ada" in listed
    assert "3 of 4" in listed
    assert ok(capsys, "show", "ada") == out
    identity_id = json.loads(ok(capsys, "show", "Ada", "--json"))["id"]
    assert ok(capsys, "remove", "Ada", "--yes").strip() == identity_id
    assert not (folder / identity_id).exists()
    assert consent.verify_log(folder) == 5
    assert ok(capsys, "list") == ""


def test_json(folder: Path, capsys: Said) -> None:
    told = json.loads(ok(capsys, "add", "Ada", "a.png", "b.png", "c.png", "tiny.png", "--consent", "licence", "--json"))
    assert told["name"] == "Ada"
    assert told["consent"]["ground"] == "licence"
    assert [(s["source"], s["used"], s["outlier"], s["best"]) for s in told["shots"]] == [
        ("a.png", True, False, True),
        ("b.png", True, False, False),
        ("c.png", False, True, False),
    ]
    assert all(Path(shot["file"]).is_file() for shot in told["shots"])
    assert [one["source"] for one in told["left_out"]] == ["tiny.png"]
    assert json.loads(ok(capsys, "show", "Ada", "--json")) == told
    listed = json.loads(ok(capsys, "list", "--json"))
    assert [one["name"] for one in listed["identities"]] == ["Ada"]
    assert (listed["unnamed"], listed["damaged"]) == ([], {})


def test_the_stranger_is_said_aloud(folder: Path, capsys: Said) -> None:
    assert run_command(["identity", "add", "Ada", "a.png", "b.png", "c.png", "--consent", "self"]) == 0
    assert "not used, as another person than the other photos show: c.png" in capsys.readouterr().err
    assert run_command(["identity", "add", "Two", "a.png", "c.png", "--consent", "self"]) == 0
    assert "different people" in capsys.readouterr().err


def test_a_folder_and_a_drawing(folder: Path, capsys: Said, tmp_path: Path) -> None:
    photos_folder = tmp_path / "photos"
    photos_folder.mkdir()
    square_photo(photos_folder / "e.png")
    assert "e.png" in ok(capsys, "add", "Ada", "photos", "--consent", "self")
    assert "consent: synthetic" in ok(capsys, "add", "Nobody", "synthetic:7")


def test_mistakes(folder: Path, capsys: Said) -> None:
    assert "LF0403" in fails(capsys, 4, "add", "Ada", "a.png")
    assert "LF0400" in fails(capsys, 4, "add", "../Ada", "a.png", "--consent", "self")
    assert "no such file" in fails(capsys, 4, "add", "Ada", "nothing.png", "--consent", "self")
    assert "LF0401" in fails(capsys, 4, "add", "Ada", "tiny.png", "--consent", "self")
    assert fails(capsys, 2, "add", "Ada", "a.png", "--consent", "because")
    assert fails(capsys, 2, "add", "Ada")
    assert "LF0405" in fails(capsys, 4, "show", "Ada")
    assert "LF0405" in fails(capsys, 4, "remove", "Ada", "--yes")
    assert not list(folder.glob("[0-9a-f]*")) if folder.exists() else True
    ok(capsys, "add", "Ada", "a.png", "--consent", "self")
    assert "--replace" in fails(capsys, 4, "add", "ada", "b.png", "--consent", "self")
    assert "b.png" in ok(capsys, "add", "ada", "b.png", "--consent", "self", "--replace")
    assert "did you mean `ada`" in fails(capsys, 4, "show", "adaa")


def test_what_must_be_refused_is_refused_before_models_are_loaded(
    folder: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_may_look(config: object) -> object:
        raise AssertionError("models were asked for before the refusal")

    ok(capsys, "add", "Ada", "a.png", "--consent", "self")
    monkeypatch.setattr(photos, "photo_finder", nobody_may_look)
    assert "LF0406" in fails(capsys, 4, "add", "Ada", "b.png", "--consent", "self")
    assert "LF0403" in fails(capsys, 4, "add", "Bea", "b.png")


def test_removal_asks_on_a_terminal_and_wants_yes_elsewhere(
    folder: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok(capsys, "add", "Ada", "a.png", "--consent", "self")
    assert "--yes" in fails(capsys, 2, "remove", "Ada")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    answers = iter([False, True])
    monkeypatch.setattr("typer.confirm", lambda *a, **k: next(answers))
    assert "nothing was removed" in fails(capsys, 1, "remove", "Ada")
    assert "Ada" in ok(capsys, "list")
    ok(capsys, "remove", "Ada")
    assert ok(capsys, "list") == ""


def test_whoever_removes_a_face_is_told_what_becomes_of_sessions(
    folder: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    ok(capsys, "add", "Ada", "a.png", "--consent", "self")
    monkeypatch.setattr("livefuse.finding.running_daemons", lambda _: [object()])
    assert run_command(["identity", "remove", "Ada", "--yes"]) == 0
    assert "sessions that wear it take it off" in capsys.readouterr().err


def test_a_damaged_record_is_told_and_can_be_removed(folder: Path, capsys: Said) -> None:
    told = json.loads(ok(capsys, "add", "Ada", "a.png", "--consent", "self", "--json"))
    (Path(told["shots"][0]["file"]).parent / "consent.json").unlink()
    assert "LF0403" in fails(capsys, 4, "show", "Ada")
    assert run_command(["identity", "list"]) == 0
    out, err = capsys.readouterr()
    assert "Ada" in out
    assert "not usable" in err
    ok(capsys, "remove", "Ada", "--yes")


def test_the_contact_sheet(folder: Path, capsys: Said, tmp_path: Path) -> None:
    ok(capsys, "add", "Ada", "a.png", "b.png", "c.png", "--consent", "self")
    ok(capsys, "show", "Ada", "--sheet", "ada.png")
    sheet = read_image(tmp_path / "ada.png")
    red = (sheet[..., 0] > 180) & (sheet[..., 1] < 70) & (sheet[..., 2] < 70)
    green = (sheet[..., 1] > 120) & (sheet[..., 0] < 60)
    columns = [np.flatnonzero(mask.sum(axis=0) > 200) for mask in (green, red)]
    assert columns[0].size, "the best shot is framed in green"
    assert columns[1].size, "the stranger in red"
    assert columns[0].max() < columns[1].min()
    assert "contact.png" in fails(capsys, 2, "show", "Ada", "--sheet", "ada.jpg")
    assert "LF0301" in fails(capsys, 6, "show", "Ada", "--sheet", "nowhere/ada.png")
