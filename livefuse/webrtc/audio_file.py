"""The sound of a local file, read in step with its pictures: a demuxer of its own, for sound only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer

from livefuse.clock import Clock
from livefuse.source.container import open_file
from livefuse.source.timeline import exact_ns
from livefuse.webrtc.opus import I16, Stereo

log = logging.getLogger("livefuse")

_AHEAD_NS = 300_000_000
_BEHIND_NS = 1_000_000_000  # then it is looked up in the file instead of decoded through
_WAIT_S = 0.05


class FileSound(threading.Thread):
    """Feeds sound some 0.3 s before its picture is due; rests while nobody listens (`wanted`).

    `offset_ns` tells at which instant of the clock the file's time 0 was due, None before the first picture. Times are
    the file's own less `shift_ns`, as the pictures' are.
    """

    def __init__(
        self,
        path: Path,
        shift_ns: int,
        feed: Callable[[I16, int], None],
        offset_ns: Callable[[], int | None],
        clock: Clock,
        wanted: threading.Event,
    ) -> None:
        super().__init__(name="livefuse-file-sound", daemon=True)
        self._path, self._shift_ns, self._feed, self._offset_ns = path, shift_ns, feed, offset_ns
        self._clock, self._wanted = clock, wanted
        self._halted = threading.Event()
        self._container: InputContainer = open_file(path)
        self._stream: AudioStream | None = self._container.streams.best("audio")  # type: ignore[assignment]
        if self._stream is None:
            self._container.close()

    @property
    def found(self) -> bool:
        """Whether the file has sound."""
        return self._stream is not None

    def close(self) -> None:
        self._halted.set()
        if self.ident is not None:
            self.join()

    def run(self) -> None:
        try:
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
            if self._clock.now_ns() - at_ns > _BEHIND_NS:
                self._seek(begins_ns + self._clock.now_ns() - at_ns)
                return True
            samples = stereo.of(frame)
            if len(samples):
                self._feed(samples, at_ns)
        return False

    def _frames(self) -> Iterator[av.AudioFrame]:
        assert self._stream is not None
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
            offset_ns = self._offset_ns()
            ahead_ns = _AHEAD_NS + 1 if offset_ns is None else begins_ns + offset_ns - self._clock.now_ns()
            if offset_ns is not None and ahead_ns <= _AHEAD_NS and self._wanted.is_set():
                return begins_ns + offset_ns
            self._halted.wait(_WAIT_S if self._wanted.is_set() else 4 * _WAIT_S)
        return None

    def _seek(self, to_ns: int) -> None:
        self._container.seek((to_ns + self._shift_ns) // 1000)
