"""Sources that are sent to: senders come late, go, say nothing, come again."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction

import av
import pytest

from livefuse.config import Config, LiveConfig
from livefuse.errors import BadValue, SinkLost, SourceDenied
from livefuse.frame import HostFrame
from livefuse.session import Session
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.stream import StreamSink
from livefuse.source import door, open_source
from livefuse.source.door import Door, free_port
from livefuse.source.fitted import HD_COLOUR
from livefuse.source.listen import ListeningSource
from livefuse.source.url import parse
from tests.unit.sink_clips import info_of, moving, steady

LISTENERS = {"rtmp": "rtmp://127.0.0.1:0/live/sesame?listen=1", "rtsp": "rtsp://127.0.0.1:0/x?rtsp_flags=listen"}
SENT = info_of(96, 64, colour=HD_COLOUR)


class Reader(threading.Thread):
    """Reads a source to its end."""

    def __init__(self, source: ListeningSource) -> None:
        super().__init__(daemon=True)
        self.source = source
        self.frames: list[HostFrame] = []
        self.start()

    def run(self) -> None:
        while (frame := self.source.read()) is not None:
            self.frames.append(frame)

    def brightness(self, since: int = 0) -> list[int]:
        """In the middle of each picture."""
        return [int(f.planes[0][f.height // 2, f.width // 2]) for f in self.frames[since:]]


@pytest.fixture
def listen() -> Iterator[Callable[..., Reader]]:
    readers = []

    def start(url: str, stall_ms: float = 3000) -> Reader:
        source = open_source(url, stall_ms=stall_ms, open_ms=6000)
        assert isinstance(source, ListeningSource)
        readers.append(Reader(source))
        return readers[-1]

    yield start
    for reader in readers:
        reader.source.close()
        reader.join(5)
        assert not reader.is_alive()


def send(scheme: str, port: int, info: StreamInfo = SENT, until: Callable[[], bool] = lambda: False) -> None:
    """Send brightening pictures until `until`, 200 at most."""
    path = "/live/sesame" if scheme == "rtmp" else "" if scheme == "udp" else "/x"
    sink = StreamSink(f"{scheme}://127.0.0.1:{port}{path}", options={"g": "5"})
    sink.open(info)
    try:
        for frame in moving(info, steady(200)):
            sink.write(frame)
            if until():
                return
            time.sleep(0.01)
    except SinkLost:
        assert until()
    finally:
        sink.abort()


def at_least(reader: Reader, n: int) -> Callable[[], bool]:
    return lambda: len(reader.frames) >= n


@pytest.mark.parametrize("url", LISTENERS.values())
def test_it_opens_at_once_with_what_its_url_declares(url: str, listen: Callable[..., Reader]) -> None:
    usual = listen(url).source.info
    assert (usual.width, usual.height, usual.fps, usual.live) == (1280, 720, Fraction(30), True)
    said = listen(f"{url}&video_size=320x240&framerate=25").source.info
    assert (said.width, said.height, said.fps, said.format) == (320, 240, Fraction(25), "yuv420p")
    assert "sesame" not in said.url


@pytest.mark.parametrize("scheme", LISTENERS)
def test_senders_come_and_go_and_are_fitted(scheme: str, listen: Callable[..., Reader]) -> None:
    reader = listen(f"{LISTENERS[scheme]}&video_size=96x64")
    send(scheme, reader.source.port, until=at_least(reader, 8))
    first = len(reader.frames)
    assert first >= 8
    assert {(f.width, f.height, f.colour) for f in reader.frames} == {(96, 64, HD_COLOUR)}
    steps = [b - a for a, b in zip(reader.brightness(), reader.brightness()[1:], strict=False)]
    assert sum(2 <= step <= 4 for step in steps) > len(steps) // 2
    narrow = info_of(48, 64, colour=HD_COLOUR)
    send(scheme, reader.source.port, narrow, until=at_least(reader, first + 8))
    last = reader.frames[-1]
    assert last.planes[0].shape == (64, 96)
    assert int(last.planes[0][32, 2]) == 16  # a bar
    assert int(last.planes[0][32, 48]) > 30
    times = [f.pts_ns for f in reader.frames]
    assert times == sorted(set(times))


def test_udp_of_declared_size_waits_too(listen: Callable[..., Reader]) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    reader = listen(f"udp://127.0.0.1:{port}?video_size=192x128")
    send("udp", port, until=at_least(reader, 5))
    assert {(f.width, f.height) for f in reader.frames} == {(192, 128)}
    assert len(reader.frames) >= 5


@pytest.mark.parametrize("says", [b"", b"GET / HTTP/1.1\r\n\r\n", bytes(5000)])
def test_a_stray_caller_keeps_nobody_out(
    says: bytes, listen: Callable[..., Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "_FIRST_BYTE_S", 0.2)
    reader = listen(f"{LISTENERS['rtmp']}&video_size=96x64")
    stray = socket.create_connection(("127.0.0.1", reader.source.port))
    stray.sendall(says)
    if says:
        stray.close()
    send("rtmp", reader.source.port, until=at_least(reader, 3))
    assert len(reader.frames) >= 3
    stray.close()


def test_a_taken_port_is_said_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SourceDenied, match="in use") as caught:
            open_source(f"rtmp://127.0.0.1:{port}/live/sesame?listen=1")
    assert "sesame" not in str(caught.value)


def test_an_address_that_is_not_ours_is_said_at_once() -> None:
    with pytest.raises(SourceDenied, match="assign"):
        open_source("rtmp://192.0.2.1:1935/live?listen=1")


def test_closing_wakes_the_reader_and_frees_the_port() -> None:
    port = free_port()
    for _ in range(2):
        source = open_source(f"rtmp://127.0.0.1:{port}/live?listen=1")
        assert isinstance(source, ListeningSource)
        reader = Reader(source)
        source.close()
        reader.join(5)
        assert not reader.is_alive()
        assert reader.frames == []


def test_an_ffmpeg_that_crashes_on_callers_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(av.library_versions, "libavformat", (62, 3, 100))
    with pytest.raises(BadValue, match="crashes"):
        open_source(LISTENERS["rtmp"])
    open_source(LISTENERS["rtsp"]).close()


def test_a_closed_door_lets_nobody_in() -> None:
    some = Door("127.0.0.1", 0, "here")
    some.close()
    assert some.caller() is None


@pytest.mark.parametrize(
    "url",
    [
        "rtmp://127.0.0.1/live?listen=2",
        "rtmps://127.0.0.1/live?listen=1",
        "rtmp://127.0.0.1/live?listen=1&video_size=big",
        "rtsp://127.0.0.1/x?rtsp_flags=serve",
        "rtmp://127.0.0.1:0/live?listen=1&video_size=641x480",
        "rtmp://127.0.0.1:0/live?listen=1&video_size=8x8",
        "rtmp://127.0.0.1:0/live?listen=1&framerate=0",
        "rtmp://127.0.0.1:0/live?listen=1&framerate=30/0",
        "udp://127.0.0.1:9?framerate=1000",
    ],
)
def test_what_makes_no_sense_is_refused(url: str) -> None:
    with pytest.raises(BadValue):
        open_source(url)


@pytest.mark.parametrize(
    ("url", "waits"),
    [
        ("rtmp://h/live?listen=1", True),
        ("rtmp://h/live?listen=0", False),
        ("rtmp://h/live", False),
        ("rtsp://h/x?rtsp_flags=listen", True),
        ("rtsp://h/x?rtsp_flags=prefer_tcp", False),
        ("srt://h:9?mode=listener", True),
        ("srt://h:9", False),
        ("udp://h:9", False),
        ("udp://h:9?video_size=640x480", True),
        ("http://h/x?listen=1&video_size=640x480", False),
    ],
)
def test_who_waits(url: str, waits: bool) -> None:
    assert parse(url).waits is waits


def test_a_server_keeps_its_own_query() -> None:
    assert parse("rtsp://h/x?video_size=640x480").target == "rtsp://h/x?video_size=640x480"
    assert parse("rtmp://h/live?listen=1&token=a&video_size=640x480").target == "rtmp://h/live?token=a"
    assert parse("srt://h:9?mode=listener&video_size=640x480").target == "srt://h:9?mode=listener"


class Watching:
    """A sink that keeps the brightness of the middle."""

    name = "watching"

    def __init__(self) -> None:
        self.seen: list[int] = []

    def open(self, info: StreamInfo) -> None:
        assert (info.width, info.height) == (96, 64)

    def write(self, frame: HostFrame) -> None:
        self.seen.append(int(frame.planes[0].max()))

    def close(self) -> None: ...

    def abort(self) -> None: ...


def test_a_session_shows_its_slate_until_somebody_sends_and_after() -> None:
    source = open_source(f"{LISTENERS['rtmp']}&video_size=96x64", stall_ms=3000)
    assert isinstance(source, ListeningSource)
    sink = Watching()
    live = LiveConfig(stall_ms=50)
    session = Session(Config(backend="null", source="", live=live), source=source, sinks=[sink])

    async def go() -> None:
        running = asyncio.create_task(session.run())
        await _until(lambda: len(sink.seen) >= 3)
        assert session.frames_out == 0
        sender = asyncio.to_thread(send, "rtmp", source.port, SENT, lambda: session.frames_out >= 5)
        await sender
        assert session.frames_out >= 5
        after = len(sink.seen)
        await _until(lambda: len(sink.seen) >= after + 5)
        assert not running.done()
        session.stop()
        await running

    asyncio.run(asyncio.wait_for(go(), 40))


async def _until(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never happened")
