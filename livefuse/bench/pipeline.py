"""`livefuse bench pipeline`: the whole session at full speed, every frame, into a sink that only counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from livefuse.bench.clip import ClipSource
from livefuse.clock import MonotonicClock
from livefuse.config import Config
from livefuse.frame import HostFrame
from livefuse.memory import resident_bytes
from livefuse.session import Session
from livefuse.sinks.base import StreamInfo
from livefuse.stages import build_stages

_WARM_UP_FRAMES = 90
_SAMPLE_EVERY = 250


class CountingSink:
    """Takes frames and samples the process's memory now and then."""

    name = "count"

    def __init__(self, progress: Callable[[int], None]) -> None:
        self.frames = 0
        self.rss_bytes: list[int] = []
        self._progress = progress

    def open(self, info: StreamInfo) -> None:
        self.frames = 0

    def write(self, frame: HostFrame) -> None:
        self.frames += 1
        if self.frames % _SAMPLE_EVERY == 0:
            self.rss_bytes.append(resident_bytes())
            self._progress(self.frames)

    def close(self) -> None: ...

    def abort(self) -> None: ...


def measure(
    config: Config, width: int, height: int, frames: int, progress: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """The record of `frames` frames after a warm-up, with `memory.growth_bytes` from the first tenth to the end."""
    clip = ClipSource(width, height, max(frames, _WARM_UP_FRAMES))
    clock = MonotonicClock()
    stages = build_stages(config, clock, list)
    clip.rewind(_WARM_UP_FRAMES)
    asyncio.run(Session(config, source=clip, sinks=[CountingSink(progress)], stages=stages, every_frame=True).run())
    clip.rewind(frames)
    sink = CountingSink(progress)
    record = asyncio.run(Session(config, source=clip, sinks=[sink], stages=stages, every_frame=True).run())
    samples = sink.rss_bytes
    settled = samples[len(samples) // 10 :]
    record["memory"]["growth_bytes"] = settled[-1] - settled[0] if settled else 0
    record["median_fps"] = round(1e3 / record["interval_ms"]["p50"], 2)
    record["clip"] = {"width": width, "height": height, "frames": frames}
    return record
