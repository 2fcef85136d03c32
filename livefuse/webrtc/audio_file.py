"""The sound of a local file, read in step with its pictures: a demuxer of its own, for sound only.

A session paces a file by when its pictures are due, which only the session knows. But no picture is read later than it is
due, and the first one, and each after a hold-up, just then: so reading tells where the file stands.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from livefuse.clock import Clock
from livefuse.errors import SourceError
from livefuse.frame import HostFrame
from livefuse.source.base import Source
from livefuse.source.container import open_file
from livefuse.source.pacing import Pacer
from livefuse.source.timeline import exact_ns
from livefuse.webrtc.opus import I16, Stereo

log = logging.getLogger("livefuse")

_AHEAD_NS = 300_000_000
_BEHIND_NS = 1_000_000_000  # then it is looked up in the file instead of decoded through
_WAIT_S = 0.05
_JUMP_NS = Pacer().jump_ns


class SoundedSource:
    """A file as a source of pictures, whose sound is played from the first picture on until it is closed."""

    def __init__(self, source: Source, clock: Clock, play: Callable[[Callable[[], int]], FileSound]) -> None:
        self.info = source.info
        self._source, self._clock, self._play = source, clock, play
        self._sound: FileSound | None = None
        self._offset_ns = self._last_ns = 0

    def read(self) -> HostFrame | None:
        frame = self._source.read()
        if frame is not None:
            self._follow(frame.pts_ns, self._clock.now_ns())
        return frame

    def close(self) -> None:
        self._source.close()
        sound, self._sound = self._sound, None
        if sound is not None:
            sound.close()

    def _follow(self, pts_ns: int, now_ns: int) -> None:
        offset_ns, step_ns = now_ns - pts_ns, pts_ns - self._last_ns
        jumped = self._sound is None or not 0 <= step_ns <= _JUMP_NS
        self._offset_ns = offset_ns if jumped else max(offset_ns, self._offset_ns)
        self._last_ns = pts_ns
        if self._sound is None:
            self._sound = self._play(lambda: self._offset_ns)


class FileSound(threading.Thread):
    """Feeds sound some 0.3 s before its picture is due; rests while nobody listens (`wanted`).

    `offset_ns` tells at which instant of the clock the file's time 0 was due. Times are the file's own less `shift_ns`, as
    the pictures' are. A file without sound ends the thread at once.
    """

    def __init__(
        self,
        path: Path,
        shift_ns: int,
        feed: Callable[[I16, int], None],
        offset_ns: Callable[[], int],
        clock: Clock,
        wanted: threading.Event,
    ) -> None:
        super().__init__(name="livefuse-file-sound", daemon=True)
        self._path, self._shift_ns, self._feed, self._offset_ns = path, shift_ns, feed, offset_ns
        self._clock, self._wanted = clock, wanted
        self._halted = threading.Event()
        self._sought_ns = 0
        self._container: InputContainer
        self._stream: AudioStream

    def close(self) -> None:
        self._halted.set()
        self.join()

    def run(self) -> None:
        try:
            self._container = open_file(self._path)
        except SourceError as error:
            log.warning("%s: no sound: %s", self._path, error.message)
            return
        try:
            found = self._container.streams.best("audio")
            if isinstance(found, AudioStream):
                self._stream = found
                while not self._halted.is_set() and self._play():
                    pass
        except av.FFmpegError as error:
            log.warning("%s: its sound breaks off: %s", self._path, error.strerror)
        finally:
            self._container.close()

    def _play(self) -> bool:
        """Feed until the end, or until so far behind that the place must be looked up; False at the end."""
        stereo = Stereo()
        for frame in self._frames():
            begins_ns = self._begins_ns(frame)
            at_ns = self._due_ns(begins_ns)
            if at_ns is None:
                return False
            behind_ns = self._clock.now_ns() - at_ns
            if behind_ns > _BEHIND_NS and begins_ns >= self._sought_ns:
                self._sought_ns = begins_ns + behind_ns
                self._container.seek((self._sought_ns + self._shift_ns) // 1000)
                return True
            samples = stereo.of(frame)
            if len(samples):
                self._feed(samples, at_ns)
        return False

    def _frames(self) -> Iterator[av.AudioFrame]:
        for packet in self._container.demux(self._stream):
            for frame in packet.decode():
                if isinstance(frame, av.AudioFrame):
                    yield frame

    def _begins_ns(self, frame: av.AudioFrame) -> int:
        assert frame.time_base is not None
        return exact_ns(frame.pts or 0, frame.time_base) - self._shift_ns

    def _due_ns(self, begins_ns: int) -> int | None:
        """When this is due, once that is soon enough; None when closed."""
        while not self._halted.is_set():
            at_ns = begins_ns + self._offset_ns()
            if self._wanted.is_set() and at_ns - self._clock.now_ns() <= _AHEAD_NS:
                return at_ns
            self._halted.wait(_WAIT_S if self._wanted.is_set() else 4 * _WAIT_S)
        return None
