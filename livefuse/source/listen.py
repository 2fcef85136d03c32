"""Sources that wait to be sent to: RTMP and RTSP listeners, SRT listeners, UDP of declared size.

The sender may come late, go, and come again; the source outlives all that, so what it delivers is declared, not learnt:
`video_size` and `framerate` in the URL, by default 1280x720 at 30. Other pictures are fitted into that.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import av

from livefuse.errors import BadValue, LivefuseError, SourceError
from livefuse.frame import HostFrame
from livefuse.mailbox import Closed, Latest
from livefuse.source.declared import declared_info
from livefuse.source.door import Door, Relay, free_port
from livefuse.source.fitted import HD_COLOUR, Fitted
from livefuse.source.live import LiveSource
from livefuse.source.url import DECLARED_OPTIONS, Location

log = logging.getLogger("livefuse")

_USUAL_PORTS = {"rtmp": 1935, "rtsp": 554}
_RTMP_SAFE_FROM = (62, 12)  # libavformat of FFmpeg 8.1; 8.0's RTMP server ends with SIGSEGV on its first call
_AGAIN_S = 0.25
_FFMPEG_WAITS_S = "5"  # for the relay, which comes at once


class ListeningSource:
    """Delivers the newest picture of whoever sends at the moment. `read` waits as long as nobody does: the session shows
    its slate meanwhile.

    Raises: BadValue, SourceDenied (open); what makes sending impossible for good (read).
    """

    def __init__(self, location: Location, *, stall_ms: float, open_ms: float) -> None:
        self.info = declared_info(location, HD_COLOUR)
        ours = {name: value for name, value in location.options.items() if name not in DECLARED_OPTIONS}
        self._location = replace(location, options=ours)
        self._stall_ms, self._open_ms = stall_ms, open_ms
        self._fitted = Fitted(self.info.width, self.info.height, self.info.colour)
        self._box: Latest[HostFrame] = Latest()
        self._closed = threading.Event()
        self._failure: LivefuseError | None = None
        self._relay: Relay | None = None
        self._senders = 0
        self._opened_ns, self._last_ns = time.monotonic_ns(), 0
        self._period_ns = round(1e9 / self.info.fps)
        self._door = _door(location)
        self._thread = threading.Thread(target=self._run, name="livefuse-listen", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        return self._box.dropped

    @property
    def port(self) -> int:
        """Where senders connect to; 0 for protocols without connections."""
        return self._door.port if self._door else 0

    def read(self) -> HostFrame | None:
        try:
            return self._box.get()
        except Closed:
            if self._failure is not None and not self._closed.is_set():
                raise self._failure from None
            return None

    def close(self) -> None:
        self._closed.set()
        self._box.close()
        if self._door is not None:
            self._door.close()
        relay = self._relay
        if relay is not None:
            relay.hang_up()

    def _run(self) -> None:
        answer: Callable[[], None] = self._await_packets if self._door is None else self._answer
        try:
            while not self._closed.is_set():
                answer()
        except LivefuseError as error:
            self._failure = error
            log.error("%s: %s", self._location.shown, error.message)
        finally:
            self._box.close()

    def _answer(self) -> None:
        """One call, from the first byte until either side hangs up or goes silent."""
        assert self._door is not None
        caller = self._door.caller()
        if caller is None:
            return
        port = free_port()
        relay = self._relay = Relay(caller, port)
        if self._closed.is_set():  # meanwhile: `close` may not have seen this relay
            relay.hang_up()
            return
        relay.start()
        log.info("%s: somebody sends", self._location.shown)
        try:
            self._receive(_moved(self._location, port))
        except SourceError as error:
            self._tell(error)
        finally:
            relay.hang_up()
            relay.join(1)

    def _await_packets(self) -> None:
        try:
            self._receive(self._location)
        except SourceError as error:
            log.debug("%s", error.message)  # said again and again while nobody sends
            self._closed.wait(_AGAIN_S)

    def _receive(self, location: Location) -> None:
        source = LiveSource(location, stall_ms=self._stall_ms, open_ms=self._open_ms)
        shift_ns: int | None = None
        self._senders += 1
        try:
            while not self._closed.is_set() and (frame := source.read()) is not None:
                if shift_ns is None:  # now, or after the last sender's last picture if that ran ahead of time
                    now_ns = time.monotonic_ns() - self._opened_ns
                    shift_ns = max(now_ns, self._last_ns + self._period_ns) - frame.pts_ns
                self._last_ns = frame.pts_ns + shift_ns
                self._box.put(self._fitted.fit(replace(frame, pts_ns=self._last_ns, scene=self._senders)))
        finally:
            source.close()

    def _tell(self, error: SourceError) -> None:
        if not self._closed.is_set():
            log.warning("%s; waiting for the next to send", error.message)


def _door(location: Location) -> Door | None:
    if location.scheme not in _USUAL_PORTS:
        return None
    if location.scheme == "rtmp" and av.library_versions["libavformat"] < _RTMP_SAFE_FROM:
        hint = f'{sys.executable} -m pip install "av>=17.1"'
        raise BadValue(f"{location.shown}: the FFmpeg inside PyAV {av.__version__} crashes on its callers", hint=hint)
    parts = urlsplit(location.target)
    port = _USUAL_PORTS[location.scheme] if parts.port is None else parts.port  # 0: any free one
    return Door(parts.hostname or "", port, location.shown)


def _moved(location: Location, port: int) -> Location:
    """The same URL on the loopback port where FFmpeg takes the call."""
    parts = urlsplit(location.target)
    options = dict(location.options)
    if location.scheme == "rtsp":
        options["listen_timeout"] = _FFMPEG_WAITS_S  # its default, -1, is an error of its own in FFmpeg 8
    return replace(location, target=urlunsplit(parts._replace(netloc=f"127.0.0.1:{port}")), options=options)
