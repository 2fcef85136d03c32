"""The adaptive controller when the machine is taken away: every core is made busy for 20 s in the middle of a live run.

    python -m tests.bench.busy [--resolution 1280x720] [--burners 2] [--set KEY=VALUE]...

The same run with and without it: frames that came out of those captured, frames that kept the pipeline longer than a frame's
time, and the rungs taken.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import time
from dataclasses import dataclass, field, replace
from typing import Any

from livefuse.bench.clip import ClipSource, parse_resolution
from livefuse.cli.options import settings
from livefuse.config import Config, make_config
from livefuse.frame import HostFrame
from livefuse.session import Session
from livefuse.sinks.base import StreamInfo


@dataclass
class Instants:
    """A sink that notes which picture came out when: its place in the source's time."""

    name: str = "instants"
    pts_s: list[float] = field(default_factory=list)

    def open(self, info: StreamInfo) -> None: ...

    def write(self, frame: HostFrame) -> None:
        self.pts_s.append(frame.pts_ns / 1e9)

    def close(self) -> None: ...

    def abort(self) -> None: ...


class Camera(ClipSource):
    """The clip as a camera shows it: on time whoever looks, so what nobody reads is gone."""

    def __init__(self, width: int, height: int, fps: int, seconds: float) -> None:
        super().__init__(width, height, round(seconds * fps), fps=fps)
        self.info = replace(self.info, live=True)
        self._began_s: float | None = None

    def read(self) -> HostFrame | None:
        now_s = time.monotonic()
        self._began_s = now_s if self._began_s is None else self._began_s
        period_s = self._period_ns / 1e9
        self._next = max(self._next, int((now_s - self._began_s) / period_s))
        time.sleep(max(0.0, self._began_s + self._next * period_s - now_s))
        return super().read()


def burn() -> None:
    value = 1.0
    while True:
        value = value * 1.0000001 % 7.0


async def measured(
    config: Config, camera: Camera, phases: tuple[float, float, float], burners: int
) -> tuple[dict[str, Any], list[float]]:
    """The record of a run, and when its pictures were due; the burners run in the second phase."""
    sink = Instants()
    session = Session(config, source=camera, sinks=[sink])
    running = asyncio.create_task(session.run())
    while session.state != "running" and not running.done():
        await asyncio.sleep(0.05)
    await asyncio.sleep(phases[0])
    started = multiprocessing.get_context("spawn")
    processes = [started.Process(target=burn, daemon=True) for _ in range(burners)]
    for process in processes:
        process.start()
    await asyncio.sleep(phases[1])
    for process in processes:
        process.terminate()
        process.join()
    await asyncio.sleep(phases[2])
    session.stop()
    return await running, sink.pts_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", default="1280x720")
    parser.add_argument("--fps", type=int, default=30)
    parser.add_argument("--burners", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--phases", type=float, nargs=3, default=(10, 20, 40), metavar="S")
    parser.add_argument("--set", action="append", dest="given", metavar="KEY=VALUE")
    asked = parser.parse_args()
    first, second, third = asked.phases
    identity = {"identity.photo": "synthetic:7", "identity.consent": "synthetic"}
    print(f"{asked.resolution}@{asked.fps}, {asked.burners} burners from {first:.0f} s to {first + second:.0f} s")
    for enabled in (False, True):
        config = make_config({}, settings(identity | {"adaptive.enabled": enabled}, asked.given))
        camera = Camera(*parse_resolution(asked.resolution), asked.fps, first + second + third)
        record, pts_s = asyncio.run(measured(config, camera, (first, second, third), asked.burners))
        _print(enabled, record, pts_s, asked.fps, (0, first, first + second, first + second + third))


def _print(enabled: bool, record: dict[str, Any], pts_s: list[float], fps: int, edges: tuple[float, ...]) -> None:
    print(f"\nadaptive {'on' if enabled else 'off'}")
    for name, begins, ends in zip(("before", "busy", "after"), edges, edges[1:], strict=False):
        out = sum(begins <= at < ends for at in pts_s)
        due = (ends - begins) * fps
        print(f"  {name:7} {out:5d} of {due:5.0f} frames came out, {100 * (1 - out / due):5.1f} % missed")
    frames, adaptive = record["frames"], record["adaptive"]
    print(f"  captured {frames['captured']}, out {frames['out']}, dropped {frames['dropped']}")
    print(f"  over a frame's time: {adaptive['late']} of {adaptive['frames']}; pipeline ms {record['pipeline_ms']}")
    for change in adaptive["changes"]:
        word = "lowered" if change["change"] > 0 else "raised"
        print(f"  {change['at_s']:6.2f} s {word}: {change['rungs']} (frames took {change['took_ms']} ms)")


if __name__ == "__main__":
    main()
