from __future__ import annotations

import http.server
import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from livefuse.errors import BadValue, SourceError, SourceForbidden, SourceLost, SourceStalled
from livefuse.frame import HostFrame
from livefuse.source import open_source
from livefuse.source.base import Source
from tests.unit.source_clips import send, web_server, write_clip
from tests.unit.test_source_container import hls
from tests.unit.test_source_media import read_all, reference


def test_a_file_behind_http_loses_no_frame_and_ends(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", ticks=range(30), options={"movflags": "faststart"})
    with web_server(lambda get: send(get, path.read_bytes(), "video/mp4")) as address:
        frames = read_all(f"{address}/a.mp4")
        source = open_source(f"{address}/a.mp4")
        source.close()
    assert not source.info.live
    assert len(frames) == 30
    np.testing.assert_array_equal(frames[7].planes[0], reference(path)[7].to_ndarray()[:48])


def test_hls_plays_to_its_end(tmp_path: Path) -> None:
    playlist = hls(tmp_path)

    def serve(get: http.server.BaseHTTPRequestHandler) -> None:
        name = Path(get.path).name
        kind = "application/vnd.apple.mpegurl" if name.endswith("m3u8") else "video/mp2t"
        send(get, (playlist.parent / name).read_bytes(), kind)

    with web_server(serve) as address:
        frames = read_all(f"{address}/live.m3u8")
    assert len(frames) == 24
    steps = {b.pts_ns - a.pts_ns for a, b in itertools.pairwise(frames)}
    assert steps == {33_333_333, 33_333_334}


def drain(source: Source, seen: list[HostFrame] | None = None) -> None:
    """Read to the end, or until something is raised."""
    while (frame := source.read()) is not None:
        if seen is not None:
            seen.append(frame)


@contextmanager
def trickling(body: bytes) -> Iterator[tuple[str, threading.Event]]:
    """Sends `body` in one go, then nothing more until told, keeping the connection."""
    done = threading.Event()

    def serve(get: http.server.BaseHTTPRequestHandler) -> None:
        get.send_response(200)
        get.send_header("Content-Type", "video/mp2t")
        get.end_headers()
        get.wfile.write(body)
        get.wfile.flush()
        done.wait(30)

    with web_server(serve) as address:
        try:
            yield f"{address}/live", done
        finally:
            done.set()


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("stream") / "a.ts"
    return write_clip(path, container="mpegts", size=(320, 240), ticks=range(200)).read_bytes()


def test_a_server_that_goes_silent_is_a_stall(stream: bytes) -> None:
    with trickling(stream) as (url, _):
        before = set(threading.enumerate())
        source = open_source(url, stall_ms=300, open_ms=3000)
        [thread] = [t for t in threading.enumerate() if t.name == "livefuse-source" and t not in before]
        assert source.info.live
        with pytest.raises(SourceStalled, match=r"0\.3 s"):
            drain(source)
        source.close()
        thread.join(10)
        assert not thread.is_alive()  # FFmpeg gave up too, and the container is closed


def test_a_live_stream_whose_server_hangs_up_is_lost(stream: bytes) -> None:
    with trickling(stream) as (url, done):
        source = open_source(url, stall_ms=3000, open_ms=3000)
        done.set()
        with pytest.raises(SourceLost) as caught:
            drain(source)
        assert type(caught.value) is SourceLost
        assert "broke off" in caught.value.message
        source.close()


def test_live_time_starts_at_zero_and_slow_readers_get_the_newest(stream: bytes) -> None:
    with trickling(stream) as (url, _):
        source = open_source(url, stall_ms=500, open_ms=3000)
        first = source.read()
        assert first is not None
        later: list[HostFrame] = []
        with pytest.raises(SourceStalled):
            drain(source, later)
        source.close()
    times = [frame.pts_ns for frame in (first, *later)]
    assert times == sorted(set(times))
    assert 6 * 10**9 < times[-1] <= 199 * 10**9 // 30  # of 6.6 s; MPEG-TS itself starts at 1.4 s


def test_close_wakes_a_blocked_read(stream: bytes) -> None:
    with trickling(stream) as (url, _):
        source = open_source(url, stall_ms=20_000, open_ms=3000)
        seen: list[HostFrame] = []
        reader = threading.Thread(target=drain, args=(source, seen))
        reader.start()
        while not seen:
            time.sleep(0.01)
        source.close()
        reader.join(10)  # far less than the stall limit
        assert not reader.is_alive()
        assert source.read() is None


def silent_port() -> socket.socket:
    """Accepts connections and says nothing."""
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    return server


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp"])
def test_a_host_that_never_answers_is_a_stall(scheme: str) -> None:
    with silent_port() as server, pytest.raises(SourceStalled, match=r"0\.3 s"):
        open_source(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/app/x", open_ms=300)


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp"])
def test_a_refused_connection_is_a_loss_without_secrets(scheme: str) -> None:
    with silent_port() as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceLost) as caught:
        open_source(f"{scheme}://me:hunter2@127.0.0.1:{port}/app/x", open_ms=3000)
    assert type(caught.value) is SourceLost
    assert "hunter2" not in str(caught.value)


def test_udp_carries_mpegts(tmp_path: Path, stream: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stop = threading.Event()

    def sender() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while not stop.is_set():
                for at in range(0, len(stream), 1316):
                    out.sendto(stream[at : at + 1316], ("127.0.0.1", port))
                    if stop.wait(0.002):
                        return

    thread = threading.Thread(target=sender)
    thread.start()
    try:
        source = open_source(f"udp://127.0.0.1:{port}", stall_ms=5000, open_ms=8000)
        frame = source.read()
        source.close()
    finally:
        stop.set()
        thread.join()
    assert frame is not None
    assert (frame.width, frame.height, source.info.live) == (320, 240, True)


def test_a_protocol_that_this_ffmpeg_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise av.ProtocolNotFoundError(-1330794744, "Protocol not found")

    monkeypatch.setattr(av, "open", missing)
    with pytest.raises(BadValue, match="cannot speak srt:"):
        open_source("srt://127.0.0.1:9000")


def test_a_driver_that_never_returns_does_not_hang_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def stuck(*_: object, **__: object) -> None:
        release.wait(20)
        raise av.ExitError(1414092869, "Immediate exit requested")

    monkeypatch.setattr(av, "open", stuck)
    with pytest.raises(SourceStalled, match="did not open"):
        open_source("rtsp://127.0.0.1/x", open_ms=50)
    release.set()


def test_an_error_of_ours_on_the_reading_thread_reaches_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(av, "open", broken)
    with pytest.raises(SourceError, match="surprise"):
        open_source("rtsp://127.0.0.1/x")


def test_a_live_source_that_ends_is_lost(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.ts", container="mpegts")
    container = av.open(str(path))

    def opened(*_: object, **__: object) -> object:
        return container

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(av, "open", opened)
        patch.setattr(threading.Thread, "start", threading.Thread.run)  # over before the opener looks
        source = open_source("rtsp://127.0.0.1/x")
        assert source.read() is not None
        with pytest.raises(SourceLost, match="hung up"):
            drain(source)


def test_containers_that_are_not_for_the_network_are_refused(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.nut")
    with web_server(lambda get: send(get, path.read_bytes())) as address, pytest.raises(SourceForbidden):
        open_source(f"{address}/a.mkv", open_ms=3000)
