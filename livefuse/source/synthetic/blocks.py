"""A frame's number and capture instant as black and white blocks in the top-left corner of its picture.

They survive a lossy codec, so that whoever shows the picture can say which frame it is and how old. Eight columns of
square cells: a row of fixed finder cells, then 24 bits of number, 32 bits of time in microseconds, and a CRC-8 of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livefuse.frame import U8

COLUMNS, ROWS = 8, 9
FINDER = 0b10110010
ID_BITS, TIME_BITS = 24, 32
LEAST_WIDTH_PX, LEAST_HEIGHT_PX = 128, 96

_LARGE_PX, _SMALL_PX, _LARGE_FROM_PX = 16, 8, 360
_BLACK, _WHITE, _NO_COLOUR = 16, 235, 128
_LEAST_CONTRAST = 60.0
_FINDER_BITS = np.unpackbits(np.array([FINDER], np.uint8)).astype(np.bool_)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the blocks say: the frame's number modulo 2**24, its instant in microseconds modulo 2**32."""

    id: int
    time_us: int

    @classmethod
    def of(cls, seq: int, instant_ns: int) -> Stamp:
        return cls(seq % (1 << ID_BITS), instant_ns // 1000 % (1 << TIME_BITS))


def cell_px(width: int, height: int) -> int:
    """Side of a cell: a macroblock of H.264, or half of one in small pictures."""
    return _LARGE_PX if min(width, height) >= _LARGE_FROM_PX else _SMALL_PX


def crc8(message: bytes) -> int:
    """CRC-8 with the polynomial x^8 + x^2 + x + 1. Source: SMBus 3.2, section 6.4.1.1."""
    crc = 0
    for byte in message:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ 0x07) & 0xFF if crc & 0x80 else crc << 1
    return crc


def draw_blocks(planes: Sequence[U8], stamp: Stamp) -> None:
    """Write the blocks into a yuv420p picture. Shapes: planes Y (H, W), U and V (ceil H/2, ceil W/2)."""
    luma = planes[0]
    side = cell_px(luma.shape[1], luma.shape[0])
    levels = np.where(_cells(stamp), np.uint8(_WHITE), np.uint8(_BLACK))
    rows, columns = ROWS * side, COLUMNS * side
    luma[:rows, :columns] = levels.repeat(side, axis=0).repeat(side, axis=1)
    for chroma in planes[1:]:
        chroma[: rows // 2, : columns // 2] = _NO_COLOUR


def read_blocks(luma: U8) -> Stamp | None:
    """What a picture's blocks say; None where there are none that can be trusted. Shapes: luma (H, W)."""
    side = cell_px(luma.shape[1], luma.shape[0])
    if luma.shape[0] < ROWS * side or luma.shape[1] < COLUMNS * side:
        return None
    cells = luma[: ROWS * side, : COLUMNS * side].reshape(ROWS, side, COLUMNS, side)
    core = slice(side // 4, side - side // 4)  # a codec blurs the edges of a cell
    means = cells[:, core, :, core].mean(axis=(1, 3))
    white, black = means[0][_FINDER_BITS].min(), means[0][~_FINDER_BITS].max()
    if white - black < _LEAST_CONTRAST:
        return None
    message = np.packbits(means[1:] > (white + black) / 2).tobytes()
    if crc8(message[:-1]) != message[-1]:
        return None
    return Stamp(int.from_bytes(message[:3], "big"), int.from_bytes(message[3:7], "big"))


def _cells(stamp: Stamp) -> npt.NDArray[np.bool_]:
    message = stamp.id.to_bytes(ID_BITS // 8, "big") + stamp.time_us.to_bytes(TIME_BITS // 8, "big")
    whole = bytes([FINDER]) + message + bytes([crc8(message)])
    return np.unpackbits(np.frombuffer(whole, np.uint8)).reshape(ROWS, COLUMNS).astype(np.bool_)
