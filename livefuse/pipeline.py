"""The straight line that every frame goes: upload, detect, align, swap, composite, download.

The overlay shows the frames before this one: a frame's own times are known only when it has left.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from livefuse.align.cut import Cut
from livefuse.clock import Clock, LatencyTrace
from livefuse.composite.privacy import Verdict
from livefuse.composite.stage import Bitmap, Composite
from livefuse.device.base import Backend, Lane, Picture
from livefuse.errors import StageFailed
from livefuse.frame import Crop, Crops, Faces, HostFrame
from livefuse.swap.base import Look

log = logging.getLogger("livefuse")

_FAILURES_IN_A_ROW = 30


class DetectStage(Protocol):
    def begin(self, lane: Lane, picture: Picture) -> None:
        """Start looking for faces."""
        ...

    def __call__(self, lane: Lane, picture: Picture, t_ns: int) -> Faces: ...

    def restart(self) -> None:
        """The next picture has nothing to do with the last."""
        ...


class AlignStage(Protocol):
    def begin(self, lane: Lane, picture: Picture) -> None:
        """Start on what needs no detection: the faces of the frame before."""
        ...

    def __call__(self, lane: Lane, picture: Picture, faces: Faces, t_ns: int, cut: Cut) -> Crops: ...


@dataclass(slots=True)
class InFlight:
    """A frame whose work has been enqueued on a lane and that has not left yet. The verdict stands when it has."""

    lane: Lane
    frame: HostFrame
    picture: Picture
    trace: LatencyTrace
    faces: Faces = field(default_factory=Faces.none)
    crops: Crops = field(default_factory=list)
    failed: bool = False
    verdict: Verdict = Verdict.COVERED


class Pipeline:
    """One frame's way through the stages, in steps, so that two frames can be in flight.

    `upload` comes first; `look` starts the detector; `follow` the landmarks, on the faces of the frame before, which must
    have been found; `find` waits for both; the lane's enqueued work swaps and composites. What is started runs on other
    cores, while the caller does the pixel work of the frame before.
    Raises: StageFailed when stages failed on 30 frames in a row; single failures are logged, covered and counted.
    """

    def __init__(
        self,
        backend: Backend,
        detect: DetectStage,
        align: AlignStage,
        composite: Composite,
        clock: Clock,
        marks: Callable[[], list[Bitmap]],
    ) -> None:
        self.backend, self.detect, self.align, self.composite = backend, detect, align, composite
        self._clock, self._marks = clock, marks
        self._in_a_row: Counter[str] = Counter()

    def upload(self, lane: Lane, frame: HostFrame, trace: LatencyTrace) -> InFlight:
        flight = InFlight(lane, frame, self.backend.upload(lane, frame), trace)
        self._stamp(flight, "upload")
        return flight

    def look(self, flight: InFlight) -> None:
        with self._covered(flight, "look"):
            self.detect.begin(flight.lane, flight.picture)

    def follow(self, flight: InFlight) -> None:
        self._stamp(flight, "overlap")
        with self._covered(flight, "follow"):
            self.align.begin(flight.lane, flight.picture)

    def find(self, flight: InFlight, look: Look) -> None:
        """The look that a frame is found with is the one that it wears: crops are cut as its swapper wants them."""
        lane, t_ns = flight.lane, flight.frame.pts_ns
        self._stamp(flight, "overlap")
        with self._covered(flight, "detect"):
            flight.faces = self.detect(lane, flight.picture, t_ns)
        with self._covered(flight, "align"):
            flight.crops = self.align(lane, flight.picture, flight.faces, t_ns, look.swapper.cut)
        lane.enqueue(lambda: self._render(flight, look))

    def _render(self, flight: InFlight, look: Look) -> None:
        self._stamp(flight, "lane")
        lane, picture = flight.lane, flight.picture

        def paste(lane: Lane, picture: Picture, crop: Crop) -> None:
            if crop.whole and crop.mask is not None:
                self.backend.paste(lane, picture, crop.image, crop.mask, crop.to_crop)
            else:
                look.swapper.paste(lane, picture, crop)

        if flight.crops and any(identity is not None for identity in look.identities):
            with self._covered(flight, "swap"):
                self._swap(flight, look)
            if look.enhance:
                with self._covered(flight, "enhance"):
                    for enhance in look.enhance:
                        flight.crops = enhance(lane, picture, flight.crops, paste, flight.frame.pts_ns)
        flight.verdict = self.composite(lane, picture, flight.faces, flight.crops, paste, failed=flight.failed)
        self.composite.mark(lane, picture, self._marks())
        self._stamp(flight, "composite")

    def _swap(self, flight: InFlight, look: Look) -> None:
        lane, picture, t_ns = flight.lane, flight.picture, flight.frame.pts_ns
        if look.masks is not None:
            look.masks.begin(lane, picture, flight.crops, t_ns)
        if look.colour is not None:
            look.colour.begin(lane, flight.crops)
        flight.crops = look.swapper(lane, flight.crops, look.identities, t_ns)
        if look.colour is not None:
            look.colour(lane, flight.crops, t_ns)
        if look.masks is not None:
            look.masks(lane, picture, flight.crops, t_ns)

    @contextmanager
    def _covered(self, flight: InFlight, stage: str) -> Iterator[None]:
        """A stage that raises costs its frame the swap, not the session: the privacy guard is told."""
        try:
            yield
            self._in_a_row[stage] = 0
        except Exception as error:
            flight.failed = True
            self._in_a_row[stage] += 1
            log.warning("%s failed on a frame: %s", stage, error, exc_info=self._in_a_row[stage] == 1)
            if self._in_a_row[stage] >= _FAILURES_IN_A_ROW:
                raise StageFailed(
                    f"{stage} failed on {_FAILURES_IN_A_ROW} frames in a row; the last time with: {error}",
                    hint="`livefuse doctor` checks models and runtime",
                ) from error
        self._stamp(flight, stage)

    def _stamp(self, flight: InFlight, stage: str) -> None:
        flight.trace.mark(stage, self._clock.now_ns())
