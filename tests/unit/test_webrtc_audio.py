"""Sound: kept by the instant it belongs to, encoded once, heard when its picture is seen."""

from __future__ import annotations

import asyncio
import itertools
import math
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError

from livefuse.clock import ManualClock, MonotonicClock
from livefuse.daemon_config import WebRtcConfig
from livefuse.frame import Colour, HostFrame, blank_frame
from livefuse.sinks.base import StreamInfo
from livefuse.source import open_source
from livefuse.source.declared import declared_info
from livefuse.source.url import parse
from livefuse.webrtc.audio import AudioOut
from livefuse.webrtc.audio_file import SoundedSource
from livefuse.webrtc.broadcast import Broadcast
from livefuse.webrtc.opus import HZ, I16, PACKET_NS, PACKET_SAMPLES, OpusEncoder, OpusTrack, Stereo
from livefuse.webrtc.receiving import fast_receiver, fast_sound
from livefuse.webrtc.sound_line import Arrivals, SoundLine, samples_in
from livefuse.webrtc.sound_player import SoundPlayer
from tests.unit.webrtc_publishers import Picture, Tone, close_all, connection, inlet_of, publish, until

MS = 1_000_000
SECOND = 1_000_000_000
LATENCY_NS = 120 * MS


def level(value: int, count: int = PACKET_SAMPLES) -> I16:
    return np.full((count, 2), value, np.int16)


def run(test: Any) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


# --- the line ------------------------------------------------------------------------------------------------------


def test_sound_is_read_by_its_instant() -> None:
    line = SoundLine()
    line.write(level(1), 5000)
    line.write(level(2), 5960)
    samples, written = line.read(5480, 960)
    assert written == 960
    assert samples[:480].min() == samples[:480].max() == 1
    assert samples[480:].min() == 2
    before, written = line.read(4900, 200)
    assert (before[:100] == 0).all()
    assert (before[100:] == 1).all()
    assert written == 200
    after, written = line.read(6900, 200)
    assert written == 20
    assert (after[20:] == 0).all()
    assert line.read(9000, 10)[1] == 0


def test_jitter_is_not_heard_but_a_real_step_is_followed() -> None:
    line = SoundLine()
    line.write(level(1), 0)
    line.write(level(2), 960 + samples_in(39 * MS))  # late by less than 40 ms: as if on time
    assert line.read(960, 960)[0].min() == 2
    assert line.anchored == 0
    line.write(level(3), 1920 + 4000)  # 83 ms of nothing
    assert line.anchored == 1
    gap, written = line.read(1920, 4960)
    assert written == 4960
    assert (gap[:4000] == 0).all()
    assert (gap[4000:] == 3).all()
    line.write(level(4), 1920)  # a sender that turned its clock back: what was not heard yet is taken back
    assert line.anchored == 2
    assert line.read(1920, 960)[0].min() == 4
    assert line.end == 2880


def test_the_line_holds_two_seconds_and_starts_over_after_a_leap() -> None:
    line = SoundLine()
    for n in range(150):  # 3 s
        line.write(level(n), n * 960)
    assert (line.read(0, 960)[0] == 0).all()
    assert line.read(149 * 960, 960)[0].min() == 149
    assert line.read(60 * 960, 960)[0].min() == 60
    line.write(level(7), 10_000_000)
    assert line.read(10_000_000, 960)[0].min() == 7
    assert (line.read(10_000_000 - 960, 960)[0] == 0).all()
    line.write(level(8), 100)
    assert line.read(100, 960)[0].min() == 8


def test_arrivals_go_by_the_packets_that_were_delayed_least() -> None:
    arrivals = Arrivals()
    assert arrivals.at_ns(0, 500 * MS) == 500 * MS
    assert arrivals.at_ns(20 * MS, 560 * MS) - 520 * MS < MS  # 40 ms late
    assert arrivals.at_ns(40 * MS, 530 * MS) == 530 * MS  # 10 ms early: now known better
    for n in range(3, 2003):  # the way became 30 ms longer for good
        at_ns = arrivals.at_ns(n * 20 * MS, (520 + n * 20) * MS)
    assert at_ns == pytest.approx((520 + 2002 * 20) * MS, abs=MS)
    assert arrivals.at_ns(0, 90 * SECOND) == 90 * SECOND  # another sender


# --- the player, tick by tick --------------------------------------------------------------------------------------


class Playing:
    """A player without its thread; sound of value n is written for packet n."""

    def __init__(self, lead_ns: int = 0) -> None:
        self.latency_ns = 100 * MS
        self.line = SoundLine()
        self.player = SoundPlayer(
            self.line, ManualClock(), lambda: self.latency_ns, lambda _, __: None, threading.Event(), lead_ns=lead_ns
        )

    def write(self, n: int, count: int = 1) -> None:
        for each in range(n, n + count):
            self.line.write(level(each + 1), each * PACKET_SAMPLES)

    def tick(self, packet: int) -> list[int] | None:
        """The values heard at the time of `packet`, in order; None if nothing would be sent."""
        samples = self.player._due(packet * PACKET_NS)
        return None if samples is None else [key for key, _ in itertools.groupby(samples[:, 0].tolist())]


def test_sound_is_heard_the_pictures_latency_later() -> None:
    playing = Playing()
    playing.write(0, 8)
    assert [playing.tick(n) for n in range(5, 9)] == [[1], [2], [3], [4]]  # 100 ms are 5 packets
    assert playing.player.record() == {"packets": 0, "silences": 0, "skips": 0, "delay_ms": 100.0}


def test_sound_leads_by_what_browsers_hold_it_back_if_it_is_there_in_time() -> None:
    playing = Playing(lead_ns=60 * MS)
    playing.latency_ns = 20 * MS
    playing.write(0, 20)  # a file's: read ahead
    assert [playing.tick(n) for n in range(3)] == [[3], [4], [5]]
    live = Playing(lead_ns=60 * MS)
    live.latency_ns = 20 * MS
    heard = []
    for n in range(1, 12):  # there when its 20 ms are over
        live.write(n - 1)
        heard.append(live.tick(n))
    assert heard[:3] == [[0], [0], [0]]
    values = [value[0] for value in heard if value is not None and value != [0]]
    assert values == list(range(values[0], values[0] + len(values)))
    assert live.player.record()["delay_ms"] == 20.0


def test_small_changes_of_latency_are_ignored_and_great_ones_followed() -> None:
    playing = Playing()
    playing.write(0, 30)
    assert playing.tick(5) == [1]
    playing.latency_ns = 135 * MS
    assert playing.tick(6) == [2]
    playing.latency_ns = 165 * MS  # 65 ms more: silence until within 40 ms
    assert [playing.tick(n) for n in range(7, 11)] == [[0], [0], [3], [4]]
    playing.latency_ns = 60 * MS  # 80 ms less: some is left out
    assert playing.tick(11) == [9]
    assert playing.player.record()["skips"] == 1
    assert playing.player.record()["silences"] == 2


def test_sound_that_comes_too_late_is_waited_for_and_none_of_it_is_lost() -> None:
    playing = Playing()
    playing.latency_ns = 20 * MS
    playing.write(0, 1)
    heard = [playing.tick(1)]
    for n in range(2, 12):  # from now on each packet comes 40 ms later than the picture's latency allows
        playing.write(n - 2) if n > 2 else None
        heard.append(playing.tick(n))
    values = [value[0] for value in heard if value is not None and value != [0]]
    assert values == list(range(1, len(values) + 1))
    assert heard.count([0]) <= 3
    assert playing.player.record()["skips"] == 0


def test_after_half_a_second_of_nothing_the_player_rests() -> None:
    playing = Playing()
    playing.write(0, 10)
    for n in range(5, 15):
        assert playing.tick(n) is not None
    heard = [playing.tick(n) for n in range(15, 80)]
    assert heard[0] == [0]
    assert heard[-1] is None
    assert not playing.line.sounding.is_set()
    playing.write(100)
    assert playing.line.sounding.is_set()


# --- Opus ----------------------------------------------------------------------------------------------------------


def tone(n: int, hertz: int = 1000, amplitude: float = 12_000) -> I16:
    at = np.arange(n * PACKET_SAMPLES, (n + 1) * PACKET_SAMPLES)
    wave = (np.sin(2 * math.pi * hertz * at / HZ) * amplitude).astype(np.int16)
    return np.repeat(wave[:, None], 2, axis=1)


def test_a_packet_each_20_ms_with_the_given_time() -> None:
    encoder, decoder = OpusEncoder(), av.CodecContext.create("libopus", "r")
    heard = []
    for n in range(25):
        packet = encoder.encode(tone(n), 7 * 960 + n * 960 + (48_000 if n > 10 else 0))
        assert packet.time_base == Fraction(1, 48_000)
        assert packet.pts == 6720 + n * 960 + (48_000 if n > 10 else 0)
        assert packet.size < 700
        heard += [frame.to_ndarray().reshape(-1, 2) for frame in decoder.decode(packet)]
    spectrum = np.abs(np.fft.rfft(np.concatenate(heard)[-9600:, 0].astype(np.float64)))
    assert abs(int(spectrum.argmax()) * HZ / 9600 - 1000) <= 10


@pytest.mark.parametrize(("kind", "layout", "hertz"), [("s16", "mono", 8000), ("fltp", "stereo", 44_100)])
def test_any_sound_becomes_48_khz_stereo(kind: str, layout: str, hertz: int) -> None:
    stereo, count = Stereo(), 0
    for n in range(50):
        frame = av.AudioFrame(kind, layout, hertz // 50)
        frame.sample_rate, frame.pts = hertz, n * (hertz // 50)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        samples = stereo.of(frame)
        assert samples.shape[1:] == (2,)
        count += len(samples)
    assert count == pytest.approx(HZ, rel=0.02)
    frame = av.AudioFrame.from_ndarray(tone(0).reshape(1, -1), format="s16", layout="stereo")
    frame.sample_rate = HZ
    assert (stereo.of(frame) == tone(0)).all()


def test_a_slow_viewer_loses_the_oldest_packets() -> None:
    async def scenario() -> None:
        ended: list[OpusTrack] = []
        track, encoder = OpusTrack(ended.append), OpusEncoder()
        for n in range(8):
            track.push(encoder.encode(level(0), n))
        assert [(await track.recv()).pts for _ in range(5)] == [3, 4, 5, 6, 7]
        assert track.dropped == 3
        waiting = asyncio.create_task(track.recv())
        await asyncio.sleep(0)
        track.stop()
        with pytest.raises(MediaStreamError):
            await waiting
        assert ended == [track]

    run(scenario())


# --- all together --------------------------------------------------------------------------------------------------


def sound_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "sound" in thread.name]


def test_one_encode_serves_all_and_nothing_runs_while_nobody_listens() -> None:
    async def scenario() -> None:
        clock = MonotonicClock()
        out = AudioOut(lambda: 20 * MS, clock)
        out.feed(level(5), clock.now_ns())
        assert sound_threads() == []
        assert out.record()["packets"] == 0
        first, second = out.track(), out.track()
        feeding = asyncio.create_task(feed(out, clock))
        for _ in range(5):
            packets = [await asyncio.wait_for(track.recv(), 15) for track in (first, second)]
            assert packets[0] is packets[1]
        assert out.record()["listeners"] == 2
        assert sound_threads() == ["livefuse-sound"]
        first.stop()
        second.stop()
        await asyncio.sleep(0.1)
        rested = out.record()["packets"]
        await asyncio.sleep(0.1)
        assert out.record()["packets"] == rested
        third = out.track()
        again = await asyncio.wait_for(third.recv(), 15)
        assert (again.pts or 0) > (packets[0].pts or 0)
        feeding.cancel()
        out.close()
        assert sound_threads() == []
        assert out.listeners == 0
        with pytest.raises(MediaStreamError):
            await third.recv()

    run(scenario())


async def feed(out: AudioOut, clock: MonotonicClock) -> None:
    at_ns = clock.now_ns()
    for n in itertools.count():
        await asyncio.sleep(max(0, at_ns + n * PACKET_NS - clock.now_ns()) / 1e9)
        out.feed(tone(n), at_ns + (n - 1) * PACKET_NS)


def beeping_file(path: Path) -> Path:
    """Three seconds; in each the first 0.1 s is white and beeps."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30, options={"tune": "zerolatency"})
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=HZ)
        for n in range(90):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane, value in zip(frame.planes, (235 if n % 30 < 3 else 16, 128, 128), strict=True):
                plane.update(bytes([value]) * plane.buffer_size)
            frame.pts, frame.time_base = n, Fraction(1, 30)
            container.mux(video.encode(frame))
        for n in range(150):
            samples = tone(n, amplitude=12_000 if n % 50 < 5 else 0)
            sound = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="stereo")
            sound.sample_rate, sound.pts, sound.time_base = HZ, n * PACKET_SAMPLES, Fraction(1, HZ)
            container.mux(audio.encode(sound))
        for stream in (video, audio):
            container.mux(stream.encode(None))
    return path


def test_a_files_sound_is_fed_for_the_instants_at_which_its_pictures_are_due(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = MonotonicClock()
        out = AudioOut(lambda: 0, clock)
        fed: list[tuple[I16, int]] = []
        out.feed = lambda samples, at_ns: fed.append((samples, at_ns))  # type: ignore[method-assign]
        track = out.track()
        source = out.follow(open_source(str(beeping_file(tmp_path / "beeps.mp4"))))
        assert isinstance(source, SoundedSource)
        assert sound_threads() == ["livefuse-sound"]  # the file's begins with its first picture
        began_ns = clock.now_ns()
        assert source.read() is not None
        await until(lambda: len(fed) > 10)
        first_ns = fed[0][1] - began_ns
        assert 0 <= first_ns + 45 * MS <= SECOND  # AAC begins with up to 2 x 1024 samples of nothing
        ahead_ns = fed[-1][1] - clock.now_ns()
        assert ahead_ns <= 300 * MS
        loud = [at_ns for samples, at_ns in fed if abs(samples.astype(int)).mean() > 1000]
        assert abs(loud[0] - began_ns) < 60 * MS
        track.stop()
        await asyncio.sleep(0.3)
        rested = len(fed)
        await asyncio.sleep(0.3)
        assert len(fed) == rested
        source.close()
        assert sound_threads() == ["livefuse-sound"]
        assert source.read() is None
        out.close()

    run(scenario())


def test_a_viewer_who_comes_late_hears_the_file_where_it_stands(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = MonotonicClock()
        out = AudioOut(lambda: 0, clock)
        fed: list[int] = []
        out.feed = lambda samples, at_ns: fed.append(at_ns - clock.now_ns())  # type: ignore[method-assign]
        played = open_source(str(beeping_file(tmp_path / "beeps.mp4")))
        pictures = list(iter(played.read, None))
        source = out.follow(Reading(played.info, pictures[54:]))  # the session has come to 1.8 s
        assert source.read() is not None
        out.track()
        await until(lambda: len(fed) > 3)
        assert min(fed) > -SECOND  # not from its beginning
        source.close()
        out.close()

    run(scenario())


class Reading:
    def __init__(self, info: Any, frames: list[HostFrame]) -> None:
        self.info, self._frames = info, frames

    def read(self) -> HostFrame | None:
        return self._frames.pop(0)

    def close(self) -> None: ...


def test_pictures_tell_where_a_file_stands() -> None:
    clock, ended = ManualClock(), []
    offsets: list[Callable[[], int]] = []

    class Silent:
        def close(self) -> None:
            ended.append(True)

    def play(offset_ns: Callable[[], int]) -> Any:
        offsets.append(offset_ns)
        return Silent()

    times = [0, 33, 66, 20_000, 20_033]  # ms
    frames = [HostFrame((), "yuv420p", 2, 2, pts_ns=ms * MS) for ms in times]
    source = SoundedSource(Reading(None, frames), clock, play)
    clock.advance(1000 * MS)
    source.read()
    (offset_ns,) = offsets
    assert offset_ns() == 1000 * MS
    clock.advance(23 * MS)
    source.read()  # 10 ms before it is due
    assert offset_ns() == 1000 * MS
    clock.advance(143 * MS)
    source.read()  # held up: due at 1066, read at 1166
    assert offset_ns() == 1100 * MS
    source.read()  # cut to 20 s
    assert offset_ns() == (1166 - 20_000) * MS
    source.close()
    assert ended == [True]
    assert len(offsets) == 1


def test_sources_without_a_file_are_left_alone() -> None:
    source = Reading(declared_info(parse("webrtc:"), Colour()), [])
    assert AudioOut(lambda: 0, MonotonicClock()).follow(source) is source


class Watching:
    """A viewer in this process: when white pictures and beeps arrive."""

    def __init__(self, *kinds: str) -> None:
        self.flashes: list[float] = []
        self.beeps: list[float] = []
        self._white = self._loud = False
        self.client: RTCPeerConnection = connection()
        for kind in kinds:
            self.client.addTransceiver(kind, direction="recvonly")
        self.client.on("track", self._announced)

    async def join(self, broadcast: Broadcast) -> None:
        await self.client.setLocalDescription(await self.client.createOffer())
        peer = await broadcast.watch(self.client.localDescription.sdp)
        await self.client.setRemoteDescription(RTCSessionDescription(peer.answer, "answer"))
        await until(lambda: self.client.connectionState == "connected")

    def _announced(self, track: MediaStreamTrack) -> None:
        receiver = next(each for each in self.client.getReceivers() if each.track is track)
        if track.kind == "video":
            fast_receiver(receiver, self._picture)
        else:
            fast_sound(receiver, self._sound)

    def _picture(self, frame: av.VideoFrame, _: int) -> None:
        white = bool(frame.to_ndarray()[: frame.height].mean() > 125)
        if white and not self._white:
            self.flashes.append(time.monotonic())
        self._white = white

    def _sound(self, frame: av.AudioFrame, _: int) -> None:
        loud = np.abs(frame.to_ndarray().astype(int)).reshape(-1, 2)[:, 0] > 2000
        if loud.any() and not self._loud:  # heard as late as the sample stands in the packet
            self.beeps.append(time.monotonic() + float(loud.argmax()) / HZ)
        self._loud = bool(loud.any())

    def offsets_ms(self) -> list[float]:
        """From each flash to the beep nearest to it."""
        return [1e3 * min((beep - flash for beep in self.beeps), key=abs) for flash in self.flashes[1:-1]]


def test_a_flash_and_its_beep_arrive_together() -> None:
    """Pictures that take 120 ms through the pipeline, and sound of the same instants."""

    async def scenario() -> None:
        clock = MonotonicClock()
        broadcast = Broadcast("live", WebRtcConfig(), clock)
        out = broadcast.audio = AudioOut(lambda: broadcast.video_latency_ns, clock, lead_ns=0)
        viewer, halted = Watching("video", "audio"), threading.Event()
        showing = asyncio.create_task(asyncio.to_thread(show, broadcast, out, clock, halted))
        try:
            await viewer.join(broadcast)
            await until(lambda: min(len(viewer.flashes), len(viewer.beeps)) >= 5)
        finally:
            halted.set()
            await showing
            await broadcast.close()
            out.close()
            await close_all()
        offsets = viewer.offsets_ms()
        assert min(map(abs, offsets)) < 60, offsets  # a busy machine delays some
        assert float(np.median(offsets)) > -60, offsets  # and none comes early

    run(scenario())


def show(broadcast: Broadcast, out: AudioOut, clock: MonotonicClock, halted: threading.Event) -> None:
    """30 pictures a second, each 120 ms late; in each half second two are white, and there is a beep."""
    sink = broadcast.sink()
    sink.open(StreamInfo(128, 96, Fraction(30), "yuv420p", Colour()))
    began_ns = clock.now_ns()
    black, white = blank_frame("yuv420p", 96, 128), blank_frame("yuv420p", 96, 128)
    white.planes[0].fill(235)
    sounded = 0
    for n in itertools.count():
        due_ns = began_ns + n * SECOND // 30
        if not clock.wait_until(due_ns + LATENCY_NS, halted):
            break
        while sounded * PACKET_NS < due_ns + LATENCY_NS - began_ns:
            beeps = sounded % 25 < 5
            out.feed(tone(sounded, amplitude=12_000 if beeps else 0), began_ns + sounded * PACKET_NS)
            sounded += 1
        picture = white if n % 15 < 2 else black
        frame = HostFrame(picture.planes, "yuv420p", 128, 96, pts_ns=n * SECOND // 30, scheduled_ns=due_ns)
        sink.write(frame)
    sink.close()


class Flashing(Picture):
    """White for a tenth of each half second."""

    async def recv(self) -> av.VideoFrame:
        now = time.monotonic()
        self.colour = (235, 128, 128) if now % 0.5 < 0.1 else (16, 128, 128)
        return await super().recv()


class Beeping(Tone):
    """A beep for a tenth of each half second."""

    async def recv(self) -> av.AudioFrame:
        self.loud = (time.monotonic() + 0.02) % 0.5 < 0.1
        return await super().recv()


def test_a_publishers_flash_and_beep_reach_the_viewer_together() -> None:
    async def scenario() -> None:
        clock = MonotonicClock()
        async with inlet_of(codec="h264") as inlet:
            broadcast = Broadcast("live", WebRtcConfig(), clock)
            out = broadcast.audio = AudioOut(lambda: broadcast.video_latency_ns, clock, lead_ns=0)
            inlet.audio_feed(out)
            source = inlet.open_source(parse("webrtc:?video_size=128x96"))
            passing = asyncio.create_task(asyncio.to_thread(pass_on, source, broadcast, clock))
            viewer = Watching("audio", "video")
            try:
                await publish(inlet, Beeping(), Flashing(128, 96))
                await viewer.join(broadcast)
                await until(lambda: min(len(viewer.flashes), len(viewer.beeps)) >= 5)
            finally:
                await inlet.close()
                await passing
                await broadcast.close()
                out.close()
            offsets = viewer.offsets_ms()
            assert min(map(abs, offsets)) < 60, offsets  # a busy machine delays some
            assert float(np.median(offsets)) > -60, offsets  # and none comes early
            assert inlet.record()["state"] == "none"

    run(scenario())


def pass_on(source: Any, broadcast: Broadcast, clock: MonotonicClock) -> None:
    sink = broadcast.sink()
    sink.open(StreamInfo(128, 96, Fraction(30), "yuv420p", Colour()))
    while (frame := source.read()) is not None:
        sink.write(frame.stamped(seq=0, scheduled_ns=clock.now_ns()))
    sink.close()
