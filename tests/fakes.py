"""Sources, sinks and stages with knobs, for tests of the loop around them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from livefuse.align.cut import Cut, RegionCut
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.errors import SinkLost, SourceLost
from livefuse.frame import Colour, Crop, Crops, Faces, HostFrame, blank_frame
from livefuse.sinks.base import StreamInfo
from livefuse.source.base import SourceInfo
from livefuse.swap.base import Look, worn
from livefuse.swap.consent import ConsentRecord
from livefuse.swap.identity import Identity

HEIGHT, WIDTH = 48, 64
PERIOD_NS = 10_000_000


def a_frame(index: int, luma: int = 90) -> HostFrame:
    """A grey frame whose first pixel says its index."""
    frame = blank_frame("yuv420p", HEIGHT, WIDTH)
    frame.planes[0].fill(luma)
    frame.planes[0][0, 0] = index % 256
    return HostFrame(frame.planes, "yuv420p", WIDTH, HEIGHT, pts_ns=index * PERIOD_NS, duration_ns=PERIOD_NS)


class FakeSource:
    """`frames` frames at 100 a second; `lost_at` and `stall_at` are frame indices at which it fails or goes silent."""

    def __init__(self, frames: int, *, live: bool = False, lost_at: int = -1, silent_s: float = 0, silent_at: int = -1):
        colour = Colour()
        self.info = SourceInfo("fake:", WIDTH, HEIGHT, Fraction(100), "yuv420p", colour, live=live, frames=frames)
        self._frames, self._live, self._lost_at = frames, live, lost_at
        self._silent_s, self._silent_at = silent_s, silent_at
        self._next = 0
        self.closed = threading.Event()

    def read(self) -> HostFrame | None:
        index = self._next
        self._next += 1
        if index == self._silent_at:
            self.closed.wait(self._silent_s)
        if index == self._lost_at:
            raise SourceLost("fake: unplugged")
        if index >= self._frames or self.closed.is_set():
            return None
        if self._live:
            time.sleep(PERIOD_NS / 1e9)
        return a_frame(index)

    def close(self) -> None:
        self.closed.set()


class FakeSink:
    """Keeps what it is given; may be slow, may die at its n-th frame, may come back."""

    def __init__(self, name: str = "fake", *, sleep_s: float = 0, dies_at: int = -1, error: Exception | None = None):
        self.name = name
        self.calls: list[str] = []
        self.pts_ns: list[int] = []
        self.luma: list[int] = []
        self.marks: list[int] = []
        self._sleep_s, self._dies_at = sleep_s, dies_at
        self._error = error or SinkLost(f"{name}: gone")

    def open(self, info: StreamInfo) -> None:
        self.calls.append("open")

    def write(self, frame: HostFrame) -> None:
        if len(self.pts_ns) == self._dies_at:
            self._dies_at = -1
            raise self._error
        time.sleep(self._sleep_s)
        self.pts_ns.append(frame.pts_ns)
        self.luma.append(int(frame.planes[0][HEIGHT // 2, WIDTH // 2]))
        self.marks.append(int(frame.planes[0][0, 0]))

    def close(self) -> None:
        self.calls.append("close")

    def abort(self) -> None:
        self.calls.append("abort")


class FakeDetect:
    """Sees one face that fills the picture on every frame n for which `when(n)` is true."""

    def __init__(self, when: Callable[[int], bool] = lambda _: True) -> None:
        self._when = when
        self._frame = -1

    def begin(self, lane: Lane, picture: Picture) -> None:
        """Nothing to do ahead."""

    def restart(self) -> None: ...

    def __call__(self, lane: Lane, picture: Picture, t_ns: int) -> Faces:
        self._frame += 1
        if not self._when(self._frame):
            return Faces.none()
        faces = Faces.of([[8, 8, WIDTH - 8, HEIGHT - 8]], [0.9], np.zeros((1, 5, 2)))
        faces.ids[:], faces.chosen[:] = 1, True
        return faces


class FakeAlign:
    """One crop for each face; raises on every frame n for which `fails_on(n)` is true."""

    def __init__(self, fails_on: Callable[[int], bool] = lambda _: False) -> None:
        self._fails_on = fails_on
        self._frame = -1

    def begin(self, lane: Lane, picture: Picture) -> None:
        self._frame += 1

    def __call__(self, lane: Lane, picture: Picture, faces: Faces, t_ns: int, cut: Cut) -> Crops:
        if self._fails_on(self._frame):
            raise RuntimeError(f"align failed on frame {self._frame}")
        points = np.zeros((66, 2), np.float32)
        image = lane.buffer("crop", (HEIGHT, WIDTH, 3))
        image.fill(200)
        return [Crop(1, image, np.eye(2, 3, dtype=np.float32), points[:5], points) for _ in range(len(faces))]


class FakeSwapper:
    """A face of one grey over everything but the corner where `a_frame` keeps its index."""

    def __init__(self, grey: int = 200) -> None:
        self.grey, self._backend = grey, CpuBackend()
        self.cut = RegionCut(self._backend)

    def prepare(self, identity: Identity) -> None: ...

    def __call__(self, lane: Lane, crops: Crops, identities: Sequence[Identity | None], t_ns: int) -> Crops:
        for crop, _ in worn(crops, identities):
            crop.image.fill(self.grey)
            crop.mask = lane.buffer("mask", (HEIGHT, WIDTH))
            crop.mask.fill(255)
            crop.mask[:4, :4] = 0
            crop.swapped = True
        return crops

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None:
        assert crop.mask is not None
        self._backend.paste(lane, picture, crop.image, crop.mask, crop.to_crop)


def fake_look(grey: int = 200) -> Look:
    """A look that somebody wears."""
    nobody = np.empty((0, 2), np.float32)
    record = ConsentRecord("test", "2026-01-01T00:00:00+00:00", "synthetic", "0" * 64, "0")
    return Look(
        FakeSwapper(grey), (Identity("nobody", np.empty((0, 0, 3), np.uint8), nobody, nobody, record, "0" * 64),)
    )
