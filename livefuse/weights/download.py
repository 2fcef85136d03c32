"""Fetches one file from whichever of several places works, resuming what broke off.

As the bytes are fixed by their sha256, a part begun at one address may be finished at another; a part that turns out wrong
is thrown away and fetched once more from the start. Without a known sha256 a part is resumed only where its server vouches
for it (a strong ETag), and what is no model at first sight (a sign-in page) is refused.
"""

from __future__ import annotations

import re
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

from livefuse.errors import DownloadFailed, ModelCorrupt, ModelError
from livefuse.weights.http import CONNECTIONS_MAX, HEADERS, TIMEOUT, TRY_AGAIN_STATUSES, BrokeOff, Refused, follow
from livefuse.weights.part import CHUNK_BYTES, PartFile, disk_errors_explained, ensure_space

Progress = Callable[[int, int | None], None]
"""Called with bytes done and bytes in all, None where nobody has said."""


def no_progress(done_bytes: int, total_bytes: int | None) -> None:
    """For callers who do not watch."""


def like_onnx(path: Path) -> bool:
    """Whether a file may be an ONNX model: exporters write the format's version first, and no page begins so."""
    with path.open("rb") as file:
        return file.read(1) == b"\x08"


@dataclass(slots=True)
class Fetch:
    """One file to be put at `target`: `places` are tried in order, a Path is copied, a URL downloaded; of a URL
    `https://.../pack.zip#name` one member is taken out.

    An empty `sha256` and a `total_bytes` of None are unknown: the file is then taken as it comes. `attempts` bounds the
    tries in a row at one address that bring nothing new. `stated` says in messages who states what the file must be.
    """

    target: Path
    sha256: str
    total_bytes: int | None
    places: tuple[str | Path, ...]
    progress: Progress = no_progress
    attempts: int = 3
    backoff_s: float = 0.5
    stated: str = "the recipe states"
    otherwise: str = "set LIVEFUSE_MODEL_MIRROR to a folder or URL that has the right file"
    plausible: Callable[[Path], bool] = like_onnx
    part: PartFile = field(init=False)
    reasons: list[str] = field(default_factory=list, init=False)
    differed: bool = field(default=False, init=False)
    _served_bytes: int | None = field(default=None, init=False)
    _etag: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.part = PartFile(self.target)

    def run(self) -> str:
        """The sha256 of what is now at `target`. Raises: DownloadFailed, ModelCorrupt, StoreUnwritable."""
        with disk_errors_explained(self.target.parent):
            ensure_space(self.target.parent, (self.total_bytes or 0) - self.part.size_bytes)
            for place in self.places:
                try:
                    self._take_from(place)
                except (Refused, BrokeOff, httpx.TransportError, httpx.InvalidURL) as error:
                    self.reasons.append(f"{place}: {error or type(error).__name__}")
                else:
                    digest = self.part.sha256()
                    self.part.finish()
                    return digest
        raise self._failure()

    def _failure(self) -> DownloadFailed | ModelCorrupt:
        listed = "".join(f"\n  {reason}" for reason in self.reasons) or " there is no address to fetch it from"
        if self.differed:
            return ModelCorrupt(
                f"{self.target.name}: what was served is not the file that is asked for:{listed}",
                hint=f"it was not kept; {self.otherwise}",
            )
        return DownloadFailed(
            f"{self.target.name} could not be fetched:{listed}",
            hint="check the network, or set LIVEFUSE_MODEL_MIRROR to a folder or URL that has the file",
        )

    def _take_from(self, place: str | Path) -> None:
        """Raises: Refused, BrokeOff, httpx.TransportError, httpx.InvalidURL."""
        self._served_bytes, self._etag = None, ""
        if not self.sha256:
            self.part.discard()  # nothing would tell if two addresses served two files
        if isinstance(place, Path):
            self._copy(place)
        elif "#" in place:
            self._unpack(*place.split("#", 1))
        else:
            self._download(place)

    def _copy(self, path: Path) -> None:
        """From a mirror folder. Raises: Refused."""
        try:
            source = path.open("rb")
        except OSError as error:
            raise Refused(error.strerror or str(error)) from error
        with source:
            self._take(0, _chunks_of(source))
        self._check()

    def _unpack(self, url: str, member: str) -> None:
        """One member of an archive, which is not kept. Raises: Refused."""
        archive = self.target.with_name(f"{self.target.name}.zip")
        pack = Fetch(archive, "", None, (url,), self.progress, self.attempts, self.backoff_s)
        pack.plausible = zipfile.is_zipfile
        try:
            pack.run()
            with zipfile.ZipFile(archive) as opened, opened.open(member) as source:
                self._served_bytes = opened.getinfo(member).file_size
                self._take(0, _chunks_of(source))
        except (ModelError, KeyError, zipfile.BadZipFile) as error:
            reason = f"holds no {member}" if isinstance(error, KeyError) else error.args[0]
            raise Refused(reason) from error
        finally:
            archive.unlink(missing_ok=True)
            pack.part.discard()
        self._check()

    def _download(self, url: str) -> None:
        """From one address, resuming and trying again. Raises: Refused, BrokeOff, httpx.TransportError."""
        fruitless, started_over = 0, False
        for connection in range(CONNECTIONS_MAX):
            if not self.sha256 and not self._etag:
                self.part.discard()
            before = self.part.size_bytes
            try:
                self._stream(url, before)
                self._check()
            except _Different:
                if before == 0 or started_over:
                    raise
                started_over = True  # the part resumed from may have been the wrong one: once from the start
            except (BrokeOff, httpx.TransportError):
                fruitless = 0 if self.part.size_bytes > before else fruitless + 1
                if fruitless >= self.attempts or connection + 1 == CONNECTIONS_MAX:
                    raise
                time.sleep(self.backoff_s * 2**fruitless)
            else:
                return

    @property
    def _expected_bytes(self) -> int | None:
        return self._served_bytes if self.total_bytes is None else self.total_bytes

    def _stream(self, url: str, offset: int) -> None:
        """Add to the part what it lacks. Raises: Refused, BrokeOff, httpx.TransportError."""
        if self._is_whole(offset):
            return
        headers = HEADERS | ({"Range": f"bytes={offset}-"} if offset else {})
        if offset and self._etag:
            headers["If-Range"] = self._etag
        with httpx.Client(timeout=TIMEOUT) as client, follow(client, url, headers) as response:
            offset = self._accepted_offset(response, offset)
            self._take(offset, response.iter_raw())  # unbuffered: a break loses nothing that arrived
        if self.part.size_bytes < (self._expected_bytes or 0):
            raise BrokeOff(f"broke off at {self.part.size_bytes:,} of {self._expected_bytes:,} bytes")

    def _is_whole(self, size_bytes: int) -> bool:
        whole_bytes = self._expected_bytes
        return size_bytes >= whole_bytes if whole_bytes else size_bytes > 0 and self.part.sha256() == self.sha256

    def _take(self, offset: int, chunks: Iterator[bytes]) -> None:
        expected_bytes = self._expected_bytes
        for done_bytes in self.part.write_from(offset, chunks):
            if expected_bytes is not None and done_bytes > expected_bytes:
                break
            self.progress(done_bytes, expected_bytes)

    def _accepted_offset(self, response: httpx.Response, offset: int) -> int:
        """Where the body begins in the file; a server without ranges answers 200 and begins at 0."""
        status, said = response.status_code, f"HTTP {response.status_code} {response.reason_phrase}"
        if status == 206:
            self._check_range(response.headers.get("Content-Range", ""), offset)
            return offset
        if status == 416:
            self.part.discard()
            raise BrokeOff(said)
        if status in TRY_AGAIN_STATUSES or status >= 500:
            raise BrokeOff(said)
        if status != 200:
            raise Refused(said)
        self._learn(response)
        return 0

    def _check_range(self, answered: str, offset: int) -> None:
        """Raises: BrokeOff, after discarding the part."""
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answered)
        totals = ("*", str(self._expected_bytes)) if self._expected_bytes is not None else (span and span[2],)
        if not span or int(span[1]) != offset or span[2] not in totals:
            self.part.discard()
            raise BrokeOff(f"answered another range than asked for: {answered!r}")
        if span[2].isdigit():
            self._served_bytes = int(span[2])

    def _learn(self, response: httpx.Response) -> None:
        """What the server says of the whole file. Raises: Refused."""
        length, etag = response.headers.get("Content-Length", ""), response.headers.get("ETag", "")
        self._etag = "" if etag.startswith("W/") else etag
        self._served_bytes = int(length) if length.isdigit() else None
        if self._served_bytes is None:
            if not (self.sha256 or self.total_bytes or response.headers.get("Transfer-Encoding") == "chunked"):
                raise Refused("does not say how long the file is, so that a broken-off one could not be told")
        elif self.total_bytes not in (None, self._served_bytes):
            self.differed = True
            raise Refused(f"serves {self._served_bytes:,} bytes, {self.stated} {self.total_bytes:,}")

    def _check(self) -> None:
        """Raises: _Different, after removing the part."""
        size_bytes, digest = self.part.size_bytes, self.part.sha256()
        if self.total_bytes not in (None, size_bytes):
            wrong = f"at least {size_bytes:,} bytes, {self.stated} {self.total_bytes:,}"
        elif self.sha256 not in ("", digest):
            wrong = f"sha256 {digest}, {self.stated} {self.sha256}"
        elif not self.sha256 and not self.plausible(self.part.path):
            wrong = f"{size_bytes:,} bytes that are no {'archive' if self.plausible is not like_onnx else 'ONNX model'}"
        else:
            return
        self.part.discard()
        self.differed = True
        raise _Different(wrong)


class _Different(Refused):
    """The file is whole, but it is another one."""


def _chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    while True:
        try:
            chunk = file.read(CHUNK_BYTES)
        except OSError as error:  # the mirror's fault, not the store's
            raise Refused(error.strerror or str(error)) from error
        if not chunk:
            return
        yield chunk
