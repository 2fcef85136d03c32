"""How a page's clock lies to this host's monotonic clock, by round trips between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_COARSE_NS = 100_000
"""Browsers round `performance.now()` down to this much. Source: HR Time 3, section 4.1."""


@dataclass(frozen=True, slots=True)
class Ping:
    """The page's clock was read after `before_ns` and before `after_ns` of ours."""

    before_ns: int
    page_ms: float
    after_ns: int


@dataclass(frozen=True, slots=True)
class PageClock:
    """Where the page's zero lies on our monotonic clock, give or take `uncertainty_ns`."""

    offset_ns: int
    uncertainty_ns: int

    def monotonic_ns(self, page_ms: float) -> int:
        return self.offset_ns + round(page_ms * 1e6)


def page_clock(pings: Sequence[Ping]) -> PageClock:
    """The offset that fits every round trip: on one host both clocks tick alike, so each trip narrows the bounds.

    Should they have drifted apart, the bounds cross, and the uncertainty is how far.
    """
    low = max(ping.before_ns - round(ping.page_ms * 1e6) - _COARSE_NS for ping in pings)
    high = min(ping.after_ns - round(ping.page_ms * 1e6) for ping in pings)
    return PageClock((low + high) // 2, abs(high - low) // 2)
