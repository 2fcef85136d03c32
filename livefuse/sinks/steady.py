"""A camera that never goes away: other programs keep it for as long as it is open, whatever becomes of the session.

One thread writes, to one device or to several of a kind, always in the same size: the newest frame as soon as it is there,
the last one again where the next is late, and the slate where none has come for a second or nothing runs.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from livefuse.composite.slate import slate
from livefuse.errors import BadValue, LivefuseError, SinkError, SinkLost
from livefuse.frame import U8, Colour, HostFrame
from livefuse.sinks.letterbox import LetterboxFitter, Packing
from livefuse.source.synthetic.blocks import Stamp, draw_blocks

log = logging.getLogger("livefuse")

DEFAULT_SIZE, LARGEST_SIZE = (1280, 720), (1920, 1080)
FPS = 30
GAP_S = 1.0
TEST_S = 15.0
_LATE = 1.5  # of a period: then the last picture is written again
_EARLY = 0.8  # of a period: pictures that come faster wait, and the newest of them is taken
_UNSEEN_FPS = 5  # while nobody looks
_RETRY_FIRST_S, _RETRY_MAX_S = 0.5, 10.0
_JOIN_S = 5.0
_NOTHING_YET = "starting"


class CameraDevice(Protocol):
    """Where pictures go. All but `readers` is called by one thread at a time."""

    kind: str
    where: str
    """Device or node, once it is open."""

    def open(self, size: tuple[int, int], packing: Packing, fps: int, colour: Colour) -> None:
        """Raises: SinkError."""
        ...

    def write(self, picture: U8) -> None:
        """Raises: SinkLost."""
        ...

    def readers(self) -> int | None:
        """How many programs look, where that is known; 1 may mean several."""
        ...

    def close(self) -> None: ...


@dataclass(slots=True)
class _Out:
    """A device, and when to try again to open it."""

    device: CameraDevice
    is_open: bool = False
    retry_s: float = _RETRY_FIRST_S
    retry_at_s: float = 0.0
    error: LivefuseError | None = field(default=None)


def check_size(width: int, height: int) -> tuple[int, int]:
    """A size that call programs take. Raises: BadValue."""
    if width % 2 or height % 2:
        raise BadValue(
            f"virtual camera size {width}x{height} is odd", hint="browsers refuse cameras of odd size; try 1280x720"
        )
    if max(width, height) > LARGEST_SIZE[0] or min(width, height) > LARGEST_SIZE[1]:
        raise BadValue(f"virtual camera size {width}x{height} is above 1920x1080", hint="call programs fail on it")
    return width, height


class SteadyCamera:
    """`show`, `rest` and `mark` may come from any thread; `start` and `close` from one at a time."""

    def __init__(
        self, devices: Sequence[CameraDevice], size: tuple[int, int] = DEFAULT_SIZE, packing: Packing = "yuyv422"
    ) -> None:
        """Raises: BadValue."""
        self.size, self.packing, self.fps = check_size(*size), packing, FPS
        self.frames = self.shown = 0
        self._outs = [_Out(device) for device in devices]
        self._fitter = LetterboxFitter(*size, packing, Colour())
        self._turn = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._frame: HostFrame | None = None
        self._fresh = False
        self._came_s = 0.0
        self._words, self._cover = _NOTHING_YET, self._slate(_NOTHING_YET)
        self._marked_until_s = 0.0

    @property
    def state(self) -> str:
        """`off`, `on`, or `lost` while none of its devices is there."""
        if self._thread is None:
            return "off"
        return "on" if any(out.is_open for out in self._outs) else "lost"

    @property
    def devices(self) -> list[CameraDevice]:
        """Those that are open."""
        return [out.device for out in self._outs if out.is_open]

    @property
    def error(self) -> LivefuseError | None:
        """Why a device is not open."""
        return next((out.error for out in self._outs if out.error is not None), None)

    @property
    def marked_s(self) -> float:
        """For how long pictures will still be marked."""
        return max(0.0, self._marked_until_s - time.monotonic())

    def start(self, *, patient: bool = False) -> None:
        """Open what can be opened, and show the slate. A `patient` camera waits for its devices, as for one that was lost.

        Raises: SinkError of the first device if none can be opened and it is not patient.
        """
        if self._thread is not None:
            return
        self._closed = False
        for out in self._outs:
            self._open(out)
        error = self.error
        if error is not None and not patient and not any(out.is_open for out in self._outs):
            raise error
        self._thread = threading.Thread(target=self._run, name="livefuse-camera", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """The devices are gone for other programs."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(_JOIN_S)
        for out in self._outs:
            _close(out)

    def show(self, frame: HostFrame) -> None:
        """From now on this frame, until another comes or a second has gone by. Raises: SinkLost when it is closed."""
        with self._turn:
            if self._closed:
                raise SinkLost("the virtual camera is closed", hint="start it again")
            self._frame, self._fresh, self._came_s = frame, True, time.monotonic()
            self.shown += 1
            self._turn.notify_all()

    def rest(self, words: str) -> None:
        """From now on the slate."""
        cover = self._slate(words) if words != self._words else self._cover
        with self._turn:
            self._words, self._cover = words, cover
            self._frame, self._fresh = None, True
            self._turn.notify_all()

    def mark(self, seconds: float) -> None:
        """For so long, draw number and wall-clock time into every picture that this camera alone shows."""
        self._marked_until_s = time.monotonic() + min(seconds, TEST_S)

    def readers(self) -> int | None:
        """How many programs look; None where no device can tell."""
        known = [count for device in self.devices if (count := device.readers()) is not None]
        return sum(known) if known else None

    def _slate(self, words: str) -> HostFrame:
        return slate("yuv420p", self.size[1], self.size[0], Colour(), words)

    def _run(self) -> None:
        wrote_s = 0.0
        while (frame := self._next(wrote_s)) is not None:
            wrote_s = time.monotonic()
            picture = self._picture(frame)
            for out in self._outs:
                self._write(out, picture)
            self.frames += 1

    def _next(self, wrote_s: float) -> HostFrame | None:
        """Wait until a picture is due; the frame that it shows, None at the end."""
        period_s = 1 / (_UNSEEN_FPS if self.readers() == 0 and not self.marked_s else self.fps)
        earliest_s, latest_s = wrote_s + period_s * _EARLY, wrote_s + period_s * _LATE
        with self._turn:
            while not self._closed:
                now_s = time.monotonic()
                if now_s >= latest_s or (self._fresh and now_s >= earliest_s):
                    self._fresh = False
                    late = self._frame is not None and now_s - self._came_s > GAP_S
                    return self._cover if self._frame is None or late else self._frame
                self._turn.wait((earliest_s if self._fresh else latest_s) - now_s)
        return None

    def _picture(self, frame: HostFrame) -> U8:
        self._fitter.place(frame)
        if self.marked_s:
            draw_blocks(self._fitter.planes, Stamp.of(self.frames, time.time_ns()))
        return self._fitter.packed()

    def _write(self, out: _Out, picture: U8) -> None:
        if not out.is_open:
            if time.monotonic() < out.retry_at_s:
                return
            self._open(out)
        if not out.is_open:
            return
        try:
            out.device.write(picture)
        except SinkError as error:
            log.warning("%s: %s", out.device.kind, error.message)
            _close(out)
            self._put_off(out, error)

    def _open(self, out: _Out) -> None:
        try:
            out.device.open(self.size, self.packing, self.fps, Colour())
        except SinkError as error:
            self._put_off(out, error)
            return
        out.is_open, out.error, out.retry_s = True, None, _RETRY_FIRST_S

    def _put_off(self, out: _Out, error: LivefuseError) -> None:
        out.error, out.retry_at_s = error, time.monotonic() + out.retry_s
        out.retry_s = min(out.retry_s * 2, _RETRY_MAX_S)


def _close(out: _Out) -> None:
    out.is_open = False
    with contextlib.suppress(SinkError):
        out.device.close()
