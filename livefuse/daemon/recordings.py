"""Recordings: files that a session writes at the press of a button, in one folder, under names that nobody chooses.

What is being recorded is never kept twice: it is whatever outputs a session has in that folder. So a session that restarts
goes on recording, into the next file.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livefuse.daemon.recording_files import BEGIN_BYTES, NAME, Recording, RecordingFiles, State
from livefuse.errors import AlreadyHere, LivefuseError, NotHere, NotRunning

if TYPE_CHECKING:
    from livefuse.daemon.channel import Channel

_LOOK_S = 2.0
_END_BYTES = BEGIN_BYTES // 4


class Recordings:
    """All methods belong to the event loop."""

    def __init__(self, folder: Path, *, look_s: float = _LOOK_S) -> None:
        self.files = RecordingFiles(folder)
        self._look_s = look_s
        self._began_s: dict[str, float] = {}
        self._why_ended: dict[str, str] = {}
        self._watching: set[asyncio.Task[None]] = set()

    async def begin(self, channel: Channel) -> Recording:
        """Record a session from its next frame on. Raises: AlreadyHere, DiskFull, SinkError, SessionError."""
        if channel.state != "running" or channel.session is None:
            raise NotRunning(f"{channel.name} is {channel.state}", hint="start it first, then record")
        held = self.running(channel, await asyncio.to_thread(channel.session.record))
        if any(one.state == "recording" for one in held):
            raise AlreadyHere(f"{channel.name} is being recorded already", hint="stop that recording first")
        if held:
            await self.end(channel)
        url = f"file:{await asyncio.to_thread(self.files.next_path, channel.name)}"
        await channel.add_sink(url)
        self._began_s[url] = time.monotonic()
        self._why_ended.pop(channel.name, None)
        watch = asyncio.create_task(self._watch(channel, url), name=f"recording of {channel.name}")
        self._watching.add(watch)
        watch.add_done_callback(self._watching.discard)
        return self.running(channel)[0]

    async def end(self, channel: Channel) -> Recording | None:
        """Complete what is recorded of a session; None where nothing came of it. Raises: NotHere."""
        held = self._outputs(channel)
        if not held:
            raise NotHere(f"{channel.name} is not being recorded", hint="POST to the same address to begin")
        if channel.session is not None and channel.state == "running":
            for name in held:
                await channel.remove_sink(name)
        else:
            left = [url for url in channel.config.sinks if url not in held.values()]
            await channel.change({"sinks": left})
        names = {_file_name(name, url) for name, url in held.items()}
        for url in held.values():
            self._began_s.pop(url, None)
        return next((one for one in await asyncio.to_thread(self.files.finished) if one.id in names), None)

    def running(self, channel: Channel, figures: Mapping[str, Any] | None = None) -> list[Recording]:
        """What is recorded of a session now: one, or nothing. `figures` are the session's record."""
        sinks = (figures or {}).get("sinks", {})
        return [
            self._told(channel.name, name, url, sinks.get(name, {})) for name, url in self._outputs(channel).items()
        ]

    def why_ended(self, channel: Channel) -> str:
        """What ended the last recording of a session, where nobody had asked for it."""
        return self._why_ended.get(channel.name, "")

    def _told(self, session: str, name: str, url: str, figures: Mapping[str, Any]) -> Recording:
        file = _file_name(name, url)
        seconds = time.monotonic() - self._began_s.setdefault(url, time.monotonic())
        error = str(figures.get("error") or "")
        state: State = "failed" if error else "recording"
        size = self.files.bytes_of(file)
        return Recording(file, state, time.time() - seconds, size, session, round(seconds, 1), error)

    def _outputs(self, channel: Channel) -> dict[str, str]:
        """A session's outputs into the folder: their URLs by name."""
        if channel.session is not None and channel.state == "running":
            urls = channel.session.sink_urls
        else:
            urls = {str(number): url for number, url in enumerate(channel.config.sinks)}
        return {name: url for name, url in urls.items() if self.files.is_ours(url)}

    async def _watch(self, channel: Channel, url: str) -> None:
        """A disk that fills up would take the whole recording with it: it is completed while it can be."""
        while url in self._outputs(channel).values():
            await asyncio.sleep(self._look_s)
            if await asyncio.to_thread(self.files.free_bytes) >= _END_BYTES:
                continue
            with contextlib.suppress(LivefuseError):  # somebody stopped it meanwhile
                await self.end(channel)
                folder = self.files.folder
                self._why_ended[channel.name] = (
                    f"the recording was completed because the disk of {folder} is nearly full"
                )
            return


def _file_name(sink: str, url: str) -> str:
    """What is written after a restart has a number that its URL has not."""
    name = sink.removeprefix("file:")
    return name if NAME.fullmatch(name) else Path(url.removeprefix("file:")).name
