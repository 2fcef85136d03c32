"""Publishing over WebRTC: pictures arrive, newest first; publishers come, replace each other, vanish and return."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Coroutine
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from aiortc import RTCRtpReceiver
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from livefuse.clock import MonotonicClock
from livefuse.errors import BadOffer, BadValue, PeerError
from livefuse.frame import HostFrame
from livefuse.source import open_source
from livefuse.source.url import parse
from livefuse.source.webrtc import PublishedSource
from livefuse.webrtc.bitstream import is_key_picture, shows_picture
from livefuse.webrtc.decoding import PictureDecoder, low_delay_decoder
from livefuse.webrtc.jitter import EncodedFrame
from livefuse.webrtc.receiving import Newest, fast_receiver
from tests.unit.webrtc_publishers import (
    GREEN,
    GREY,
    RED,
    Picture,
    Tone,
    close_all,
    connection,
    inlet_of,
    publish,
    unplug,
    until,
)

H264 = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90_000, payloadType=99)


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


async def read(source: PublishedSource) -> HostFrame:
    frame = await asyncio.wait_for(asyncio.to_thread(source.read), 15)
    assert frame is not None
    return frame


def mean_colour(frame: HostFrame) -> tuple[float, ...]:
    return tuple(float(plane.mean()) for plane in frame.planes)


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_what_is_published_arrives_in_size_and_colour(codec: str) -> None:
    async def scenario() -> None:
        async with inlet_of(codec=codec) as inlet:
            source = inlet.open_source(parse("webrtc:?video_size=128x96&framerate=30000/1001"))
            assert (source.info.width, source.info.height, source.info.fps) == (128, 96, Fraction(30000, 1001))
            assert source.info.live
            assert inlet.record() == {"state": "none", "published": 0, "dropped": 0}
            _client, peer = await publish(inlet, Picture(128, 96, RED))
            frames = [await read(source) for _ in range(5)]
            assert [frame.planes[0].shape for frame in frames] == [(96, 128)] * 5
            assert mean_colour(frames[-1]) == pytest.approx(RED, abs=4)
            assert (frames[-1].colour.matrix, frames[-1].colour.full_range) == ("bt601", False)
            times = [frame.pts_ns for frame in frames]
            assert sorted(set(times)) == times
            record = inlet.record()
            expected = {
                "state": "connected",
                "codec": codec,
                "width": 128,
                "height": 96,
                "errors": 0,
                "packets_lost": 0,
            }
            assert expected.items() <= record.items()
            assert record["frames"] >= 5
            assert record["id"] == peer.id[:8]

    run(scenario())


def test_a_portrait_picture_is_fitted_between_bars() -> None:
    async def scenario() -> None:
        async with inlet_of() as inlet:
            source = inlet.open_source(parse("webrtc:?video_size=128x96"))
            _client, _ = await publish(inlet, Picture(64, 96, GREEN))
            luma, *chroma = (await read(source)).planes
            assert luma.shape == (96, 128)
            assert luma[:, 4:28].mean() == pytest.approx(16, abs=1)
            assert luma[:, 100:124].mean() == pytest.approx(16, abs=1)
            assert luma[:, 36:92].mean() == pytest.approx(GREEN[0], abs=4)
            assert [plane[:, 20:44].mean() for plane in chroma] == pytest.approx(GREEN[1:], abs=4)
            assert (inlet.record()["width"], inlet.record()["height"]) == (64, 96)

    run(scenario())


def picture_of(luma: int, width: int = 64, height: int = 48, **tags: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, value in zip(frame.planes, (luma, 90, 170), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    for name, value in tags.items():
        setattr(frame, name, value)
    return frame


def test_a_slow_reader_gets_the_newest_picture_and_its_delay_does_not_grow() -> None:
    clock = MonotonicClock()
    source = PublishedSource(parse("webrtc:?video_size=64x48"), clock)
    for luma in range(40, 90):
        source.put(picture_of(luma), clock.now_ns())
    frame = source.read()
    assert frame is not None
    assert frame.planes[0].mean() == 89
    assert source.dropped == 49
    source.put(picture_of(200), 0)  # a clock that stepped back
    again = source.read()
    assert again is not None
    assert again.pts_ns > frame.pts_ns
    source.put(picture_of(200), 1, 7)
    others = source.read()
    assert others is not None
    assert (again.scene, others.scene) == (0, 7), "another publisher's picture says so"
    source.close()
    assert source.read() is None


def test_full_range_and_other_matrices_become_what_was_declared() -> None:
    source = PublishedSource(parse("webrtc:?video_size=64x48"), MonotonicClock())
    source.put(picture_of(255, color_range=2), 0)
    white = source.read()
    assert white is not None
    assert white.planes[0].mean() == pytest.approx(235, abs=2)
    assert white.colour == source.info.colour
    source.put(picture_of(100, colorspace=1), 1)  # BT.709
    other = source.read()
    assert other is not None
    rgb = av.VideoFrame.from_ndarray(_packed(other), format="yuv420p").to_ndarray(format="rgb24")
    original = picture_of(100, colorspace=1)
    expected = original.reformat(format="rgb24", src_colorspace=1).to_ndarray()
    assert rgb.mean(axis=(0, 1)) == pytest.approx(expected.mean(axis=(0, 1)), abs=5)
    source.close()


def _packed(frame: HostFrame) -> Any:
    return np.concatenate([plane.reshape(-1) for plane in frame.planes]).reshape(frame.height * 3 // 2, frame.width)


def test_a_newer_publisher_takes_over() -> None:
    async def scenario() -> None:
        async with inlet_of() as inlet:
            source = inlet.open_source(parse("webrtc:?video_size=128x96"))
            first, old = await publish(inlet, Picture(128, 96, RED))
            await read(source)
            _second, new = await publish(inlet, Picture(128, 96, GREEN))
            await until(lambda: first.connectionState == "closed")
            assert old.state == "closed"
            while mean_colour(frame := await read(source))[0] != pytest.approx(GREEN[0], abs=4):
                assert mean_colour(frame)[0] == pytest.approx(RED[0], abs=4)
            assert not await inlet.leave(old.id)
            assert inlet.record()["state"] == "connected"
            assert await inlet.leave(new.id)
            assert inlet.record()["state"] == "none"
            assert not inlet.connected
            assert inlet.record()["published"] == 2

    run(scenario())


def test_a_publisher_that_vanishes_ends_nothing_and_may_return() -> None:
    async def scenario() -> None:
        async with inlet_of(idle_s=0.5) as inlet:
            source = inlet.open_source(parse("webrtc:?video_size=128x96"))
            client, _ = await publish(inlet, Picture(128, 96, RED))
            frames: list[HostFrame] = []
            reading = asyncio.ensure_future(asyncio.to_thread(collect, source, frames))
            await until(lambda: len(frames) > 2)
            unplug(client)
            await until(lambda: inlet.record()["state"] == "none")
            await asyncio.sleep(0.1)
            before = len(frames)
            assert not reading.done()  # nobody publishes: no error, no end
            await publish(inlet, Picture(128, 96, GREEN))
            await until(lambda: len(frames) > before + 2)
            assert mean_colour(frames[before - 1])[0] == pytest.approx(RED[0], abs=4)
            assert mean_colour(frames[-1])[0] == pytest.approx(GREEN[0], abs=4)
            times = [frame.pts_ns for frame in frames]
            assert sorted(set(times)) == times
            await inlet.close()
            await asyncio.wait_for(reading, 15)

    run(scenario())


def collect(source: PublishedSource, frames: list[HostFrame]) -> None:
    while (frame := source.read()) is not None:
        frames.append(frame)


def test_closing_ends_sources_threads_and_tasks() -> None:
    async def scenario() -> None:
        tasks = asyncio.all_tasks()
        async with inlet_of() as inlet:
            source = inlet.open_source(parse("webrtc:"))
            client, _ = await publish(inlet, Picture(128, 96))
            await read(source)
            assert any("decoder" in thread.name for thread in threading.enumerate())
            waiting = asyncio.ensure_future(asyncio.to_thread(collect, source, []))
            await inlet.close()
            await asyncio.wait_for(waiting, 15)
            await client.close()
            assert not any("decoder" in thread.name for thread in threading.enumerate())
            await until(lambda: asyncio.all_tasks() <= tasks)
            assert inlet.open_source(parse("webrtc:")).read() is None
            offering = connection()
            offering.addTrack(Picture(64, 48))
            await offering.setLocalDescription(await offering.createOffer())
            with pytest.raises(PeerError, match="closing"):
                await inlet.publish(offering.localDescription.sdp)
            await offering.close()

    run(scenario())


def test_lost_packets_are_made_good() -> None:
    """Five per cent of the packets vanish before aiortc's receiver sees them; its sender answers requests."""

    async def scenario() -> None:
        async with inlet_of(codec="h264") as inlet:
            source = inlet.open_source(parse("webrtc:?video_size=320x240"))
            _client, peer = await publish(inlet, Noise(320, 240))
            receiver: RTCRtpReceiver = peer.connection.getReceivers()[0]
            chance, handle = random.Random(3), receiver._handle_rtp_packet
            lost = 0

            async def lossy(packet: Any, arrival_time_ms: int) -> None:
                nonlocal lost
                if chance.random() < 0.05:
                    lost += 1
                else:
                    await handle(packet, arrival_time_ms=arrival_time_ms)

            receiver._handle_rtp_packet = lossy  # type: ignore[method-assign]
            times = [(await read(source)).pts_ns for _ in range(60)]
            record = inlet.record()
            assert lost >= 10
            assert record["packets_lost"] > 0
            assert record["errors"] == 0
            assert max(np.diff(times)) < 1e9

    run(scenario())


class Noise(Picture):
    """Several packets a picture."""

    async def recv(self) -> av.VideoFrame:
        frame = await super().recv()
        luma = np.random.default_rng(self._count).integers(0, 255, frame.planes[0].buffer_size, np.uint8)
        frame.planes[0].update((luma // 4).tobytes())
        return frame


def test_offers_that_publish_nothing_are_refused() -> None:
    async def scenario() -> None:
        async with inlet_of(codec="h264") as inlet:
            for text in ("", "v=0\r\n", "hello", "x" * 70_000):
                with pytest.raises(BadOffer):
                    await inlet.publish(text)
            viewer = connection()
            viewer.addTransceiver("video", direction="recvonly")
            await viewer.setLocalDescription(await viewer.createOffer())
            with pytest.raises(BadOffer, match="sends no picture"):
                await inlet.publish(viewer.localDescription.sdp)
            offering = connection()
            track = offering.addTransceiver(Picture(64, 48), direction="sendonly")
            known = RTCRtpReceiver.getCapabilities("video")
            assert known is not None
            track.setCodecPreferences([codec for codec in known.codecs if codec.mimeType == "video/VP8"])
            await offering.setLocalDescription(await offering.createOffer())
            with pytest.raises(BadOffer):
                await inlet.publish(offering.localDescription.sdp)
            assert inlet.record()["state"] == "none"

    run(scenario())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("webrtc:?video_size=127x96", "127x96"),
        ("webrtc:?video_size=8x8", "8x8"),
        ("webrtc:?framerate=0", "framerate=0"),
        ("webrtc:?framerate=30/0", "framerate=30/0"),
        ("webrtc:?framerate=1000", "framerate=1000"),
        ("webrtc:?input_format=mjpeg", "input_format"),
        ("webrtc:?video_size=big", "video_size"),
        ("webrtc://somewhere", "options"),
    ],
)
def test_addresses_that_make_no_sense(url: str, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        PublishedSource(parse(url), MonotonicClock())


def test_without_a_daemon_there_is_nothing_to_publish_to() -> None:
    with pytest.raises(BadValue, match="livefuse serve"):
        open_source("webrtc:")


def encoded(count: int, *, key_every: int = 1000) -> list[bytes]:
    """H.264 as cameras send it, each packet with its parameter sets where it needs them."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 48, "yuv420p", Fraction(1, 30)
    encoder.options = {"tune": "zerolatency", "preset": "ultrafast", "g": str(key_every)}
    packets = []
    for n in range(count):
        frame = picture_of(40 + n)
        frame.pts = n
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


class Decoding:
    """A decoder on a thread of its own, fed by hand."""

    def __init__(self) -> None:
        self.lumas: list[float] = []
        self.gate = threading.Event()
        self.gate.set()
        self.asked = 0
        self.decoder = PictureDecoder(self._deliver, self._ask)
        self._thread = threading.Thread(target=self.decoder.get, daemon=True)
        self._thread.start()

    def _deliver(self, frame: av.VideoFrame, arrived_ns: int) -> None:
        assert arrived_ns > 0
        self.gate.wait(15)
        self.lumas.append(float(np.mean(frame.to_ndarray()[:48])))

    def _ask(self) -> None:
        self.asked += 1

    def put(self, n: int, data: bytes, *, after_loss: bool = False) -> None:
        frame = EncodedFrame(data, n * 3000)
        frame.after_loss = after_loss
        self.decoder.put((H264, frame))

    def end(self) -> None:
        self.gate.set()
        self.decoder.put(None)
        self._thread.join(15)
        assert not self._thread.is_alive()

    def wait(self, count: int) -> None:
        for _ in range(1500):
            if len(self.lumas) >= count:
                return
            threading.Event().wait(0.01)
        raise AssertionError(f"{len(self.lumas)} of {count} pictures")


def test_a_decoder_that_is_too_slow_goes_on_at_the_next_key_picture() -> None:
    packets = encoded(120, key_every=100)
    decoding = Decoding()
    decoding.gate.clear()
    for n, data in enumerate(packets):
        decoding.put(n, data)
    waiting = len(decoding.decoder._waiting)
    assert waiting <= 32
    assert decoding.asked >= 1
    decoding.gate.set()
    decoding.wait(20)
    decoding.end()
    assert decoding.lumas[-1] == pytest.approx(159, abs=3)
    assert decoding.decoder.dropped >= 98
    assert decoding.decoder.frames + decoding.decoder.dropped == 120


def test_after_a_loss_nothing_is_shown_until_a_key_picture() -> None:
    packets = encoded(20, key_every=10)
    decoding = Decoding()
    for n, data in enumerate(packets):
        if n != 4:
            decoding.put(n, data, after_loss=n == 5)
    decoding.wait(14)
    decoding.end()
    assert decoding.lumas == pytest.approx([*range(40, 44), *range(50, 60)], abs=3)
    assert decoding.asked == 1


def test_who_joins_late_asks_for_a_key_picture() -> None:
    decoding = Decoding()
    packets = encoded(20, key_every=10)
    for n, data in enumerate(packets[5:]):
        decoding.put(n, data)
    decoding.wait(10)
    decoding.end()
    assert decoding.asked == 1
    assert decoding.lumas == pytest.approx([*range(50, 60)], abs=3)


def test_broken_pictures_are_counted_and_a_key_picture_is_asked_for() -> None:
    packets = encoded(4, key_every=2)
    decoding = Decoding()
    decoding.put(0, packets[0])
    decoding.put(1, b"\0\0\0\1\x65" + b"\xff" * 40)
    for _ in range(1500):
        if decoding.decoder.errors:
            break
        threading.Event().wait(0.01)
    decoding.put(3, packets[3])
    decoding.put(4, packets[2])
    decoding.wait(2)
    decoding.end()
    assert decoding.decoder.errors == 1
    assert decoding.asked == 1
    assert decoding.lumas == pytest.approx([40, 42], abs=3)


def test_parameter_sets_that_come_by_themselves_are_kept_for_the_picture() -> None:
    packet = encoded(1)[0]
    picture_at = packet.rindex(b"\0\0\1", 0, packet.index(b"\x65", 30) + 1)
    decoding = Decoding()
    decoding.put(0, packet[:picture_at])
    decoding.put(1, packet[picture_at:])
    decoding.wait(1)
    decoding.end()
    assert (decoding.decoder.errors, decoding.asked) == (0, 0)


def test_key_pictures_are_known_by_their_first_bytes() -> None:
    first, second = encoded(2)
    assert is_key_picture("H264", first)
    assert not is_key_picture("H264", second)
    assert shows_picture("H264", second)
    assert not shows_picture("H264", b"\0\0\0\1\x67\x42\0\0\1\x68\xce")
    assert is_key_picture("VP8", b"\x10\x02\x00\x9d\x01\x2a\x80\x02")
    assert not is_key_picture("VP8", b"\x11\x02\x00\x9d\x01\x2a\x80\x02")
    assert not is_key_picture("VP8", b"\x10\x02")
    assert not is_key_picture("H264", b"\0\0\1")


@pytest.mark.parametrize("codec", ["H264", "VP8"])
def test_decoders_hold_no_picture_back(codec: str) -> None:
    context = low_delay_decoder(codec)
    assert "SLICE" in str(context.thread_type)
    if codec == "H264":
        assert [len(context.decode(av.Packet(data))) for data in encoded(5)] == [1] * 5


def test_a_track_holds_the_newest_frame_only() -> None:
    async def scenario() -> None:
        queue = Newest()
        for n in range(5):
            await queue.put(n)
        assert (queue.qsize(), queue.dropped) == (1, 4)
        assert await queue.get() == 4
        await queue.put(None)
        await queue.put(7)  # nothing comes after the end
        assert await queue.get() is None

    run(scenario())


def test_a_receiver_made_fast_gives_its_frames_to_its_track() -> None:
    async def scenario() -> None:
        sender, viewer = connection(), connection()
        sender.addTrack(Picture(64, 48, GREY))
        tracks = []

        def announced(track: Any) -> None:
            receiver = next(each for each in viewer.getReceivers() if each.track is track)
            tracks.append((track, fast_receiver(receiver)))

        viewer.on("track", announced)
        await sender.setLocalDescription(await sender.createOffer())
        await viewer.setRemoteDescription(sender.localDescription)
        await viewer.setLocalDescription(await viewer.createAnswer())
        await sender.setRemoteDescription(viewer.localDescription)
        (track, decoder), *_ = tracks
        frames = [await asyncio.wait_for(track.recv(), 15) for _ in range(3)]
        assert frames[0].to_ndarray()[:48].mean() == pytest.approx(GREY[0], abs=4)
        stamps = [frame.pts for frame in frames]
        assert sorted(set(stamps)) == stamps
        assert decoder.frames >= 3
        await close_all()

    run(scenario())


def test_a_publisher_is_told_a_rate_to_begin_with_and_not_held_down() -> None:
    async def scenario() -> None:
        async with inlet_of(bitrate="2M", max_bitrate="5M") as inlet:
            inlet.open_source(parse("webrtc:"))
            _, peer = await publish(inlet, Picture(128, 96))
            lines = peer.answer.splitlines()
            said = [line for line in lines if "x-google-start-bitrate=2000;x-google-min-bitrate=300" in line]
            formats = [line for line in lines if "VP8/90000" in line or "H264/90000" in line]
            assert len(said) == len(formats) == 3
            for line in formats:
                number = line.split(":")[1].split()[0]
                assert sum(each.startswith(f"a=fmtp:{number} ") for each in lines) == 1
            assert any("profile-level-id=42e01f;x-google" in line for line in said)
            estimator: Any = peer.connection.getReceivers()[0]
            assert estimator._RTCRtpReceiver__remote_bitrate_estimator.rate_control.current_bitrate >= 5_000_000

    run(scenario())


def test_sound_may_come_first_in_the_offer() -> None:
    """aiortc would stop the one transport that all share."""

    async def scenario() -> None:
        async with inlet_of(codec="vp8") as inlet:
            source = inlet.open_source(parse("webrtc:?video_size=128x96"))
            await publish(inlet, Tone(), Picture(128, 96))
            assert (await read(source)).width == 128
            await until(lambda: inlet.record()["audio"])

    run(scenario())
