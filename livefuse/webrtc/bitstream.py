"""What an encoded picture is, read from its first bytes: nothing is decoded."""

from __future__ import annotations

from collections.abc import Iterator

_START = b"\x00\x00\x01"
_SLICES = range(1, 6)  # Source: ITU-T H.264, table 7-1
_IDR = 5
_VP8_START = b"\x9d\x01\x2a"  # Source: RFC 6386 section 9.1; key frames only


def shows_picture(codec: str, data: bytes) -> bool:
    """False for parameter sets and the like by themselves."""
    return codec != "H264" or any(kind in _SLICES for kind in h264_units(data))


def is_key_picture(codec: str, data: bytes) -> bool:
    """Whether decoding can begin here. Codecs other than H.264 in Annex B form and VP8 are not known here."""
    if codec == "H264":
        return _IDR in h264_units(data)
    return len(data) > 5 and not data[0] & 1 and data[3:6] == _VP8_START


def h264_units(data: bytes) -> Iterator[int]:
    """Types of the NAL units of an Annex B byte stream, in order."""
    at = data.find(_START)
    while 0 <= at < len(data) - len(_START):
        yield data[at + len(_START)] & 0x1F
        at = data.find(_START, at + len(_START))
