"""Enlarges frames on their way into another sink, on that sink's own thread: nothing else waits for it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from livefuse.config import Config, RuntimeConfig
from livefuse.device.base import Lane
from livefuse.engines import Engines
from livefuse.enhance.upscale.frames import stretched, upscaled
from livefuse.enhance.upscale.upscaler import Cutting, Upscaler, make_upscaler
from livefuse.errors import Interrupted, SinkLost
from livefuse.frame import SLATE_SCENE, HostFrame
from livefuse.gate import Gate
from livefuse.pool import FramePool
from livefuse.sinks.base import ReadSink, Sink, StreamInfo


@dataclass(frozen=True, slots=True)
class Upscaling:
    """Which upscaler, and how it cuts."""

    model: str
    cutting: Cutting = field(default_factory=Cutting)


class UpscaledSink:
    """Hands `inner` every frame enlarged, at the same times. The model is loaded by `open`.

    A frame can take minutes: `hurry` and `give_up` end it early, from any thread.
    """

    def __init__(self, inner: Sink, wanted: Upscaling, runtime: RuntimeConfig | None = None) -> None:
        self.inner, self.wanted = inner, wanted
        self.name = inner.name
        self.frames = 0
        self._runtime = runtime or RuntimeConfig()
        self._upscaler: Upscaler | None = None
        self._pool: FramePool | None = None
        self._lane = Lane(0)
        self._ends_at_s = float("inf")
        self._given_up = False
        self._gate, self._due_ns = Gate(), 0

    @property
    def notes(self) -> list[str]:
        return list(getattr(self.inner, "notes", []))

    @property
    def progress(self) -> float:
        """Frames that are done, with the part of the present one."""
        upscaler = self._upscaler
        part = upscaler.done / upscaler.total if upscaler and upscaler.total else 0.0
        return self.frames + (part if part < 1 else 0.0)

    def readers(self) -> int | None:
        """How many look at `inner`; None if it cannot tell."""
        return self.inner.readers() if isinstance(self.inner, ReadSink) else None

    def guard(self, gate: Gate) -> None:
        """A picture that is being enlarged when `gate` begins to hold pictures back is given up."""
        self._gate = gate

    def open(self, info: StreamInfo) -> None:
        """Raises: what the upscaler's model and `inner` do."""
        if self._upscaler is None:
            engines = Engines(Config(runtime=self._runtime))
            self._upscaler = make_upscaler(self.wanted.model, engines, self.wanted.cutting, between=self._stop_if_late)
        k = self._upscaler.scale
        larger = replace(info, width=info.width * k, height=info.height * k)
        self._pool = FramePool(larger.format, larger.height, larger.width)
        self.inner.open(larger)

    def write(self, frame: HostFrame) -> None:
        if self._upscaler is None or self._pool is None:
            raise SinkLost(f"{self.name} is not open", hint="open the sink before writing to it")
        if frame.scene == SLATE_SCENE:  # at once: pictures are held back
            self.inner.write(stretched(frame, self._pool.take()))
            return
        self._due_ns = frame.scheduled_ns
        try:
            self._stop_if_late()
            larger = upscaled(self._lane, frame, self._upscaler, self._pool.take())
            self._stop_if_late()
        except Interrupted:  # the session has ended meanwhile, or holds this frame back, and does not wait for it
            return
        self.inner.write(larger)
        self.frames += 1

    def close(self) -> None:
        """Raises: Interrupted after `give_up`."""
        if self._given_up:
            self.abort()
            raise Interrupted("stopped in the middle of a picture", hint="run the same command again")
        self.inner.close()

    def abort(self) -> None:
        self.inner.abort()

    def hurry(self, limit_s: float) -> None:
        """The session ends: frames that are not done after this time are dropped. `close` completes what there is."""
        self._ends_at_s = min(self._ends_at_s, time.monotonic() + limit_s)

    def give_up(self) -> None:
        """The output is not wanted any more."""
        self._given_up = True
        self.hurry(0)

    def _stop_if_late(self) -> None:
        if time.monotonic() >= self._ends_at_s or not self._gate.admits(self._due_ns):
            raise Interrupted("stopped in the middle of a picture")
