"""What a session costs that nobody looks at, and how soon it is back when somebody does.

    python -m tests.bench.idle [--size 1280x720] [--fps 30] [--times 10] [--seconds 8]

One channel of the daemon with real models. Processor seconds per second: of the whole process, busy (a stand-in for the virtual
camera says that one program looks) and idle (it says none does). Waking: from a viewer's offer (aiortc) to the first swapped
frame that leaves the pipeline, and to the first picture that the viewer has decoded.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from livefuse.config import make_config
from livefuse.daemon.channel import Channel
from livefuse.daemon_config import WebRtcConfig
from livefuse.frame import U8, Colour
from livefuse.memory import resident_bytes
from livefuse.sinks.letterbox import Packing
from livefuse.sinks.steady import SteadyCamera
from tests.bench.home import own_home
from tests.unit.webrtc_watching import watching

_IDLE_S = 0.5
_LIMIT_S = 30.0


class Device:
    """A virtual camera that says how many look at it."""

    kind = where = "stand-in"
    looking = 1

    def open(self, size: tuple[int, int], packing: Packing, fps: int, colour: Colour) -> None: ...

    def write(self, picture: U8) -> None: ...

    def readers(self) -> int | None:
        return self.looking

    def close(self) -> None: ...


async def reached(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(_LIMIT_S):
        while not true():
            await asyncio.sleep(0.001)


async def cost(seconds: float) -> float:
    """Processor seconds per second."""
    began_s, used_s = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - used_s) / (time.perf_counter() - began_s)


def swapped(channel: Channel) -> int:
    assert channel.session is not None
    return int(channel.session.record()["frames"]["verdicts"].get("swapped", 0))


async def woken(channel: Channel) -> tuple[float, float]:
    """Seconds from a viewer's coming to the first swapped frame, and to the first picture that it has decoded."""
    await reached(lambda: channel.idle)
    before, began_s = swapped(channel), time.perf_counter()

    async def first_swapped() -> float:
        await reached(lambda: swapped(channel) > before)
        return time.perf_counter() - began_s

    frame = asyncio.create_task(first_swapped())
    async with watching(channel.broadcast) as viewer:
        await viewer.picture()
        seen_s = time.perf_counter() - began_s
        return await frame, seen_s


async def measured(asked: argparse.Namespace, device: Device) -> dict[str, Any]:
    config = make_config(
        {
            "source": f"synthetic:{asked.size}@{asked.fps}",
            "identity": {"photo": "synthetic:7", "consent": "synthetic"},
            "sinks": ["vcam:"],
            "live": {"idle_s": _IDLE_S},
        }
    )
    channel = Channel("live", config, WebRtcConfig())
    try:
        await channel.start()
        await channel.settled()
        await reached(lambda: swapped(channel) > asked.fps)
        busy, busy_bytes = await cost(asked.seconds), resident_bytes()
        device.looking = 0
        await reached(lambda: channel.idle)
        idle, idle_bytes = await cost(asked.seconds), resident_bytes()
        times = [await woken(channel) for _ in range(asked.times)]
    finally:
        await channel.close()
    return {"busy": (busy, busy_bytes), "idle": (idle, idle_bytes), "times": np.asarray(times)}


def main() -> None:
    import livefuse.sinks.virtualcam as virtualcam

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=8.0)
    asked = parser.parse_args()
    device = Device()
    virtualcam.camera_of = lambda *_: SteadyCamera([device])
    with own_home():
        found = asyncio.run(measured(asked, device))
    print(f"{asked.size}@{asked.fps}")
    for name in ("busy", "idle"):
        share, held_bytes = found[name]
        print(f"{name}: {share:6.3f} processor seconds per second, {held_bytes / 2**20:.0f} MiB")
    print(f"{asked.times} times woken, ms{'':9}{'p50':>8}{'p95':>8}{'max':>8}")
    for name, values_s in zip(("first swapped frame", "first picture seen"), found["times"].T, strict=True):
        ms = 1e3 * values_s
        print(f"{name:22}{np.percentile(ms, 50):8.0f}{np.percentile(ms, 95):8.0f}{ms.max():8.0f}")


if __name__ == "__main__":
    main()
