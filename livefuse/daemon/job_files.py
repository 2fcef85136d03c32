"""Paths that a client names for a file job, looked at before anything is queued: clear errors now, not in an hour."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from livefuse.daemon.job import Job
from livefuse.errors import AlreadyHere, BadValue, NotHere, SinkUnwritable, SourceDenied, SourceNotFound
from livefuse.paths import Paths
from livefuse.sinks.url import parse_sink_url, unused
from livefuse.source.container import head_of
from livefuse.source.sniff import picture_in

_MOST_BYTES = 230  # of 255 that file systems take: while it is written, a file's name is longer


def checked_input(text: str) -> Path:
    """A regular file that can be read. Raises: BadValue, SourceNotFound, SourceDenied, NotMedia."""
    path = _absolute(text, "input")
    try:
        mode = path.stat().st_mode
    except PermissionError as error:
        raise SourceDenied(f"no permission to reach {path}", hint="check the folders above it") from error
    except OSError as error:
        raise SourceNotFound(f"no such file: {path}", hint="paths are those of the daemon's machine") from error
    if not stat.S_ISREG(mode):
        raise BadValue(f"{path} is no regular file", hint="name a picture or video; cameras are for sessions")
    head_of(path)
    return path


def checked_output(text: str, source: Path, *, overwrite: bool) -> Path:
    """A file that can be written. Raises: BadValue, SinkUnwritable, AlreadyHere."""
    path = _absolute(text, "output")
    if "?" in path.name or "%" in path.name:
        raise BadValue(f"output = {text!r} has ? or %", hint="one plain file: encoder settings go into `config.output`")
    parse_sink_url(f"file:{path}")  # refuses endings that name no picture or video
    if not path.parent.is_dir():
        raise SinkUnwritable(f"{path}: there is no such folder", hint=f"make {path.parent} first")
    if not os.access(path.parent, os.W_OK):
        raise SinkUnwritable(f"{path}: the daemon may not write there", hint="name another folder")
    if os.path.lexists(path):
        _check_replaceable(path, source, overwrite=overwrite)
    return path


def output_beside(source: Path) -> Path:
    """A free name beside the input, of the kind that its content is: `clip.webm` becomes `clip-swapped.mp4`. What a page sent
    lies among the sources that it chooses from; what comes of it goes into a folder of its own.

    Raises: NotMedia, SinkUnwritable.
    """
    suffix = ".png" if picture_in(head_of(source)) else ".mp4"
    paths = Paths.default()
    folder = paths.data / "swapped" if source.parent == paths.state / "uploads" else source.parent
    out = folder / f"{source.stem}-swapped{suffix}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkUnwritable(f"{folder} cannot be made: {error.strerror}", hint="say `output`") from error
    return Path(parse_sink_url(unused(f"file:{out}")).address)


def result_of(job: Job) -> Path:
    """The file that a job has written. Raises: NotHere while there is none, or none any more."""
    path = Path(job.output)
    if job.kind != "file" or job.state != "done":
        raise NotHere(
            f"the job is {job.state} and has no result", hint="jobs that swap files have one when they are done"
        )
    if not path.is_file():
        raise NotHere(f"{path.name} is no longer where the job wrote it", hint="run the job again")
    return path


def _check_replaceable(path: Path, source: Path, *, overwrite: bool) -> None:
    if not stat.S_ISREG(path.lstat().st_mode):  # a link would write where its name does not say
        raise SinkUnwritable(f"{path} is there, and is no regular file", hint="name another file")
    if path.samefile(source):
        raise SinkUnwritable(f"{path} is the source itself", hint="write to another name")
    if not overwrite:
        raise AlreadyHere(f"{path} exists", hint='name another file, or say `"overwrite": true`')


def _absolute(text: str, what: str) -> Path:
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise BadValue(f"{what} = {text!r} is no path", hint="remove the lone surrogates") from error
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise BadValue(f"{what} = {text!r} has control characters", hint="name a plain path")
    path = Path(text)
    if not path.is_absolute():
        raise BadValue(f"{what} = {text!r} is relative", hint="write the whole path, as on the daemon's machine")
    if "${" in text:
        raise BadValue(f"{what} = {text!r} names a variable", hint="write the path as it is")
    if any(len(os.fsencode(part)) > _MOST_BYTES for part in path.parts):
        raise BadValue(f"{what}: a part of the path is longer than {_MOST_BYTES} bytes", hint="name a shorter one")
    return path
