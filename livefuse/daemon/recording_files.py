"""The folder of recordings: what lies in it, and under which name the next one goes there."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Literal, TypeAlias

from livefuse.daemon_config import DEFAULT_SESSION, SESSION_NAME
from livefuse.errors import DiskFull, NotHere, SinkUnwritable
from livefuse.paths import HOME_VARIABLE

State: TypeAlias = Literal["recording", "failed", "done", "cut off"]

BEGIN_BYTES = 512 << 20
"""What has to be free for a recording to begin."""

NAME = re.compile(rf"livefuse-\d{{4}}-\d\d-\d\d-\d{{6}}(-{SESSION_NAME})?(-\d+)?\.mp4")
_PART = ".livefuse-part"  # what a file is called until it is complete
_CUT_OFF_S = 30.0  # a part that nobody has written to for so long was left by a daemon that is gone


@dataclass(frozen=True, slots=True)
class Recording:
    """A file, or what is to become one. `seconds` is how long it has run, None once it is over."""

    id: str
    state: State
    at: float
    bytes: int
    session: str = ""
    seconds: float | None = None
    error: str = ""


def recordings_folder(said: str, environ: Mapping[str, str] = os.environ) -> Path:
    """`serve.recordings`, or the user's folder of videos; with LIVEFUSE_HOME a folder in it."""
    if said:
        return Path(said).expanduser().absolute()
    if home := environ.get(HOME_VARIABLE, ""):
        return Path(home).expanduser().absolute() / "recordings"
    import platformdirs

    return platformdirs.user_videos_path() / "livefuse"


class RecordingFiles:
    """Any thread may call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def finished(self) -> list[Recording]:
        """Complete files, and what a daemon that ended abruptly has left; the newest first."""
        told = []
        for entry in self._entries():
            cut_off = entry.name.endswith(_PART)
            with contextlib.suppress(OSError):  # gone meanwhile
                found = entry.stat(follow_symlinks=False)
                if cut_off and time.time() - found.st_mtime < _CUT_OFF_S:
                    continue  # somebody writes it
                state: State = "cut off" if cut_off else "done"
                told.append(Recording(_whole_name(entry.name), state, found.st_mtime, found.st_size))
        return sorted(told, key=lambda one: (one.at, one.id), reverse=True)

    def path(self, recording: str) -> Path:
        """Where a finished one lies: only what is listed has a path, so that no name leads elsewhere. Raises: NotHere."""
        found = next((one for one in self.finished() if one.id == recording), None)
        if found is None:
            hint = "GET /api/recordings lists them; one that still runs has to be stopped first"
            raise NotHere("there is no such recording", hint=hint)
        return self.folder / (found.id if found.state == "done" else f".{found.id}{_PART}")

    def remove(self, recording: str) -> None:
        """Delete a finished one. Raises: NotHere, SinkUnwritable."""
        try:
            self.path(recording).unlink()
        except OSError as error:
            hint = "see who may write to that folder"
            raise SinkUnwritable(f"{recording} cannot be deleted: {error.strerror}", hint=hint) from error

    def free_bytes(self) -> int:
        """Room on the disk that recordings go to."""
        folder = self.folder
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        return shutil.disk_usage(folder).free

    def next_path(self, session: str) -> Path:
        """A name that is free, in a folder that has room. Raises: SinkUnwritable, DiskFull."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            free_bytes = self.free_bytes()
        except OSError as error:
            hint = "choose another folder with serve.recordings"
            raise SinkUnwritable(f"{self.folder} cannot be made: {error.strerror}", hint=hint) from error
        if free_bytes < BEGIN_BYTES:
            hint = "make room, or choose another folder with serve.recordings"
            raise DiskFull(f"only {free_bytes >> 20} MiB are free in {self.folder}", hint=hint)
        stem = f"livefuse-{datetime.now():%Y-%m-%d-%H%M%S}" + ("" if session == DEFAULT_SESSION else f"-{session}")
        taken = {_whole_name(entry.name) for entry in self._entries()}
        names = (f"{stem}.mp4" if n == 1 else f"{stem}-{n}.mp4" for n in count(1))
        return self.folder / next(name for name in names if name not in taken)

    def is_ours(self, url: str) -> bool:
        """Whether an output goes here."""
        path = Path(url.removeprefix("file:"))
        return url.startswith("file:") and path.parent == self.folder and NAME.fullmatch(path.name) is not None

    def bytes_of(self, name: str) -> int:
        """What has been written of one, complete or not."""
        for path in (self.folder / f".{name}{_PART}", self.folder / name):
            with contextlib.suppress(OSError):
                return path.stat().st_size
        return 0

    def _entries(self) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.folder) as entries:
                return [one for one in entries if NAME.fullmatch(_whole_name(one.name)) and _is_file(one)]
        except OSError:
            return []  # nothing was ever recorded


def _whole_name(name: str) -> str:
    return name[1:].removesuffix(_PART) if name.startswith(".") and name.endswith(_PART) else name


def _is_file(entry: os.DirEntry[str]) -> bool:
    return entry.is_file(follow_symlinks=False)
