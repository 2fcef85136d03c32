"""What a fresh machine lacks, the drawn faces, and which face of a photo is meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from livefuse.config import make_config
from livefuse.frame import U8
from livefuse.source.devices import Camera
from livefuse.web.api import first, upload
from tests.unit.api_calls import Api, fake_api
from tests.unit.identity_sources import SquareFinder, embed_by, square_photo

PNG = {"Content-Type": "image/png"}
REAL = Camera("HD Webcam", "v4l2:/dev/video2", "/dev/video2")
BUSY = Camera("Taken", "v4l2:/dev/video0", "/dev/video0", note="in use by zoom (process 7)")
VIRTUAL = Camera("OBS", "v4l2:/dev/video9", "/dev/video9", is_virtual=True)


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)
    monkeypatch.setattr(first, "list_cameras", lambda: [BUSY, REAL, VIRTUAL])
    monkeypatch.setattr(upload, "photo_finder", lambda _: SquareFinder())
    monkeypatch.setattr(upload, "photo_embedder", lambda _: embed_by({}))
    with fake_api(tmp_path) as made:
        yield made


def fresh(api: Api, **more: Any) -> None:
    api.daemon.remembered = SimpleNamespace(**{"fresh": True, "keeps": True, "file": Path("/x/studio.toml")} | more)
    api.daemon.channels["live"].state = "stopped"


def test_a_fresh_machine_is_told_what_it_lacks(api: Api) -> None:
    fresh(api)
    told = api("GET", "/api/first").json()
    assert told["chosen"] is False
    assert [model["installed"] for model in told["models"]] == [False, False]
    assert told["lacking_bytes"] == sum(model["bytes"] for model in told["models"]) > 1_000_000
    assert told["camera"] == {"url": "camera:1", "name": "HD Webcam"}, "free and real, counted among all"
    assert (told["remembers"], told["kept_in"], told["config_file"]) == (True, "/x/studio.toml", "")
    api.refused("GET", "/api/first", 401, "LF0903", token=None)


def test_whoever_chose_a_face_has_chosen(api: Api) -> None:
    fresh(api)
    live = api.daemon.channels["live"]
    live.config = make_config({"source": "camera:0"})
    assert api("GET", "/api/first").json()["chosen"] is False
    live.config = make_config({"identity": {"photo": "synthetic:7", "consent": "synthetic"}})
    assert api("GET", "/api/first").json()["chosen"] is True
    live.config = make_config({})
    live.state = "running"
    assert api("GET", "/api/first").json()["chosen"] is True
    fresh(api, fresh=False)
    assert api("GET", "/api/first").json()["chosen"] is True


def test_with_a_configuration_file_nothing_lasts(api: Api) -> None:
    api.daemon.file = Path("/x/my.toml")
    told = api("GET", "/api/first").json()
    assert (told["chosen"], told["remembers"], told["kept_in"]) == (True, False, "")
    assert told["config_file"] == str(Path("/x/my.toml"))
    fresh(api, keeps=False)
    assert api("GET", "/api/first").json()["remembers"] is False


def test_a_machine_without_cameras_suggests_none(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first, "list_cameras", lambda: [BUSY, VIRTUAL])
    assert api("GET", "/api/first").json()["camera"] is None


def decoded(png: bytes) -> U8:
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR), np.uint8)


def test_drawn_faces_are_there_and_differ(api: Api) -> None:
    drawn = api("GET", "/api/drawn", token=None).json()["drawn"]
    assert len(drawn) == 3
    assert len({one["name"] for one in drawn}) == 3
    assert [one["photo"] for one in drawn] == [f"synthetic:{one['seed']}" for one in drawn]
    answers = [api("GET", f"/api/drawn/{one['seed']}/photo", token=None) for one in drawn]
    assert {answer.headers["content-type"] for answer in answers} == {"image/png"}
    pictures = [decoded(answer.content) for answer in answers]
    assert {picture.shape for picture in pictures} == {(256, 256, 3)}
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(pictures[one].astype(int) - pictures[other]).mean() > 10
    assert api("GET", "/api/drawn/-1/photo").status_code == 422


def test_a_thumbnail_is_no_larger_than_asked(api: Api, tmp_path: Path) -> None:
    photo = square_photo(tmp_path / "a.png").read_bytes()
    api("PUT", "/api/identities/Ada?consent=self&by=Ada", content=photo, headers=PNG)
    whole = decoded(api("GET", "/api/identities/Ada/photo").content)
    small = decoded(api("GET", "/api/identities/Ada/photo?size=64").content)
    assert max(small.shape) == 64
    assert max(whole.shape) > 64
    assert api("GET", "/api/identities/Ada/photo?size=5").status_code == 422


def test_faces_are_found_where_they_are_and_nothing_is_kept(api: Api, tmp_path: Path) -> None:
    photo = square_photo(tmp_path / "a.png").read_bytes()
    (face,) = api("POST", "/api/faces", content=photo, headers=PNG).json()["faces"]
    x1, y1, x2, y2 = face
    assert 0 <= x1 < x2 <= 1
    assert 0 <= y1 < y2 <= 1
    assert api("GET", "/api/identities").json()["identities"] == []
    blank = cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    problem = api.refused("POST", "/api/faces", 422, "LF0401", content=blank, headers=PNG)
    assert str(tmp_path) not in str(problem)
    api.refused("POST", "/api/faces", 422, "LF0202", content=b"hello", headers=PNG)
    api.refused("POST", "/api/faces", 401, "LF0903", content=photo, headers=PNG, token=None)
