from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from livefuse.errors import NotMedia, SourceNotFound, UnsupportedPicture
from livefuse.source import open_source
from livefuse.source.image import ImageSource, read_image
from livefuse.source.picture_size import picture_size
from livefuse.source.sniff import picture_in
from tests.unit.source_clips import picture

ENDINGS = [".png", ".jpg", ".webp", ".bmp", ".tiff"]


def save(path: Path, width: int = 60, height: int = 40) -> Path:
    ok, data = cv2.imencode(path.suffix, cv2.cvtColor(picture(1, width, height), cv2.COLOR_RGB2BGR))
    assert ok
    path.write_bytes(data.tobytes())
    return path


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_picture_is_one_rgb_frame_whatever_it_is_called(tmp_path: Path, ending: str) -> None:
    path = save(tmp_path / f"a{ending}").rename(tmp_path / "photo.mp4")
    source = open_source(str(path))
    frame = source.read()
    assert isinstance(source, ImageSource)
    assert frame is not None
    assert (frame.format, frame.width, frame.height) == ("rgb24", 60, 40)
    assert (source.info.frames, source.info.live) == (1, False)
    error = np.abs(frame.planes[0][5:15, 5:25].astype(int) - (230, 40, 40))
    assert error.max() <= (0 if ending in (".png", ".bmp", ".tiff") else 12)
    assert source.read() is None


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("size", [(16, 300), (317, 41)])
def test_sizes_are_read_from_headers(tmp_path: Path, ending: str, size: tuple[int, int]) -> None:
    data = save(tmp_path / f"a{ending}", *size).read_bytes()
    kind = picture_in(data)
    assert kind is not None
    assert picture_size(data, kind) == size
    for cut in (8, 14, 20):
        assert picture_size(data[:cut], kind) is None


def test_lossless_and_extended_webp_and_big_endian_tiff() -> None:
    ok, data = cv2.imencode(".webp", picture(0, 50, 30), [cv2.IMWRITE_WEBP_QUALITY, 101])
    assert ok
    assert picture_size(data.tobytes(), "webp") == (50, 30)
    extended = b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + (99).to_bytes(3, "little") + (70).to_bytes(3, "little")
    assert picture_size(extended, "webp") == (100, 71)
    entries = struct.pack(">HHIHHHHIHH", 256, 3, 1, 640, 0, 257, 3, 1, 480, 0)
    assert picture_size(b"MM\0*" + struct.pack(">IH", 8, 2) + entries, "tiff") == (640, 480)


def test_a_jpeg_turned_by_its_exif_comes_upright(tmp_path: Path) -> None:
    data = save(tmp_path / "a.jpg").read_bytes()
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x112, 3, 1, 6, 0, 0)  # 6: turn 90 degrees clockwise
    exif = b"Exif\0\0" + tiff
    path = tmp_path / "turned.jpg"
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    assert picture_size(path.read_bytes(), "jpeg") == (60, 40)
    np.testing.assert_array_equal(read_image(path), np.rot90(read_image(tmp_path / "a.jpg"), -1))


def bomb(path: Path, width: int, height: int) -> Path:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(100_000), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("size", [(65535, 65535), (16384, 16384), (20000, 100), (8, 400)])
def test_bombs_are_refused_before_decoding(
    tmp_path: Path, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> None:
        raise AssertionError("must not be decoded")

    monkeypatch.setattr(cv2, "imdecode", decoded)
    with pytest.raises(UnsupportedPicture, match=f"{size[0]}x{size[1]}"):
        read_image(bomb(tmp_path / "a.png", *size))


def test_an_8k_photo_works(tmp_path: Path) -> None:
    flat = np.full((4320, 7680, 3), 90, np.uint8)
    path = tmp_path / "a.jpg"
    path.write_bytes(cv2.imencode(".jpg", flat)[1].tobytes())
    assert read_image(path).shape == (4320, 7680, 3)


def test_transparency_and_grey_become_rgb(tmp_path: Path) -> None:
    for name, shape in [("rgba.png", (20, 30, 4)), ("grey.png", (20, 30))]:
        path = tmp_path / name
        path.write_bytes(cv2.imencode(".png", np.full(shape, 77, np.uint8))[1].tobytes())
        assert read_image(path).tolist() == np.full((20, 30, 3), 77).tolist()


def test_what_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        read_image(tmp_path / "none.png")
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(NotMedia, match="no picture"):
        read_image(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    with pytest.raises(NotMedia, match="header is broken"):
        read_image(tmp_path / "b.png")
    whole = bomb(tmp_path / "c.png", 400, 300).read_bytes()
    (tmp_path / "c.png").write_bytes(whole[:40])
    with pytest.raises(NotMedia, match="cannot be decoded"):
        read_image(tmp_path / "c.png")


def test_real_photos(shared: Path) -> None:
    assert read_image(shared / "media" / "astronaut.png").shape == (512, 512, 3)
    red, _, blue = read_image(shared / "media" / "mona_lisa.jpg").reshape(-1, 3).mean(0)
    assert red > blue  # a warm picture: the channels are in the right order
