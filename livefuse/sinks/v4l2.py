"""Video4Linux output devices, spoken to directly: a few ioctls, then one write per picture.

Source: linux/videodev2.h (the structures' layout on 64-bit kernels); v4l2loopback.c for its own control.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import sys
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from livefuse.errors import SinkLost, SinkUnwritable, VirtualCameraMissing
from livefuse.frame import U8, Colour, Matrix
from livefuse.sinks.letterbox import Packing

FORMAT_BYTES, CAPABILITY_BYTES, STREAMPARM_BYTES, CONTROL_BYTES = 208, 104, 204, 8
EVENT_BYTES, SUBSCRIPTION_BYTES = 136, 32
_READ, _WRITE = 2, 1


def ioctl_code(direction: int, number: int, size_bytes: int) -> int:
    """The kernel's _IOC macro for type 'V'."""
    return direction << 30 | size_bytes << 16 | ord("V") << 8 | number


VIDIOC_QUERYCAP = ioctl_code(_READ, 0, CAPABILITY_BYTES)
VIDIOC_S_FMT = ioctl_code(_READ | _WRITE, 5, FORMAT_BYTES)
VIDIOC_S_PARM = ioctl_code(_READ | _WRITE, 22, STREAMPARM_BYTES)
VIDIOC_S_CTRL = ioctl_code(_READ | _WRITE, 28, CONTROL_BYTES)
VIDIOC_DQEVENT = ioctl_code(_READ, 89, EVENT_BYTES)
VIDIOC_SUBSCRIBE_EVENT = ioctl_code(_WRITE, 90, SUBSCRIPTION_BYTES)

_CAP_VIDEO_OUTPUT, _CAP_DEVICE_CAPS = 0x2, 0x8000_0000
_CAPABILITIES_AT, _DEVICE_CAPS_AT = 84, 88
_BUF_TYPE_VIDEO_OUTPUT, _FIELD_NONE, _PRIV_MAGIC = 2, 1, 0xFEEDCAFE
_FOURCC: dict[Packing, bytes] = {"yuv420p": b"YU12", "yuyv422": b"YUYV"}
_COLORSPACE: dict[Matrix, int] = {"bt601": 1, "bt709": 3, "bt2020": 10}
_YCBCR: dict[Matrix, int] = {"bt601": 1, "bt709": 2, "bt2020": 6}
_FULL_RANGE, _LIMITED_RANGE = 1, 2
CLIENT_USAGE = 0x0800_0000 + 0x08E0_0000 + 1
"""v4l2loopback's event V4L2_EVENT_PRI_CLIENT_USAGE since 0.13: its first word says whether somebody captures."""
CLIENT_USAGE_BEFORE = 0x0800_0000
"""The same in 0.12.x: its first word says how many do."""
_SEND_INITIAL, _EVENT_DATA_AT = 1, 8
_CID_KEEP_FORMAT = 0x0098_0900 | 0xF000  # V4L2_CID_USER_BASE | 0xf000, v4l2loopback's own


class Kernel(Protocol):
    """The calls that go to the system; tests bring their own."""

    def open(self, path: str) -> int: ...

    def ioctl(self, fd: int, code: int, buffer: bytearray) -> None: ...

    def write(self, fd: int, data: U8) -> int: ...

    def has_event(self, fd: int) -> bool: ...

    def close(self, fd: int) -> None: ...


class LinuxKernel:
    """The real one."""

    def open(self, path: str) -> int:
        return os.open(path, os.O_RDWR)

    def ioctl(self, fd: int, code: int, buffer: bytearray) -> None:
        if sys.platform == "win32":
            raise OSError(errno.ENOTTY, "no Video4Linux on this system")
        import fcntl

        fcntl.ioctl(fd, code, buffer, True)

    def write(self, fd: int, data: U8) -> int:
        return os.write(fd, data.data)

    def has_event(self, fd: int) -> bool:
        if sys.platform == "win32":
            return False
        import select

        asked = select.poll()
        asked.register(fd, select.POLLPRI)
        return any(events & select.POLLPRI for _, events in asked.poll(0))

    def close(self, fd: int) -> None:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class OutputFormat:
    width: int
    height: int
    packing: Packing
    fps: Fraction
    colour: Colour

    @property
    def picture_bytes(self) -> int:
        return (
            self.width
            * self.height
            * (2 if self.packing == "yuyv422" else 3)
            // (1 if self.packing == "yuyv422" else 2)
        )


class OutputDevice:
    """An open device in a fixed format."""

    def __init__(self, path: str, wanted: OutputFormat, kernel: Kernel | None = None) -> None:
        """Raises: VirtualCameraMissing, SinkUnwritable."""
        self.path = path
        self._kernel = kernel or LinuxKernel()
        self._readers: int | None = None
        self._fd = self._opened()
        try:
            self._check_is_output()
            self._keep_format(False)  # a format kept from last time would make S_FMT a no-op
            self._set_format(wanted)
            self._set_rate(wanted.fps)
            self._keep_format(True)  # readers keep their format when livefuse restarts
            self._readers = self._subscribed()
        except BaseException:
            self.close()
            raise

    def write(self, picture: U8) -> None:
        try:
            written = self._kernel.write(self._fd, picture)
        except OSError as error:
            raise SinkLost(f"{self.path}: {error.strerror}", hint="was the device removed?") from error
        if written != picture.nbytes:
            raise SinkLost(f"{self.path} took {written} of {picture.nbytes} bytes", hint="reload v4l2loopback")

    def readers(self) -> int | None:
        """How many programs capture, as far as v4l2loopback has told; None where it does not. One may stand for several."""
        fd = self._fd
        try:
            while self._readers is not None and fd >= 0 and self._kernel.has_event(fd):
                event = bytearray(EVENT_BYTES)
                self._kernel.ioctl(fd, VIDIOC_DQEVENT, event)
                (self._readers,) = struct.unpack_from("<I", event, _EVENT_DATA_AT)
        except OSError:  # the device is gone: the next write says so
            return None
        return self._readers

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            self._kernel.close(fd)

    def _opened(self) -> int:
        try:
            return self._kernel.open(self.path)
        except PermissionError as error:
            hint = 'sudo usermod -aG video "$USER", then log in again'
            raise SinkUnwritable(f"{self.path} is not writable for you (group `video`)", hint=hint) from error
        except FileNotFoundError as error:
            hint = "`livefuse doctor` prints the commands that make it"
            raise VirtualCameraMissing(f"there is no {self.path}", hint=hint) from error
        except OSError as error:
            raise SinkUnwritable(f"{self.path}: {error.strerror}", hint="close what uses it") from error

    def _check_is_output(self) -> None:
        reply = bytearray(CAPABILITY_BYTES)
        try:
            self._kernel.ioctl(self._fd, VIDIOC_QUERYCAP, reply)
        except OSError as error:
            raise SinkUnwritable(f"{self.path} is no video device: {error.strerror}", hint="see vcam: paths") from error
        (capabilities,) = struct.unpack_from("<I", reply, _CAPABILITIES_AT)
        if capabilities & _CAP_DEVICE_CAPS:
            (capabilities,) = struct.unpack_from("<I", reply, _DEVICE_CAPS_AT)
        if not capabilities & _CAP_VIDEO_OUTPUT:
            card = bytes(reply[16:48]).split(b"\0")[0].decode("utf-8", "replace")
            hint = "name a v4l2loopback device that no other program feeds"
            raise SinkUnwritable(f"{self.path} ({card}) does not take pictures: it is a camera", hint=hint)

    def _set_format(self, wanted: OutputFormat) -> None:
        request = bytearray(FORMAT_BYTES)
        colour = wanted.colour
        line_bytes = wanted.width * (2 if wanted.packing == "yuyv422" else 1)
        asked = (wanted.width, wanted.height, int.from_bytes(_FOURCC[wanted.packing], "little"))
        # fmt: off
        struct.pack_into("<I4x12I", request, 0, _BUF_TYPE_VIDEO_OUTPUT, *asked, _FIELD_NONE, line_bytes,
                         wanted.picture_bytes, _COLORSPACE[colour.matrix], _PRIV_MAGIC, 0, _YCBCR[colour.matrix],
                         _FULL_RANGE if colour.full_range else _LIMITED_RANGE, 0)
        # fmt: on
        try:
            self._kernel.ioctl(self._fd, VIDIOC_S_FMT, request)
        except OSError as error:
            busy = error.errno == errno.EBUSY
            why = "another program feeds it" if busy else error.strerror
            raise SinkUnwritable(f"{self.path}: {why}", hint="close that program or name another device") from error
        given = struct.unpack_from("<3I", request, 8)
        (size_bytes,) = struct.unpack_from("<I", request, 28)
        if given != asked or size_bytes not in (0, wanted.picture_bytes):
            held = f"{given[0]}x{given[1]} {given[2].to_bytes(4, 'little').decode('ascii', 'replace')}"
            hint = f"close the programs that watch it, or use vcam:{self.path}?size={given[0]}x{given[1]}"
            raise SinkUnwritable(f"{self.path} is held at {held}", hint=hint)

    def _set_rate(self, fps: Fraction) -> None:
        """Only a hint to readers: a driver that does not take it is no less of a camera."""
        request = bytearray(STREAMPARM_BYTES)
        struct.pack_into("<I8xII", request, 0, _BUF_TYPE_VIDEO_OUTPUT, fps.denominator, fps.numerator)
        with contextlib.suppress(OSError):
            self._kernel.ioctl(self._fd, VIDIOC_S_PARM, request)

    def _subscribed(self) -> int | None:
        """0 if the driver will tell who captures, beginning with who does now."""
        for event in (CLIENT_USAGE, CLIENT_USAGE_BEFORE):
            request = bytearray(SUBSCRIPTION_BYTES)
            struct.pack_into("<III", request, 0, event, 0, _SEND_INITIAL)
            with contextlib.suppress(OSError):
                self._kernel.ioctl(self._fd, VIDIOC_SUBSCRIBE_EVENT, request)
                return 0
        return None

    def _keep_format(self, keep: bool) -> None:
        """Only v4l2loopback has this control; other drivers say so and work without."""
        with contextlib.suppress(OSError):
            self._kernel.ioctl(self._fd, VIDIOC_S_CTRL, bytearray(struct.pack("<Ii", _CID_KEEP_FORMAT, int(keep))))
