"""The frames that a page showed, in the order in which it did, on this host's clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

from livefuse.bench.webrtc.clocks import PageClock
from livefuse.source.synthetic.blocks import TIME_BITS

_WRAP_US = 1 << TIME_BITS


@dataclass(frozen=True, slots=True)
class Shown:
    """One shown frame. `id` and `captured_ns` (when it was due) are None where its blocks could not be read.

    `received_ns` is when its last packet arrived, `decode_ns` how long it was decoded, where the browser says so.
    `presented_ns` is when it was handed to the compositor (`presentationTime`), `shown_ns` when the browser expected it on
    a screen (`expectedDisplayTime`: one refresh after the one that draws it), never before the hand-over. `count` numbers
    the frames handed to the compositor; a page's script does not get to see every one.
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

    @property
    def glass_ns(self) -> int | None:
        """From the instant at which the frame was due to the one at which it was shown."""
        return None if self.captured_ns is None else self.shown_ns - self.captured_ns


COLUMNS = tuple(field.name for field in fields(Shown))


def shown_frames(noted: Iterable[Mapping[str, Any]], clock: PageClock) -> list[Shown]:
    """What `reader.js` noted, in the order of presentation."""
    return sorted((_shown(row, clock) for row in noted), key=lambda row: row.count)


def _shown(row: Mapping[str, Any], clock: PageClock) -> Shown:
    presented_ns = clock.monotonic_ns(row["presented"])
    # without a screen, the expected time can lie before the hand-over; no frame is seen before that
    shown_ns = max(presented_ns, clock.monotonic_ns(row["displayed"]))
    received, decode = row["received"], row["decode"]
    return Shown(
        id=row["id"],
        captured_ns=None if row["us"] is None else unwrapped_ns(row["us"], presented_ns),
        received_ns=None if received is None else clock.monotonic_ns(received),
        decode_ns=None if decode is None else round(decode * 1e9),
        presented_ns=presented_ns,
        shown_ns=shown_ns,
        count=row["count"],
        rtp=row["rtp"],
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
