"""Faces over HTTP: a photo and who consents to its use, bounded before it is decoded, never without the token."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from livefuse.swap.identity.store import IdentityStore
from livefuse.web.api import upload
from tests.unit.api_calls import Api, fake_api
from tests.unit.identity_sources import SquareFinder, embed_by, square_photo

PNG = {"Content-Type": "image/png"}
CONSENT = "?consent=self&by=Ada"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)
    return tmp_path


@pytest.fixture
def api(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(upload, "photo_finder", lambda _: SquareFinder())
    monkeypatch.setattr(upload, "photo_embedder", lambda _: embed_by({}))
    with fake_api(home) as made:
        yield made


@pytest.fixture
def photo(tmp_path: Path) -> bytes:
    return square_photo(tmp_path / "a.png").read_bytes()


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is large, and holds nothing."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


def test_a_person_is_stored_shown_and_removed(api: Api, photo: bytes) -> None:
    made = api("PUT", "/api/identities/Ada L" + CONSENT, content=photo, headers=PNG)
    assert made.status_code == 201, made.text
    person = made.json()
    assert (person["name"], person["consent"]["who"], person["consent"]["ground"]) == ("Ada L", "Ada", "self")
    assert [shot["best"] for shot in person["shots"]] == [True]
    assert str(Path("/")) not in person["shots"][0]["source"], "no path of the daemon's machine"
    assert api("GET", "/api/identities").json()["identities"] == [person]
    assert api("GET", f"/api/identities/{person['id']}").json() == person
    assert api("GET", "/api/identities/ada%20l").json() == person
    assert api("DELETE", "/api/identities/Ada%20L?by=Ada").status_code == 204
    assert api.daemon.events == ["take off"] * 2, "sessions are looked at before and after"
    api.refused("GET", "/api/identities/Ada%20L", 404, "LF0405")
    api.refused("DELETE", "/api/identities/Ada%20L", 404, "LF0405")
    assert api("GET", "/api/identities").json()["identities"] == []


def test_a_photo_is_made_anew_and_can_be_nothing_but_a_picture(api: Api, photo: bytes) -> None:
    api("PUT", "/api/identities/Ada" + CONSENT, content=photo + b"<script>alert(1)</script>", headers=PNG)
    answer = api("GET", "/api/identities/Ada/photo")
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert b"script" not in answer.content
    assert cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR) is not None


def test_a_name_is_taken_until_it_is_replaced(api: Api, photo: bytes) -> None:
    first = api("PUT", "/api/identities/Ada" + CONSENT, content=photo, headers=PNG).json()
    api.refused("PUT", "/api/identities/ada" + CONSENT, 409, "LF0406", content=photo, headers=PNG)
    again = api("PUT", "/api/identities/Ada" + CONSENT + "&replace=true", content=photo, headers=PNG)
    assert again.status_code == 200
    assert again.json()["id"] != first["id"]


def test_no_face_is_kept_without_a_ground(api: Api, photo: bytes, home: Path) -> None:
    api.refused("PUT", "/api/identities/Ada", 403, "LF0403", content=photo, headers=PNG)
    api.refused("PUT", "/api/identities/Ada?consent=mine", 422, "LF0102", content=photo, headers=PNG)
    assert IdentityStore.default().list() == []


def test_consent_that_no_longer_stands_shows_no_photo(api: Api, photo: bytes) -> None:
    api("PUT", "/api/identities/Ada" + CONSENT, content=photo, headers=PNG)
    (log,) = [path for path in IdentityStore.default().folder.iterdir() if path.suffix == ".jsonl"]
    log.write_text("")
    api.refused("GET", "/api/identities/Ada/photo", 403, "LF0403")
    assert api("GET", "/api/identities/Ada").json()["problem"]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_faces_are_only_for_whoever_has_the_token(api: Api, photo: bytes, method: str) -> None:
    for path in ("/api/identities/Ada", "/api/identities/Ada/photo") if method == "GET" else ("/api/identities/Ada",):
        api.refused(method, path, 401, "LF0903", token=None)
    assert api("GET", "/api/identities", token=None).status_code == 401


@pytest.mark.parametrize("name", ["..%2f..%2fx", "%2e%2e", "a%00b", "a%5cb", "C:x", "x" * 49, "%E2%80%AEx", "<img>"])
def test_a_name_is_a_label_and_never_a_path(api: Api, photo: bytes, home: Path, name: str) -> None:
    before = sorted(home.rglob("*"))
    answer = api("PUT", f"/api/identities/{name}{CONSENT}", content=photo, headers=PNG)
    assert answer.status_code in (404, 405, 422), answer.text
    assert sorted(home.rglob("*")) == before


def test_what_is_no_photo_is_refused_before_anything_decodes_it(api: Api, photo: bytes) -> None:
    told: list[tuple[bytes, str, int, str]] = [
        (b"GIF89a" + b"\0" * 64, "image/png", 422, "LF0202"),
        (photo, "image/jpeg", 422, "LF0202"),
        (photo, "image/svg+xml", 422, "LF0102"),
        (b"<svg/>", "image/png", 422, "LF0202"),
        (b"", "image/png", 422, "LF0202"),
        (bomb(65535, 65535), "image/png", 422, "LF0207"),
        (bomb(16384, 8000), "image/png", 422, "LF0207"),
        (bomb(0, 10), "image/png", 422, "LF0202"),
        (photo[:200], "image/png", 422, "LF0202"),
        (b"{}", "application/json", 422, "LF0102"),
    ]
    for content, kind, status, code in told:
        problem = api.refused(
            "PUT", "/api/identities/Ada" + CONSENT, status, code, content=content, headers={"Content-Type": kind}
        )
        assert "/tmp" not in str(problem), "no path of the daemon's machine"
    large = {"Content-Type": "image/png", "Content-Length": str(21 << 20)}
    api.refused("PUT", "/api/identities/Ada" + CONSENT, 413, "LF0102", content=b"x" * (21 << 20), headers=large)
    assert IdentityStore.default().list() == []


def test_a_photo_without_a_face_says_so(api: Api, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "black.png"), np.zeros((64, 64, 3), np.uint8))
    content = (tmp_path / "black.png").read_bytes()
    problem = api.refused("PUT", "/api/identities/Ada" + CONSENT, 422, "LF0401", content=content, headers=PNG)
    assert "upload.png" in problem["detail"]


def test_a_real_face_is_found_by_the_real_models(home: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFUSE_MODEL_MIRROR", str(shared / "models"))
    content = (shared / "media" / "mona_lisa.jpg").read_bytes()
    with fake_api(home) as api:
        query = "?consent=public-domain&by=the+Louvre"
        made: Any = api("PUT", f"/api/identities/Mona{query}", content=content, headers={"Content-Type": "image/jpeg"})
        assert made.status_code == 201, made.text
        assert made.json()["shots"][0]["quality"]["face_px"] > 50
        assert api("GET", "/api/identities/Mona/photo").content.startswith(b"\x89PNG")
