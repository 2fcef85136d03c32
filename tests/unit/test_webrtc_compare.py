"""Camera and swap side by side: the same frame, never the camera alone, and only while somebody compares."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from livefuse.clock import MonotonicClock
from livefuse.composite.stage import Composite
from livefuse.config import Config, PrivacyConfig
from livefuse.daemon_config import WebRtcConfig
from livefuse.device.cpu import CpuBackend
from livefuse.frame import SLATE_SCENE, Colour, HostFrame, PixelFormat, blank_frame
from livefuse.gate import Gate
from livefuse.pipeline import Pipeline
from livefuse.session import Session
from livefuse.sinks.base import StreamInfo
from livefuse.stages import Stages
from livefuse.webrtc.compare import Compare, Pairs, Twin, half_size
from tests.fakes import FakeAlign, FakeDetect, FakeSink, FakeSource, fake_look
from tests.unit.webrtc_watching import Watching, picture, until, watching

INFO = StreamInfo(320, 240, Fraction(30), "yuv420p", Colour())
CAMERA, SWAPPED = 60, 200


def run(scene: Callable[[Compare], Awaitable[None]]) -> None:
    """A scene with a comparison of its own, after which none of its threads is left."""

    async def play() -> None:
        compare = Compare("live", WebRtcConfig(), MonotonicClock())
        try:
            await scene(compare)
        finally:
            await compare.close()
        await until(lambda: not [one for one in threading.enumerate() if one.name == "livefuse-compare"])

    asyncio.run(play())


def begun(compare: Compare, gate: Gate | None = None) -> Pairs:
    pairs = compare.pairs()
    pairs.begin(INFO, gate or Gate())
    return pairs


async def show_until(pairs: Pairs, condition: Callable[[], bool], before: int | None = CAMERA, scene: int = 0) -> None:
    number = 0
    async with asyncio.timeout(20):
        while not condition():
            camera = None if before is None else picture(number, luma=before)
            pairs(camera, replace(picture(number, luma=SWAPPED), scene=scene))
            number += 1
            await asyncio.sleep(0.016)


def halves(viewer: Watching) -> tuple[float, float]:
    left, right = viewer.halves[-1]
    return left, right


def test_half_sizes_are_even_and_never_larger_than_the_picture() -> None:
    assert half_size(1280, 720) == half_size(1920, 1080) == half_size(640, 360) == (640, 360)
    assert half_size(320, 240) == (320, 240)
    assert half_size(720, 1280) == (202, 360)
    assert half_size(641, 359) == (640, 358)
    for width, height in ((1, 1), (4096, 17), (33, 4000)):
        assert all(side >= 2 and side % 2 == 0 for side in half_size(width, height))


@pytest.mark.parametrize("format_", ["yuv420p", "nv12", "rgb24"])
@pytest.mark.parametrize("size", [(64, 48), (1280, 720), (1281, 719)])
def test_the_halves_are_the_two_pictures(format_: PixelFormat, size: tuple[int, int]) -> None:
    before, after = (blank_frame(format_, size[1], size[0]) for _ in range(2))
    for frame, value in ((before, CAMERA), (after, SWAPPED)):
        for plane in frame.planes:
            plane[...] = value
    twin = Twin()(before, after)
    width, height = half_size(*size)
    assert (twin.width, twin.height, twin.format) == (2 * width, height, format_)
    for plane in twin.planes:
        middle = plane.shape[1] // 2
        assert set(np.unique(plane[:, :middle])) == {CAMERA}
        assert set(np.unique(plane[:, middle:])) == {SWAPPED}


def test_a_picture_of_another_kind_is_not_put_beside() -> None:
    after = picture(0, luma=SWAPPED)
    for before in (None, picture(0, width=160, luma=CAMERA), blank_frame("nv12", 240, 320)):
        twin = Twin()(before, after)
        np.testing.assert_array_equal(twin.planes[0][:, :320], after.planes[0])
        np.testing.assert_array_equal(twin.planes[0][:, 320:], after.planes[0])


def test_whoever_compares_sees_both_and_nobody_else_costs_anything() -> None:
    async def scene(compare: Compare) -> None:
        pairs = begun(compare)
        pairs(picture(0), picture(0))
        assert compare.record()["encoded"] == 0
        assert not [one for one in threading.enumerate() if one.name == "livefuse-compare"]
        async with watching(compare) as viewer:
            await show_until(pairs, lambda: len(viewer.sizes) >= 5)
            assert viewer.sizes[-1] == (640, 240)
            assert pairs.readers() == 1
            left, right = halves(viewer)
            assert abs(left - CAMERA) < 12
            assert abs(right - SWAPPED) < 12
        await until(lambda: compare.viewers == 0)
        await until(lambda: compare.record()["encoder"] is None)
        encoded = compare.record()["encoded"]
        pairs(picture(100), picture(100))
        await asyncio.sleep(0.05)
        assert compare.record()["encoded"] == encoded

    run(scene)


def test_what_was_not_made_from_the_camera_is_shown_twice() -> None:
    async def scene(compare: Compare) -> None:
        pairs = begun(compare)
        async with watching(compare) as viewer:
            await show_until(pairs, lambda: len(viewer.sizes) >= 3, before=None)
            assert min(halves(viewer)) > SWAPPED - 12

    run(scene)


def test_pairs_taken_before_a_hold_are_not_shown_in_it() -> None:
    gate, clock = Gate(), MonotonicClock()

    async def scene(compare: Compare) -> None:
        pairs = begun(compare, gate)
        async with watching(compare) as viewer:
            await show_until(pairs, lambda: len(viewer.sizes) >= 3)
            gate.hold_as("panic", clock.now_ns())
            await asyncio.sleep(0.1)
            encoded = compare.record()["encoded"]
            for number in range(5):
                pairs(picture(number, luma=CAMERA), picture(number, luma=SWAPPED))
                await asyncio.sleep(0.03)
            assert compare.record()["encoded"] == encoded
            await show_until(pairs, lambda: min(viewer.halves[-1]) > SWAPPED - 12, None, SLATE_SCENE)

    run(scene)


def test_between_sessions_both_halves_are_the_slate() -> None:
    async def scene(compare: Compare) -> None:
        async with watching(compare) as viewer:
            await until(lambda: len(viewer.sizes) >= 1)
            assert viewer.sizes[0] == (1280, 360)
            left, right = halves(viewer)
            assert left < 60
            assert abs(left - right) < 1
            pairs = begun(compare)
            await show_until(pairs, lambda: (640, 240) in viewer.sizes)
            pairs.end()
            await until(lambda: max(viewer.halves[-1]) < 60)
            pairs(picture(9, luma=CAMERA), picture(9, luma=SWAPPED))  # a late one of the session that has ended
            await viewer.picture()
            assert max(halves(viewer)) < 60

    run(scene)


class Kept:
    """Keeps what a session hands over."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.pairs: list[tuple[HostFrame | None, HostFrame]] = []

    def begin(self, info: StreamInfo, gate: Gate) -> None:
        self.calls.append(f"begin {info.width}x{info.height}")

    def __call__(self, before: HostFrame | None, after: HostFrame) -> None:
        self.pairs.append((before, after))

    def readers(self) -> int:
        return 0

    def end(self) -> None:
        self.calls.append("end")


def session(source: FakeSource, sink: FakeSink, kept: Kept) -> Session:
    config = Config(privacy=PrivacyConfig(mode="closed", cover="slate"))
    backend, clock = CpuBackend(), MonotonicClock()
    composite = Composite(backend, config.privacy)
    pipeline = Pipeline(backend, FakeDetect(lambda n: n % 4 != 3), FakeAlign(), composite, clock, list)
    stages = Stages(pipeline, composite, lambda _: fake_look(), lambda _: lambda: None)
    config = config.model_copy(update={"identity": config.identity.model_copy(update={"photo": "fake"})})
    made = Session(config, source=source, sinks=[sink], stages=stages, every_frame=True)
    made.pairs = kept
    return made


def test_a_session_hands_over_what_came_in_beside_what_left_of_it() -> None:
    kept, sink = Kept(), FakeSink()
    asyncio.run(asyncio.wait_for(session(FakeSource(40), sink, kept).run(), 30))
    assert kept.calls == ["begin 64x48", "end"]
    assert len(kept.pairs) == 40 == len(sink.marks)
    for number, (before, after) in enumerate(kept.pairs):
        assert before is not None
        assert int(before.planes[0][0, 0]) == number, "the frame that was this one"
        assert int(before.planes[0][24, 32]) == 90, "as the camera gave it: nothing was drawn into it"
        assert int(after.planes[0][24, 32]) != 90
    assert 90 not in sink.luma, "sinks are handed the swapped picture only"


def test_gaps_are_handed_over_without_a_camera_picture() -> None:
    kept = Kept()
    made = session(FakeSource(6, live=True, silent_s=1.5, silent_at=3), FakeSink(), kept)
    made._every = False
    asyncio.run(asyncio.wait_for(made.run(), 30))
    assert any(before is None for before, _ in kept.pairs)
