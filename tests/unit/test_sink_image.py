"""Pictures as outputs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from livefuse.errors import SinkUnwritable
from livefuse.frame import Colour, HostFrame
from livefuse.sinks.image import ImageSink
from tests.unit.sink_clips import info_of, moving, steady


def scene(width: int = 61, height: int = 43) -> HostFrame:
    rgb = np.full((height, width, 3), (200, 90, 40), np.uint8)
    rgb[:20, :20] = (20, 60, 220)
    return HostFrame((rgb,), "rgb24", width, height)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".jpeg", ".webp"])
def test_one_picture_keeps_size_and_colours(tmp_path: Path, suffix: str) -> None:
    frame, out = scene(), tmp_path / f"out{suffix}"
    sink = ImageSink(out)
    sink.open(info_of(61, 43, "rgb24"))
    sink.write(frame)
    assert not out.exists()  # not before it is finished
    sink.close()
    back = cv2.cvtColor(cv2.imread(str(out), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    assert back.shape == (43, 61, 3)
    error = np.abs(back.astype(int) - frame.planes[0])
    assert error.max() == 0 if suffix == ".png" else error.mean() < 4
    assert [entry.name for entry in tmp_path.iterdir()] == [out.name]


def test_yuv_is_converted_by_its_own_matrix_and_range(tmp_path: Path) -> None:
    planes = (np.full((40, 60), 150, np.uint8), np.full((20, 30), 90, np.uint8), np.full((20, 30), 170, np.uint8))
    seen = {}
    for colour in (Colour("bt601", False), Colour("bt709", False), Colour("bt709", True)):
        sink = ImageSink(tmp_path / "out.png")
        sink.open(info_of(60, 40, colour=colour))
        sink.write(HostFrame(planes, "yuv420p", 60, 40, colour=colour))
        sink.close()
        seen[colour] = np.asarray(cv2.imread(str(tmp_path / "out.png")))[20, 30, ::-1].astype(int)
    y, cb, cr = (150 - 16) * 255 / 219, (90 - 128) * 255 / 224, (170 - 128) * 255 / 224
    wanted = (y + 1.5748 * cr, y - 0.1873 * cb - 0.4681 * cr, y + 1.8556 * cb)  # ITU-R BT.709-6
    assert np.abs(seen[Colour("bt709", False)] - wanted).max() <= 1.5
    assert len({tuple(v) for v in seen.values()}) == 3


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_the_mark_is_in_the_picture(tmp_path: Path, suffix: str) -> None:
    sink = ImageSink(tmp_path / f"out{suffix}")
    sink.open(info_of(61, 43, "rgb24"))
    sink.write(scene())
    sink.close()
    data = (tmp_path / f"out{suffix}").read_bytes()
    assert b"compositeWithTrainedAlgorithmicMedia" in data
    assert b"synthetic media made with livefuse" in data


def test_a_pattern_writes_a_sequence(tmp_path: Path) -> None:
    sink, info = ImageSink(tmp_path / "shot_%05d.png"), info_of()
    sink.open(info)
    for frame in moving(info, steady(3)):
        sink.write(frame)
    sink.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["shot_00001.png", "shot_00002.png", "shot_00003.png"]


def test_two_frames_for_one_picture_is_an_error_and_keeps_the_old_one(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"old")
    sink, info = ImageSink(out), info_of()
    sink.open(info)
    first, second = moving(info, steady(2))
    sink.write(first)
    with pytest.raises(SinkUnwritable, match=r"out_%05d\.png"):
        sink.write(second)
    sink.close()
    assert out.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_abort_keeps_the_old_picture(tmp_path: Path) -> None:
    out = tmp_path / "out.jpg"
    out.write_bytes(b"old")
    sink = ImageSink(out)
    sink.open(info_of(61, 43, "rgb24"))
    sink.write(scene())
    sink.abort()
    sink.close()
    assert out.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("name", "says"), [("no/out.png", "does not exist"), ("out.tga", r"\.webp"), (".", "picture")])
def test_what_cannot_be_written_is_refused_at_open(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(SinkUnwritable, match=says):
        ImageSink(tmp_path / name).open(info_of())


@pytest.mark.parametrize(("name", "width"), [("out.webp", 16_384), ("out.jpg", 65_501)])
def test_a_size_that_the_format_cannot_hold_is_refused_before_the_work(tmp_path: Path, name: str, width: int) -> None:
    with pytest.raises(SinkUnwritable, match=f"{width}x40"):
        ImageSink(tmp_path / name).open(info_of(width, 40))
    ImageSink(tmp_path / "out.png").open(info_of(width, 40))
    ImageSink(tmp_path / name).open(info_of(width - 1, 40))
