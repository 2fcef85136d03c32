"""The virtual cameras of a channel: opened before its sessions, and kept until somebody wants them gone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from livefuse.errors import BadValue
from livefuse.source.url import masked

if TYPE_CHECKING:
    from livefuse.sinks.steady import SteadyCamera
    from livefuse.sinks.virtualcam import VirtualCameraSink

log = logging.getLogger("livefuse")


class Cameras:
    """By the URL that asked for them. Opening takes a moment, so nothing here is called on the event loop."""

    def __init__(self) -> None:
        self._open: dict[str, SteadyCamera] = {}
        self._turn = threading.Lock()

    @property
    def one(self) -> SteadyCamera | None:
        """The first, which is the one that there is where nobody asked for two."""
        return next(iter(list(self._open.values())), None)

    def open(self, url: str, *, patient: bool = False) -> SteadyCamera:
        """The camera of this URL, from now on shown to other programs; a `patient` one as soon as that can be.

        Raises: BadValue, SinkError.
        """
        from livefuse.sinks.virtualcam import camera_of

        with self._turn:
            if url not in self._open:
                camera = camera_of(url)
                camera.start(patient=patient)
                self._open[url] = camera
                if camera.error is not None:
                    log.warning("%s: %s", masked(url), camera.error)
            return self._open[url]

    def sink(self, url: str) -> VirtualCameraSink:
        """What hands a session's frames to it; the camera stays when the session ends, and without it the session runs.

        Raises: BadValue.
        """
        from livefuse.sinks.url import parse_sink_url
        from livefuse.sinks.virtualcam import VirtualCameraSink, sink_name

        return VirtualCameraSink(self.open(url, patient=True), sink_name(parse_sink_url(url)), kept=True)

    def follow(self, sinks: Iterable[str]) -> None:
        """Close those that are not among these, and open what is, as soon as that can be."""
        from livefuse.sinks.virtualcam import is_camera

        wanted = [url for url in sinks if is_camera(url)]
        with self._turn:
            gone = [self._open.pop(url) for url in list(self._open) if url not in wanted]
        for camera in gone:
            camera.close()
        for url in wanted:
            try:
                self.open(url, patient=True)
            except BadValue as error:
                log.error("%s: %s", masked(url), error.message)

    def close(self) -> None:
        """For good."""
        self.follow(())
