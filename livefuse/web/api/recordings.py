"""Recordings: one button for each session, and the files that came of it. No name from a request ever becomes a path."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter
from fastapi.responses import FileResponse
from pydantic import Field

from livefuse.daemon import recording_files
from livefuse.daemon.recording_files import recordings_folder
from livefuse.daemon.recordings import Recordings
from livefuse.web.api.told import Told, api_router
from livefuse.web.records import Records
from livefuse.web.roles import control, owner

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


class Recording(Told):
    """A file, or what is to become one."""

    id: str = Field(description="its file's name")
    state: Literal["recording", "failed", "done", "cut off"] = Field(
        description="cut off: left by a daemon that ended abruptly; it can be played up to there"
    )
    at: datetime = Field(description="when it began while it runs, else when it ended")
    bytes: int
    session: str = Field(description="which it is recorded of, while it runs")
    seconds: float | None = Field(description="how long it has run; null once it is over")
    error: str = Field(description="why it takes no frames")


class RecordingList(Told):
    """`ended` says by session what ended its last recording where nobody had asked for that."""

    folder: str
    free_bytes: int
    recordings: list[Recording]
    ended: dict[str, str]


class Stopped(Told):
    recording: Recording | None = Field(description="null where not one frame had come")


def router(daemon: Daemon, records: Records) -> APIRouter:
    """`/api/recordings`, and `record` of each session."""
    router = api_router("recordings")
    recordings = Recordings(recordings_folder(daemon.config.serve.recordings))
    files = recordings.files

    @router.post("/sessions/{name}/record", status_code=201)
    @control
    async def start_recording(name: str) -> Recording:
        """Record a session from now on, until it is stopped: the daemon names the file."""
        return _told(await recordings.begin(daemon.channel(name)))

    @router.delete("/sessions/{name}/record")
    @control
    async def stop_recording(name: str) -> Stopped:
        """Complete a session's recording."""
        ended = await recordings.end(daemon.channel(name))
        return Stopped(recording=_told(ended) if ended else None)

    @router.get("/recordings")
    @control
    async def list_recordings() -> RecordingList:
        """What is being recorded, and what has been; the newest first."""
        channels = list(daemon.channels.values())
        running = [one for channel in channels for one in recordings.running(channel, await records.record(channel))]
        finished, free_bytes = await asyncio.to_thread(lambda: (files.finished(), files.free_bytes()))
        ended = {channel.name: why for channel in channels if (why := recordings.why_ended(channel))}
        told = [_told(one) for one in (*running, *finished)]
        return RecordingList(folder=str(files.folder), free_bytes=free_bytes, recordings=told, ended=ended)

    @router.get("/recordings/{recording}", response_class=FileResponse)
    @control
    def get_recording(recording: str) -> FileResponse:
        """A finished recording's file, to be saved; parts of it by Range."""
        return FileResponse(files.path(recording), media_type="video/mp4", filename=recording)

    @router.delete("/recordings/{recording}", status_code=204)
    @owner
    def remove_recording(recording: str) -> None:
        """Delete a finished recording's file, for good."""
        files.remove(recording)

    return router


def _told(recording: recording_files.Recording) -> Recording:
    return Recording.model_validate(asdict(recording) | {"at": datetime.fromtimestamp(recording.at, UTC)})
