"""Sinks that enlarge: what they tell the sink behind them, in every pixel format, and how they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from livefuse.clock import LatencyTrace, MonotonicClock
from livefuse.composite.privacy import Verdict
from livefuse.config import OutputConfig
from livefuse.device.base import Lane, Picture
from livefuse.device.colour import to_rgb_map
from livefuse.device.planes import Region, read_yuv, to_rgb
from livefuse.engines import Engines
from livefuse.enhance.upscale.frames import upscaled
from livefuse.enhance.upscale.upscaler import Cutting
from livefuse.errors import BadValue, Interrupted, ModelMissing, SinkLost
from livefuse.frame import U8, Colour, HostFrame, PixelFormat, plane_shapes
from livefuse.sinks import open_sink
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.file import FileSink
from livefuse.sinks.null import NullSink
from livefuse.sinks.upscaled import UpscaledSink, Upscaling
from livefuse.sinks.url import parse_sink_url
from livefuse.sinks.worker import Outgoing, SinkWorker
from livefuse.stats import Stats
from tests.unit.sink_clips import info_of
from tests.unit.upscalers import engine_of, nearest, noise, upscaler_of

FORMATS: tuple[PixelFormat, ...] = ("yuv420p", "nv12", "rgb24")


class Keeping:
    """A sink that keeps what it gets."""

    name = "keeping"

    def __init__(self) -> None:
        self.info: StreamInfo | None = None
        self.frames: list[HostFrame] = []
        self.ends: list[str] = []

    def open(self, info: StreamInfo) -> None:
        self.info = info

    def write(self, frame: HostFrame) -> None:
        self.frames.append(frame)

    def close(self) -> None:
        self.ends.append("close")

    def abort(self) -> None:
        self.ends.append("abort")


@pytest.fixture
def doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is loaded as one that doubles pixels."""
    monkeypatch.setattr(Engines, "load", lambda *_: engine_of(nearest(2)))


def smooth_frame(format_: PixelFormat, height: int, width: int, colour: Colour | None = None) -> HostFrame:
    """Gradients in every plane, gentle enough for chroma to be read at any place, of colours that RGB has."""
    planes = []
    for index, shape in enumerate(plane_shapes(format_, height, width)):
        y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
        ramp = 128 + (15 if index else 40) * np.sin(x / 15 + index) + 12 * np.cos(y / 12)
        if len(shape) == 3:
            ramp = np.stack([ramp / (1 + channel / 50) for channel in range(shape[2])], axis=2)
        planes.append(ramp.astype(np.uint8))
    return HostFrame(tuple(planes), format_, width, height, 7_000, 40, 3, 11, colour or Colour(), truth="known")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("scale", [1, 2, 3])
@pytest.mark.parametrize(("height", "width"), [(100, 120), (61, 83)])
def test_frames_keep_their_format_and_colours(format_: PixelFormat, scale: int, height: int, width: int) -> None:
    """A network that repeats pixels: planes come out as if each had been enlarged by itself, give or take rounding."""
    frame = smooth_frame(format_, height, width, Colour("bt709", True, 1, 13, 1))
    upscaler = upscaler_of(nearest(scale), scale, Cutting(tile=48, overlap=4))
    shapes = plane_shapes(format_, height * scale, width * scale)
    larger = upscaled(Lane(0), frame, upscaler, tuple(np.full(shape, 255, np.uint8) for shape in shapes))
    assert upscaler.total > 4
    assert (larger.width, larger.height, larger.format) == (width * scale, height * scale, format_)
    assert (larger.pts_ns, larger.duration_ns, larger.seq, larger.scheduled_ns) == (7_000, 40, 3, 11)
    assert larger.colour == frame.colour
    assert larger.truth is None
    for before, after, shape in zip(frame.planes, larger.planes, shapes, strict=True):
        wanted = before.repeat(scale, axis=0).repeat(scale, axis=1)[: shape[0], : shape[1]].astype(int)
        error = np.abs(after.astype(int) - wanted)
        assert error.max() <= (0 if format_ == "rgb24" else 6)  # chroma is read between its samples
        assert error.mean() < 1.5


def test_yuv_is_read_by_its_own_matrix_and_range() -> None:
    shapes = plane_shapes("yuv420p", 40, 60)
    seen = []
    for colour in (Colour("bt601", False), Colour("bt709", False), Colour("bt709", True)):
        planes = tuple(np.full(shape, value, np.uint8) for shape, value in zip(shapes, (150, 90, 170), strict=True))
        fed: list[U8] = []

        def watch(x: np.ndarray, kept: list[U8] = fed) -> np.ndarray:
            kept.append(np.rint(x[0, :, 20, 20] * 255).astype(np.uint8))
            return nearest(2)(x)

        frame = HostFrame(planes, "yuv420p", 60, 40, colour=colour)
        room = tuple(np.empty(shape, np.uint8) for shape in plane_shapes("yuv420p", 80, 120))
        larger = upscaled(Lane(0), frame, upscaler_of(watch, 2, Cutting()), room)
        matrix = to_rgb_map(colour)
        wanted = np.clip(matrix[:, :3] @ (150, 90, 170) + matrix[:, 3], 0, 255)
        assert np.abs(fed[0] - wanted).max() <= 1
        seen.append(tuple(fed[0]))
        assert [
            int(np.abs(plane.astype(int) - v).max()) <= 1
            for plane, v in zip(larger.planes, (150, 90, 170), strict=True)
        ] == [True] * 3
    assert len(set(seen)) == 3


def test_only_the_rows_of_a_tile_are_converted() -> None:
    frame, lane = smooth_frame("yuv420p", 400, 64), Lane(0)
    upscaler = upscaler_of(nearest(1), 1, Cutting(tile=64, overlap=4))
    upscaled(lane, frame, upscaler, tuple(np.empty_like(plane) for plane in frame.planes))
    assert lane.nbytes < 400 * 64 * 3 * 4, "no copy of the whole picture beside the output"
    picture = Picture(frame.planes, frame.format, 64, 400, frame.colour)
    whole, part = np.empty((400, 64, 3), np.uint8), np.empty((30, 64, 3), np.uint8)
    to_rgb(lane, picture, read_yuv(lane, picture, Region(0, 0, 64, 400), 1), whole)
    to_rgb(lane, picture, read_yuv(lane, picture, Region(0, 101, 64, 30), 1), part)
    np.testing.assert_array_equal(part, whole[101:131])


@pytest.mark.parametrize("format_", FORMATS)
def test_the_sink_behind_is_told_the_larger_size(doubling: None, format_: PixelFormat) -> None:
    inner = Keeping()
    sink = UpscaledSink(inner, Upscaling("real_esrgan_x2"))
    info = StreamInfo(54, 37, Fraction(25), format_, Colour("bt709"))
    sink.open(info)
    assert inner.info == replace(info, width=108, height=74)
    assert sink.name == "keeping"
    first, second = smooth_frame(format_, 37, 54), replace(smooth_frame(format_, 37, 54), pts_ns=9_000)
    sink.write(first)
    sink.write(second)
    assert sink.progress == sink.frames == 2
    assert [frame.pts_ns for frame in inner.frames] == [7_000, 9_000]
    assert [plane.shape for plane in inner.frames[0].planes] == list(plane_shapes(format_, 74, 108))
    for plane, small in zip(inner.frames[0].planes, first.planes, strict=True):
        assert abs(float(plane.mean()) - float(small.mean())) < 2
    sink.close()
    assert inner.ends == ["close"]


def test_errors_come_when_the_sink_is_opened(doubling: None) -> None:
    info = info_of(32, 32)
    for model, kind, says in (("yunet", BadValue, "detector"), ("real_esrgan_x3", ModelMissing, "real_esrgan_x3")):
        inner = Keeping()
        with pytest.raises(kind, match=says):
            UpscaledSink(inner, Upscaling(model)).open(info)
        assert inner.info is None
    with pytest.raises(BadValue, match="tile of 20 px"):
        UpscaledSink(Keeping(), Upscaling("real_esrgan_x2", Cutting(tile=20))).open(info)
    with pytest.raises(SinkLost, match="not open"):
        UpscaledSink(Keeping(), Upscaling("real_esrgan_x2")).write(smooth_frame("rgb24", 32, 32))


def test_after_giving_up_there_is_no_output(doubling: None) -> None:
    inner = Keeping()
    sink = UpscaledSink(inner, Upscaling("real_esrgan_x2"))
    sink.open(info_of(40, 40, "rgb24"))
    sink.write(smooth_frame("rgb24", 40, 40))
    sink.give_up()
    sink.write(smooth_frame("rgb24", 40, 40))
    assert len(inner.frames) == 1
    with pytest.raises(Interrupted):
        sink.close()
    assert inner.ends == ["abort"]


def test_a_hurried_sink_completes_what_it_has(doubling: None) -> None:
    inner = Keeping()
    sink = UpscaledSink(inner, Upscaling("real_esrgan_x2"))
    sink.open(info_of(40, 40, "rgb24"))
    sink.write(smooth_frame("rgb24", 40, 40))
    sink.hurry(0)
    sink.write(smooth_frame("rgb24", 40, 40))
    sink.close()
    assert (len(inner.frames), inner.ends) == (1, ["close"])


class Patient(Keeping):
    """A slow sink as the worker sees it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.released = threading.Event()

    def write(self, frame: HostFrame) -> None:
        self.released.wait(20)
        super().write(frame)

    def hurry(self, limit_s: float) -> None:
        assert 0 < limit_s < 10, "before the session stops waiting"
        self.asked.append("hurry")

    def give_up(self) -> None:
        self.asked.append("give up")


@pytest.mark.parametrize(
    ("every", "keep", "asked"), [(True, True, []), (True, False, ["give up"]), (False, True, ["hurry"])]
)
def test_the_worker_tells_a_slow_sink_that_the_session_ends(every: bool, keep: bool, asked: list[str]) -> None:
    sink, clock = Patient(), MonotonicClock()
    worker = SinkWorker(
        sink, "slow", info_of(), clock, Stats("slow"), every=every, retry_max_s=None, on_end=lambda: None
    )
    worker.start()
    worker.put(Outgoing(smooth_frame("yuv420p", 64, 96), Verdict.PASSED, LatencyTrace(clock.now_ns())))
    worker.finish(keep=keep)
    assert sink.asked == asked
    complete = every and keep
    if not complete:
        worker.join(0.01)
        assert worker.is_alive(), "a live session does not wait"
    threading.Timer(0.2, sink.released.set).start()
    worker.join(0.01 if complete else 20)
    assert not worker.is_alive(), "a file's frames are waited for, whatever the limit"
    assert sink.ends == ["close" if keep else "abort"]


def test_a_slow_upscaler_drops_only_its_own_frames(doubling: None) -> None:
    """Live, the newest frame wins: while one is enlarged, those that come are left out, and nobody waits."""
    inner, clock = Keeping(), MonotonicClock()
    sink, stats = UpscaledSink(inner, Upscaling("real_esrgan_x2")), Stats("slow")
    worker = SinkWorker(
        sink, "slow", info_of(64, 64, "rgb24"), clock, stats, every=False, retry_max_s=None, on_end=lambda: None
    )
    worker.start()
    assert worker.opened.wait(20)
    frame = smooth_frame("rgb24", 64, 64)
    for index in range(200):
        worker.put(Outgoing(replace(frame, pts_ns=index), Verdict.PASSED, LatencyTrace(clock.now_ns())))
    until(lambda: bool(inner.frames) and inner.frames[-1].pts_ns == 199)
    worker.finish(keep=True)
    worker.join(20)
    assert 1 <= len(inner.frames) < 200
    assert worker.inbox.dropped == 200 - len(inner.frames)
    assert worker.error is None


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert true()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("null:?upscale=real_esrgan_x2", ""),
        ("file:out.mp4?upscale=real_esrgan_x2&crf=20", "out.mp4"),
        ("out.png?upscale=real_esrgan_x2", "out.png"),
        ("vcam:?size=640x480&upscale=real_esrgan_x2", ""),
        ("rtmp://host/live/key?token=a&upscale=real_esrgan_x2", "rtmp://host/live/key?token=a"),
        ("rtsp://host/live?upscale=real_esrgan_x2&rtsp_transport=udp", "rtsp://host/live"),
    ],
)
def test_any_sink_s_url_may_ask_for_an_upscaler(url: str, address: str) -> None:
    parsed = parse_sink_url(url)
    assert (parsed.options["upscale"], parsed.address) == ("real_esrgan_x2", address)
    sink = open_sink(url, OutputConfig())
    assert isinstance(sink, UpscaledSink)
    assert sink.wanted == Upscaling("real_esrgan_x2")


def test_the_configuration_asks_for_it_too_and_a_url_s_own_word_wins() -> None:
    output = OutputConfig(upscale="real_esrgan_x4")
    everywhere = open_sink("file:out.mp4", output)
    assert isinstance(everywhere, UpscaledSink)
    assert everywhere.wanted.model == "real_esrgan_x4"
    assert isinstance(everywhere.inner, FileSink)
    other = open_sink("null:?upscale=span_kendata_x4", output)
    assert isinstance(other, UpscaledSink)
    assert other.wanted.model == "span_kendata_x4"
    assert isinstance(open_sink("null:?upscale=", output), NullSink)
    assert isinstance(open_sink("null:", OutputConfig()), NullSink)
    with pytest.raises(BadValue, match="upscale"):
        open_sink("null:?upscale=a/b", OutputConfig())


def test_noise_survives_a_pool_of_planes(doubling: None) -> None:
    """The sink behind may keep a frame: the next one is not written over it."""
    inner = Keeping()
    sink = UpscaledSink(inner, Upscaling("real_esrgan_x2"))
    sink.open(info_of(40, 32, "rgb24"))
    for seed in (1, 2):
        sink.write(HostFrame.of_rgb(noise(32, 40, seed)))
    first, second = (frame.planes[0] for frame in inner.frames)
    assert np.abs(first.astype(int) - second).mean() > 5
