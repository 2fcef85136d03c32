"""A live session that is too slow lowers its quality, says so, and restores it when it is changed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

from livefuse.clock import MonotonicClock
from livefuse.composite.stage import Composite
from livefuse.config import AdaptiveConfig, Config, EnhanceConfig, IdentityConfig, PrivacyConfig
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.frame import Crops
from livefuse.pipeline import Pipeline
from livefuse.session import Session
from livefuse.stages import Stages
from livefuse.swap.base import Paste
from tests.fakes import FakeAlign, FakeDetect, FakeSink, FakeSource, fake_look


class SlowEnhancer:
    """Takes two frames' time whenever its turn comes."""

    def __init__(self) -> None:
        self.every = 1
        self._count = 0

    def __call__(self, lane: Lane, picture: Picture, crops: Crops, paste: Paste, t_ns: int) -> Crops:
        if self._count % self.every == 0:
            time.sleep(0.02)
        self._count += 1
        return crops


def session_with(enhancer: SlowEnhancer, *, live: bool = True, enabled: bool = True) -> Session:
    """At 100 frames a second."""
    privacy = PrivacyConfig()
    config = Config(
        privacy=privacy,
        adaptive=AdaptiveConfig(enabled=enabled, settle_s=60),
        enhance=EnhanceConfig(every=1),
        identity=IdentityConfig(photo="fake"),
    )
    backend = CpuBackend()
    composite = Composite(backend, privacy)
    pipeline = Pipeline(backend, FakeDetect(), FakeAlign(), composite, MonotonicClock(), list)
    look = replace(fake_look(), enhance=(enhancer,))
    stages = Stages(pipeline, composite, lambda _: look, lambda _: lambda: None)
    source = FakeSource(80 if live else 30, live=live)
    return Session(config, source=source, sinks=[FakeSink()], stages=stages, every_frame=not live)


def run(session: Session) -> dict[str, Any]:
    return asyncio.run(asyncio.wait_for(session.run(), 30))


def test_the_enhancer_runs_less_often_when_frames_are_late() -> None:
    enhancer = SlowEnhancer()
    adaptive = run(session_with(enhancer))["adaptive"]
    assert enhancer.every > 1
    assert adaptive["lowered"][0] == "enhancer 1/2"
    assert adaptive["changes"][0]["took_ms"] > 9
    assert adaptive["late"] > 0


def test_disabled_nothing_is_lowered() -> None:
    enhancer = SlowEnhancer()
    adaptive = run(session_with(enhancer, enabled=False))["adaptive"]
    assert enhancer.every == 1
    assert adaptive["lowered"] == []


def test_files_are_never_lowered() -> None:
    enhancer = SlowEnhancer()
    record = run(session_with(enhancer, live=False))
    assert enhancer.every == 1
    assert "adaptive" not in record


def test_what_was_lowered_is_said_on_the_overlay_and_restored_by_a_change() -> None:
    enhancer, session = SlowEnhancer(), None

    async def lower_then_change() -> tuple[str, str]:
        nonlocal session
        session = session_with(enhancer)
        running = asyncio.create_task(session.run())
        while not (session._running and session._running.marks.note()):
            await asyncio.sleep(0.01)
        said = session._running.marks.note()
        session.change_identity(IdentityConfig(photo="another"))
        await running
        return said, session._running.marks.note()

    said, _ = asyncio.run(asyncio.wait_for(lower_then_change(), 30))
    assert "enhancer 1/" in said
    assert session is not None
    lowered = session.record()["adaptive"]["lowered"]
    assert lowered == ([] if enhancer.every == 1 else [f"enhancer 1/{n}" for n in (2, 4) if n <= enhancer.every])
