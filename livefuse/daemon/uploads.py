"""Videos and pictures that pages sent to be sources: kept under names of the daemon's own, looked at before they count."""

from __future__ import annotations

import asyncio
import re
import secrets
import shutil
import unicodedata
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from livefuse.errors import DiskFull, LivefuseError, NotHere, NotMedia
from livefuse.source import open_source
from livefuse.source.sniff import HEAD_BYTES, picture_in, script_in

NAME = r"[a-z0-9][a-z0-9-]{0,60}\.[a-z0-9]{2,4}"
MOST_FILES = 200
_SPARE_BYTES = 512 << 20
_WRITE_BYTES = 1 << 20
_PART = ".part"
_PICTURES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "bmp": ".bmp", "tiff": ".tif"}
_VIDEOS = (
    (".mp4", re.compile(rb"....(ftyp|moov|mdat|wide|free|skip)", re.DOTALL)),
    (".mkv", re.compile(rb"\x1a\x45\xdf\xa3")),
    (".avi", re.compile(rb"RIFF....AVI ", re.DOTALL)),
    (".ts", re.compile(rb"\x47.{187}\x47", re.DOTALL)),
    (".flv", re.compile(rb"FLV\x01")),
    (".mpg", re.compile(rb"\x00\x00\x01\xba")),
    (".ogv", re.compile(rb"OggS")),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that is here. `kind`: video or picture."""

    name: str
    path: Path
    size_bytes: int
    kind: str


class Uploads:
    """Belongs to the event loop. `folder` is made when the first file comes."""

    def __init__(self, folder: Path, most_bytes: int) -> None:
        self.folder, self.most_bytes = folder, most_bytes
        self._one_at_a_time = asyncio.Lock()

    def list(self) -> Sequence[Upload]:
        """By name."""
        if not self.folder.is_dir():
            return []
        paths = [path for path in sorted(self.folder.iterdir()) if re.fullmatch(NAME, path.name) and path.is_file()]
        return [Upload(path.name, path, path.stat().st_size, _kind(path)) for path in paths]

    def get(self, name: str) -> Upload:
        """Raises: NotHere."""
        found = next((one for one in self.list() if one.name == name), None)
        if found is None:
            raise NotHere("there is no such file", hint="GET /api/uploads lists them")
        return found

    def remove(self, name: str) -> None:
        """Raises: NotHere."""
        self.get(name).path.unlink(missing_ok=True)

    async def take(self, body: AsyncIterator[bytes], title: str) -> Upload:
        """Keep a video or picture; of its name only letters and digits are taken over.

        Raises: NotMedia, DiskFull, and what opening it as a source gives rise to.
        """
        async with self._one_at_a_time:
            room_bytes = await asyncio.to_thread(self._room)
            part = self.folder / f"{secrets.token_hex(8)}{_PART}"
            try:
                ending = await _written(body, part, room_bytes)
                return await asyncio.to_thread(self._kept, part, _slug(title), ending)
            finally:
                part.unlink(missing_ok=True)

    def _room(self) -> int:
        """How many bytes may come. Raises: DiskFull."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self.folder.glob(f"*{_PART}"):  # by a daemon that ended meanwhile: one is taken at a time
            left.unlink(missing_ok=True)
        here = self.list()
        used_bytes = sum(one.size_bytes for one in here)
        room_bytes = min(self.most_bytes - used_bytes, shutil.disk_usage(self.folder).free - _SPARE_BYTES)
        if room_bytes <= 0 or len(here) >= MOST_FILES:
            raise _full(used_bytes, self.most_bytes)
        return room_bytes

    def _kept(self, part: Path, slug: str, ending: str) -> Upload:
        """Under its name, if a picture can be had from it."""
        whole = part.with_name(f"{slug}-{secrets.token_hex(3)}{ending}")
        try:
            open_source(str(part)).close()
        except LivefuseError as error:  # where it lies meanwhile is nobody's business
            raise type(error)(error.message.replace(str(part), "the file"), hint="send another one") from error
        part.replace(whole)
        return self.get(whole.name)


async def _written(body: AsyncIterator[bytes], part: Path, room_bytes: int) -> str:
    """The ending that its content calls for. Raises: NotMedia, DiskFull."""
    ending, waiting, written_bytes = "", b"", 0
    with part.open("xb") as file:
        part.chmod(0o600)
        async for chunk in body:
            waiting += chunk
            written_bytes += len(chunk)
            if written_bytes > room_bytes:
                raise _full(written_bytes, room_bytes)
            if not ending and len(waiting) >= HEAD_BYTES:
                ending = _ending(waiting)
            if len(waiting) >= _WRITE_BYTES:
                await asyncio.to_thread(file.write, waiting)
                waiting = b""
        ending = ending or _ending(waiting)
        await asyncio.to_thread(file.write, waiting)
    return ending


def _ending(head: bytes) -> str:
    """Raises: NotMedia."""
    script, picture = script_in(head), picture_in(head)
    video = next((ending for ending, pattern in _VIDEOS if pattern.match(head)), "")
    if script or not (picture or video):
        raise NotMedia(
            f"the file is {script or 'neither a video nor a picture'}",
            hint="send MP4, MOV, MKV, WebM, AVI, TS, PNG, JPEG or WebP",
        )
    return _PICTURES[picture] if picture else video


def _slug(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title.rpartition(".")[0] or title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "file"


def _kind(path: Path) -> str:
    return "picture" if path.suffix in _PICTURES.values() else "video"


def _full(size_bytes: int, most_bytes: int) -> DiskFull:
    return DiskFull(
        f"there is no room for it: {size_bytes >> 20} of {most_bytes >> 20} MiB",
        hint="remove files that are no longer needed, or raise serve.uploads_mb",
    )
