"""The sending side of WebRTC, with a viewer in the same process: real sockets, real DTLS, real codecs."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from aiortc.codecs import get_capabilities

from livefuse.clock import MonotonicClock
from livefuse.daemon_config import WebRtcConfig
from livefuse.errors import BadOffer, PeerError, TooManyPeers
from livefuse.frame import SLATE_SCENE, Colour, HostFrame
from livefuse.gate import Gate
from livefuse.sinks.base import StreamInfo
from livefuse.webrtc.audio import AudioOut
from livefuse.webrtc.broadcast import Broadcast
from livefuse.webrtc.peer import new_connection
from livefuse.webrtc.sink import WebRtcSink
from livefuse.webrtc.viewer import Viewer
from tests.unit.webrtc_watching import offer_of, picture, until, watching

INFO = StreamInfo(320, 240, Fraction(30), "yuv420p", Colour())


def run(scene: Callable[[Broadcast], Awaitable[None]], **settings: Any) -> None:
    """A scene with a broadcast of its own, after which no task and no thread of ours is left."""

    before = set(threading.enumerate())  # other tests' pools may still stand

    async def play() -> None:
        broadcast = Broadcast("live", WebRtcConfig.model_validate(settings), MonotonicClock())
        try:
            await scene(broadcast)
        finally:
            await broadcast.close()
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        left = set(threading.enumerate()) - before
        assert not [thread.name for thread in left if thread.name.startswith("livefuse-")]

    asyncio.run(play())


async def show(sink: WebRtcSink, first: int, count: int, **how: Any) -> None:
    """Frames at about 60 per second, written from a thread as a session does."""
    for number in range(first, first + count):
        await asyncio.to_thread(sink.write, picture(number, **how))
        await asyncio.sleep(0.016)


async def show_until(sink: WebRtcSink, condition: Callable[[], bool], **how: Any) -> None:
    number = 0
    async with asyncio.timeout(20):
        while not condition():
            await show(sink, number, 1, **how)
            number += 1


def keys(broadcast: Broadcast) -> int:
    return int(broadcast.record()["keyframes"])


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_pictures_reach_a_viewer(codec: str) -> None:
    async def scene(broadcast: Broadcast) -> None:
        sink = broadcast.sink()
        sink.open(INFO)
        async with watching(broadcast) as viewer:
            await show_until(sink, lambda: len(viewer.sizes) >= 10)
            assert set(viewer.sizes) == {(320, 240)}
            assert abs(viewer.lumas[-1] - float(picture(0).planes[0].mean())) < 4
            record = broadcast.record()
            assert record["codec"] == codec
            assert record["viewers"][0]["codec"] == codec
            assert record["viewers"][0]["sent_pictures"] >= 10
            assert record["encoder"] == {"h264": "libx264", "vp8": "libvpx"}[codec]

    run(scene, codec=codec, encoder="libx264")


def test_a_viewer_that_also_sends_is_answered_as_a_viewer() -> None:
    async def scene(broadcast: Broadcast) -> None:
        sink = broadcast.sink()
        sink.open(INFO)
        async with watching(broadcast, direction="sendrecv") as viewer:
            assert viewer.peer is not None
            assert "a=sendonly" in viewer.peer.answer
            await show_until(sink, lambda: len(viewer.sizes) >= 2)

    run(scene)


def test_without_a_session_viewers_see_a_slate_and_see_the_session_at_once() -> None:
    async def scene(broadcast: Broadcast) -> None:
        broadcast.show_slate("starting")
        async with watching(broadcast) as viewer:
            await until(lambda: len(viewer.sizes) >= 1)
            assert viewer.sizes[0] == (1280, 720)
            assert viewer.lumas[0] < 60  # dark
            sink = broadcast.sink()
            sink.open(INFO)
            await show_until(sink, lambda: (320, 240) in viewer.sizes)
            slates = viewer.sizes.count((1280, 720))
            await show(sink, 100, 40)
            assert viewer.sizes.count((1280, 720)) == slates
            sink.close()
            await until(lambda: viewer.lumas[-1] < 60)  # the slate again, in the session's size
            assert viewer.sizes[-1] == (320, 240)

    run(scene)


def test_time_goes_on_and_the_size_may_change_when_another_session_begins() -> None:
    async def scene(broadcast: Broadcast) -> None:
        async with watching(broadcast) as viewer:
            first = broadcast.sink()
            first.open(INFO)
            await show_until(first, lambda: (320, 240) in viewer.sizes)
            first.close()
            second = broadcast.sink()
            second.open(StreamInfo(400, 304, Fraction(30), "yuv420p", Colour()))
            await show_until(second, lambda: (400, 304) in viewer.sizes, width=400, height=304)
            stamps = [int.from_bytes(packet[4:8], "big") for packet in viewer.packets]
            steps = [(after - before) % (1 << 32) for before, after in itertools.pairwise(stamps)]
            assert max(steps) < 90_000 * 20  # never back, which would be a step of nearly 2^32

    run(scene)


def test_an_older_session_that_still_writes_is_not_shown() -> None:
    async def scene(broadcast: Broadcast) -> None:
        old, new = broadcast.sink(), broadcast.sink()
        old.open(INFO)
        new.open(INFO)
        async with watching(broadcast) as viewer:
            await until(lambda: viewer.connection.connectionState == "connected")
            await show(old, 0, 20)
            assert broadcast.record()["encoded"] == 0
            old.close()  # nor does its end bring a slate
            await show_until(new, lambda: len(viewer.sizes) >= 3)
            assert min(viewer.lumas) > 60

    run(scene)


def test_nothing_is_encoded_while_nobody_watches() -> None:
    async def scene(broadcast: Broadcast) -> None:
        sink = broadcast.sink()
        sink.open(INFO)
        await show(sink, 0, 5)
        assert broadcast.record()["encoded"] == 0
        async with watching(broadcast) as viewer:
            await show_until(sink, lambda: len(viewer.sizes) >= 1)
            assert broadcast.viewers == 1
        await until(lambda: broadcast.viewers == 0)  # it hung up
        encoded = broadcast.record()["encoded"]
        await show(sink, 100, 5)
        assert broadcast.record()["encoded"] == encoded
        assert broadcast.record()["encoder"] is None

    run(scene)


def test_one_encode_and_one_cutting_serve_all_viewers_of_a_codec() -> None:
    async def scene(broadcast: Broadcast) -> None:
        sink = broadcast.sink()
        sink.open(INFO)
        async with watching(broadcast) as one, watching(broadcast) as two:
            await show_until(sink, lambda: bool(one.sizes) and bool(two.sizes))
            await settled(broadcast)
            before = broadcast.record()["encoded"]
            await show(sink, 1000, 10)
            assert broadcast.record()["encoded"] == before + 10
            held = [history(viewer) for viewer in broadcast._viewers.values()]
            shared = {id(payload) for payload in held[0]} & {id(payload) for payload in held[1]}
            assert len(shared) >= 10

    run(scene)


async def settled(broadcast: Broadcast) -> None:
    """Until every viewer has what was handed over."""
    await until(lambda: broadcast._handed == broadcast._taken)


def history(viewer: Viewer) -> list[bytes]:
    return [held[3] for held in viewer.stream._history if held is not None]


def test_key_frames_come_when_asked_for_and_not_for_every_request() -> None:
    async def scene(broadcast: Broadcast) -> None:
        sink = broadcast.sink()
        sink.open(INFO)
        async with watching(broadcast) as viewer:
            await show_until(sink, lambda: len(viewer.sizes) >= 1)
            await show(sink, 100, 20)
            before = keys(broadcast)
            await show(sink, 200, 20)
            assert keys(broadcast) == before  # none by themselves
            for _ in range(5):
                await viewer.ask_for_key()
            await show_until(sink, lambda: keys(broadcast) > before)
            await show(sink, 400, 20)
            assert keys(broadcast) <= before + 2

    run(scene)


def test_a_viewers_estimate_moves_the_rate_without_another_encoder() -> None:
    async def scene(broadcast: Broadcast) -> None:
        sink = broadcast.sink()
        sink.open(INFO)
        async with watching(broadcast) as viewer:
            await show_until(sink, lambda: len(viewer.sizes) >= 1)
            opened = broadcast.record()["encoders_opened"]
            await viewer.estimate(1_500_000)
            await show_until(sink, lambda: broadcast.record()["target_bitrate"] == 1_500_000)
            await viewer.estimate(10**9)  # nonsense is bounded
            await show_until(sink, lambda: broadcast.record()["target_bitrate"] == 4_000_000)
            (watched,) = broadcast._viewers.values()
            watched.stream._sent_lately = lambda: 4e6  # type: ignore[method-assign]
            await viewer.estimate(700_000)
            await show_until(sink, lambda: broadcast.record()["target_bitrate"] == 700_000)
            assert broadcast.record()["encoders_opened"] == opened

    run(scene, bitrate="1M", min_bitrate="300k")


def test_a_viewer_that_falls_behind_goes_on_at_a_key_frame() -> None:
    async def scene(broadcast: Broadcast) -> None:
        sink = broadcast.sink()
        sink.open(INFO)
        async with watching(broadcast) as viewer:
            await show_until(sink, lambda: len(viewer.sizes) >= 1)
            await settled(broadcast)
            (watched,) = broadcast._viewers.values()
            before, sent = keys(broadcast), watched.stream.sent_pictures
            for number in range(12):  # the loop has no time: this coroutine does not let go of it
                sink.write(picture(1000 + number))
            assert watched.stream.sent_pictures == sent
            await show_until(sink, lambda: keys(broadcast) > before)
            assert broadcast.record()["dropped"] >= 8
            seen = len(viewer.sizes)
            await show_until(sink, lambda: len(viewer.sizes) > seen)

    run(scene)


def test_there_is_a_most_number_of_viewers() -> None:
    async def scene(broadcast: Broadcast) -> None:
        async with watching(broadcast) as viewer:
            await until(lambda: viewer.connection.connectionState == "connected")
            with pytest.raises(TooManyPeers, match="1 viewers"):
                async with watching(broadcast):
                    pass
        await until(lambda: broadcast.viewers == 0)
        async with watching(broadcast):
            assert broadcast.viewers == 1

    run(scene, max_viewers=1)


def test_a_viewer_can_be_hung_up_on_once() -> None:
    async def scene(broadcast: Broadcast) -> None:
        async with watching(broadcast) as viewer:
            await until(lambda: viewer.connection.connectionState == "connected")
            assert viewer.peer is not None
            assert await broadcast.leave(viewer.peer.id)
            assert not await broadcast.leave(viewer.peer.id)
            await until(lambda: viewer.connection.connectionState == "closed")

    run(scene)


def test_a_viewer_that_never_connects_is_dropped() -> None:
    async def scene(broadcast: Broadcast) -> None:
        connection = new_connection(WebRtcConfig(), "127.0.0.1")
        connection.addTransceiver("video", direction="recvonly")
        await broadcast.watch(await offer_of(connection))  # and the answer is never looked at
        assert broadcast.viewers == 1
        await until(lambda: broadcast.viewers == 0)
        await connection.close()

    run(scene, idle_s=0.4)


def test_a_viewer_without_a_codec_of_ours_is_refused() -> None:
    async def scene(broadcast: Broadcast) -> None:
        connection = new_connection(WebRtcConfig(), "127.0.0.1")
        transceiver = connection.addTransceiver("video", direction="recvonly")
        known = get_capabilities("video").codecs
        transceiver.setCodecPreferences([codec for codec in known if codec.name == "VP8"])
        offer = await offer_of(connection)
        with pytest.raises(BadOffer, match="h264"):
            await broadcast.watch(offer)
        with pytest.raises(BadOffer, match="sendonly"):
            await broadcast.watch(offer.replace("a=recvonly", "a=sendonly"))
        assert broadcast.viewers == 0
        await connection.close()

    run(scene, codec="h264")


def test_sound_goes_beside_the_picture() -> None:
    async def scene(broadcast: Broadcast) -> None:
        clock = MonotonicClock()
        broadcast.audio = AudioOut(lambda: broadcast.video_latency_ns, clock)
        sink = broadcast.sink()
        sink.open(INFO)
        try:
            async with watching(broadcast, sound=True) as viewer:
                assert viewer.peer is not None
                assert "opus/48000" in viewer.peer.answer
                await show_until(sink, lambda: len(viewer.sizes) >= 1)
                tone = np.zeros((4800, 2), np.int16)
                while not viewer.sounds:
                    broadcast.audio.feed(tone, clock.now_ns())
                    await show(sink, 0, 6)
        finally:
            broadcast.audio.close()

    run(scene)


def test_latency_is_counted_from_the_scheduled_capture() -> None:
    async def scene(broadcast: Broadcast) -> None:
        sink = broadcast.sink()
        sink.open(INFO)
        async with watching(broadcast) as viewer:
            await until(lambda: viewer.connection.connectionState == "connected")
            frame: HostFrame = picture(0).stamped(seq=0, scheduled_ns=MonotonicClock().now_ns() - 70_000_000)
            await asyncio.to_thread(sink.write, frame)
            assert broadcast.video_latency_ns >= 70_000_000

    run(scene)


def test_several_viewers_come_and_go() -> None:
    async def scene(broadcast: Broadcast) -> None:
        sink = broadcast.sink()
        sink.open(INFO)

        async def one() -> None:
            async with watching(broadcast) as viewer:
                await until(lambda: len(viewer.sizes) >= 2)

        everybody = asyncio.gather(*(one() for _ in range(5)))
        await show_until(sink, everybody.done)
        await everybody
        await until(lambda: broadcast.viewers == 0)

    run(scene)


def test_who_is_being_answered_while_it_closes_is_hung_up_on() -> None:
    async def scene(broadcast: Broadcast) -> None:
        connection = new_connection(WebRtcConfig(), "127.0.0.1")
        connection.addTransceiver("video", direction="recvonly")
        answering = asyncio.ensure_future(broadcast.watch(await offer_of(connection)))
        await asyncio.sleep(0)
        await broadcast.close()
        with pytest.raises(PeerError, match="closing"):
            await answering
        assert broadcast.viewers == 0
        await connection.close()

    run(scene)


def test_what_was_encoded_before_a_hold_is_not_sent_in_it_nor_after_it() -> None:
    async def scene(broadcast: Broadcast) -> None:
        sink, gate, clock = broadcast.sink(), Gate(), MonotonicClock()
        sink.guard(gate)
        sink.open(INFO)

        def due(number: int) -> HostFrame:
            return replace(picture(number), scheduled_ns=clock.now_ns())

        async with watching(broadcast) as viewer:
            await show_until(sink, lambda: len(viewer.sizes) >= 3)
            for hold in ("panic", ""):
                sent, dropped = broadcast.record()["viewers"][0]["sent_pictures"], broadcast.dropped
                sink.write(due(50))  # encoded, and waits for the event loop, which we do not let go on
                gate.hold_as("panic", clock.now_ns())
                gate.hold_as(hold, clock.now_ns())
                await until(lambda: broadcast.dropped == dropped + 1)  # noqa: B023
                assert broadcast.record()["viewers"][0]["sent_pictures"] == sent
            before = keys(broadcast)
            await asyncio.sleep(0.2)  # key frames are so far apart
            sink.write(due(60))
            assert keys(broadcast) == before + 1, "whoever lacks what was dropped can decode this"
            gate.hold_as("panic", clock.now_ns())
            seen = len(viewer.sizes)
            await until(lambda: broadcast._handed == broadcast._taken)
            await asyncio.to_thread(sink.write, replace(picture(70), scene=SLATE_SCENE))
            await until(lambda: len(viewer.sizes) > seen)

    run(scene)


def test_a_viewer_cannot_have_again_what_was_before_a_hold() -> None:
    async def scene(broadcast: Broadcast) -> None:
        sink = broadcast.sink()
        sink.open(INFO)
        async with watching(broadcast) as viewer:
            await show_until(sink, lambda: len(viewer.sizes) >= 3)
            (watched,) = broadcast._viewers.values()
            numbers = [int.from_bytes(packet[2:4], "big") for packet in viewer.packets]
            seen = len(viewer.packets)
            await watched.stream._retransmit(numbers[-1])
            await until(lambda: len(viewer.packets) > seen)
            broadcast.forget()
            seen = len(viewer.packets)
            for number in numbers:
                await watched.stream._retransmit(number)
            await asyncio.sleep(0.1)
            assert len(viewer.packets) == seen
            await show_until(sink, lambda: len(viewer.packets) > seen)

    run(scene)
