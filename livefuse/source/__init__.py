"""Hop 1: where frames come from. `open_source(url)` is the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livefuse.source.base import Source

OPEN_MS = 10_000.0
"""Time a network source or camera may take until its first frame: cameras warm up, streams wait for a keyframe."""


def open_source(url: str, *, stall_ms: float = 5000, open_ms: float = OPEN_MS) -> Source:
    """Open whatever `url` names, up to its first frame.

    One that waits for somebody to send to it (`rtmp://...?listen=1`, `rtsp://...?rtsp_flags=listen`) opens at once, with
    the size that its URL declares. `stall_ms` is how long a network source or camera may send nothing later on.
    Raises: SourceError (a subclass says what is wrong), BadValue for a URL that makes no sense.
    """
    from livefuse.source.url import parse

    location = parse(url)
    if location.kind == "synthetic":
        from livefuse.source.synthetic.source import SyntheticSource

        return SyntheticSource(location.target)
    if location.kind == "file":
        from livefuse.source.files import open_file

        return open_file(location.target)
    if location.kind == "webrtc":
        from livefuse.errors import BadValue

        raise BadValue("webrtc: needs `livefuse serve`", hint="only a daemon can be published to; start one")
    if location.waits:
        from livefuse.source.listen import ListeningSource

        return ListeningSource(location, stall_ms=stall_ms, open_ms=open_ms)
    from livefuse.source.live import LiveSource

    return LiveSource(location, stall_ms=stall_ms, open_ms=open_ms)
