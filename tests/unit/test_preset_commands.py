"""`livefuse presets`, and what `livefuse jobs` can do besides: commands against a daemon that answers from a table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from livefuse.cli import jobs, presets
from livefuse.cli.app import app
from livefuse.client import Client
from livefuse.errors import BadValue, LivefuseError, SourceNotFound

CARD = {"name": "evening", "number": 1, "parts": ["look"], "notable": {"swap.seam": 0.9}, "problem": ""}
CHANGE = {"key": "swap.seam", "before": 0.5, "after": 0.9, "restart": False}


class Table:
    """Answers by method and path; `asked` is what came."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.answers: dict[str, Any] = {"GET /api/sessions": {"sessions": [{"name": "live"}, {"name": "other"}]}}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        key = f"{request.method} {request.url.raw_path.decode()}"
        self.asked.append((key, json.loads(request.content) if request.content else None))
        answer = self.answers.get(key, {})
        if callable(answer):
            return answer(request)
        return httpx.Response(200, text=answer) if isinstance(answer, str) else httpx.Response(200, json=answer)


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Table:
    made = Table()

    @contextmanager
    def connect(url: str) -> Any:
        with Client("http://127.0.0.1:1", "t", transport=httpx.MockTransport(made)) as client:
            yield client

    monkeypatch.setattr(presets, "connect", connect)
    monkeypatch.setattr(jobs, "connect", connect)
    return made


def run(*words: str, stdin: str = "") -> Result:
    result = CliRunner().invoke(app, list(words), input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def bodies(table: Table) -> Mapping[str, Any]:
    return dict(table.asked)


def test_listed_with_what_is_special(table: Table) -> None:
    table.answers["GET /api/presets"] = {"presets": ["evening"], "cards": [CARD, CARD | {"problem": "damaged"}]}
    shown = run("presets", "list").output
    assert "swap.seam=0.9" in shown
    assert "damaged" in shown
    assert json.loads(run("presets", "list", "--json").stdout)["presets"] == ["evening"]


def test_shown_as_a_file_or_as_what_it_changes(table: Table) -> None:
    table.answers["GET /api/presets/evening/export"] = "[swap]\nseam = 0.9\n"
    assert run("presets", "show", "evening").output == "[swap]\nseam = 0.9\n"
    table.answers["GET /api/sessions/live/preset/evening"] = {"changes": [CHANGE], "restart": False}
    assert "swap.seam  0.5  0.9" in run("presets", "show", "evening", "--against", "live").output


def test_saved_applied_and_taken_back(table: Table) -> None:
    run("presets", "save", "evening", "--part", "look", "--part", "identity", "--overwrite")
    assert bodies(table)["POST /api/presets/evening/save"] == {
        "session": "live", "parts": ["look", "identity"], "overwrite": True,
    }  # fmt: skip
    table.answers["POST /api/sessions/other/preset/evening"] = {"live": ["swap.seam"], "restarted": False}
    assert "took effect" in run("presets", "apply", "evening", "--session", "other").stderr
    table.answers["POST /api/sessions/live/undo"] = {"what": "preset evening", "keys": [], "left": 0}
    assert "preset evening" in run("presets", "undo").stderr
    run("presets", "remove", "evening")
    assert "DELETE /api/presets/evening" in bodies(table)


def test_which_session_is_asked_where_it_is_not_clear(table: Table) -> None:
    table.answers["GET /api/sessions"] = {"sessions": [{"name": "a"}, {"name": "b"}]}
    with pytest.raises(BadValue, match="2 sessions"):
        run("presets", "undo")
    table.answers["GET /api/sessions"] = {"sessions": [{"name": "b"}]}
    table.answers["POST /api/sessions/b/undo"] = {"what": "", "keys": ["swap.seam"], "left": 0}
    assert "b: taken back: swap.seam" in run("presets", "undo").stderr


def test_exported_as_the_file_ends(table: Table, tmp_path: Path) -> None:
    table.answers["GET /api/presets/evening/export?format=toml"] = "[swap]\n"
    table.answers["GET /api/presets/evening/export?format=json"] = {"name": "evening"}
    assert run("presets", "export", "evening").output == "[swap]\n"
    run("presets", "export", "evening", str(tmp_path / "e.json"))
    assert json.loads((tmp_path / "e.json").read_text()) == {"name": "evening"}
    with pytest.raises(LivefuseError, match="cannot write"):
        run("presets", "export", "evening", str(tmp_path / "no" / "e.toml"))


def test_imported_under_the_name_that_is_said_or_the_files_own(table: Table, tmp_path: Path) -> None:
    file = tmp_path / "late.toml"
    file.write_text("[swap]\nseam = 0.1\n")
    unnamed = {"code": "LF0102", "detail": "the file does not say what the preset is called", "hint": "say `name`"}
    asked: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        return (
            httpx.Response(201, json={"name": asked[-1]["name"]})
            if asked[-1]["name"]
            else httpx.Response(422, json=unnamed)
        )

    table.answers["POST /api/presets/import"] = answer
    assert "kept late" in run("presets", "import", str(file)).stderr
    assert [one["name"] for one in asked] == ["", "late"]
    run("presets", "import", "-", "--name", "x", stdin="seconds = 1")
    assert asked[-1] == {"text": "seconds = 1", "name": "x", "overwrite": False}
    with pytest.raises(BadValue, match="does not say"):
        run("presets", "import", "-", stdin="seconds = 1")
    with pytest.raises(SourceNotFound):
        run("presets", "import", str(tmp_path / "no.toml"))
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadValue, match="no text"):
        run("presets", "import", str(tmp_path / "bytes"))


def test_jobs_are_tried_again_and_moved(table: Table, tmp_path: Path) -> None:
    table.answers["GET /api/jobs"] = {"jobs": [{"id": "abcdef"}]}
    table.answers["POST /api/jobs/abcdef/retry"] = {"id": "new"}
    table.answers["POST /api/jobs/abcdef/move"] = {"id": "abcdef"}
    assert run("jobs", "retry", "abc").stdout == "new\n"
    assert "number 2" in run("jobs", "move", "abc", "2").stderr
    assert bodies(table)["POST /api/jobs/abcdef/move"] == {"place": 1}
    table.answers["POST /api/jobs"] = {"id": "x"}
    run("jobs", "add", str(tmp_path / "in.mp4"))
    assert bodies(table)["POST /api/jobs"]["output"] == ""
