"""Asking Linux's video drivers what they are and can do, without a library: four ioctls.

Source: linux/videodev2.h (struct layouts are kernel ABI, the same on every architecture Python runs on).
"""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

_CAPABILITY = struct.Struct("=16s32s32s6I")  # driver card bus version capabilities device_caps reserved[3]
_FORMAT = struct.Struct("=3I32s5I")  # index type flags description fourcc mbus_code reserved[3]
_SIZE = struct.Struct("=11I")  # index fourcc type, w h | min_w max_w step_w min_h max_h step_h, reserved[2]
_INTERVAL = struct.Struct("=13I")  # index fourcc w h type, n d | min max step, reserved[2]


def _request(direction: int, number: int, layout: struct.Struct) -> int:
    return direction << 30 | layout.size << 16 | ord("V") << 8 | number


QUERYCAP = _request(2, 0, _CAPABILITY)
ENUM_FMT = _request(3, 2, _FORMAT)
ENUM_FRAMESIZES = _request(3, 74, _SIZE)
ENUM_FRAMEINTERVALS = _request(3, 75, _INTERVAL)

CAP_CAPTURE, CAP_OUTPUT, CAP_DEVICE_CAPS = 0x1, 0x2, 0x8000_0000
_BUFFER_CAPTURE = 1
_DISCRETE = 1
_MOST_ENTRIES = 256  # a broken driver may never answer EINVAL
_COMMON_SIZES = ((640, 360), (640, 480), (960, 540), (1280, 720), (1920, 1080), (2560, 1440), (3840, 2160))


class Driver(Protocol):
    """The three system calls, so that tests can answer them."""

    def open(self, path: str) -> int: ...

    def ioctl(self, fd: int, request: int, argument: bytearray) -> None: ...

    def close(self, fd: int) -> None: ...


class KernelDriver:
    """The real ones."""

    def open(self, path: str) -> int:
        return os.open(path, os.O_RDWR | os.O_NONBLOCK)

    def ioctl(self, fd: int, request: int, argument: bytearray) -> None:
        import fcntl  # not on Windows

        fcntl.ioctl(fd, request, argument, True)

    def close(self, fd: int) -> None:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Capability:
    """What a video node says it is."""

    driver: str
    card: str
    captures: bool
    outputs: bool


@dataclass(frozen=True, slots=True)
class Mode:
    """A pixel format (as a four-character code) at a size, with the rates it can have, fastest first."""

    fourcc: str
    width: int
    height: int
    rates: tuple[Fraction, ...]


def capability(driver: Driver, fd: int) -> Capability:
    """Raises: OSError if the node is no V4L2 device."""
    argument = bytearray(_CAPABILITY.size)
    driver.ioctl(fd, QUERYCAP, argument)
    name, card, _, _, whole, of_node, *_ = _CAPABILITY.unpack(argument)
    caps = of_node if whole & CAP_DEVICE_CAPS else whole
    return Capability(_text(name), _text(card), bool(caps & CAP_CAPTURE), bool(caps & CAP_OUTPUT))


def modes(driver: Driver, fd: int) -> list[Mode]:
    """Everything the camera offers, in the driver's order."""
    found = []
    for answer in _enumerated(driver, fd, ENUM_FMT, _FORMAT, (_BUFFER_CAPTURE,)):
        fourcc = answer[4]
        for width, height in _sizes(driver, fd, fourcc):
            rates = tuple(sorted(set(_rates(driver, fd, fourcc, width, height)), reverse=True))
            found.append(Mode(fourcc.to_bytes(4, "little").decode("latin-1").strip(), width, height, rates))
    return found


def _sizes(driver: Driver, fd: int, fourcc: int) -> Iterator[tuple[int, int]]:
    for answer in _enumerated(driver, fd, ENUM_FRAMESIZES, _SIZE, (fourcc,)):
        kind, *numbers = answer[2:9]
        if kind == _DISCRETE:
            yield numbers[0], numbers[1]
            continue
        least_w, most_w, step_w, least_h, most_h, step_h = numbers
        for width, height in _COMMON_SIZES:
            fits = least_w <= width <= most_w and least_h <= height <= most_h
            if fits and (width - least_w) % max(step_w, 1) == 0 and (height - least_h) % max(step_h, 1) == 0:
                yield width, height
        return  # a range is the only answer a driver gives


def _rates(driver: Driver, fd: int, fourcc: int, width: int, height: int) -> Iterator[Fraction]:
    for answer in _enumerated(driver, fd, ENUM_FRAMEINTERVALS, _INTERVAL, (fourcc, width, height)):
        kind, numerator, denominator = answer[4:7]  # of a range, the shortest interval comes first
        if numerator and denominator:
            yield Fraction(denominator, numerator)
        if kind != _DISCRETE:
            return


def _enumerated(
    driver: Driver, fd: int, request: int, layout: struct.Struct, key: tuple[int, ...]
) -> Iterator[tuple[int, ...]]:
    """A driver's answers for index 0, 1, ... until it says EINVAL; an enumeration it does not know is empty."""
    for index in range(_MOST_ENTRIES):
        argument = bytearray(layout.size)
        struct.pack_into(f"={1 + len(key)}I", argument, 0, index, *key)
        try:
            driver.ioctl(fd, request, argument)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOTTY, errno.ENODATA):
                return
            raise
        yield layout.unpack(argument)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("utf-8", "replace").strip()
