"""Network sources and cameras: read on a thread of their own.

FFmpeg's reads cannot be woken from outside: its interrupt callback only knows a time limit, and a camera driver's ioctl
does not even ask that. So a daemon thread owns the container from opening to closing, and `read` waits on a mailbox:
`close` wakes `read` at once; the thread sees it when FFmpeg returns, at the latest after the time limit (a stuck driver
may keep it longer, but nobody waits for it), and closes the container itself, as nobody else may touch it meanwhile.
"""

from __future__ import annotations

import threading
import time

import av
import av.container

from livefuse.errors import LivefuseError, SourceLost
from livefuse.frame import HostFrame
from livefuse.mailbox import Closed, Every, Latest, Mailbox
from livefuse.source.base import SourceInfo
from livefuse.source.container import network_options
from livefuse.source.decode import Decoder, Origin
from livefuse.source.failures import check_codec, stalled, why_lost
from livefuse.source.url import Location

_MAY_END = ("http", "https")  # a file may lie behind these


class LiveSource:
    """A network stream or a camera, or a video file behind http(s).

    A live one hands on the newest picture (`dropped` counts the others); a file behind http loses none and has an end.
    Raises: SourceError (open); SourceLost, SourceStalled (read).
    """

    info: SourceInfo

    def __init__(self, location: Location, *, stall_ms: float, open_ms: float) -> None:
        self._location = location
        self._open_s, self._stall_s = open_ms / 1e3, stall_ms / 1e3
        self._box: Mailbox[HostFrame] = Latest()
        self._opened = threading.Event()
        self._closed = threading.Event()
        self._failure: LivefuseError | None = None
        self._promised = False
        self._thread = threading.Thread(target=self._run, name="livefuse-source", daemon=True)
        self._thread.start()
        self._await_first_picture()

    def _await_first_picture(self) -> None:
        # A little longer than FFmpeg's own limit, which knows more about what it was doing.
        if not self._opened.wait(self._open_s * 1.2 + 0.5):
            self.close()
            raise stalled(self._location.shown, "did not open", self._open_s)
        if self._failure is not None and not self._promised:  # a failure after the first picture is for `read` to tell
            raise self._failure

    @property
    def dropped(self) -> int:
        return self._box.dropped

    def read(self) -> HostFrame | None:
        try:
            frame = self._box.get(self._stall_s)
        except Closed:
            if self._failure is not None and not self._closed.is_set():
                raise self._failure from None
            return None
        if frame is None:
            raise stalled(self._location.shown, "sent nothing", self._stall_s)
        return frame

    def close(self) -> None:
        self._closed.set()
        self._box.close()

    def _run(self) -> None:
        try:
            self._serve()
        except LivefuseError as error:
            self._failure = error
        except Exception as error:
            self._failure = SourceLost(f"{self._location.shown}: {error}", hint="reconnecting may help")
        finally:
            self._opened.set()
            self._box.close()

    def _serve(self) -> None:
        began_s = time.monotonic()
        try:
            container, origin = self._open()
        except av.FFmpegError as error:
            raise why_lost(error, self._location, time.monotonic() - began_s, self._open_s) from error
        try:
            self._pump(container, origin)
        finally:
            container.close()

    def _open(self) -> tuple[av.container.InputContainer, Origin]:
        location, limits = self._location, (self._open_s, self._stall_s)
        if location.kind == "network":
            container = av.open(location.target, options=network_options(location), timeout=limits)
            live = location.scheme not in _MAY_END or not container.duration
            return container, Origin(location.shown, live=live, low_delay=live)
        from livefuse.source.camera import camera_input

        target, driver, options = camera_input(location)
        container = av.open(target, format=driver, options=options, timeout=limits)
        return container, Origin(location.shown, live=True, low_delay=True)

    def _pump(self, container: av.container.InputContainer, origin: Origin) -> None:
        began_s, limit_s = time.monotonic(), self._open_s
        try:
            if self._location.kind == "network":
                check_codec(container, origin.shown)
            decoder = Decoder(container, origin)
            self.info = decoder.info
            if not origin.live:
                self._box = Every(depth=2)
            self._promised = True
            self._opened.set()
            limit_s = self._stall_s
            while not self._closed.is_set():
                began_s = time.monotonic()
                frame = decoder.read()
                if frame is None:
                    return self._ended(container, origin)
                self._box.put(frame)
        except av.FFmpegError as error:
            raise why_lost(error, self._location, time.monotonic() - began_s, limit_s) from error

    def _ended(self, container: av.container.InputContainer, origin: Origin) -> None:
        """A file behind http and a playlist that says so may end; a live stream that ends has been lost."""
        if origin.live and container.format.name != "hls":
            raise SourceLost(f"{origin.shown} ended: the other side hung up", hint="is the camera or server still on?")
