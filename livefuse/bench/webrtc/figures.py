"""What recorded rows say: latency, loss, order, freezes, jitter. Pure functions of the rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from livefuse.bench.webrtc.rows import Shown

F64 = npt.NDArray[np.float64]

_FREEZE_WINDOW = 30
_FREEZE_LEAST_MS = 150.0
_AGE_STEP_MS = 1.0


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of something in milliseconds; zeros of nothing."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0
    mean: float = 0.0

    @classmethod
    def of(cls, values_ms: Sequence[float] | F64) -> Spread:
        if not len(values_ms):
            return cls()
        p50, p95, p99, most = np.percentile(values_ms, (50, 95, 99, 100))
        return cls(*(round(float(value), 3) for value in (p50, p95, p99, most, np.mean(values_ms))))


@dataclass(frozen=True, slots=True)
class Counts:
    """Frames of one recording.

    `expected` are the frames captured between the first and the last that were shown. `lost` were never handed to the
    compositor; `unobserved` were, but too close to another for the page's script to see them. `duplicates` are pictures
    shown again, `reordered` ones shown after a later one, `unreadable` ones without blocks that could be trusted, or replaced
    before the script could read them.
    """

    expected: int
    shown: int
    lost: int
    unobserved: int
    duplicates: int
    reordered: int
    unreadable: int


@dataclass(frozen=True, slots=True)
class Freezes:
    """W3C webrtc-stats, freezeCount: a gap between two shown frames of at least max(3 δ, δ + 150 ms), δ the mean gap of
    the 30 frames before."""

    count: int
    total_ms: float
    longest_ms: float


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that rows tell by themselves, in milliseconds.

    `glass` counts from the instant at which a frame was due to the refresh of the screen that shows it, `to_compositor` to
    its hand-over, `to_expected` to the browser's own `expectedDisplayTime`, `to_arrival` to its last packet. `age` is how old the picture on the screen was at any moment, so that lost
    frames and freezes count for as long as they lasted. `jitter_ms` is the standard deviation of the gaps between frames.
    """

    glass: Spread
    to_compositor: Spread
    to_expected: Spread
    to_arrival: Spread
    arrival_to_compositor: Spread
    decode: Spread
    age: Spread
    gap: Spread
    jitter_ms: float
    fps: float
    captured_fps: float
    counts: Counts
    freezes: Freezes

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def figures(rows: Sequence[Shown]) -> Figures:
    """Of rows in the order of presentation."""
    first = first_showings(rows)
    gaps = gaps_ms(rows)
    return Figures(
        glass=Spread.of(_ms([(row.captured_ns, row.shown_ns) for row in first])),
        to_compositor=Spread.of(_ms([(row.captured_ns, row.presented_ns) for row in first])),
        to_expected=Spread.of(_ms([(row.captured_ns, row.expected_ns) for row in first])),
        to_arrival=Spread.of(_ms([(row.captured_ns, row.received_ns) for row in first])),
        arrival_to_compositor=Spread.of(_ms([(row.received_ns, row.presented_ns) for row in first])),
        decode=Spread.of([row.decode_ns / 1e6 for row in rows if row.decode_ns is not None]),
        age=Spread.of(ages_ms(rows)),
        gap=Spread.of(gaps),
        jitter_ms=round(float(np.std(gaps)), 3) if len(gaps) else 0.0,
        fps=round(1e3 / float(np.mean(gaps)), 3) if len(gaps) and np.mean(gaps) > 0 else 0.0,
        captured_fps=_captured_fps(first),
        counts=counts(rows),
        freezes=freezes(gaps),
    )


def first_showings(rows: Sequence[Shown]) -> list[Shown]:
    """Each readable frame the first time that it was shown."""
    seen: dict[int, Shown] = {}
    for row in rows:
        if row.id is not None:
            seen.setdefault(row.id, row)
    return list(seen.values())


def counts(rows: Sequence[Shown]) -> Counts:
    readable = [row for row in rows if row.id is not None]
    ids = [row.id for row in readable if row.id is not None]
    unobserved = sum(max(0, b.count - a.count - 1) for a, b in pairwise(rows))
    distinct = set(ids)
    expected = max(ids) - min(ids) + 1 if ids else 0
    newest, reordered, seen = -1, 0, set[int]()
    for one in ids:
        reordered += one < newest and one not in seen
        newest = max(newest, one)
        seen.add(one)
    return Counts(
        expected=expected,
        shown=len(rows),
        lost=_lost(readable, expected - len(distinct)),
        unobserved=unobserved,
        duplicates=len(ids) - len(distinct),
        reordered=reordered,
        unreadable=len(rows) - len(ids),
    )


def _lost(readable: Sequence[Shown], missing: int) -> int:
    """Of the missing numbers those that no unobserved or unreadable frame in the same gap can have been."""
    excused = 0
    for a, b in pairwise(readable):
        assert a.id is not None
        assert b.id is not None
        excused += min(max(0, b.id - a.id - 1), max(0, b.count - a.count - 1))
    return max(0, missing - excused)


def gaps_ms(rows: Sequence[Shown]) -> F64:
    """Between the instants at which successive frames were shown."""
    return np.diff(np.array([row.shown_ns for row in rows], np.float64)) / 1e6


def freezes(gaps: F64) -> Freezes:
    """Source: W3C Identifiers for WebRTC's Statistics API, RTCInboundRtpStreamStats.freezeCount."""
    recent: deque[float] = deque(maxlen=_FREEZE_WINDOW)
    frozen = []
    for gap in gaps:
        usual = sum(recent) / len(recent) if recent else float("inf")
        if gap >= max(3 * usual, usual + _FREEZE_LEAST_MS):
            frozen.append(float(gap))
        recent.append(float(gap))
    return Freezes(len(frozen), round(sum(frozen), 3), round(max(frozen, default=0.0), 3))


def ages_ms(rows: Sequence[Shown]) -> F64:
    """How old the picture on the screen is, at every millisecond: it ages until the next one replaces it."""
    ages = []
    for row, after in pairwise(rows):
        if row.glass_ns is not None:
            stays_ms = (after.shown_ns - row.shown_ns) / 1e6
            ages.append(row.glass_ns / 1e6 + np.arange(0.0, stays_ms, _AGE_STEP_MS))
    return np.concatenate(ages) if ages else np.empty(0)


def _captured_fps(first: Sequence[Shown]) -> float:
    ordered = sorted((row.captured_ns, row.id) for row in first if row.captured_ns is not None and row.id is not None)
    if len(ordered) < 2 or ordered[-1][0] == ordered[0][0]:
        return 0.0
    return round((ordered[-1][1] - ordered[0][1]) * 1e9 / (ordered[-1][0] - ordered[0][0]), 3)


def _ms(pairs: Sequence[tuple[int | None, int | None]]) -> list[float]:
    return [(b - a) / 1e6 for a, b in pairs if a is not None and b is not None]
