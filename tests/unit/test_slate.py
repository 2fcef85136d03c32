from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from livefuse.composite.slate import slate
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import BadValue
from livefuse.frame import U8, Colour, HostFrame, PixelFormat, plane_shapes

FORMATS: list[PixelFormat] = ["yuv420p", "nv12", "rgb24"]


def seen(frame: HostFrame) -> U8:
    backend, lane = CpuBackend(), Lane(0)
    out = np.empty((frame.height, frame.width, 3), np.uint8)
    backend.warp(lane, backend.upload(lane, frame), np.eye(2, 3, dtype=np.float32), out)
    return out


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("size", [(480, 640), (481, 641), (1280, 720), (16, 16), (17, 160)])
def test_it_is_a_whole_frame_in_the_sessions_format(format_: PixelFormat, size: tuple[int, int]) -> None:
    colour = Colour("bt709", True)
    frame = slate(format_, *size, colour, "camera paused")
    assert tuple(plane.shape for plane in frame.planes) == plane_shapes(format_, *size)
    assert all(plane.dtype == np.uint8 and plane.flags.c_contiguous for plane in frame.planes)
    assert (frame.format, frame.height, frame.width, frame.colour) == (format_, *size, colour)
    picture = seen(frame)
    assert abs(picture[0, 0].astype(int) - (20, 23, 30)).max() <= 3
    assert picture.max() > 100, "the wordmark is on it"


def test_the_line_of_text_is_on_it() -> None:
    paused, waiting = (
        slate("rgb24", 360, 640, Colour(), text).planes[0] for text in ("camera paused", "reconnecting …")
    )
    rows = np.flatnonzero((paused != waiting).any((1, 2)))
    assert len(rows)
    assert rows.min() > 180


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("size", [(100, 200), (201, 99)])
def test_a_picture_of_ones_own_is_shown_whole(tmp_path: Path, format_: PixelFormat, size: tuple[int, int]) -> None:
    path = tmp_path / "pause ü.png"
    image = np.zeros((60, 60, 3), np.uint8)
    image[:, :30], image[:, 30:] = (250, 40, 30), (30, 60, 240)
    path.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
    picture = seen(slate(format_, *size, Colour("bt709"), picture=path)).astype(int)
    side = min(size)
    y, x = size[0] // 2, size[1] // 2
    assert abs(picture[y, x - side // 4] - (250, 40, 30)).max() <= 6
    assert abs(picture[y, x + side // 4] - (30, 60, 240)).max() <= 6
    assert abs(picture[0, 0] - (20, 23, 30)).max() <= 3


def test_a_missing_picture_and_one_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="cannot read") as missing:
        slate("yuv420p", 48, 64, Colour(), picture=tmp_path / "gone.png")
    assert "privacy.slate" in missing.value.hint
    for content in (b"", b"not a picture"):
        path = tmp_path / "bad.png"
        path.write_bytes(content)
        with pytest.raises(BadValue, match="not a picture"):
            slate("yuv420p", 48, 64, Colour(), picture=path)
