"""What a session writes to so that viewers see it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from livefuse.frame import SLATE_SCENE, HostFrame
from livefuse.gate import Gate
from livefuse.sinks.base import StreamInfo

if TYPE_CHECKING:
    from livefuse.webrtc.broadcast import Broadcast


class WebRtcSink:
    """One session's. Of several made by one broadcast, the one opened last is shown."""

    name = "webrtc"

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast, self._gate = broadcast, Gate()

    def guard(self, gate: Gate) -> None:
        """What `gate` does not admit is not sent, though it may have been encoded already."""
        self._gate = gate

    def admits(self, frame: HostFrame) -> bool:
        """Whether viewers may be sent this now. Any thread."""
        return frame.scene == SLATE_SCENE or self._gate.admits(frame.scheduled_ns)

    def open(self, info: StreamInfo) -> None:
        self._broadcast.begin(self, info)

    def write(self, frame: HostFrame) -> None:
        self._broadcast.take(self, frame)

    def readers(self) -> int:
        """Also those who are being answered: the first picture is to be there when they are."""
        return self._broadcast.onlookers

    def close(self) -> None:
        self._broadcast.end(self)

    def abort(self) -> None:
        self._broadcast.end(self)
