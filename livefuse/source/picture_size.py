"""Width and height from a picture's header, so that a pixel bomb (64k x 64k in a few kB) is refused undecoded.

The size is the stored one, before any EXIF turn: limits are the same both ways round.
"""

from __future__ import annotations

import struct
from typing import Literal

# JPEG markers that carry the size: SOF0-15 without DHT, JPG and DAC. Source: ITU-T T.81, table B.1.
_FRAME_MARKERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE = {0x01, *range(0xD0, 0xD8)}


def picture_size(data: bytes, kind: str) -> tuple[int, int] | None:
    """(width, height) of a png, jpeg, webp, bmp or tiff; None if the header is broken."""
    readers = {"png": _png, "jpeg": _jpeg, "webp": _webp, "bmp": _bmp, "tiff": _tiff}
    try:
        size = readers[kind](data)
    except (struct.error, IndexError):
        return None
    return size if size and min(size) > 0 else None


def _png(data: bytes) -> tuple[int, int] | None:
    return struct.unpack_from(">II", data, 16) if data[12:16] == b"IHDR" else None


def _jpeg(data: bytes) -> tuple[int, int] | None:
    at = 2
    while data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in _FRAME_MARKERS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        elif marker in (0xD9, 0xDA):
            return None
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return None


def _webp(data: bytes) -> tuple[int, int] | None:
    """Source: RFC 9649 sections 2.5-2.7, RFC 6386 section 9.1."""
    chunk = data[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if chunk == b"VP8L" and data[20] == 0x2F:
        bits = struct.unpack_from("<I", data, 21)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _bmp(data: bytes) -> tuple[int, int] | None:
    if struct.unpack_from("<I", data, 14)[0] == 12:  # OS/2's short header
        return struct.unpack_from("<HH", data, 18)
    width, height = struct.unpack_from("<ii", data, 18)
    return abs(width), abs(height)  # a negative height means rows from the top


def _tiff(data: bytes) -> tuple[int, int] | None:
    """Source: TIFF 6.0, sections 2 and 8; BigTIFF has 8-byte offsets and counts."""
    order: Literal["<", ">"] = "<" if data[:2] == b"II" else ">"
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    at = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]
    count = struct.unpack_from(order + ("Q" if big else "H"), data, at)[0]
    at += 8 if big else 2
    entry_bytes, value_at = (20, 12) if big else (12, 8)
    sizes = {}
    for entry in range(at, at + min(count, 512) * entry_bytes, entry_bytes):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in (256, 257):
            sizes[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, entry + value_at)[0]
    return (sizes[256], sizes[257]) if len(sizes) == 2 else None
