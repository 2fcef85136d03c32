"""How a session reaches what its configuration names: sources and sinks by their URLs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from livefuse.config import Config
from livefuse.errors import NeedsRestart
from livefuse.sinks.base import Sink
from livefuse.source.base import Source, SourceInfo
from livefuse.source.url import parse

if TYPE_CHECKING:
    from livefuse.sinks.shared import Encoders


class Doors:
    """`source` opens a URL in place of `livefuse.source.open_source`. Live outputs opened here share their encode.

    With `keep_files` a recording never takes the place of one that is there: it gets a number. `camera` hands out virtual
    cameras that outlive the session.
    """

    def __init__(
        self,
        source: Callable[[str], Source] | None = None,
        *,
        keep_files: bool = False,
        camera: Callable[[str], Sink] | None = None,
    ) -> None:
        self._source, self._keep_files, self._camera = source, keep_files, camera
        self._encoders: Encoders | None = None

    def source(self, url: str, config: Config) -> Source:
        """Raises: SourceError, BadValue."""
        if not config.live.loop or parse(url).kind != "file":
            return self._opened(url, config)
        from livefuse.source.looped import LoopedSource

        return LoopedSource(self._opened(url, config), lambda: self._opened(url, config))

    def _opened(self, url: str, config: Config) -> Source:
        if self._source is not None:
            return self._source(url)
        from livefuse.source import open_source

        return open_source(url, stall_ms=config.live.lost_ms)

    def source_like(self, now: SourceInfo, url: str, config: Config) -> Source:
        """One whose pictures can follow those that are read now. Raises: SourceError, BadValue, NeedsRestart."""
        source = self.source(url, config)
        new = source.info
        if (new.width, new.height, new.format, new.colour) != (now.width, now.height, now.format, now.colour):
            source.close()
            raise NeedsRestart(
                f"{new.url}: {new.width}x{new.height} {new.format} cannot follow {now.width}x{now.height} {now.format}",
                hint="restart the session for it",
            )
        return source

    def sink(self, url: str, config: Config) -> Sink:
        """Raises: BadValue, SinkUnwritable."""
        from livefuse.sinks import open_sink
        from livefuse.sinks.shared import Encoders
        from livefuse.sinks.url import unused

        if self._encoders is None:
            self._encoders = Encoders()
        url = unused(url) if self._keep_files else url
        return open_sink(url, config.output, config.runtime, encoders=self._encoders, camera=self._camera)
