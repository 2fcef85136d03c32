"""A swap of a clip, measured against the clip."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from livefuse.align.templates import five_points
from livefuse.bench.quality import metrics
from livefuse.bench.quality.clips import ClipFrame
from livefuse.bench.quality.figures import Figures, FrameFigures, Outside, summed_up
from livefuse.bench.quality.judges import Judges
from livefuse.bench.quality.motion import Motion
from livefuse.bench.quality.original import EMBED_EVERY, Target
from livefuse.bench.quality.regions import Region, swapped_region
from livefuse.frame import F32, U8


class Swap(Protocol):
    """As `livefuse.api.FrameSwapper`."""

    def __call__(self, frame: U8, *, t_ns: int | None = None) -> U8: ...


@dataclass(slots=True)
class _Before:
    """The frame before: the whole pictures, because the window moves, and where it was swapped."""

    original: U8
    swapped: U8


@dataclass(slots=True)
class Watched:
    """A variant's figures on a clip, and the pictures of the frames asked for."""

    figures: Figures
    pictures: dict[int, U8] = field(default_factory=dict)


class Measure:
    """Measures swaps against one clip's targets. `identity` is the embedding of who is put on, None where it is not known."""

    def __init__(
        self, clip: Iterable[ClipFrame], targets: Sequence[Target | None], judges: Judges, identity: F32 | None
    ) -> None:
        self._clip, self._targets, self._judges, self._identity = clip, targets, judges, identity

    def __call__(
        self, swap: Swap, wanted: Sequence[int] = (), progress: Callable[[int], None] = lambda _: None
    ) -> Watched:
        """`wanted` are indices of frames whose window's picture is kept. Raises: StageFailed."""
        frames: list[FrameFigures] = []
        times_ms: list[float] = []
        pictures: dict[int, U8] = {}
        outside, before = Outside(), None
        for index, frame in enumerate(self._clip):
            began = time.perf_counter()
            swapped = swap(frame.rgb, t_ns=frame.t_ns)
            times_ms.append((time.perf_counter() - began) * 1e3)
            target = self._targets[index]
            if target is not None:
                frames.append(self._frame(target, frame.rgb, swapped, before))
                outside.add(metrics.outside_change(frame.rgb, swapped, target.window.box))
                if index in wanted:
                    pictures[index] = target.window.cut(swapped).copy()
            before = _Before(frame.rgb, swapped)
            progress(index)
        return Watched(summed_up(frames, times_ms, outside), pictures)

    def _frame(self, target: Target, original: U8, swapped: U8, before: _Before | None) -> FrameFigures:
        window, unit_px = target.window, target.window.unit_px
        here = [window.cut(rgb) for rgb in (swapped, original)]
        region = swapped_region(here[1], here[0], unit_px)
        figures = FrameFigures(region is not None)
        if target.clear:
            self._who(figures, target, swapped)
            self._expression(figures, target, swapped)
        if target.hand_on_face is not None:
            difference = np.abs(metrics.grey_of(here[0]) - metrics.grey_of(here[1]))
            figures.hand = metrics.mean_where(difference, target.hand_on_face)
        earlier = None
        if before is not None:
            there = [window.cut(rgb) for rgb in (before.swapped, before.original)]
            earlier = swapped_region(there[1], there[0], unit_px)
            if target.motion is not None:
                _flicker(figures, target, target.motion, here, there, _united(region, earlier))
        if region is not None:
            figures.seam = metrics.seam_differences(here[0], here[1], region, target.usable)
            inner = region.inner & target.usable
            figures.sharpness = _both(metrics.sharpness(metrics.grey_of(rgb), inner) for rgb in here)
        return figures

    def _who(self, figures: FrameFigures, target: Target, swapped: U8) -> None:
        if target.index % EMBED_EVERY or target.embedding is None:
            return
        embedding = self._judges.embed(swapped, five_points(target.landmarks))
        figures.own = metrics.likeness(embedding, target.embedding)
        if self._identity is not None:
            figures.identity = metrics.likeness(embedding, self._identity)
            figures.identity_before = metrics.likeness(target.embedding, self._identity)

    def _expression(self, figures: FrameFigures, target: Target, swapped: U8) -> None:
        found = self._judges.place(swapped, five_points(target.landmarks), target.framing)
        if found is None:
            return
        figures.landmark_error = metrics.landmark_error(found, target.landmarks)
        figures.mouth = metrics.mouth_openness(found), metrics.mouth_openness(target.landmarks)
        figures.eyes = metrics.eye_openness(found), metrics.eye_openness(target.landmarks)


def _flicker(
    figures: FrameFigures, target: Target, motion: Motion, here: list[U8], there: list[U8], region: Region | None
) -> None:
    if region is None:
        return
    usable = target.usable & motion.seen
    differences = [
        metrics.warped_difference(metrics.grey_of(now), metrics.grey_of(then), motion)
        for now, then in zip(here, there, strict=True)
    ]
    inner, edge = region.inner & usable, region.edge & usable
    figures.flicker = _both(metrics.mean_where(np.abs(one), inner) for one in differences)
    figures.pulse = _both(abs(metrics.mean_where(one, inner)) for one in differences)
    figures.edge = _both(metrics.mean_where(np.abs(one), edge) for one in differences)


def _united(region: Region | None, earlier: Region | None) -> Region | None:
    return earlier if region is None else region.united(earlier)


def _both(values: Iterable[float]) -> tuple[float, float]:
    swapped, original = values
    return swapped, original
