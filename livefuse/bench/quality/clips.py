"""Clips that are measured: read anew for each variant, so that no more than two frames are held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import EmptySource, NotMedia
from livefuse.frame import U8, HostFrame
from livefuse.source import open_source
from livefuse.source.synthetic.truth import SyntheticTruth

DEFAULT_CLIPS = ("synthetic:640x360@30", "synthetic:640x360@30?hand=1")
"""A talking head, and the same with a hand that passes in front of it once in five seconds."""

_AS_IT_IS = np.eye(2, 3, dtype=np.float32)


class ClipFrame(NamedTuple):
    """Shapes: rgb (H, W, 3). `truth` is known for synthetic clips."""

    rgb: U8
    t_ns: int
    truth: SyntheticTruth | None


@dataclass(frozen=True, slots=True)
class Clip:
    """At most `frames` frames of what `url` names; `name` is what it is called in tables."""

    url: str
    frames: int
    name: str

    def __iter__(self) -> Iterator[ClipFrame]:
        """Raises: SourceError, BadValue."""
        source = open_source(self.url)
        with closing(source):
            if source.info.live:
                raise NotMedia(f"{self.url} is live: it never shows the same twice", hint="record it to a file first")
            count = 0
            while count < self.frames and (frame := source.read()) is not None:
                count += 1
                yield ClipFrame(_rgb_of(frame), frame.pts_ns, frame.truth)
            if not count:
                raise EmptySource(f"{self.url} has no frame", hint="name a longer clip")


def clips_of(urls: Sequence[str], frames: int) -> list[Clip]:
    """Each once. Files go by their names where those differ."""
    urls = list(dict.fromkeys(urls))
    names = [url if url.startswith("synthetic:") else Path(url).name for url in urls]
    return [Clip(url, frames, name if names.count(name) == 1 else url) for url, name in zip(urls, names, strict=True)]


def _rgb_of(frame: HostFrame) -> U8:
    if frame.format == "rgb24":
        return np.ascontiguousarray(frame.planes[0])
    backend, lane = CpuBackend(), Lane(0)
    out = np.empty((frame.height, frame.width, 3), np.uint8)
    backend.warp(lane, backend.upload(lane, frame), _AS_IT_IS, out)
    return out
