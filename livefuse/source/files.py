"""Local paths: a still picture or a video, decided by content, not by name."""

from __future__ import annotations

from pathlib import Path

from livefuse.source.base import Source
from livefuse.source.container import head_of
from livefuse.source.sniff import picture_in


def open_file(target: str) -> Source:
    """Raises: SourceError."""
    path = Path(target).expanduser()
    if picture_in(head_of(path)):
        from livefuse.source.image import ImageSource

        return ImageSource(path)
    from livefuse.source.media import MediaSource

    return MediaSource(path)
