"""A frame's number and instant in its picture: what is written is read back, also after a codec, and nothing else is."""

from __future__ import annotations

import threading
from typing import cast

import av
import cv2
import numpy as np
import pytest

from livefuse.capture import Capture, Captured
from livefuse.clock import ManualClock
from livefuse.config import Config
from livefuse.errors import BadValue
from livefuse.frame import U8
from livefuse.mailbox import Every
from livefuse.source.synthetic.blocks import COLUMNS, ROWS, Stamp, cell_px, crc8, draw_blocks, read_blocks
from livefuse.source.synthetic.options import parse_synthetic
from livefuse.source.synthetic.source import SyntheticSource
from livefuse.stats import Stats


def planes(width: int, height: int, level: int = 90) -> tuple[U8, U8, U8]:
    chroma = ((height + 1) // 2, (width + 1) // 2)
    return np.full((height, width), level, np.uint8), np.full(chroma, 60, np.uint8), np.full(chroma, 200, np.uint8)


def test_the_crc_is_the_published_one() -> None:
    assert crc8(b"123456789") == 0xF4  # the check value of CRC-8/SMBUS


@pytest.mark.parametrize("size", [(128, 96), (320, 240), (640, 480), (641, 481), (1920, 1080)])
def test_what_is_written_is_read(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        stamp = Stamp(int(rng.integers(1 << 24)), int(rng.integers(1 << 32)))
        picture = planes(*size)
        draw_blocks(picture, stamp)
        assert read_blocks(picture[0]) == stamp


def test_blocks_are_grey_and_stay_in_their_corner() -> None:
    picture = planes(640, 480)
    draw_blocks(picture, Stamp(5, 6))
    side = cell_px(640, 480)
    assert (picture[1][: ROWS * side // 2, : COLUMNS * side // 2] == 128).all()
    assert (picture[0][ROWS * side :] == 90).all()
    assert (picture[0][:, COLUMNS * side :] == 90).all()
    assert (picture[2][:, COLUMNS * side // 2 :] == 200).all()


def test_a_picture_without_blocks_says_nothing() -> None:
    assert read_blocks(planes(640, 480)[0]) is None
    assert read_blocks(np.random.default_rng(1).integers(0, 256, (480, 640), np.uint8)) is None
    assert read_blocks(planes(64, 48)[0]) is None


def test_a_cell_turned_over_is_not_believed() -> None:
    picture = planes(640, 480)
    draw_blocks(picture, Stamp(77, 88))
    side = cell_px(640, 480)
    for row in range(1, ROWS):
        luma = picture[0].copy()
        cell = luma[row * side : (row + 1) * side, :side]
        cell[:] = 251 - cell
        assert read_blocks(luma) is None


def test_number_and_time_wrap() -> None:
    assert Stamp.of((1 << 24) + 3, ((1 << 32) + 7) * 1000 + 999) == Stamp(3, 7)


@pytest.mark.parametrize("codec", ["libx264", "libvpx"])
def test_blocks_survive_a_poor_codec(codec: str) -> None:
    """A moving face at a third of the bits that a viewer would get."""
    source = SyntheticSource("synthetic:640x480@30?blocks=1")
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt, encoder.bit_rate = 640, 480, "yuv420p", 300_000
    encoder.framerate = source.options.fps
    encoder.options = {"preset": "superfast", "tune": "zerolatency"} if codec == "libx264" else {"deadline": "realtime"}
    decoder = av.CodecContext.create("h264" if codec == "libx264" else "vp8", "r")
    assert isinstance(decoder, av.VideoCodecContext)
    sent, read = [], []
    for seq in range(1, 25):
        frame = source.frame(seq).stamped(seq=seq, scheduled_ns=seq * 33_333_333)
        source.stamp(frame)
        sent.append(Stamp.of(seq, seq * 33_333_333))
        picture = av.VideoFrame.from_ndarray(np.vstack([plane.reshape(-1, 640) for plane in frame.planes]), "yuv420p")
        picture.pts = seq
        for packet in encoder.encode(picture):
            read += [read_blocks(cast(U8, decoded.to_ndarray(format="gray"))) for decoded in decoder.decode(packet)]
    assert len(read) >= 20
    assert read == sent[: len(read)]


def test_blocks_survive_scaling_there_and_back() -> None:
    picture = planes(1280, 720)
    draw_blocks(picture, Stamp(4321, 123456789))
    small = cv2.resize(picture[0], (960, 540), interpolation=cv2.INTER_AREA)
    assert read_blocks(cv2.resize(small, (1280, 720), interpolation=cv2.INTER_LINEAR)) == Stamp(4321, 123456789)


def test_the_url_asks_for_blocks() -> None:
    options = parse_synthetic("synthetic:320x240@30?blocks=1")
    assert options.blocks
    assert parse_synthetic(options.url()) == options
    assert not parse_synthetic("synthetic:320x240@30").blocks
    with pytest.raises(BadValue, match="64x64"):
        parse_synthetic("synthetic:64x64@30?blocks=1")


def test_pictures_without_the_option_stay_as_they_were() -> None:
    source = SyntheticSource("synthetic:320x240@30")
    frame = source.frame(3)
    before = frame.planes[0].copy()
    source.stamp(frame)
    assert np.array_equal(frame.planes[0], before)


def test_the_session_writes_the_instant_at_which_each_frame_was_due() -> None:
    source = SyntheticSource("synthetic:320x240@30?blocks=1&frames=5")
    clock, outbox = ManualClock(1_000_000_000), Every[Captured]()
    capture = Capture(source, outbox, clock, Config().live, Stats(""), realtime=True)
    thread = threading.Thread(target=capture.run)
    thread.start()
    thread.join(20)
    for seq in range(1, 6):
        captured = outbox.get(1)
        assert captured is not None
        assert read_blocks(captured.frame.planes[0]) == Stamp.of(seq, captured.frame.scheduled_ns)
        assert captured.frame.scheduled_ns == 1_000_000_000 + captured.frame.pts_ns
