"""What a browser or program publishes over WebRTC, as a source; `livefuse.webrtc.inlet` feeds it."""

from __future__ import annotations

import av

from livefuse.clock import Clock
from livefuse.frame import Colour, HostFrame
from livefuse.mailbox import Closed, Latest
from livefuse.source.declared import declared_info
from livefuse.source.fitted import Fitted
from livefuse.source.planes import colour_for, format_for, planes_of
from livefuse.source.url import Location

_UNTAGGED = Colour()  # as browsers send: a picture of that size then passes without a copy


class PublishedSource:
    """Delivers the newest picture published, fitted into the declared size; waits as long as nobody publishes.

    `put` may be called from any thread. `read` raises nothing: the session shows its slate meanwhile.
    """

    def __init__(self, location: Location, clock: Clock) -> None:
        self.info = declared_info(location, _UNTAGGED)
        self._clock = clock
        self._opened_ns = clock.now_ns()
        self._box: Latest[tuple[av.VideoFrame, int, int]] = Latest()
        self._fitted = Fitted(self.info.width, self.info.height, self.info.colour)
        self._last_ns = -1
        self._closed = False

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def dropped(self) -> int:
        """Pictures that a newer one replaced before they were read."""
        return self._box.dropped

    def put(self, picture: av.VideoFrame, arrived_ns: int, scene: int = 0) -> None:
        """`arrived_ns` is an instant of the source's clock, `scene` tells publishers apart."""
        self._box.put((picture, arrived_ns, scene))

    def read(self) -> HostFrame | None:
        try:
            arrival = self._box.get()
        except Closed:
            return None
        assert arrival is not None
        picture, arrived_ns, scene = arrival
        pts_ns = self._last_ns = max(arrived_ns - self._opened_ns, self._last_ns + 1)
        return self._fitted.fit(_host(picture, pts_ns, round(1e9 / self.info.fps), scene))

    def close(self) -> None:
        self._closed = True
        self._box.close()


def _host(picture: av.VideoFrame, pts_ns: int, duration_ns: int, scene: int) -> HostFrame:
    format_ = format_for(picture)
    planes = planes_of(picture, format_, picture.width, picture.height)
    return HostFrame(
        planes,
        format_,
        picture.width,
        picture.height,
        pts_ns=pts_ns,
        duration_ns=duration_ns,
        colour=colour_for(picture),
        scene=scene,
    )
