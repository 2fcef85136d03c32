"""Encoded pictures cut into RTP payloads, once for all viewers."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PAYLOAD_BYTES = 1200
"""Most bytes of a payload: with all headers it fits the 1280 bytes that every IPv6 path carries, and most tunnels."""

_START = b"\x00\x00\x01"
_FU_A, _STAP_A = 28, 24


def h264_payloads(data: bytes) -> list[bytes]:
    """Annex B to payloads: what fits goes whole, small neighbours (parameter sets) together, the rest in fragments.

    Source: RFC 6184, sections 5.6 to 5.8.
    """
    payloads: list[bytes] = []
    small: list[bytes] = []
    room = PAYLOAD_BYTES - 1
    for unit in _units(data):
        if len(unit) + 2 > room and small:
            payloads.append(_together(small))
            small, room = [], PAYLOAD_BYTES - 1
        if len(unit) + 2 <= room:
            small.append(unit)
            room -= len(unit) + 2
        elif len(unit) <= PAYLOAD_BYTES:
            payloads.append(unit)
        else:
            payloads.extend(_fragments(unit))
    if small:
        payloads.append(_together(small))
    return payloads


def vp8_payloads(data: bytes, picture_id: int) -> list[bytes]:
    """A VP8 frame in payloads that carry a 15-bit picture id. Source: RFC 7741, section 4.2."""
    step = PAYLOAD_BYTES - 4
    tail = struct.pack("!BH", 0x80, 0x8000 | (picture_id & 0x7FFF))
    return [
        (b"\x90" if at == 0 else b"\x80") + tail + data[at : at + step]  # X; S on the first one
        for at in range(0, len(data), step)
    ]


def _units(data: bytes) -> Iterator[bytes]:
    """NAL units between start codes of three or four bytes."""
    at = data.find(_START)
    while at >= 0:
        begin = at + 3
        at = data.find(_START, begin)
        unit = data[begin : at if at >= 0 else len(data)].rstrip(b"\x00")  # a unit never ends in zeros (H.264, 7.4.1)
        if unit:
            yield unit


def _together(units: list[bytes]) -> bytes:
    """One unit as it is, several as STAP-A, whose NRI is the highest of theirs."""
    if len(units) == 1:
        return units[0]
    header = max(unit[0] & 0x60 for unit in units) | _STAP_A
    return bytes([header]) + b"".join(struct.pack("!H", len(unit)) + unit for unit in units)


def _fragments(unit: bytes) -> Iterator[bytes]:
    """FU-A of nearly equal length: a short last packet would cost as much as a full one."""
    body = len(unit) - 1
    count = -(-body // (PAYLOAD_BYTES - 2))
    step = -(-body // count)
    indicator, kind = unit[0] & 0xE0 | _FU_A, unit[0] & 0x1F
    for at in range(1, len(unit), step):
        mark = (0x80 if at == 1 else 0) | (0x40 if at + step >= len(unit) else 0)
        yield bytes((indicator, mark | kind)) + unit[at : at + step]
