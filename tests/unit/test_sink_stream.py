"""Network outputs, against real peers on the loopback."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pytest

from livefuse.config import OutputConfig
from livefuse.errors import SinkError, SinkLost, SinkUnwritable
from livefuse.sinks import open_sink, stream
from livefuse.sinks.stream import StreamSink, default_bitrate
from livefuse.sinks.wire import Job
from tests.unit.sink_clips import info_of, moving, steady

PEERS = {
    "udp": ("udp://127.0.0.1:{port}", {"timeout": "10000000"}),
    "rtmp": ("rtmp://127.0.0.1:{port}/live/sesame", {"listen": "1"}),
    "rtsp": ("rtsp://127.0.0.1:{port}/x", {"rtsp_flags": "listen", "listen_timeout": "10", "rtsp_transport": "tcp"}),
}


class Seen(NamedTuple):
    size: tuple[int, int]
    luma: int
    is_key: bool
    time: Fraction


class Peer(threading.Thread):
    """Receives until it has seen enough or the stream ends."""

    def __init__(self, scheme: str, enough: int = 20) -> None:
        super().__init__(name=f"peer-{scheme}", daemon=True)
        address, self._options = PEERS[scheme]
        self.url = address.format(port=free_port(scheme == "udp"))
        self.seen: list[Seen] = []
        self.streams: list[tuple[str, bool]] = []
        self._enough = enough
        self.start()

    def run(self) -> None:
        options = {**self._options, "analyzeduration": "100000", "fflags": "nobuffer"}
        with av.open(self.url, options=options, timeout=10) as container:
            video = container.streams.video[0]
            self.streams.append((video.codec_context.name, video.codec_context.has_b_frames))
            for frame in container.decode(video):
                luma = np.frombuffer(memoryview(frame.planes[0]), np.uint8)[0]
                when = (frame.pts or 0) * (frame.time_base or Fraction(1))
                self.seen.append(Seen((frame.width, frame.height), int(luma), bool(frame.key_frame), when))
                if len(self.seen) >= self._enough:
                    break


def free_port(udp: bool = False) -> int:
    with socket.socket(type=socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def open_when_ready(sink: StreamSink) -> None:
    """The peer may not listen yet: try for a while, as a session does."""
    for _ in range(30):
        try:
            sink.open(info_of())
        except SinkLost:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the peer never listened")


@pytest.mark.parametrize("scheme", list(PEERS))
def test_a_peer_receives_the_pictures_in_order_and_time(scheme: str) -> None:
    peer = Peer(scheme)
    sink = open_sink(peer.url + ("?g=10&b=500k" if scheme == "udp" else ""), OutputConfig())
    assert isinstance(sink, StreamSink)
    open_when_ready(sink)
    try:
        for frame in moving(info_of(), [t + 7_000_000_000 for t in steady(90)]):
            sink.write(frame)
            if not peer.is_alive():
                break
            time.sleep(0.005)
    except SinkLost:
        assert not peer.is_alive()  # it had seen enough and hung up
    finally:
        sink.abort()
    peer.join(15)
    assert not peer.is_alive()
    assert len(peer.seen) == 20
    assert peer.streams == [("h264", False)]
    assert {s.size for s in peer.seen} == {(96, 64)}
    steps = np.diff([s.luma for s in peer.seen])
    assert np.median(steps) == 3
    assert (steps[2:] > 0).all()
    times = np.diff([float(s.time) for s in peer.seen[4:]])
    assert np.abs(times - 1 / 30).max() < 0.0015


@pytest.fixture
def silent_server() -> Iterator[int]:
    """Accepts connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(4)
        yield int(server.getsockname()[1])


def test_a_server_that_says_nothing_is_lost_and_freezes_nobody(
    silent_server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "STALL_S", 0.7)
    sink = StreamSink(f"rtmp://127.0.0.1:{silent_server}/live/sesame")
    ticks, stop = [], threading.Event()

    def tick() -> None:
        while not stop.wait(0.01):
            ticks.append(time.monotonic())

    ticker = threading.Thread(target=tick, name="ticker")
    ticker.start()
    try:
        with pytest.raises(SinkLost, match="gave no answer within") as caught:
            sink.open(info_of())
    finally:
        stop.set()
        ticker.join(5)
    assert "sesame" not in str(caught.value)
    assert len(ticks) > 20  # the interpreter was never held


def test_a_refused_connection_is_lost() -> None:
    with pytest.raises(SinkLost, match="refused"):
        StreamSink(f"rtmp://127.0.0.1:{free_port()}/live/sesame").open(info_of())


@pytest.mark.parametrize(
    ("url", "says"), [("srt://127.0.0.1:9", "no such protocol"), ("udp://127.0.0.1:9?vcodec=h266", "h264")]
)
def test_what_can_never_work_is_not_tried_again(url: str, says: str) -> None:
    with pytest.raises(SinkUnwritable, match=says):
        open_sink(url, OutputConfig()).open(info_of())


def test_a_lost_peer_is_noticed_and_the_sink_opens_again() -> None:
    first = Peer("rtmp", enough=3)
    sink = StreamSink(first.url)
    open_when_ready(sink)
    with pytest.raises(SinkLost):
        pour(sink)
    first.join(10)
    sink.abort()
    second = Peer("udp", enough=3)
    sink.url = second.url
    open_when_ready(sink)
    for frame in moving(info_of(), steady(60)):
        sink.write(frame)
    sink.close()
    second.join(15)
    assert len(second.seen) == 3


def pour(sink: StreamSink) -> None:
    for frame in moving(info_of(), steady(3000)):
        sink.write(frame)
        time.sleep(0.002)


def test_an_ended_sender_is_a_lost_sink() -> None:
    sink = StreamSink(f"udp://127.0.0.1:{free_port(True)}")
    sink.open(info_of())
    process = sink._process
    assert process is not None
    process.kill()
    process.wait()
    with pytest.raises(SinkLost, match="sender ended"):
        pour(sink)
    sink.abort()


def test_nothing_is_left_running(tmp_path: Path) -> None:
    sink = StreamSink(f"udp://127.0.0.1:{free_port(True)}")
    for finish in (sink.close, sink.abort):
        sink.open(info_of())
        process = sink._process
        assert process is not None
        for frame in moving(info_of(), steady(3)):
            sink.write(frame)
        finish()
        assert process.poll() is not None
    with pytest.raises(SinkError):
        sink.write(next(moving(info_of(), steady(1))))


def test_the_address_is_not_on_the_command_line() -> None:
    sink = StreamSink(f"udp://127.0.0.1:{free_port(True)}?key=sesame")
    sink.open(info_of())
    try:
        process = sink._process
        assert process is not None
        shown = Path(f"/proc/{process.pid}/cmdline")
        if not shown.exists():
            pytest.skip("no /proc here")
        assert b"broadcast" in shown.read_bytes()
        assert b"sesame" not in shown.read_bytes()
        assert "sesame" not in "".join(os.environ.values())
    finally:
        sink.abort()


def test_bit_rate_follows_size_within_limits() -> None:
    assert default_bitrate(info_of(1280, 720)) == pytest.approx(2_764_800)
    assert default_bitrate(info_of(64, 48)) == 300_000
    assert default_bitrate(info_of(3840, 2160, fps=Fraction(60))) == 12_000_000


def test_a_job_survives_the_pipe() -> None:
    job = Job("rtmp://h/a/ü?x=1", bytes(range(256)), Fraction(30000, 1001), 1_000_000, "udp")
    assert Job.from_line(job.to_line()) == job
