"""A stream's time stamps as nanoseconds: exact, without gaps where a stamp is missing, strictly increasing."""

from __future__ import annotations

from fractions import Fraction


def exact_ns(ticks: int, time_base: Fraction) -> int:
    """`ticks * time_base` in ns, rounded to the nearest; integers only, as floats lose ns after about 100 days."""
    numerator = ticks * time_base.numerator * 1_000_000_000
    return (2 * numerator + time_base.denominator) // (2 * time_base.denominator)


class Timeline:
    """`shift_ns` is taken off every stamp: the first stamp of a live stream (its clock starts when it opens), and of a
    file only what makes a negative first stamp zero, so that picture and sound of the file keep their distance."""

    def __init__(self, rate: Fraction, *, live: bool) -> None:
        self.shift_ns = 0
        self.period_ns = round(1_000_000_000 / rate)
        self._live = live
        self._last_ns: int | None = None

    def pts_ns(self, ticks: int | None, time_base: Fraction | None) -> int:
        """The next frame's time; counted from the last one by the rate if the stamp is missing or goes back."""
        stamped_ns = None if ticks is None or not time_base else exact_ns(ticks, time_base)
        if self._last_ns is None:
            now_ns = self._first(stamped_ns)
        elif stamped_ns is None or stamped_ns - self.shift_ns <= self._last_ns:
            now_ns = self._last_ns + self.period_ns
        else:
            now_ns = stamped_ns - self.shift_ns
        self._last_ns = now_ns
        return now_ns

    def _first(self, stamped_ns: int | None) -> int:
        if stamped_ns is None:
            return 0
        self.shift_ns = stamped_ns if self._live else min(0, stamped_ns)
        return stamped_ns - self.shift_ns

    def duration_ns(self, ticks: int | None, time_base: Fraction | None) -> int:
        return exact_ns(ticks, time_base) if ticks and ticks > 0 and time_base else self.period_ns
