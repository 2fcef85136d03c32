"""The frames that a page showed, in the order in which it did, on this host's clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import Any

import numpy as np

from livefuse.bench.webrtc.clocks import PageClock
from livefuse.source.synthetic.blocks import TIME_BITS

_WRAP_US = 1 << TIME_BITS
_LEAST_REFRESHES = 3
_ROUNDING = 0.01  # of a period: browsers round instants to 0.1 ms


@dataclass(slots=True)
class Noted:
    """What `reader.js` noted, on the page's clock: shown frames, and the instants (ms) of the screen's refreshes."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    refreshes_ms: list[float] = field(default_factory=list)

    def add(self, later: Noted) -> None:
        self.rows += later.rows
        self.refreshes_ms += later.refreshes_ms


@dataclass(frozen=True, slots=True)
class Shown:
    """One shown frame. `id` and `captured_ns` (when it was due) are None where its blocks could not be read.

    `received_ns` is when its last packet arrived, `decode_ns` how long it was decoded, where the browser says so.
    `presented_ns` is when it was handed to the compositor (`presentationTime`), `shown_ns` the first refresh of the screen
    after that, `expected_ns` when the browser expected it on a screen (`expectedDisplayTime`; Chromium's is known to be
    rough for streams that it does not smooth, crbug.com/1050755). `count` numbers the frames handed to the compositor; a
    page's script does not get to see every one.
    Source: HTMLVideoElement.requestVideoFrameCallback(), WICG draft, VideoFrameCallbackMetadata.
    """

    id: int | None
    captured_ns: int | None
    received_ns: int | None
    decode_ns: int | None
    presented_ns: int
    shown_ns: int
    count: int
    rtp: int | None = None
    expected_ns: int | None = None

    @property
    def glass_ns(self) -> int | None:
        """From the instant at which the frame was due to the one at which it was shown."""
        return None if self.captured_ns is None else self.shown_ns - self.captured_ns


COLUMNS = tuple(column.name for column in fields(Shown))


def shown_frames(noted: Noted, clock: PageClock) -> list[Shown]:
    """In the order of presentation."""
    presented_ms = [row["presented"] for row in noted.rows]
    shown_ms = refreshes_after(presented_ms, noted.refreshes_ms)
    rows = [_shown(row, shown, clock) for row, shown in zip(noted.rows, shown_ms, strict=True)]
    return sorted(rows, key=lambda row: row.count)


def refreshes_after(instants_ms: Sequence[float], refreshes_ms: Sequence[float]) -> list[float]:
    """The first refresh of the screen at or after each instant; the instant itself where too few refreshes are known.

    A busy page misses refreshes that the compositor, which has a thread of its own, does not: those are filled in.
    """
    if len(refreshes_ms) < _LEAST_REFRESHES:
        return list(instants_ms)
    ticks, at = np.asarray(refreshes_ms, np.float64), np.asarray(instants_ms, np.float64)
    period = float(np.median(np.diff(ticks)))
    before = ticks[np.maximum(np.searchsorted(ticks, at, side="right") - 1, 0)]
    after = before + np.ceil((at - before) / period - _ROUNDING) * period
    return [float(value) for value in np.maximum(after, at)]


def _shown(row: Mapping[str, Any], shown_ms: float, clock: PageClock) -> Shown:
    presented_ns, received, decode = clock.monotonic_ns(row["presented"]), row["received"], row["decode"]
    return Shown(
        id=row["id"],
        captured_ns=None if row["us"] is None else unwrapped_ns(row["us"], presented_ns),
        received_ns=None if received is None else clock.monotonic_ns(received),
        decode_ns=None if decode is None else round(decode * 1e9),
        presented_ns=presented_ns,
        shown_ns=clock.monotonic_ns(shown_ms),
        count=row["count"],
        rtp=row["rtp"],
        expected_ns=clock.monotonic_ns(row["displayed"]),
    )


def unwrapped_ns(time_us: int, near_ns: int) -> int:
    """The instant nearest to `near_ns` whose microseconds modulo 2**32 are `time_us`."""
    near_us = near_ns // 1000
    ahead_us = (time_us - near_us + _WRAP_US // 2) % _WRAP_US - _WRAP_US // 2
    return (near_us + ahead_us) * 1000


def csv_text(rows: Sequence[Shown]) -> str:
    """One line per shown frame, under the names of `Shown`."""
    lines = [",".join(COLUMNS)]
    lines += [",".join("" if value is None else str(value) for value in astuple(row)) for row in rows]
    return "\n".join(lines) + "\n"
