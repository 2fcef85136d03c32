"""The camera's picture and the swapped one of the same frame, side by side: only for whoever may see the real face.

A broadcast of its own, which no sink, recording or viewer ever comes near. Pairs are taken where frames leave, and composed
and encoded on a thread that lives only while somebody compares.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, replace
from typing import TypeAlias

import cv2
import numpy as np

from livefuse.clock import Clock
from livefuse.daemon_config import WebRtcConfig
from livefuse.frame import U8, Colour, HostFrame, plane_shapes
from livefuse.gate import Gate
from livefuse.mailbox import Closed, Latest
from livefuse.sinks.base import StreamInfo
from livefuse.webrtc.broadcast import Broadcast
from livefuse.webrtc.sink import WebRtcSink

log = logging.getLogger("livefuse")

_HALF_PX = (640, 360)


@dataclass(frozen=True, slots=True)
class _Pair:
    """What has left, and what it was made from; None where what has left stands for both."""

    sink: WebRtcSink
    before: HostFrame | None
    after: HostFrame


_Inbox: TypeAlias = Latest[_Pair]


class Pairs:
    """What one session hands its pairs to, on its pipeline thread."""

    def __init__(self, compare: Compare) -> None:
        self._compare, self._sink = compare, compare.sink()

    def begin(self, info: StreamInfo, gate: Gate) -> None:
        """A session begins: these are its pictures, and `gate` says which may be seen."""
        self._sink.guard(gate)
        width, height = half_size(info.width, info.height)
        self._sink.open(StreamInfo(2 * width, height, info.fps, info.format, info.colour))

    def __call__(self, before: HostFrame | None, after: HostFrame) -> None:
        self._compare.accept(_Pair(self._sink, before, after))

    def readers(self) -> int:
        """How many compare: they too keep a session from idling."""
        return self._compare.onlookers

    def end(self) -> None:
        """The session has ended: a slate takes its place."""
        self._sink.close()


class Compare(Broadcast):
    """Left half the camera's picture, right half the swapped one."""

    def __init__(self, name: str, config: WebRtcConfig, clock: Clock, *, host: str = "127.0.0.1") -> None:
        super().__init__(name, config, clock, host=host, draw=_slate_twice)
        self._slates.fit(2 * _HALF_PX[0], _HALF_PX[1])
        self._inbox: _Inbox | None = None
        self._thread: threading.Thread | None = None

    def pairs(self) -> Pairs:
        """For one session."""
        return Pairs(self)

    def accept(self, pair: _Pair) -> None:
        """Keep the newest pair for the composing thread, if there is one."""
        inbox = self._inbox
        if inbox is not None:
            inbox.put(pair)

    def _changed(self) -> None:
        super()._changed()
        if self.viewers and self._inbox is None:
            self._inbox = Latest()
            self._thread = threading.Thread(
                target=self._compose, args=(self._inbox,), name="livefuse-compare", daemon=True
            )
            self._thread.start()
        elif not self.viewers and self._inbox is not None:
            self._inbox.close()
            self._inbox = None

    def _compose(self, inbox: _Inbox) -> None:
        twin, failed = Twin(), False
        while True:
            try:
                pair = inbox.get()
            except Closed:
                break
            if pair is None or not pair.sink.admits(pair.after):
                continue
            try:
                pair.sink.write(twin(pair.before, pair.after))
                failed = False
            except Exception:  # one picture that cannot be encoded does not end the comparison
                if not failed:
                    log.exception("%s: the comparison could not be shown", self.name)
                failed = True
        if self._inbox is None:
            self._feed.rest()


class Twin:
    """Puts two pictures beside each other, in memory that is used again for the next two."""

    def __init__(self) -> None:
        self._planes: tuple[U8, ...] = ()

    def __call__(self, before: HostFrame | None, after: HostFrame) -> HostFrame:
        """Shapes: (h, 2 w) of `half_size`, in the format of `after`, which stands for both halves if nothing was before it
        or if what was before it is of another kind."""
        if before is None or _kind(before) != _kind(after):
            before = after
        width, height = half_size(after.width, after.height)
        shapes = plane_shapes(after.format, height, 2 * width)
        if tuple(plane.shape for plane in self._planes) != shapes:
            self._planes = tuple(np.empty(shape, np.uint8) for shape in shapes)
        for out, left, right in zip(self._planes, before.planes, after.planes, strict=True):
            middle = out.shape[1] // 2
            _fit(left, out[:, :middle])
            _fit(right, out[:, middle:])
        return replace(after, planes=self._planes, width=2 * width, height=height, truth=None)


def half_size(width: int, height: int) -> tuple[int, int]:
    """Of one picture in the comparison, width and height: never enlarged, both even."""
    scale = min(_HALF_PX[0] / width, _HALF_PX[1] / height, 1.0)
    return max(2, round(width * scale) & ~1), max(2, round(height * scale) & ~1)


def _kind(frame: HostFrame) -> tuple[int, int, str, Colour]:
    return frame.width, frame.height, frame.format, frame.colour


def _fit(plane: U8, out: U8) -> None:
    if plane.shape == out.shape:
        np.copyto(out, plane)
    else:
        cv2.resize(plane, (out.shape[1], out.shape[0]), dst=out, interpolation=cv2.INTER_AREA)


def _slate_twice(height: int, width: int, words: str) -> HostFrame:
    from livefuse.composite.slate import slate

    one = slate("yuv420p", height, max(2, width // 2 & ~1), Colour(), words)
    planes = tuple(np.concatenate((plane, plane), axis=1) for plane in one.planes)
    return replace(one, planes=planes, width=2 * one.width)
