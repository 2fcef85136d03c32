"""What the way to a viewer takes, judged by what the viewer says of it.

A receiver's estimate (REMB) means little while we send far less than we may: of a slate at two pictures a second Chrome
concludes that a few kb/s are all there is, and needs minutes to think better of it. So a lowered estimate counts when the
way was in use, or is visibly strained; one that merely stays low does not. Loss and round trips stand in where REMB is blind.
"""

from __future__ import annotations

_LOWERED = 0.97
_IN_USE = 0.5
_LOSSY = 0.1
_SLOW_TIMES, _SLOW_S = 2.0, 0.1
_IN_A_ROW = 2  # one late report is as likely a busy machine


class Estimate:
    """Bits per second; `cap` is None until the viewer gave reason for one."""

    def __init__(self) -> None:
        self.cap: int | None = None
        self.said: int | None = None
        self._least_rtt_s = float("inf")
        self._strained = 0

    def hear(self, bits_per_second: int, sent: float, target: float) -> None:
        """The receiver's estimate, while `sent` was sent and `target` aimed at."""
        before, self.said = self.said, bits_per_second
        if not target:
            return
        lowered = before is not None and bits_per_second < _LOWERED * before
        raised = bits_per_second >= (target if self.cap is None else self.cap)
        if raised or (lowered and (sent >= _IN_USE * target or self._strained)):
            self.cap = bits_per_second

    def report(self, fraction_lost: float, rtt_s: float | None, sent: float, target: float) -> None:
        """What a receiver report says. Source: draft-ietf-rmcat-gcc-02, section 6, for the part of loss."""
        if rtt_s is not None:
            self._least_rtt_s = min(self._least_rtt_s, rtt_s)
        slow = rtt_s is not None and rtt_s > _SLOW_TIMES * self._least_rtt_s + _SLOW_S
        lossy = fraction_lost > _LOSSY
        self._strained = self._strained + 1 if slow or lossy else 0
        if self._strained >= _IN_A_ROW and target:
            keep = 1 - fraction_lost / 2 if lossy else 0.85
            self.cap = int(min(target if self.cap is None else self.cap, keep * max(sent, 1.0)))
            self._strained = 0
