"""Video files: read as fast as asked, every frame, exact time stamps."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import av

from livefuse.errors import NotMedia
from livefuse.frame import HostFrame
from livefuse.source.base import SourceInfo
from livefuse.source.container import open_file
from livefuse.source.decode import Decoder, Origin

log = logging.getLogger("livefuse")


class MediaSource:
    """A video file. With `upright` (the default) its display matrix is applied to the pixels, so that faces in a phone's
    portrait video stand upright for the detector and the output needs no matrix.

    `close` waits for the read in progress, at most one picture's decoding, because files never block for long.
    Raises: SourceError (open), never while reading: what cannot be read ends the video, with a warning in the log.
    """

    info: SourceInfo

    def __init__(self, path: str | Path, *, upright: bool = True) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._closed = False
        self._count = 0
        self._container = open_file(self._path)
        origin = Origin(str(path), live=False, upright=upright, path=str(self._path.absolute()))
        try:
            self._decoder = Decoder(self._container, origin)
        except av.FFmpegError as error:
            self._container.close()
            raise NotMedia(f"{path}: its video cannot be decoded: {error.strerror}", hint="try to play it") from error
        except BaseException:
            self._container.close()
            raise
        self.info = self._decoder.info

    def read(self) -> HostFrame | None:
        with self._lock:
            if self._closed:
                return None
            try:
                frame = self._decoder.read()
            except av.FFmpegError as error:
                log.warning("%s breaks off after %d frames: %s", self._path, self._count, error.strerror)
                return None
            if frame is None:
                self._tell_missing()
                return None
            self._count += 1
            return frame

    def _tell_missing(self) -> None:
        damaged, missing = self._decoder.damaged, self._decoder.missing
        if missing:
            log.warning("%s breaks off after %d pictures; %d more are in its index", self._path, self._count, missing)
        if damaged:
            log.warning("%s: %d damaged pictures were left out", self._path, damaged)

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._container.close()
