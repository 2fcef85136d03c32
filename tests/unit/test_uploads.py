"""Files that pages send to be sources: bounded, looked at, under names of the daemon's own, for the owner alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livefuse.config import make_config
from livefuse.daemon import uploads
from livefuse.daemon_config import ServeConfig
from livefuse.paths import Paths
from tests.unit.api_calls import Api, fake_api
from tests.unit.identity_sources import square_photo
from tests.unit.source_clips import write_clip

MP4 = {"Content-Type": "video/mp4"}
BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths.default({"LIVEFUSE_HOME": str(tmp_path / "home")})


@pytest.fixture
def api(tmp_path: Path, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    from tests.unit import web_fakes

    def with_folder(self: Any, **more: Any) -> None:
        begun(self, **more)
        self.paths = paths
        self.config = self.config.model_copy(update={"serve": ServeConfig(uploads_mb=1)})

    begun = web_fakes.FakeDaemon.__init__
    monkeypatch.setattr(web_fakes.FakeDaemon, "__init__", with_folder)
    with fake_api(tmp_path) as made:
        yield made


@pytest.fixture
def clip(tmp_path: Path) -> bytes:
    return write_clip(tmp_path / "clip.mp4").read_bytes()


def left(paths: Paths) -> list[str]:
    folder = paths.state / "uploads"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


def test_a_video_is_kept_listed_and_removed(api: Api, paths: Paths, clip: bytes) -> None:
    made = api("POST", "/api/uploads?title=My%20Holiday%20(1).MP4", content=clip, headers=MP4)
    assert made.status_code == 201, made.text
    kept = made.json()
    assert kept["name"].startswith("my-holiday-1-")
    assert kept["name"].endswith(".mp4")
    assert (kept["bytes"], kept["kind"]) == (len(clip), "video")
    assert Path(kept["url"]) == paths.state / "uploads" / kept["name"]
    assert Path(kept["url"]).read_bytes() == clip
    if os.name == "posix":
        assert stat.S_IMODE(Path(kept["url"]).stat().st_mode) == 0o600
    listed = api("GET", "/api/uploads").json()
    assert (listed["uploads"], listed["used_bytes"], listed["most_bytes"]) == ([kept], len(clip), 1 << 20)
    assert api("DELETE", made.headers["location"]).status_code == 204
    assert left(paths) == []
    api.refused("DELETE", made.headers["location"], 404, "LF0901")


def test_the_content_says_what_it_is(api: Api, tmp_path: Path) -> None:
    photo = square_photo(tmp_path / "a.png").read_bytes()
    kept = api("POST", "/api/uploads?title=clip.mp4", content=photo, headers=BYTES).json()
    assert (kept["kind"], kept["name"][-4:]) == ("picture", ".png")


@pytest.mark.parametrize(
    "content",
    [
        b"", b"hello", b"ffconcat version 1.0\nfile '/etc/passwd'\n", b"#EXTM3U\nhttp://127.0.0.1/x.ts\n",
        b"<html><script>alert(1)</script>", b"\x7fELF" + b"\0" * 8000,
    ],
)  # fmt: skip
def test_what_is_neither_video_nor_picture_leaves_nothing(api: Api, paths: Paths, content: bytes) -> None:
    api.refused("POST", "/api/uploads", 422, "LF0202", content=content or b"\0", headers=MP4)
    assert left(paths) == []


def test_a_broken_video_leaves_nothing_and_names_no_folder(api: Api, paths: Paths, clip: bytes) -> None:
    answer = api("POST", "/api/uploads", content=clip[:40] + b"\0" * 5000, headers=MP4)
    assert answer.status_code == 422, answer.text
    assert str(paths.state) not in answer.text
    assert left(paths) == []


@pytest.mark.parametrize("title", ["../../etc/passwd", "..\\x.mp4", "", "\u202e\0.mp4", "a" * 200, "%2e%2e/x", "-.-"])
def test_no_name_leads_out_of_the_folder(api: Api, paths: Paths, clip: bytes, title: str) -> None:
    answer = api("POST", "/api/uploads", params={"title": title}, content=clip, headers=MP4)
    assert answer.status_code == 201, answer.text
    assert left(paths) == [answer.json()["name"]]


@pytest.mark.parametrize("name", ["..%2f..%2fstate%2ftoken", "token", ".part", "x.mp4"])
def test_only_what_is_listed_is_removed(api: Api, paths: Paths, name: str) -> None:
    (paths.state / "uploads").mkdir(parents=True)
    (paths.state / "token").write_text("secret")
    assert api("DELETE", f"/api/uploads/{name}").status_code == 404
    assert (paths.state / "token").exists()


def test_there_is_room_for_so_much(api: Api, paths: Paths, clip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    api.refused("POST", "/api/uploads", 507, "LF0302", content=clip + b"\0" * (1 << 20), headers=MP4)
    assert left(paths) == []
    monkeypatch.setattr(uploads, "MOST_FILES", 1)
    assert api("POST", "/api/uploads", content=clip, headers=MP4).status_code == 201
    api.refused("POST", "/api/uploads", 507, "LF0302", content=clip, headers=MP4)
    assert len(left(paths)) == 1


def test_a_full_disk_is_left_alone(api: Api, clip: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_SPARE_BYTES", 1 << 60)
    problem = api.refused("POST", "/api/uploads", 507, "LF0302", content=clip, headers=MP4)
    assert "remove" in problem["hint"]


def test_what_a_crash_left_is_cleared(api: Api, paths: Paths, clip: bytes) -> None:
    (paths.state / "uploads").mkdir(parents=True)
    (paths.state / "uploads" / "0123.part").write_bytes(b"half")
    kept = api("POST", "/api/uploads", content=clip, headers=MP4).json()
    assert left(paths) == [kept["name"]]


def test_what_a_session_shows_stays(api: Api, paths: Paths, clip: bytes) -> None:
    kept = api("POST", "/api/uploads", content=clip, headers=MP4).json()
    api.daemon.channels["live"].config = make_config({"source": kept["url"]})
    api.refused("DELETE", f"/api/uploads/{kept['name']}", 409, "LF0902")
    assert left(paths) == [kept["name"]]


def test_large_bodies_are_for_this_address_only(api: Api, clip: bytes) -> None:
    assert api("POST", "/api/faces", content=clip, headers=MP4).status_code == 415
    assert api("POST", "/api/uploads", content=clip, headers={"Content-Type": "text/plain"}).status_code == 415
    assert api("POST", "/api/uploads", content=clip, headers={"Content-Type": "multipart/form-data"}).status_code == 415
    assert api("POST", "/api/uploads", content=clip, headers=MP4, token=None).status_code == 401
