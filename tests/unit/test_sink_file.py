"""Video files: exact times, colour tags, whole or not at all."""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from livefuse.config import OutputConfig
from livefuse.errors import DiskFull, SinkUnwritable
from livefuse.frame import U8, Colour, HostFrame, PixelFormat
from livefuse.sinks.file import FileSink
from tests.unit.sink_clips import PERIOD_NS, info_of, moving, stamps, steady

FAST = OutputConfig(preset="ultrafast")
UNEVEN_NS = [0, 20_000_000, 100_000_000, 140_000_000, 500_000_000, 510_000_000]


def left_over(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir() if "livefuse-part" in entry.name]


@pytest.mark.parametrize("recording", [False, True])
@pytest.mark.parametrize("preset", ["ultrafast", "veryfast"])  # without and with B-frames
def test_uneven_times_and_the_last_duration_survive(tmp_path: Path, preset: str, recording: bool) -> None:
    out, info = tmp_path / "out.mp4", info_of()
    sink = FileSink(out, OutputConfig(preset=preset), time_base=Fraction(1, 1000), recording=recording)
    sink.open(info)
    for frame in moving(info, UNEVEN_NS, last_ns=250_000_000):
        sink.write(frame)
    sink.close()
    assert stamps(out) == [Fraction(t, 10**9) for t in UNEVEN_NS]
    with av.open(str(out)) as container:
        last = max((p for p in container.demux(video=0) if p.size), key=lambda p: p.pts or 0)
        assert last.duration is not None
        assert last.time_base is not None
        assert last.duration * last.time_base == Fraction(250, 1000)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(25), Fraction(30000, 1001), Fraction(60)])
def test_usual_rates_are_exact_without_a_known_time_base(tmp_path: Path, fps: Fraction) -> None:
    info = info_of(fps=fps)
    sink = FileSink(tmp_path / "out.mp4", FAST)
    sink.open(info)
    for frame in moving(info, [round(i * 1e9 / fps) for i in range(40)]):
        sink.write(frame)
    sink.close()
    exact = [round(Fraction(i) / fps * 120_000) for i in range(40)]
    assert [s * 120_000 for s in stamps(tmp_path / "out.mp4")] == exact


def test_a_recording_begins_at_zero_whenever_it_was_added(tmp_path: Path) -> None:
    info = info_of()
    sink = FileSink(tmp_path / "out.mp4", FAST, recording=True)
    sink.open(info)
    for frame in moving(info, [t + 9_000_000_000 for t in steady(5)]):
        sink.write(frame)
    sink.close()
    assert stamps(tmp_path / "out.mp4")[0] == 0


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.webm", "a.avi", "a.ts", "a.flv", "a.m4v"])
def test_every_listed_container_holds_every_frame(tmp_path: Path, name: str) -> None:
    info = info_of()
    sink = FileSink(tmp_path / name, FAST)
    sink.open(info)
    for frame in moving(info, steady(12)):
        sink.write(frame)
    sink.close()
    assert len(stamps(tmp_path / name)) == 12
    assert bool(sink.notes) == (name == "a.webm")  # VP9 instead of H.264: said


@pytest.mark.parametrize(
    "colour", [Colour("bt709", False, 1, 1, 1), Colour("bt601", True, 5, 6, 5), Colour("bt2020", False, 9, 14, 9)]
)
def test_colour_tags_are_those_of_the_frames(tmp_path: Path, colour: Colour) -> None:
    out, info = tmp_path / "out.mp4", info_of(colour=colour)
    sink = FileSink(out, FAST)
    sink.open(info)
    for frame in moving(info, steady(3)):
        sink.write(frame)
    sink.close()
    with av.open(str(out)) as container:
        context = container.streams.video[0].codec_context
        assert (context.color_primaries, context.color_trc) == (colour.primaries_tag, colour.transfer_tag)
        assert context.colorspace == colour.matrix_tag
        assert context.color_range == (2 if colour.full_range else 1)


@pytest.mark.parametrize("size", [(96, 64), (97, 64), (96, 65), (97, 65)])
@pytest.mark.parametrize("format_", ["yuv420p", "nv12", "rgb24"])
def test_pixels_and_size_survive_in_every_format(tmp_path: Path, format_: PixelFormat, size: tuple[int, int]) -> None:
    """A red right edge and a green bottom edge tell whether an odd last row or column is there."""
    width, height = size
    rgb = np.full((height, width, 3), (60, 90, 160), np.uint8)
    rgb[:, -8:], rgb[-8:] = (200, 40, 40), (40, 180, 60)
    picture = av.VideoFrame.from_ndarray(rgb, format="rgb24")
    if format_ != "rgb24":
        picture = picture.reformat(format=format_, dst_colorspace=5)
    info = info_of(width, height, format_)
    sink = FileSink(tmp_path / "out.mp4", OutputConfig(crf=4, preset="ultrafast"))
    sink.open(info)
    for i in range(3):
        sink.write(HostFrame(planes_of(picture), format_, width, height, i * PERIOD_NS, PERIOD_NS))
    sink.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        got = next(container.decode(video=0))
        assert (got.width, got.height) == size
        back = got.to_ndarray(format="rgb24", src_colorspace=5)
    inner = np.s_[4 : height - 12, 4 : width - 12]
    assert np.abs(back[inner].astype(int) - rgb[inner]).mean() < 4
    assert back[10, -1, 0] > 150
    assert back[-1, 10, 1] > 130
    assert bool(sink.notes) == bool((width | height) & 1)


def planes_of(picture: av.VideoFrame) -> tuple[U8, ...]:
    """Strided views, as a decoder hands them out."""
    planes: list[U8] = []
    for i, plane in enumerate(picture.planes):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        if picture.format.name == "rgb24":
            planes.append(rows[:, : picture.width * 3].reshape(picture.height, picture.width, 3))
        elif picture.format.name == "nv12" and i:
            planes.append(rows[:, : (picture.width + 1) // 2 * 2].reshape(plane.height, -1, 2))
        else:
            planes.append(rows[:, : plane.width])
    return tuple(planes)


def test_the_mark_is_in_the_file(tmp_path: Path) -> None:
    info = info_of()
    sink = FileSink(tmp_path / "out.mp4", FAST)
    sink.open(info)
    for frame in moving(info, steady(2)):
        sink.write(frame)
    sink.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        for key in ("comment", "description"):
            assert container.metadata[key].startswith("synthetic media made with livefuse")
            assert "compositeWithTrainedAlgorithmicMedia" in container.metadata[key]


@pytest.mark.parametrize("how", ["abort", "no frames"])
def test_giving_up_leaves_the_old_file_and_nothing_else(tmp_path: Path, how: str) -> None:
    out, info = tmp_path / "out.mp4", info_of()
    out.write_bytes(b"old")
    sink = FileSink(out, FAST)
    sink.open(info)
    if how == "abort":
        for frame in moving(info, steady(8)):
            sink.write(frame)
        assert out.read_bytes() == b"old"
        sink.abort()
    sink.close()
    assert out.read_bytes() == b"old"
    assert left_over(tmp_path) == []


def test_a_finished_sink_can_be_opened_again(tmp_path: Path) -> None:
    info = info_of()
    sink = FileSink(tmp_path / "out.mp4", FAST)
    for count in (5, 9):
        sink.open(info)
        for frame in moving(info, steady(count)):
            sink.write(frame)
        sink.close()
        assert len(stamps(tmp_path / "out.mp4")) == count


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_recording_without_a_picture_ends_quietly(tmp_path: Path, suffix: str) -> None:
    """FFmpeg's muxer crashes, and the process with it, when it is to complete such a file."""
    for _ in range(5):
        sink = FileSink(tmp_path / f"out{suffix}", FAST, recording=True)
        sink.open(info_of())
        sink.close()
        sink.open(info_of())
        sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_recording_leaves_a_part_that_plays(tmp_path: Path) -> None:
    code = f"""
import os, sys
from livefuse.config import OutputConfig
from livefuse.sinks.file import FileSink
from tests.unit.sink_clips import info_of, moving, steady
sink, info = FileSink({str(tmp_path / "out.mp4")!r}, OutputConfig(preset="ultrafast"), options={{"g": "10"}}, recording=True), info_of()
sink.open(info)
for frame in moving(info, steady(120)):
    sink.write(frame)
os._exit(9)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 9
    assert not (tmp_path / "out.mp4").exists()
    part = shutil.copy(tmp_path / left_over(tmp_path)[0], tmp_path / "rescued.mp4")
    assert len(stamps(Path(part))) >= 40


def feed(sink: FileSink, count: int) -> None:
    for frame in moving(info_of(320, 240), steady(count), noise=True):
        sink.write(frame)


@pytest.mark.parametrize("recording", [False, True])
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, recording: bool) -> None:
    """The process's file size limit stands in for a full disk: both fail in the same write."""
    out, info = tmp_path / "out.mp4", info_of(320, 240)
    out.write_bytes(b"old")
    sink = FileSink(out, FAST, recording=recording)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        sink.open(info)
        with pytest.raises(DiskFull, match=r"out\.mp4"):
            feed(sink, 120)
        sink.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert out.read_bytes() == b"old"
    assert left_over(tmp_path) == []


def test_a_disk_that_fills_up_in_the_last_moment(tmp_path: Path) -> None:
    out, info = tmp_path / "out.mp4", info_of(320, 240)
    sink = FileSink(out, OutputConfig(preset="veryfast"))  # looks ahead: everything is still in the encoder
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (32 * 1024, before[1]))
    try:
        sink.open(info)
        for frame in moving(info, steady(10), noise=True):
            sink.write(frame)
        with pytest.raises(DiskFull):
            sink.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "output", "says"),
    [
        ("missing/out.mp4", OutputConfig(), "folder .*missing does not exist"),
        ("file.txt/out.mp4", OutputConfig(), "is not a folder"),
        ("out.mp4", OutputConfig(codec="h266"), "h264"),
        ("out.mp4", OutputConfig(codec="aac"), "encoders: h264"),
        ("out.flv", OutputConfig(codec="vp8"), "flv"),
        ("out.mp4", OutputConfig(preset="warp"), "cannot write"),
        ("folder.mp4", OutputConfig(), "is a folder"),
        ("out.doc", OutputConfig(), r"\.mkv"),
    ],
)
def test_what_cannot_be_written_is_refused_at_open(tmp_path: Path, path: str, output: OutputConfig, says: str) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(SinkUnwritable, match=says):
        FileSink(tmp_path / path, output).open(info_of())
    assert left_over(tmp_path) == []


def test_a_locked_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # root may write anywhere, so modes prove nothing
    with pytest.raises(SinkUnwritable, match="not allowed to write"):
        FileSink(tmp_path / "out.mp4").open(info_of())


def test_url_options_win_over_the_configuration(tmp_path: Path) -> None:
    from livefuse.sinks import open_sink

    sizes = {}
    info = info_of(320, 240)
    for crf in (10, 45):
        sink = open_sink(f"file:{tmp_path}/{crf}.mp4?crf={crf}&preset=ultrafast&g=5", OutputConfig(crf=30))
        sink.open(info)
        for frame in moving(info, steady(20), noise=True):
            sink.write(frame)
        sink.close()
        sizes[crf] = (tmp_path / f"{crf}.mp4").stat().st_size
        with av.open(str(tmp_path / f"{crf}.mp4")) as container:
            assert sum(p.is_keyframe for p in container.demux(video=0) if p.size) == 4
    assert sizes[10] > 3 * sizes[45]
