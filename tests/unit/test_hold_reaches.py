"""What a hold does to encoders, to what waits behind them, to pictures that are being enlarged, and to the sound."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from livefuse.clock import LatencyTrace, ManualClock, MonotonicClock
from livefuse.composite.privacy import Verdict
from livefuse.composite.slate import slate
from livefuse.config import OutputConfig
from livefuse.daemon_config import WebRtcConfig
from livefuse.frame import SLATE_SCENE, Colour, HostFrame
from livefuse.gate import Gate
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.shared import Encoded, Encoders, Seat
from livefuse.sinks.stream import live_settings
from livefuse.sinks.upscaled import UpscaledSink, Upscaling
from livefuse.sinks.worker import Outgoing, SinkWorker
from livefuse.stats import Stats
from livefuse.webrtc.audio import AudioOut
from livefuse.webrtc.encoder import Codec
from livefuse.webrtc.feed import Feed
from livefuse.webrtc.opus import PACKET_NS, PACKET_SAMPLES, OpusEncoder
from livefuse.webrtc.sound_line import SoundLine
from livefuse.webrtc.sound_player import SoundPlayer
from tests.unit.test_upscale_sink import Keeping, doubling, smooth_frame
from tests.unit.test_webrtc_audio import level, tone
from tests.unit.webrtc_watching import picture

__all__ = ["doubling"]

MS = 1_000_000
SLATE = replace(slate("yuv420p", 240, 320, Colour(), "Private"), scene=SLATE_SCENE)


def at(frame: HostFrame, number: int) -> HostFrame:
    return replace(frame, pts_ns=number * 33 * MS)


# --- encoders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_the_slate_is_a_picture_by_itself_and_so_is_the_first_after_it(codec: Codec) -> None:
    """Coded as a difference, a slate shows the face before it through for as long as the rate is low."""
    feed = Feed(WebRtcConfig(encoder="software"), ManualClock())
    shown = [picture(0), picture(1), at(SLATE, 2), at(SLATE, 3), picture(4), picture(5)]
    keys = [feed.encode(frame, [codec])[codec].key for frame in shown]
    assert keys == [True, False, True, False, True, False], "at once, however short ago the last one was"


def sit(encoders: Encoders) -> Seat:
    info = StreamInfo(320, 240, Fraction(30), "yuv420p", Colour())
    seat = encoders.join(info, live_settings(info, OutputConfig(), {"g": "300"}))
    seat.sit_down()
    return seat


def test_what_a_slow_server_has_not_taken_is_never_sent() -> None:
    encoders = Encoders()
    quick, slow = sit(encoders), sit(encoders)
    taken = []
    for number in range(6):
        quick.push(picture(number))
        taken.append(quick.take())
    assert all(taken)
    quick.push(at(SLATE, 6))
    quick.push(at(SLATE, 7))
    packets: list[Encoded] = []
    while (packet := slow.take()) is not None:
        packets.append(packet)
    assert [packet.is_key for packet in packets] == [True, False]
    assert decoded(quick, [taken[0], *packets])[-1] < 60, "only the slate is in them"
    quick.push(picture(8))
    last = slow.take()
    assert last is not None
    assert last.is_key


def decoded(seat: Seat, packets: list[Encoded | None]) -> list[float]:
    """Mean lumas of what a receiver sees who gets the last two only."""
    import io

    with av.open(io.BytesIO(seat.encoder.head), format="nut") as head:
        extradata = head.streams.video[0].codec_context.extradata
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata = extradata
    pictures = [p for packet in packets[-2:] if packet for p in decoder.decode(av.Packet(packet.data))]
    return [float(p.to_ndarray(format="gray").mean()) for p in [*pictures, *decoder.decode(None)]]


# --- enlarging -----------------------------------------------------------------------------------------------------


def until(reached: Callable[[], bool]) -> None:
    limit_s = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < limit_s
        time.sleep(0.005)


def test_a_picture_that_is_being_enlarged_is_given_up_and_the_slate_needs_no_network(
    doubling: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inner, gate, clock = Keeping(), Gate(), MonotonicClock()
    sink = UpscaledSink(inner, Upscaling("real_esrgan_x2"))
    began, go_on = threading.Event(), threading.Event()
    enlarged: list[int] = []

    def slowly(lane: object, frame: HostFrame, upscaler: object, planes: object) -> HostFrame:
        enlarged.append(frame.scene)
        began.set()
        go_on.wait(20)
        return frame

    monkeypatch.setattr("livefuse.sinks.upscaled.upscaled", slowly)
    info = StreamInfo(64, 64, Fraction(30), "yuv420p", Colour())
    worker = SinkWorker(
        sink, "slow", info, clock, Stats("slow"), every=False, retry_max_s=None, on_end=lambda: None, gate=gate
    )
    worker.start()
    assert worker.opened.wait(20)
    frame = smooth_frame("yuv420p", 64, 64)

    def put(one: HostFrame, *, is_slate: bool) -> None:
        now_ns = clock.now_ns()
        worker.put(Outgoing(replace(one, scheduled_ns=now_ns), Verdict.SWAPPED, LatencyTrace(now_ns), is_slate))

    put(frame, is_slate=False)
    assert began.wait(20)
    gate.hold_as("panic", clock.now_ns())
    put(replace(frame, scene=SLATE_SCENE), is_slate=True)
    go_on.set()
    until(lambda: len(inner.frames) == 1)
    assert worker.covered(20)
    assert inner.frames[0].scene == SLATE_SCENE
    assert (inner.frames[0].width, inner.frames[0].planes[0].shape) == (128, (128, 128))
    assert enlarged == [0]
    worker.finish(keep=True)
    worker.join(20)


# --- sound ---------------------------------------------------------------------------------------------------------


class Playing:
    """A player on a clock that goes from packet to packet, and what a viewer hears of it."""

    def __init__(self) -> None:
        self.clock, self.line, wanted = ManualClock(), SoundLine(), threading.Event()
        self.loud: list[bool | None] = []
        self.player = SoundPlayer(self.line, self.clock, lambda: 100 * MS, self._hand_out, wanted)
        self.silent = False
        self._decoder: Any = av.CodecContext.create("libopus", "r")
        wanted.set()

    def _hand_out(self, packet: Any, clean: bool) -> None:
        if self.silent and not clean:
            self.loud.append(None)
            self._decoder = av.CodecContext.create(
                "libopus", "r"
            )  # what it still has of before is no news to the viewer
            return
        peaks = [float(np.abs(frame.to_ndarray()).max()) for frame in self._decoder.decode(packet)]
        self.loud.append(max(peaks) > 100)

    def play(self, first: int, last: int, silence_at: dict[int, bool]) -> dict[int, bool | None]:
        """Whether each packet is loud; None for those that are not sent."""

        def wait_until(deadline_ns: int, stop: threading.Event) -> bool:
            tick = deadline_ns // PACKET_NS
            self.clock.advance(deadline_ns - self.clock.now_ns())
            if tick in silence_at:
                self.silent = silence_at[tick]
                self.player.silence(self.silent)
            return tick < last

        self.clock.advance(first * PACKET_NS)
        self.clock.wait_until = wait_until  # type: ignore[method-assign]
        self.player._play(OpusEncoder(), 0)
        return dict(zip(range(first, last), self.loud, strict=True))


def test_while_held_nothing_is_heard_nor_later_what_was_said_meanwhile() -> None:
    playing = Playing()
    for n in range(100):
        playing.line.write(tone(n), n * PACKET_SAMPLES)
    loud = playing.play(5, 70, {20: True, 40: False})
    assert all(loud[tick] for tick in range(8, 20))
    assert loud[20] is None, "the first silenced one carries the end of what was heard"
    assert not any(loud[tick] for tick in range(20, 45)), "what leaves now was said 100 ms ago, while it was held"
    assert all(loud[tick] for tick in range(47, 70))


def test_packets_that_wait_or_were_encoded_before_are_not_sent() -> None:
    async def scenario() -> None:
        clock = MonotonicClock()
        out = AudioOut(lambda: 20 * MS, clock)
        track = out.track()
        packet = av.Packet(b"x")
        out._hand_out(packet, False)
        out.silence(True)
        assert not track._packets, "what waited is gone"
        out._hand_out(packet, False)
        assert not track._packets, "encoded before, handed out after"
        out._hand_out(packet, True)
        assert len(track._packets) == 1
        assert out.record()["silent"]
        out.silence(False)
        out._hand_out(packet, False)
        assert len(track._packets) == 2
        out.close()

    asyncio.run(scenario())


def test_who_comes_while_it_is_held_hears_nothing_either() -> None:
    async def scenario() -> None:
        clock = MonotonicClock()
        out = AudioOut(lambda: 20 * MS, clock)
        out.silence(True)
        track = out.track()
        decoder: Any = av.CodecContext.create("libopus", "r")
        peaks: list[float] = []
        at_ns = clock.now_ns()
        while len(peaks) < 8:
            out.feed(level(9000), at_ns)
            at_ns += PACKET_NS
            packet = await asyncio.wait_for(track.recv(), 15)
            frames = decoder.decode(packet)
            peaks += [float(np.abs(frame.to_ndarray()).max()) for frame in frames]
        out.close()
        assert max(peaks) < 10

    asyncio.run(scenario())
