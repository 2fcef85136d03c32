"""One encode for several live outputs: who shares, who does not, what comes and goes."""

from __future__ import annotations

import io
import time
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from av.codec import CodecContext
from av.video.codeccontext import VideoCodecContext

from livefuse.config import OutputConfig
from livefuse.errors import SinkLost, SinkUnwritable
from livefuse.frame import HostFrame
from livefuse.sinks import open_sink
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.encoder import VideoEncoder
from livefuse.sinks.shared import MOST_WAITING, TIME_BASE, Encoded, Encoders, Seat
from livefuse.sinks.stream import StreamSink, live_settings
from livefuse.sinks.upscaled import UpscaledSink
from tests.unit.sink_clips import info_of, moving, steady
from tests.unit.test_sink_stream import free_port

INFO = info_of()
LESS_WORK = {"hevc": {"preset": "ultrafast"}, "av1": {"preset": "13"}}


def join(encoders: Encoders, options: dict[str, str] | None = None, info: StreamInfo = INFO) -> Seat:
    return encoders.join(info, live_settings(info, OutputConfig(), {"g": "300", **(options or {})}))


def sit(encoders: Encoders, options: dict[str, str] | None = None) -> Seat:
    seat = join(encoders, options)
    seat.sit_down()
    return seat


def all_of(seat: Seat) -> list[Encoded]:
    packets = []
    while (packet := seat.take()) is not None:
        packets.append(packet)
    return packets


def frames(n: int) -> list[HostFrame]:
    return list(moving(INFO, steady(n)))


def lumas(seat: Seat, packets: list[Encoded]) -> list[int]:
    """What a receiver that knows only the head and these packets sees."""
    with av.open(io.BytesIO(seat.encoder.head), format="nut") as head:
        extradata = head.streams.video[0].codec_context.extradata
    decoder = CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.extradata = extradata
    pictures = [p for packet in packets for p in decoder.decode(av.Packet(packet.data))] + decoder.decode(None)
    return [int(np.frombuffer(memoryview(p.planes[0]), np.uint8)[0]) for p in pictures]


def test_equal_settings_are_encoded_once_and_all_get_everything() -> None:
    encoders = Encoders()
    one, two = sit(encoders), sit(encoders)
    assert len(encoders) == 1
    assert one.encoder is two.encoder
    got: list[list[Encoded]] = [[], []]
    for frame in frames(10):
        for seat, packets in zip((one, two), got, strict=True):
            seat.push(frame)
            packets += all_of(seat)
    assert one.encoder.frames == 10
    got[0] += all_of(one)
    assert got[0] == got[1]
    assert lumas(one, got[0]) == pytest.approx([40 + 3 * i for i in range(10)], abs=2)


@pytest.mark.parametrize("options", [{"b": "900k"}, {"g": "12"}, {"preset": "ultrafast"}, {"threads": "1"}])
def test_other_settings_are_another_encoder(options: dict[str, str]) -> None:
    encoders = Encoders()
    sit(encoders)
    sit(encoders, options)
    assert len(encoders) == 2


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp8", "vp9"])
def test_nothing_is_held_back_and_a_key_frame_comes_when_asked_for(codec: str) -> None:
    if codec == "av1" and "libsvtav1" not in av.codecs_available:
        pytest.skip("this FFmpeg has no AV1 encoder")
    encoders = Encoders()
    early, late = (join(encoders, {"vcodec": codec, **LESS_WORK.get(codec, {})}) for _ in range(2))
    early.sit_down()
    for i, frame in enumerate(frames(8)):
        if i == 4:
            late.sit_down()
        early.push(frame)
        assert [p.is_key for p in all_of(early)] == [i in (0, 4)]
    assert [p.is_key for p in all_of(late)] == [True, False, False, False]


def test_another_size_is_another_encoder() -> None:
    encoders = Encoders()
    sit(encoders)
    join(encoders, info=info_of(192, 128))
    assert len(encoders) == 2


def test_sessions_do_not_share() -> None:
    one, two = Encoders(), Encoders()
    assert sit(one).encoder is not sit(two).encoder


def test_who_joins_later_starts_at_a_key_frame_at_once_and_at_time_zero() -> None:
    encoders = Encoders()
    early = sit(encoders)
    many = frames(24)
    for frame in many[:12]:
        early.push(frame)
    assert [p.is_key for p in all_of(early)] == [True] + [False] * 11
    late = sit(encoders)
    for frame in many[12:]:
        late.push(frame)
        early.push(frame)
    packets = all_of(late)
    assert [p.is_key for p in packets] == [True] + [False] * 11
    assert [p.pts for p in packets[:3]] == [0, 3000, 6000]
    assert lumas(late, packets)[0] == pytest.approx(40 + 36, abs=2)
    after = all_of(early)
    assert after[0].is_key
    assert after[0].pts == 36_000  # the first one's clock goes on


def test_who_is_still_connecting_gets_nothing_old() -> None:
    encoders = Encoders()
    early, connecting = sit(encoders, {"g": "5"}), join(encoders, {"g": "5"})
    many = frames(20)
    for frame in many[:-1]:
        early.push(frame)
    assert connecting.take() is None
    connecting.sit_down()
    early.push(many[-1])
    assert [p.is_key for p in all_of(connecting)] == [True]


def test_who_does_not_take_is_bounded_and_starts_over_alone() -> None:
    encoders = Encoders()
    good, stuck = sit(encoders), sit(encoders)
    many = [replace(frame, planes=frames(1)[0].planes) for frame in frames(MOST_WAITING + 40)]  # no cut in the scene
    stuck.push(many[0])
    got = []
    for frame in many[:-10]:
        good.push(frame)
        got += all_of(good)
        assert len(stuck._waiting) <= MOST_WAITING
    assert len(got) == len(many) - 10
    assert sum(p.is_key for p in got) == 1
    for frame in many[-10:]:
        stuck.push(frame)
    left = all_of(stuck)
    assert left[0].is_key
    assert len(left) == 10
    assert len(lumas(stuck, left)) == 10


def test_the_encoder_ends_with_its_last_seat() -> None:
    encoders = Encoders()
    one, two = sit(encoders), sit(encoders)
    one.leave()
    one.leave()
    assert len(encoders) == 1
    two.push(frames(1)[0])
    assert two.take() is not None
    two.leave()
    assert len(encoders) == 0
    assert sit(encoders).encoder is not two.encoder


def test_only_the_last_one_gets_what_the_encoder_holds_back() -> None:
    encoders = Encoders()
    one, two = sit(encoders, {"tune": "psnr"}), sit(encoders, {"tune": "psnr"})  # with lookahead
    many = frames(30)
    for frame in many:
        one.push(frame)
        two.push(frame)
    one.finish()
    held_back = len(many) - len(all_of(one))
    assert held_back > 0
    one.leave()
    before = len(all_of(two))
    two.finish()
    assert len(encoders) == 0
    assert before + len(all_of(two)) == len(many)


def test_a_broken_encoder_is_lost_and_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    encoders = Encoders()
    sinks = [StreamSink(f"udp://127.0.0.1:{free_port(True)}", encoders=encoders) for _ in range(2)]
    many = frames(4)
    try:
        for sink in sinks:
            sink.open(INFO)
            sink.write(many[0])
        seat = sinks[0]._seat
        assert seat is not None
        with monkeypatch.context() as broken:
            broken.setattr(VideoEncoder, "encode", _fails)
            with pytest.raises(SinkLost, match="the encoder failed"):
                sinks[0].write(many[1])
        sinks[0].open(INFO)
        again = sinks[0]._seat
        assert again is not None
        assert again.encoder is not seat.encoder
        sinks[0].write(many[2])
        assert again.encoder.frames == 1
    finally:
        for sink in sinks:
            sink.abort()
    assert len(encoders) == 0


def _fails(*_: object, **__: object) -> None:
    raise av.ExternalError(1, "the driver is gone")


def test_an_encoder_that_does_not_open_is_not_tried_again() -> None:
    encoders = Encoders()
    with pytest.raises(SinkUnwritable, match="does not open"):
        open_sink("udp://127.0.0.1:9?preset=fastest", OutputConfig(), encoders=encoders).open(INFO)
    assert len(encoders) == 0


def test_an_unreachable_server_leaves_no_encoder_behind() -> None:
    encoders = Encoders()
    with pytest.raises(SinkLost):
        StreamSink(f"rtmp://127.0.0.1:{free_port()}/live/x", encoders=encoders).open(INFO)
    assert len(encoders) == 0


def test_enlarged_pictures_are_never_shared_with_plain_ones() -> None:
    encoders = Encoders()
    enlarged = open_sink("udp://127.0.0.1:9?upscale=some-model", OutputConfig(), encoders=encoders)
    plain = open_sink("udp://127.0.0.1:9", OutputConfig(), encoders=encoders)
    assert isinstance(enlarged, UpscaledSink)
    assert isinstance(enlarged.inner, StreamSink)
    assert isinstance(plain, StreamSink)
    assert plain._encoders is encoders
    assert enlarged.inner._encoders is not encoders


def test_a_hung_server_does_not_hold_up_its_neighbour() -> None:
    encoders = Encoders()
    hung, good = (StreamSink(f"udp://127.0.0.1:{free_port(True)}", encoders=encoders) for _ in range(2))
    many = frames(30)
    try:
        hung.open(INFO)
        good.open(INFO)
        hung.write(many[0])
        process = hung._process
        assert process is not None
        process.kill()
        began_s = time.monotonic()
        for frame in many[1:]:
            good.write(frame)
        assert time.monotonic() - began_s < 5  # far below the limit after which a server counts as lost
        with pytest.raises(SinkLost):
            hung.write(many[-1])
        good.close()
    finally:
        hung.abort()
        good.abort()


def test_settings_follow_the_url_then_the_configuration() -> None:
    settings = live_settings(INFO, OutputConfig(bitrate="2M"), {})
    assert settings.bits_per_second == 2_000_000
    assert settings.gop == 60
    assert (settings.options["preset"], settings.options["tune"]) == ("superfast", "zerolatency")
    said = live_settings(INFO, OutputConfig(bitrate="2M"), {"b": "1M", "g": "7", "preset": "medium", "threads": "2"})
    assert (said.bits_per_second, said.gop, said.threads, said.options["preset"]) == (1_000_000, 7, 2, "medium")
    assert said.time_base == TIME_BASE == Fraction(1, 90_000)
