"""FFmpeg's own program at the other end of every network output and source."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from livefuse.config import Config, LiveConfig
from livefuse.errors import SinkLost
from livefuse.frame import U8, HostFrame
from livefuse.session import Session
from livefuse.sinks import shared
from livefuse.sinks.base import StreamInfo
from livefuse.source import open_source
from livefuse.source.door import free_port

WIDTH, HEIGHT = 320, 240
SCENE = f"synthetic:{WIDTH}x{HEIGHT}@30?motion=0&noise=0"
FRAMES = 25
RED, BLUE = (63, 102, 240), (32, 240, 118)  # BT.709, limited range

pytestmark = [
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="FFmpeg's program is not installed"),
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="no /proc/net: cannot see who listens"),
]


class Receiver:
    """`ffmpeg` that takes FRAMES pictures from a URL, as raw bytes."""

    def __init__(self, scheme: str, folder: Path, *, query: str = "") -> None:
        self.scheme, self.port = scheme, udp_port() if scheme == "udp" else free_port()
        base = {"rtmp": "/live/sesame", "rtsp": "/x", "udp": ""}[scheme]
        address = f"{scheme}://127.0.0.1:{self.port}{base}"
        self.url = address + query
        listen = {"rtmp": ["-listen", "1"], "rtsp": ["-rtsp_flags", "listen"], "udp": []}[scheme]
        self._raw = folder / f"{scheme}-{self.port}.yuv"
        take = ["-frames:v", str(FRAMES), "-an", "-pix_fmt", "yuv420p", "-f", "rawvideo", str(self._raw)]
        self._command = [*listen, "-analyzeduration", "500000", "-i", address, *take]
        self.process = ffmpeg(self._command)

    def start_again(self) -> None:
        self._raw.unlink()
        self.process = ffmpeg(self._command)

    def await_listening(self) -> None:
        table = Path("/proc/net/udp" if self.scheme == "udp" else "/proc/net/tcp")
        state = "07" if self.scheme == "udp" else "0A"
        wanted = f":{self.port:04X}"
        for _ in range(500):
            rows = [line.split() for line in table.read_text().splitlines()[1:]]
            if any(row[1].endswith(wanted) and row[3] == state for row in rows):
                return
            time.sleep(0.02)
        raise AssertionError(f"ffmpeg never listened on {self.port}")

    @property
    def done(self) -> bool:
        return self.process.poll() is not None

    def luma(self) -> U8:
        """Shape (frames, HEIGHT, WIDTH)."""
        pictures = np.fromfile(self._raw, np.uint8).reshape(-1, HEIGHT * 3 // 2, WIDTH)
        return pictures[:, :HEIGHT]


class Watching:
    """A sink that keeps what the middle of each picture shows, and when."""

    name = "watching"

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []
        self.sizes: set[tuple[int, int]] = set()

    def open(self, info: StreamInfo) -> None: ...

    def write(self, frame: HostFrame) -> None:
        self.seen.append(tuple(int(p[p.shape[0] // 2, p.shape[1] // 2]) for p in frame.planes))
        self.sizes.add((frame.width, frame.height))

    def shows(self, colour: Sequence[int], since: int = 0) -> int:
        """How many pictures did."""
        return sum(bool(np.abs(np.subtract(seen, colour)).max() <= 6) for seen in self.seen[since:])

    def close(self) -> None: ...

    def abort(self) -> None: ...


def ffmpeg(arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
    STARTED.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    return STARTED[-1]


STARTED: list[subprocess.Popen[bytes]] = []


@pytest.fixture(autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    yield
    while STARTED:
        process = STARTED.pop()
        process.kill()
        process.wait()


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> list[shared.SharedEncoder]:
    """Every encoder that any sink opens."""
    opened: list[shared.SharedEncoder] = []

    class Counted(shared.SharedEncoder):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            opened.append(self)

    monkeypatch.setattr(shared, "SharedEncoder", Counted)
    return opened


def udp_port() -> int:
    with socket.socket(type=socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def play(sinks: Sequence[str], until: Callable[[], bool]) -> None:
    """A session that shows SCENE on all sinks, until that is so or it is clear that it never will be."""
    session = Session(Config(backend="null", source=SCENE, sinks=tuple(sinks), live=LiveConfig(reconnect_max_s=1)))

    async def go() -> None:
        running = asyncio.create_task(session.run())
        for _ in range(1500):
            if until() or running.done():
                break
            await asyncio.sleep(0.02)
        session.stop()
        with contextlib.suppress(SinkLost):  # who has seen enough hangs up
            await running

    asyncio.run(go())
    assert until()


def scene_luma() -> U8:
    source = open_source(SCENE)
    frame = source.read()
    source.close()
    assert frame is not None
    return frame.planes[0]


def check(receiver: Receiver) -> None:
    pictures = receiver.luma()
    assert len(pictures) == FRAMES
    error = pictures.astype(np.float32) - scene_luma().astype(np.float32)
    assert np.sqrt((error**2).mean(axis=(1, 2))).max() < 8  # in every picture: none is grey or torn


@pytest.mark.parametrize("scheme", ["udp", "rtmp", "rtsp"])
def test_ffmpeg_receives_our_pictures(scheme: str, tmp_path: Path) -> None:
    receiver = Receiver(scheme, tmp_path)
    receiver.await_listening()
    play([receiver.url], lambda: receiver.done)
    check(receiver)


def test_three_servers_cost_one_encode(tmp_path: Path, encoders: list[shared.SharedEncoder]) -> None:
    receivers = [Receiver(scheme, tmp_path) for scheme in ("udp", "rtmp", "rtsp")]
    for receiver in receivers:
        receiver.await_listening()
    play([r.url for r in receivers], lambda: all(r.done for r in receivers))
    assert len(encoders) == 1
    for receiver in receivers:
        check(receiver)


def test_other_settings_cost_another(tmp_path: Path, encoders: list[shared.SharedEncoder]) -> None:
    receivers = [Receiver("udp", tmp_path), Receiver("udp", tmp_path, query="?b=200k"), Receiver("udp", tmp_path)]
    for receiver in receivers:
        receiver.await_listening()
    play([r.url for r in receivers], lambda: all(r.done for r in receivers))
    assert len(encoders) == 2
    for receiver in receivers:
        check(receiver)


def test_a_server_that_comes_back_starts_at_a_key_frame_while_the_other_goes_on(
    tmp_path: Path, encoders: list[shared.SharedEncoder]
) -> None:
    first, steady = Receiver("rtmp", tmp_path), Receiver("udp", tmp_path)
    for receiver in (first, steady):
        receiver.await_listening()
    again = False

    def both_ran() -> bool:
        nonlocal again
        if first.done and not again:
            check(first)
            first.start_again()
            again = True
        return again and first.done and steady.done

    play([f"{first.url}?g=600", f"{steady.url}?g=600"], both_ran)
    assert len(encoders) == 1  # the steady one kept it
    check(first)
    check(steady)


def push(url: str, colour: str, size: str = f"{WIDTH}x{HEIGHT}") -> subprocess.Popen[bytes]:
    """`ffmpeg` that sends one colour for ever, as a streaming program would."""
    scheme = url.partition(":")[0]
    muxer = {"rtmp": ["-f", "flv"], "rtsp": ["-f", "rtsp", "-rtsp_transport", "tcp"], "udp": ["-f", "mpegts"]}[scheme]
    encoder = ["-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "10"]
    return ffmpeg(["-re", "-f", "lavfi", "-i", f"color={colour}:s={size}:r=30", *encoder, *muxer, url])


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp", "udp"])
def test_ffmpeg_sends_to_us_whenever_it_likes(scheme: str) -> None:
    port = udp_port() if scheme == "udp" else free_port()
    path, listen = {"rtmp": ("/live/sesame", "listen=1&"), "rtsp": ("/x", "rtsp_flags=listen&"), "udp": ("", "")}[
        scheme
    ]
    address, sink = f"{scheme}://127.0.0.1:{port}{path}", Watching()
    config = Config(
        backend="null",
        source=f"{address}?{listen}video_size={WIDTH}x{HEIGHT}",
        live=LiveConfig(stall_ms=100, lost_ms=1500),
    )
    session = Session(config, sinks=[sink])
    running = Running(session)
    running.until(lambda: len(sink.seen) >= 3)  # slates: nobody sends yet
    assert session.frames_out == 0
    sender = push(address, "red")
    running.until(lambda: sink.shows(RED) >= 10)
    sender.kill()
    sender.wait()
    gone = len(sink.seen)
    running.until(lambda: len(sink.seen) >= gone + 8)  # slates again
    push(address, "blue", "160x120")
    running.until(lambda: sink.shows(BLUE, gone) >= 10)
    assert sink.sizes == {(WIDTH, HEIGHT)}
    running.stop()


class Running:
    """A session on a loop of its own."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            asyncio.run(self._session.run())
        except BaseException as error:
            self._error = error

    def until(self, true: Callable[[], bool]) -> None:
        for _ in range(1500):
            if true():
                return
            assert self._thread.is_alive(), self._error
            time.sleep(0.02)
        self.stop()
        raise AssertionError("it never happened")

    def stop(self) -> None:
        self._session.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self._error is None
