"""Bits per second: to begin with, and how far receivers may move it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from livefuse.errors import BadValue


@dataclass(frozen=True, slots=True)
class Rates:
    """Bits per second: to begin with, and within which bounds receivers may move it."""

    start: int
    least: int
    most: int

    def clamped(self, bits_per_second: float) -> int:
        return int(min(max(bits_per_second, self.least), self.most))


def parse_bitrate(text: str) -> int:
    """`2.5M`, `300k` or plain bits per second; 0 for nothing. Raises: BadValue."""
    scale = {"k": 1e3, "m": 1e6}.get(text[-1:].lower(), 1.0)
    try:
        return round(float(text.rstrip("kKmM") or 0) * scale)
    except ValueError as error:
        raise BadValue(f"{text!r} is no bitrate", hint="write e.g. 2.5M or 800k") from error


def rates(bitrate: str, least: str, most: str, width: int, height: int, fps: Fraction) -> Rates:
    """What the settings and the picture's size come to: a tenth of a bit per pixel unless the settings say more."""
    by_size = max(400_000, round(0.1 * width * height * min(60.0, max(15.0, float(fps)))))
    start = parse_bitrate(bitrate) or by_size
    ceiling = max(parse_bitrate(most) or 4 * start, start)
    return Rates(start, min(parse_bitrate(least), start), ceiling)
