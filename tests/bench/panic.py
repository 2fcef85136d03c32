"""How long a panic takes: from the request until the private slate is on every output.

    python -m tests.bench.panic [--size 1280x720] [--fps 30] [--times 20] [--viewers 2]

One session of the real daemon with real models, its web application in the same process, WebRTC viewers made of aiortc
(which receive and decode), a recording, and a virtual camera whose device is a stand-in that looks at what it is given.
`viewer` is what somebody sees: encoded, sent, received, decoded. `late` counts pictures that an output began after the answer.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from livefuse.config import make_config
from livefuse.daemon.channel import Channel
from livefuse.daemon.daemon import Daemon
from livefuse.daemon_config import DaemonConfig
from livefuse.frame import SLATE_SCENE, U8, Colour, HostFrame
from livefuse.sinks.file import FileSink
from livefuse.sinks.letterbox import Packing
from livefuse.sinks.steady import SteadyCamera
from livefuse.web.app import make_app
from tests.bench.home import own_home
from tests.unit.webrtc_watching import Watching, watching

BASE = "http://127.0.0.1:7853"
_DARK = 60.0  # mean luma: slates are below, pictures above
_LIMIT_S = 5.0


class Seen:
    """When each output was given its last picture and its first slate after it."""

    def __init__(self) -> None:
        self.picture_s: dict[str, float] = {}
        self.slate_s: dict[str, float] = {}

    def note(self, output: str, *, slate: bool) -> None:
        now_s = time.perf_counter()
        if not slate:
            self.picture_s[output] = now_s
            self.slate_s.pop(output, None)
        else:
            self.slate_s.setdefault(output, now_s)


class Device:
    """Takes the virtual camera's pictures."""

    kind = where = "stand-in"

    def __init__(self, seen: Seen) -> None:
        self._seen, self._luma = seen, 0

    def open(self, size: tuple[int, int], packing: Packing, fps: int, colour: Colour) -> None:
        self._luma = size[0] * size[1]

    def write(self, picture: U8) -> None:
        self._seen.note("virtual camera", slate=float(picture[: self._luma].mean()) < _DARK)

    def readers(self) -> int | None:
        return 1

    def close(self) -> None: ...


def observed(seen: Seen) -> None:
    """Have the recording and the camera say what they are given."""
    import livefuse.sinks.virtualcam as virtualcam

    write = FileSink.write

    def keep(sink: FileSink, frame: HostFrame) -> None:
        if frame.scene != SLATE_SCENE:
            seen.note("recording", slate=False)
        write(sink, frame)
        if frame.scene == SLATE_SCENE:
            seen.note("recording", slate=True)

    FileSink.write = keep  # type: ignore[method-assign,assignment]
    virtualcam.camera_of = lambda *_: SteadyCamera([Device(seen)], packing="yuv420p")


async def reached(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(_LIMIT_S):
        while not true():
            await asyncio.sleep(0.001)


def look(seen: Seen, viewers: dict[str, Watching]) -> None:
    for name, viewer in viewers.items():
        if viewer.lumas:
            seen.note(name, slate=viewer.lumas[-1] < _DARK)


async def once(http: httpx.AsyncClient, seen: Seen, viewers: dict[str, Watching], times: dict[str, list[float]]) -> int:
    """One panic and its end; how many pictures an output began after the answer had come."""
    outputs = ["recording", "virtual camera", *viewers]

    def all_show(which: dict[str, float]) -> bool:
        look(seen, viewers)
        return all(name in which for name in outputs)

    seen.picture_s.clear()
    await reached(lambda: all_show(seen.picture_s))
    await asyncio.sleep(random.random() / 10)  # not in step with the frames
    began_s = time.perf_counter()
    (await http.post("/api/panic")).raise_for_status()
    answered_s = time.perf_counter()
    times["answer"].append(answered_s - began_s)
    await reached(lambda: all_show(seen.slate_s))
    for name in outputs:
        times[name].append(seen.slate_s[name] - began_s)
    times["all of them"].append(max(seen.slate_s[name] for name in outputs) - began_s)
    await asyncio.sleep(0.3)
    late = sum(seen.picture_s[name] > answered_s for name in ("recording", "virtual camera"))
    (await http.post("/api/resume")).raise_for_status()
    return late


async def measured(asked: argparse.Namespace, home: Path) -> tuple[dict[str, list[float]], int]:
    seen, times, late = Seen(), defaultdict[str, list[float]](list), 0
    observed(seen)
    config = make_config(
        {
            "source": f"synthetic:{asked.size}@{asked.fps}",
            "identity": {"photo": "synthetic:7", "consent": "synthetic"},
            "sinks": ["vcam:", f"file:{home / 'out.mp4'}"],
        }
    )
    daemon = Daemon(DaemonConfig(sessions={"live": config}))
    await daemon.start()
    headers = {"Authorization": f"Bearer {daemon.token}"}
    transport = httpx.ASGITransport(make_app(daemon))
    try:
        channel: Channel = daemon.channel("live")
        await channel.settled()
        async with (
            httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as http,
            contextlib.AsyncExitStack() as stack,
        ):
            viewers = {
                f"viewer {n + 1}": await stack.enter_async_context(watching(channel.broadcast))
                for n in range(asked.viewers)
            }
            for viewer in viewers.values():
                await viewer.picture()
            for _ in range(asked.times):
                late += await once(http, seen, viewers, times)
    finally:
        await daemon.stop()
    return times, late


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--viewers", type=int, default=2)
    asked = parser.parse_args()
    with own_home() as (_, home):
        times, late = asyncio.run(measured(asked, home))
    print(f"{asked.size}@{asked.fps}, {asked.times} panics, milliseconds from the request to the slate")
    print(f"{'':16}{'p50':>8}{'p95':>8}{'max':>8}")
    for name, values_s in times.items():
        ms: Any = 1e3 * np.asarray(values_s)
        print(f"{name:16}{np.percentile(ms, 50):8.1f}{np.percentile(ms, 95):8.1f}{ms.max():8.1f}")
    print(f"late: {late}")


if __name__ == "__main__":
    main()
