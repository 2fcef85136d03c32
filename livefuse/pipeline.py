"""The straight line that every frame goes: upload, detect, align, swap, composite, download.

The overlay shows the frames before this one: a frame's own times are known only when it has left.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from livefuse.clock import Clock, LatencyTrace
from livefuse.composite.privacy import Verdict
from livefuse.composite.stage import Bitmap, Composite
from livefuse.device.base import Backend, Lane, Picture
from livefuse.errors import StageFailed
from livefuse.frame import Crops, Faces, HostFrame
from livefuse.swap.identity import Identity

log = logging.getLogger("livefuse")

_FAILURES_IN_A_ROW = 30


class DetectStage(Protocol):
    def __call__(self, lane: Lane, picture: Picture, t_ns: int) -> Faces: ...


class AlignStage(Protocol):
    def __call__(self, lane: Lane, picture: Picture, faces: Faces, t_ns: int) -> Crops: ...


class SwapStage(Protocol):
    def __call__(self, lane: Lane, crops: Crops, identity: Identity, t_ns: int) -> Crops: ...


@dataclass(slots=True)
class InFlight:
    """A frame whose work has been enqueued on a lane and that has not left yet."""

    lane: Lane
    frame: HostFrame
    picture: Picture
    faces: Faces
    verdict: Verdict
    trace: LatencyTrace


class Pipeline:
    """One frame's way through the stages. Called from the pipeline thread only.

    Raises: StageFailed when stages failed on 30 frames in a row; single failures are logged, covered and counted.
    """

    def __init__(
        self,
        backend: Backend,
        detect: DetectStage,
        align: AlignStage,
        swap: SwapStage,
        composite: Composite,
        clock: Clock,
        marks: Callable[[], list[Bitmap]],
    ) -> None:
        self.backend, self.detect, self.align, self.swap, self.composite = backend, detect, align, swap, composite
        self._clock, self._marks = clock, marks
        self.failures = 0
        self._in_a_row = 0

    def __call__(self, lane: Lane, frame: HostFrame, identity: Identity | None, trace: LatencyTrace) -> InFlight:
        picture = self.backend.upload(lane, frame)
        self._stamp(trace, "upload")
        faces, crops, failed = self._swapped(lane, frame, picture, identity, trace)
        verdict = self.composite(lane, picture, faces, crops, failed=failed)
        self.composite.mark(lane, picture, self._marks())
        self._stamp(trace, "composite")
        return InFlight(lane, frame, picture, faces, verdict, trace)

    def _swapped(
        self, lane: Lane, frame: HostFrame, picture: Picture, identity: Identity | None, trace: LatencyTrace
    ) -> tuple[Faces, Crops, bool]:
        faces, crops, stage = Faces.none(), [], "detect"
        try:
            faces = self.detect(lane, picture, frame.pts_ns)
            self._stamp(trace, stage)
            stage = "align"
            crops = self.align(lane, picture, faces, frame.pts_ns)
            self._stamp(trace, stage)
            stage = "swap"
            if identity is not None:
                crops = self.swap(lane, crops, identity, frame.pts_ns)
            self._stamp(trace, stage)
        except Exception as error:
            self._count_failure(stage, error)
            self._stamp(trace, stage)
            return faces, crops, True
        self._in_a_row = 0
        return faces, crops, False

    def _count_failure(self, stage: str, error: Exception) -> None:
        self.failures += 1
        self._in_a_row += 1
        log.warning("%s failed on a frame: %s", stage, error, exc_info=self._in_a_row == 1)
        if self._in_a_row >= _FAILURES_IN_A_ROW:
            raise StageFailed(
                f"{stage} failed on {self._in_a_row} frames in a row; the last time with: {error}",
                hint="`livefuse doctor` checks models and runtime",
            ) from error

    def _stamp(self, trace: LatencyTrace, stage: str) -> None:
        trace.mark(stage, self._clock.now_ns())
