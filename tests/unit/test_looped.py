"""A file that begins again: its time stamps go on, and it ends when it is closed or holds nothing."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from livefuse.config import Config, LiveConfig
from livefuse.doors import Doors
from livefuse.errors import SourceNotFound
from livefuse.source import open_source
from livefuse.source.base import Source
from livefuse.source.looped import LoopedSource
from tests.unit.identity_sources import square_photo
from tests.unit.source_clips import write_clip

LOOPING = Config(live=LiveConfig(loop=True))


def looped(path: Path) -> Source:
    return Doors().source(str(path), LOOPING)


def stamps_ns(source: Source, count: int) -> list[int]:
    frames = [source.read() for _ in range(count)]
    return [frame.pts_ns for frame in frames if frame is not None]


def test_time_goes_on_over_the_end(tmp_path: Path) -> None:
    source = looped(write_clip(tmp_path / "a.mp4"))
    stamps = stamps_ns(source, 20)
    assert len(stamps) == 20
    gaps = {round((after - before) / 1e6) for before, after in pairwise(stamps)}
    assert gaps == {33}
    source.close()
    assert source.read() is None


def test_a_picture_stays(tmp_path: Path) -> None:
    source = looped(square_photo(tmp_path / "a.png"))
    assert stamps_ns(source, 3) == [0, 40_000_000, 80_000_000]
    assert (source.info.frames, source.info.duration_ns) == (0, 0), "nobody knows how long it will be"


def test_only_files_begin_again_and_only_when_told(tmp_path: Path) -> None:
    clip = str(write_clip(tmp_path / "a.mp4"))
    assert not isinstance(Doors().source(clip, Config()), LoopedSource)
    assert not isinstance(Doors().source("synthetic:320x240", LOOPING), LoopedSource)


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "a.mp4")
    source = looped(clip)
    clip.unlink()
    with pytest.raises(SourceNotFound):
        stamps_ns(source, 20)


def test_what_gives_nothing_is_not_opened_for_ever(tmp_path: Path) -> None:
    opened: list[Source] = []

    def again() -> Source:
        opened.append(open_source(clip))
        opened[-1].close()  # a closed file has no frames
        return opened[-1]

    clip = str(write_clip(tmp_path / "a.mp4"))
    source = LoopedSource(open_source(clip), again)
    assert len(stamps_ns(source, 6)) == 6
    assert [source.read() for _ in range(3)] == [None, None, None]
    assert len(opened) == 1
