"""What several live outputs of one session cost: `python -m tests.bench.outputs [--seconds 8] [--size 1280x720]`.

Sends MPEG-TS over UDP to sockets that nobody reads, each output on a thread of its own with a newest-frame mailbox, as a
session does, and prints the CPU time of this process and its children per second of video: one encoder for all against
an encoder for each, and the time from a frame's hand-over to its last byte having left.
"""

from __future__ import annotations

import argparse
import os
import socket
import threading
import time
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import numpy as np

from livefuse.config import OutputConfig
from livefuse.frame import HostFrame, blank_frame
from livefuse.mailbox import Closed, Latest
from livefuse.sinks import open_sink
from livefuse.sinks.base import Sink, StreamInfo
from livefuse.sinks.shared import Encoders
from livefuse.source.fitted import HD_COLOUR

_FPS = 30
_PICTURES = 30


class _Output(threading.Thread):
    """A sink and its mailbox."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(daemon=True)
        self.inbox: Latest[tuple[HostFrame, float]] = Latest()
        self.took_s: list[float] = []
        self._sink = sink

    def run(self) -> None:
        while True:
            try:
                item = self.inbox.get()
            except Closed:
                return
            if item is not None:
                self._sink.write(item[0])
                self.took_s.append(time.perf_counter() - item[1])


def scene(width: int, height: int) -> list[HostFrame]:
    """Soft shapes that drift, with a little noise: about as hard to encode as a talking head."""
    rng = np.random.default_rng(5)
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    frames = []
    for i in range(_PICTURES):
        turn = 2 * np.pi * i / _PICTURES
        luma = 120 + 50 * np.sin(x / 37 + turn) * np.cos(y / 29 - turn) + rng.normal(0, 2, (height, width))
        frame = blank_frame("yuv420p", height, width, HD_COLOUR)
        frame.planes[0][...] = np.clip(luma, 16, 235)
        frames.append(frame)
    return frames


def measured(outputs: int, seconds: float, size: tuple[int, int], *, shared: bool) -> tuple[float, float, int, int]:
    """CPU seconds per second of video, median ms from hand-over to sent, encoders, frames not sent."""
    info = StreamInfo(*size, Fraction(_FPS), "yuv420p", HD_COLOUR)
    pictures, all_encoders = scene(*size), [Encoders() for _ in range(outputs)]
    with ExitStack() as stack:
        sinks = []
        for i in range(outputs):
            receiver = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            receiver.bind(("127.0.0.1", 0))
            url = f"udp://127.0.0.1:{receiver.getsockname()[1]}"
            sink = open_sink(url, OutputConfig(), encoders=all_encoders[0 if shared else i])
            sink.open(info)
            stack.callback(sink.abort)
            sinks.append(sink)
        threads = [_Output(sink) for sink in sinks]
        for thread in threads:
            thread.start()
        before_s = _cpu_s()
        _play(pictures, threads, seconds)
        cpu_s = _cpu_s() - before_s
        encoders = sum(len(some) for some in all_encoders)
        for sink in sinks:
            sink.close()  # ended children are counted only once they were waited for
    took = [s for thread in threads for s in thread.took_s]
    dropped = sum(thread.inbox.dropped for thread in threads)
    return cpu_s / seconds, float(np.median(took)) * 1e3, encoders, dropped


def _play(pictures: list[HostFrame], threads: list[_Output], seconds: float) -> None:
    began_s = time.perf_counter()
    for i in range(round(seconds * _FPS)):
        time.sleep(max(0.0, began_s + i / _FPS - time.perf_counter()))
        picture = pictures[i % len(pictures)]
        frame = HostFrame(
            picture.planes, picture.format, picture.width, picture.height,
            pts_ns=round(i * 1e9 / _FPS), duration_ns=round(1e9 / _FPS), colour=picture.colour,
        )  # fmt: skip
        for thread in threads:
            thread.inbox.put((frame, time.perf_counter()))
    for thread in threads:
        thread.inbox.close()
        thread.join(10)


def _cpu_s() -> float:
    """Of this process and of its children that still run."""
    own = sum(os.times()[:2])
    return own + sum(_child_cpu_s(pid) for pid in _children())


def _children() -> list[int]:
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _child_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--size", default="1280x720")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    print(f"{args.size}@{_FPS}, {args.seconds:g} s each")
    print("outputs  encoders  CPU s per s  hand-over to sent (median ms)  frames not sent")
    for outputs in (1, 2, 3):
        for shared in (True, False) if outputs > 1 else (True,):
            cpu, took_ms, encoders, dropped = measured(outputs, args.seconds, (width, height), shared=shared)
            print(f"{outputs:7}  {encoders:8}  {cpu:11.2f}  {took_ms:29.1f}  {dropped:15}")


if __name__ == "__main__":
    main()
