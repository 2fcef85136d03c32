"""A clip held in memory, played to and fro: the source costs nothing, so the pipeline alone is measured."""

from __future__ import annotations

from dataclasses import replace

from livefuse.errors import BadValue
from livefuse.frame import HostFrame
from livefuse.source.base import SourceInfo
from livefuse.source.synthetic.source import SyntheticSource

RESOLUTIONS = {
    "360p": (640, 360),
    "480p": (640, 480),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "1440p": (2560, 1440),
    "2160p": (3840, 2160),
}

_CLIP_BYTES = 200 << 20


class ClipSource:
    """`frames` frames of a rendered clip. Turning round at its ends keeps all motion continuous."""

    def __init__(self, width: int, height: int, frames: int, *, fps: int = 30, faces: int = 1, seed: int = 0) -> None:
        length = max(16, min(120, frames, _CLIP_BYTES // (width * height * 3 // 2)))
        source = SyntheticSource(f"synthetic:{width}x{height}@{fps}?faces={faces}&seed={seed}&frames={length}")
        self.info: SourceInfo = replace(source.info, frames=frames)
        self._clip: list[HostFrame] = []
        while (frame := source.read()) is not None:
            self._clip.append(frame)
        source.close()
        self._frames = frames
        self._period_ns = round(1e9 / fps)
        self._next = 0

    def read(self) -> HostFrame | None:
        if self._next >= self._frames:
            return None
        index = self._next
        self._next += 1
        turn = 2 * len(self._clip) - 2
        place = index % turn
        frame = self._clip[min(place, turn - place)]
        return replace(frame, pts_ns=index * self._period_ns)

    def rewind(self, frames: int) -> None:
        """Play again from the start, `frames` frames long."""
        self._next, self._frames = 0, frames

    def close(self) -> None:
        self._next = self._frames


def parse_resolution(text: str) -> tuple[int, int]:
    """`720p` or `1280x720` -> (width, height). Raises: BadValue."""
    if text in RESOLUTIONS:
        return RESOLUTIONS[text]
    width, _, height = text.partition("x")
    if width.isdigit() and height.isdigit() and 16 <= int(width) <= 16384 and 16 <= int(height) <= 16384:
        return int(width), int(height)
    raise BadValue(f"--resolution {text}", hint=f"one of {', '.join(RESOLUTIONS)}, or WIDTHxHEIGHT")
