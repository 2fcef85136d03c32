from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from livefuse.errors import DownloadFailed, ModelCorrupt, StoreUnwritable
from livefuse.weights import http
from livefuse.weights.download import Fetch
from livefuse.weights.http import Refused, follow
from livefuse.weights.part import PartFile, disk_errors_explained, ensure_space
from tests.unit.file_server import Served, serving

CONTENT = random.Random(7).randbytes(700_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server() -> Iterator[Served]:
    with serving(Served({"m.onnx": CONTENT})) as served:
        yield served


def fetch(tmp_path: Path, *places: str | Path) -> Fetch:
    return Fetch(tmp_path / "m.onnx", SHA256, len(CONTENT), places, backoff_s=0.0)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_download_verifies_reports_progress_and_leaves_only_the_file(tmp_path: Path, server: Served) -> None:
    seen: list[tuple[int, int | None]] = []
    task = fetch(tmp_path, f"{server.url}/m.onnx")
    task.progress = lambda done, total: seen.append((done, total))
    task.run()
    assert (tmp_path / "m.onnx").read_bytes() == CONTENT
    assert left_in(tmp_path) == ["m.onnx"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_connection_that_breaks_half_way_resumes_there(tmp_path: Path, server: Served) -> None:
    server.break_after_bytes = [300_000, 100_000]
    fetch(tmp_path, f"{server.url}/m.onnx").run()
    assert [asked for _, asked in server.requests] == ["", "bytes=300000-", "bytes=400000-"]
    assert (tmp_path / "m.onnx").read_bytes() == CONTENT


def test_a_part_of_an_earlier_process_is_resumed(tmp_path: Path, server: Served) -> None:
    (tmp_path / "m.onnx.part").write_bytes(CONTENT[:500_000])
    fetch(tmp_path, f"{server.url}/m.onnx").run()
    assert server.requests == [("/m.onnx", "bytes=500000-")]
    assert (tmp_path / "m.onnx").read_bytes() == CONTENT


def test_a_wrong_part_is_fetched_again_from_the_start(tmp_path: Path, server: Served) -> None:
    (tmp_path / "m.onnx.part").write_bytes(b"x" * 500_000)
    fetch(tmp_path, f"{server.url}/m.onnx").run()
    assert [asked for _, asked in server.requests] == ["bytes=500000-", ""]
    assert (tmp_path / "m.onnx").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [700_000, 700_001, 900_000])
def test_a_part_that_is_whole_or_too_long_is_judged_without_trust(tmp_path: Path, server: Served, size: int) -> None:
    (tmp_path / "m.onnx.part").write_bytes((CONTENT + b"x" * 200_000)[:size])
    fetch(tmp_path, f"{server.url}/m.onnx").run()
    assert (tmp_path / "m.onnx").read_bytes() == CONTENT
    assert len(server.requests) == (0 if size == len(CONTENT) else 1)


def test_a_server_without_ranges_starts_over(tmp_path: Path, server: Served) -> None:
    server.ranges, server.break_after_bytes = False, [300_000]
    fetch(tmp_path, f"{server.url}/m.onnx").run()
    assert len(server.requests) == 2
    assert (tmp_path / "m.onnx").read_bytes() == CONTENT


def test_a_server_that_answers_another_range_is_not_believed(tmp_path: Path, server: Served) -> None:
    (tmp_path / "m.onnx.part").write_bytes(CONTENT[:10])
    server.shift_ranges = True
    fetch(tmp_path, f"{server.url}/m.onnx").run()
    assert [asked for _, asked in server.requests] == ["bytes=10-", ""]
    assert (tmp_path / "m.onnx").read_bytes() == CONTENT


def test_wrong_bytes_of_the_right_length_are_refused_and_not_kept(tmp_path: Path, server: Served) -> None:
    wrong = b"y" + CONTENT[1:]
    server.files["m.onnx"] = wrong
    with pytest.raises(ModelCorrupt) as caught:
        fetch(tmp_path, f"{server.url}/m.onnx").run()
    assert hashlib.sha256(wrong).hexdigest() in caught.value.message
    assert SHA256 in caught.value.message
    assert left_in(tmp_path) == []


def test_a_page_in_place_of_the_file_is_refused_before_it_is_read(tmp_path: Path, server: Served) -> None:
    server.files["m.onnx"] = b"<html>sign in</html>"
    with pytest.raises(ModelCorrupt, match=r"serves 20 bytes, the recipe states 700,000"):
        fetch(tmp_path, f"{server.url}/m.onnx").run()
    assert left_in(tmp_path) == []


def test_not_found_goes_on_to_the_next_address(tmp_path: Path, server: Served) -> None:
    fetch(tmp_path, f"{server.url}/gone.onnx", f"{server.url}/m.onnx").run()
    assert server.paths() == ["/gone.onnx", "/m.onnx"]
    assert (tmp_path / "m.onnx").read_bytes() == CONTENT


def test_a_busy_server_is_asked_again(tmp_path: Path, server: Served) -> None:
    server.statuses = [503, 429]
    fetch(tmp_path, f"{server.url}/m.onnx").run()
    assert len(server.requests) == 3


def test_failure_lists_every_address_with_its_reason(tmp_path: Path, server: Served) -> None:
    server.statuses = [404, 500, 500, 500]
    places = (f"{server.url}/a", f"{server.url}/b", tmp_path / "nowhere" / "m.onnx", "http://127.0.0.1:1/m.onnx")
    with pytest.raises(DownloadFailed) as caught:
        fetch(tmp_path, *places).run()
    lines = caught.value.message.splitlines()
    assert [place for place, line in zip(places, lines[1:], strict=True) if str(place) in line] == list(places)
    assert "404" in lines[1]
    assert "500" in lines[2]
    assert "No such file" in lines[3]
    assert server.paths() == ["/a", "/b", "/b", "/b"]


def test_what_arrived_before_the_server_died_is_kept(tmp_path: Path, server: Served) -> None:
    server.break_after_bytes = [300_000, 0, 0, 0]
    with pytest.raises(DownloadFailed):
        fetch(tmp_path, f"{server.url}/m.onnx").run()
    assert (tmp_path / "m.onnx.part").read_bytes() == CONTENT[:300_000]


def test_no_address_at_all(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match="no address"):
        fetch(tmp_path).run()


def test_redirects_are_followed_up_to_a_limit(tmp_path: Path, server: Served) -> None:
    server.redirects = {"/old": f"{server.url}/m.onnx", "/loop": "/loop"}
    fetch(tmp_path, f"{server.url}/loop", f"{server.url}/old").run()
    assert server.paths() == ["/loop"] * 6 + ["/old", "/m.onnx"]


def test_a_redirect_from_https_to_http_is_refused() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.scheme == "https", "followed a downgrade"
        return httpx.Response(302, headers={"Location": "http://example.test/m.onnx"})

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        pytest.raises(Refused, match="redirects from https"),
        follow(client, "https://example.test/m.onnx", {}),
    ):
        pass


def test_a_full_disk_is_told_before_the_download(tmp_path: Path) -> None:
    with pytest.raises(StoreUnwritable, match=r"bytes free, 1,152,921,504,606,846,976 more are needed"):
        ensure_space(tmp_path, 1 << 60)


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "is full"), (errno.EROFS, "cannot be written: Read-only file system")]
)
def test_disk_errors_become_ours(tmp_path: Path, number: int, words: str) -> None:
    with pytest.raises(StoreUnwritable, match=words) as caught, disk_errors_explained(tmp_path):
        raise OSError(number, os.strerror(number))
    assert "LIVEFUSE_HOME" in caught.value.hint


def test_a_disk_that_fills_up_on_the_way_keeps_what_arrived(tmp_path: Path, server: Served) -> None:
    def full(done: int, total: int | None) -> None:
        if done >= 100_000:
            raise OSError(errno.ENOSPC, "No space left on device")

    task = fetch(tmp_path, f"{server.url}/m.onnx")
    task.progress = full
    with pytest.raises(StoreUnwritable, match="is full"):
        task.run()
    assert (tmp_path / "m.onnx.part").stat().st_size >= 100_000
    assert not (tmp_path / "m.onnx").exists()


def test_part_file_hash_follows_truncation_and_another_writer(tmp_path: Path) -> None:
    part = PartFile(tmp_path / "m")
    list(part.write_from(0, iter([b"abc", b"def"])))
    list(part.write_from(3, iter([b"XYZ"])))
    assert part.path.read_bytes() == b"abcXYZ"
    assert part.sha256() == hashlib.sha256(b"abcXYZ").hexdigest()
    again = PartFile(tmp_path / "m")
    assert again.sha256() == hashlib.sha256(b"abcXYZ").hexdigest()


def test_servers_are_given_up_on_in_bounded_time() -> None:
    assert http.TIMEOUT.connect is not None
    assert http.TIMEOUT.read is not None


MODEL = b"\x08\x07" + CONTENT
"""Of unknown hash, so it must at least begin as an ONNX file does."""


def fetch_unknown(tmp_path: Path, *places: str | Path, total_bytes: int | None = None) -> Fetch:
    return Fetch(tmp_path / "m.onnx", "", total_bytes, places, backoff_s=0.0)


def test_a_file_of_unknown_hash_is_taken_as_it_comes(tmp_path: Path, server: Served) -> None:
    server.files["m.onnx"] = MODEL
    seen: list[tuple[int, int | None]] = []
    task = fetch_unknown(tmp_path, f"{server.url}/m.onnx")
    task.progress = lambda done, total: seen.append((done, total))
    assert task.run() == hashlib.sha256(MODEL).hexdigest()
    assert (tmp_path / "m.onnx").read_bytes() == MODEL
    assert seen[-1] == (len(MODEL), len(MODEL)), "the server said how long it is"


def test_an_unknown_file_is_resumed_only_where_the_server_vouches_for_it(tmp_path: Path, server: Served) -> None:
    server.files["m.onnx"] = MODEL
    server.break_after_bytes = [300_000]
    fetch_unknown(tmp_path, f"{server.url}/m.onnx").run()
    assert [asked for _, asked in server.requests] == ["", ""]
    (tmp_path / "m.onnx").unlink()
    server.requests.clear()
    server.etag, server.break_after_bytes = '"v1"', [300_000]
    fetch_unknown(tmp_path, f"{server.url}/m.onnx").run()
    assert [asked for _, asked in server.requests] == ["", "bytes=300000-"]
    assert (tmp_path / "m.onnx").read_bytes() == MODEL


def test_an_unknown_part_of_an_earlier_process_is_not_trusted(tmp_path: Path, server: Served) -> None:
    server.files["m.onnx"], server.etag = MODEL, '"v1"'
    (tmp_path / "m.onnx.part").write_bytes(b"x" * 1000)
    fetch_unknown(tmp_path, f"{server.url}/m.onnx").run()
    assert (tmp_path / "m.onnx").read_bytes() == MODEL


@pytest.mark.parametrize(
    "page", [b"<html>sign in</html>", b"version https://git-lfs.github.com/spec/v1\n", b"", b"PK\3\4"]
)
def test_what_is_no_model_at_first_sight_is_refused(tmp_path: Path, server: Served, page: bytes) -> None:
    server.files["m.onnx"] = page
    with pytest.raises(ModelCorrupt, match="no ONNX model"):
        fetch_unknown(tmp_path, f"{server.url}/m.onnx").run()
    assert left_in(tmp_path) == []


def test_neither_hash_nor_length_is_too_little(tmp_path: Path, server: Served) -> None:
    server.files["m.onnx"], server.lengths = MODEL, False
    with pytest.raises(DownloadFailed, match="does not say how long"):
        fetch_unknown(tmp_path, f"{server.url}/m.onnx").run()
    fetch_unknown(tmp_path, f"{server.url}/m.onnx", total_bytes=len(MODEL)).run()
    assert (tmp_path / "m.onnx").read_bytes() == MODEL


def test_a_known_hash_needs_no_length(tmp_path: Path, server: Served) -> None:
    server.lengths = False
    (tmp_path / "m.onnx.part").write_bytes(CONTENT[:1000])
    Fetch(tmp_path / "m.onnx", SHA256, None, (f"{server.url}/m.onnx",), backoff_s=0.0).run()
    assert (tmp_path / "m.onnx").read_bytes() == CONTENT


def test_a_known_size_is_held_to_and_said_in_the_words_of_who_states_it(tmp_path: Path, server: Served) -> None:
    server.files["m.onnx"] = MODEL
    task = fetch_unknown(tmp_path, f"{server.url}/m.onnx", total_bytes=5)
    task.stated, task.otherwise = "somebody says", "do as you like"
    with pytest.raises(ModelCorrupt, match="700,002 bytes, somebody says 5") as caught:
        task.run()
    assert caught.value.hint.endswith("do as you like")


def _packed(**files: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(f"{name}.onnx", data)
    return content.getvalue()


def test_one_member_of_an_archive_is_taken_out(tmp_path: Path, server: Served) -> None:
    server.files["pack.zip"] = _packed(other=b"abc", det=CONTENT)
    fetch(tmp_path, f"{server.url}/pack.zip#det.onnx").run()
    assert (tmp_path / "m.onnx").read_bytes() == CONTENT
    assert left_in(tmp_path) == ["m.onnx"], "the archive is not kept"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no archive at all", "no archive"),
        (_packed(other=CONTENT), r"holds no det\.onnx"),
        (_packed(det=CONTENT[:-1]), "the recipe states 700,000"),
    ],
)
def test_an_archive_without_the_file(tmp_path: Path, server: Served, content: bytes, reason: str) -> None:
    server.files["pack.zip"] = content
    with pytest.raises((DownloadFailed, ModelCorrupt), match=reason):
        fetch(tmp_path, f"{server.url}/pack.zip#det.onnx").run()
    assert left_in(tmp_path) == []
