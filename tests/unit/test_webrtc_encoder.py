"""Live encoders: rates that follow, key frames on demand, hardware that is there or fails."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext

from livefuse.errors import BadValue
from livefuse.frame import Colour, HostFrame, PixelFormat, plane_shapes
from livefuse.webrtc import encoder as encoder_module
from livefuse.webrtc import hardware
from livefuse.webrtc.encoder import Codec, Encoded, LiveEncoder, Shape
from livefuse.webrtc.hardware import SOFTWARE, h264_encoder, opens, threads
from livefuse.webrtc.rates import Rates, parse_bitrate, rates

FPS = Fraction(30)


@functools.cache
def textured(number: int, width: int = 320, height: int = 240, format: PixelFormat = "yuv420p") -> HostFrame:  # noqa: A002
    """A pattern that moves, with grain that is new each time: an encoder needs all of its rate."""
    y, x = np.mgrid[:height, :width]
    grain = np.random.default_rng(number).normal(0, 5, (height, width))
    luma = (120 + 60 * np.sin((x + 5 * number) / 30) * np.cos((y - 3 * number) / 40) + grain).astype(np.uint8)
    planes = [np.full(shape, 128, np.uint8) for shape in plane_shapes(format, height, width)]
    planes[0][...] = luma[..., None] if format == "rgb24" else luma
    return HostFrame(tuple(planes), format, width, height)


def live(codec: Codec = "h264", frame: HostFrame | None = None, bounds: Rates | None = None, **how: Any) -> LiveEncoder:
    shape = Shape.of(frame or textured(0))
    return LiveEncoder(codec, shape, bounds or Rates(400_000, 100_000, 1_600_000), FPS, **{"encoder": SOFTWARE} | how)


def encoded(encoder: LiveEncoder, first: int, count: int) -> list[Encoded]:
    return [encoder.encode(textured(number % 20), number * 3000, key=False) for number in range(first, first + count)]


def bits_per_second(pictures: list[Encoded]) -> float:
    return sum(len(picture.data) for picture in pictures) * 8 * 30 / len(pictures)


def decoded_sizes(codec: Codec, pictures: list[Encoded]) -> list[tuple[int, int]]:
    decoder = av.CodecContext.create({"h264": "h264", "vp8": "vp8"}[codec], "r")
    assert isinstance(decoder, VideoCodecContext)
    frames = [frame for picture in pictures for frame in decoder.decode(av.Packet(picture.data))]
    return [(frame.width, frame.height) for frame in [*frames, *decoder.decode(None)]]


@pytest.mark.parametrize("codec", ["h264", "vp8"])
def test_every_frame_comes_out_at_once_and_only_the_first_is_a_key(codec: Codec) -> None:
    pictures = encoded(live(codec), 0, 40)
    assert all(picture.data for picture in pictures)
    assert [picture.key for picture in pictures] == [True] + [False] * 39
    assert [picture.pts for picture in pictures] == [number * 3000 for number in range(40)]
    assert decoded_sizes(codec, pictures) == [(320, 240)] * 40


def test_key_frames_carry_parameter_sets_of_constrained_baseline() -> None:
    encoder = live()
    first, *_ = encoded(encoder, 0, 5)
    asked = encoder.encode(textured(5), 15_000, key=True)
    for picture in (first, asked):
        assert picture.key
        at = picture.data.index(b"\0\0\1\x67")  # SPS
        profile, constraints = picture.data[at + 4], picture.data[at + 5]
        assert profile == 0x42
        assert constraints & 0x40  # constraint_set1_flag: constrained
        assert b"\0\0\1\x68" in picture.data  # PPS
        assert b"\0\0\1\x65" in picture.data  # an IDR picture
    assert decoded_sizes("h264", [asked]) == [(320, 240)]


def test_the_rate_follows_down_and_up_with_one_encoder() -> None:
    encoder = live()
    got = {}
    for step, rate in enumerate((400_000, 150_000, 1_200_000, 400_000)):
        encoder.aim(rate)
        pictures = encoded(encoder, step * 50, 50)
        got[step] = bits_per_second(pictures[20:])
        assert 0.6 * rate < got[step] < 1.25 * rate
        assert not any(picture.key for picture in pictures[1:])
    assert encoder.take_opened() == 1
    assert encoder.take_opened() == 0


def test_the_rate_keeps_within_its_bounds() -> None:
    encoder = live()
    encoder.aim(1)
    assert encoder.target == 100_000
    encoder.aim(10**12)
    assert encoder.target == 1_600_000


def test_where_the_rate_cannot_follow_the_encoder_is_opened_again_by_quarters() -> None:
    encoder = live("vp8")
    encoder.take_opened()
    encoder.aim(440_000)
    assert encoder.take_opened() == 0
    encoder.aim(200_000)
    assert encoder.take_opened() == 1
    pictures = encoded(encoder, 0, 50)
    assert pictures[0].key
    assert 0.5 * 200_000 < bits_per_second(pictures[20:]) < 1.3 * 200_000


@pytest.mark.parametrize("codec", ["h264", "vp8"])
@pytest.mark.parametrize("format", ["yuv420p", "nv12", "rgb24"])
def test_frames_of_odd_sizes_lose_their_last_row_and_column(codec: Codec, format: PixelFormat) -> None:  # noqa: A002
    frame = textured(0, 161, 121, format)
    picture = live(codec, frame).encode(frame, 0, key=True)
    assert decoded_sizes(codec, [picture]) == [(160, 120)]


def test_colours_are_told_and_vp8_is_converted_to_the_only_ones_it_has() -> None:
    hd = Colour("bt709", True, 1, 1, 1)
    frame = HostFrame(textured(0).planes, "yuv420p", 320, 240, colour=hd)
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    picture = live(frame=frame).encode(frame, 0, key=True)
    (shown,) = [*decoder.decode(av.Packet(picture.data)), *decoder.decode(None)]
    assert (shown.colorspace, shown.color_range) == (1, 2)
    black = HostFrame(
        tuple(np.full_like(p, 0 if at == 0 else 128) for at, p in enumerate(frame.planes)),
        *("yuv420p", 320, 240),
        colour=hd,
    )
    decoder = av.CodecContext.create("vp8", "r")
    assert isinstance(decoder, VideoCodecContext)
    (shown,) = decoder.decode(av.Packet(live("vp8", black).encode(black, 0, key=True).data))
    assert abs(int(shown.to_ndarray()[100, 100]) - 16) <= 2  # limited range


def test_1080p_has_a_level_that_allows_it() -> None:
    frame = textured(0, 1920, 1080)
    picture = live(frame=frame, bounds=Rates(4_000_000, 300_000, 16_000_000)).encode(frame, 0, key=True)
    at = picture.data.index(b"\0\0\1\x67")
    assert picture.data[at + 6] >= 40


def test_bitrates() -> None:
    assert [parse_bitrate(text) for text in ("2.5M", "300k", "64000", "")] == [2_500_000, 300_000, 64_000, 0]
    with pytest.raises(BadValue):
        parse_bitrate("fast")
    by_size = rates("", "300k", "", 1280, 720, FPS)
    assert 2_000_000 < by_size.start < 4_000_000
    assert by_size.most == 4 * by_size.start
    assert rates("1M", "300k", "2M", 1280, 720, FPS) == Rates(1_000_000, 300_000, 2_000_000)
    assert rates("200k", "300k", "100k", 64, 64, FPS) == Rates(200_000, 200_000, 200_000)


def test_threads_leave_room_for_the_pipeline() -> None:
    assert threads(640 * 480, 16) == 1
    assert threads(1280 * 720, 16) == 2
    assert threads(1920 * 1080, 2) == 2


@pytest.fixture
def probed() -> Iterator[None]:
    opens.cache_clear()
    yield
    opens.cache_clear()


@pytest.mark.usefixtures("probed")
def test_the_first_hardware_encoder_that_opens_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "opens", lambda name: name in ("h264_qsv", "h264_amf"))
    assert h264_encoder("auto") == "h264_qsv"
    assert h264_encoder("h264_amf") == "h264_amf"
    assert h264_encoder("h264_nvenc") == SOFTWARE
    monkeypatch.setattr(hardware, "opens", lambda name: False)
    assert h264_encoder("auto") == SOFTWARE


@pytest.mark.usefixtures("probed")
def test_encoders_are_asked_by_opening_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not opens("h264_of_nobody")
    assert opens(SOFTWARE)
    tried: list[str] = []

    def refuse(name: str, *_: object) -> VideoCodecContext:
        tried.append(name)
        raise av.error.ExternalError(1, "no device")

    monkeypatch.setattr(hardware, "new_context", refuse)
    monkeypatch.setattr(av, "codecs_available", {"h264_nvenc"})
    assert not opens("h264_nvenc")
    assert not opens("h264_nvenc")
    assert tried == ["h264_nvenc"]


class _Dying:
    """A hardware encoder that works for two frames."""

    pix_fmt = "yuv420p"

    def __init__(self) -> None:
        self.inner = hardware.new_context(SOFTWARE, 320, 240, FPS, 400_000)
        self.inner.options = {"preset": "ultrafast", "tune": "zerolatency"}
        self.left = 2

    def open(self) -> None: ...

    def encode(self, picture: Any) -> list[Any]:
        self.left -= 1
        if self.left < 0:
            raise av.error.ExternalError(1, "device lost")
        return self.inner.encode(picture)


def test_a_hardware_encoder_that_fails_is_replaced_within_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in: no hardware encoder is at hand where this was written."""
    real = hardware.new_context
    monkeypatch.setattr(
        encoder_module, "new_context", lambda name, *rest: _Dying() if name == "h264_nvenc" else real(name, *rest)
    )
    monkeypatch.setattr(hardware, "opens", lambda name: name == "h264_nvenc")
    encoder = live(encoder="auto")
    assert encoder.name == "h264_nvenc"
    pictures = encoded(encoder, 0, 5)
    assert [picture.key for picture in pictures] == [True, False, True, False, False]
    assert encoder.name == SOFTWARE
    assert all(picture.data for picture in pictures)
