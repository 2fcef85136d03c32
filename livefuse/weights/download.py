"""Fetches one file whose size and sha256 are known, from whichever of several places works, resuming what broke off.

As the bytes are fixed by their hash, a part begun at one address may be finished at another; a part that turns out wrong is
thrown away and fetched once more from the start.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import httpx

from livefuse import __version__
from livefuse.errors import DownloadFailed, ModelCorrupt
from livefuse.weights.part import CHUNK_BYTES, PartFile, disk_errors_explained, ensure_space

Progress = Callable[[int, int], None]
"""Called with bytes done and bytes in all."""

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
HEADERS = {"Accept-Encoding": "identity", "User-Agent": f"livefuse/{__version__}"}
REDIRECTS_MAX = 5
CONNECTIONS_MAX = 50
TRY_AGAIN_STATUSES = (408, 425, 429)


class Refused(Exception):
    """This address will not give the file."""


class BrokeOff(Exception):
    """This address may give the rest if asked again."""


def no_progress(done_bytes: int, total_bytes: int) -> None:
    """For callers who do not watch."""


@dataclass(slots=True)
class Fetch:
    """One file to be put at `target`: `places` are tried in order, a Path is copied, a URL downloaded.

    `attempts` bounds the tries in a row at one address that bring nothing new.
    """

    target: Path
    sha256: str
    total_bytes: int
    places: tuple[str | Path, ...]
    progress: Progress = no_progress
    attempts: int = 3
    backoff_s: float = 0.5
    part: PartFile = field(init=False)
    reasons: list[str] = field(default_factory=list, init=False)
    differed: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.part = PartFile(self.target)

    def run(self) -> None:
        """Raises: DownloadFailed, ModelCorrupt, StoreUnwritable."""
        with disk_errors_explained(self.target.parent):
            ensure_space(self.target.parent, self.total_bytes - self.part.size_bytes)
            for place in self.places:
                try:
                    self._copy(place) if isinstance(place, Path) else self._download(place)
                except (Refused, BrokeOff, httpx.TransportError, httpx.InvalidURL) as error:
                    self.reasons.append(f"{place}: {error or type(error).__name__}")
                else:
                    self.part.finish()
                    return
        raise self._failure()

    def _failure(self) -> DownloadFailed | ModelCorrupt:
        listed = "".join(f"\n  {reason}" for reason in self.reasons) or " there is no address to fetch it from"
        if self.differed:
            return ModelCorrupt(
                f"{self.target.name}: what was served is not the file that the recipe states:{listed}",
                hint="it was not kept; set LIVEFUSE_MODEL_MIRROR to a folder or URL that has the right file",
            )
        return DownloadFailed(
            f"{self.target.name} could not be fetched:{listed}",
            hint="check the network, or set LIVEFUSE_MODEL_MIRROR to a folder or URL that has the file",
        )

    def _copy(self, path: Path) -> None:
        """From a mirror folder. Raises: Refused."""
        try:
            source = path.open("rb")
        except OSError as error:
            raise Refused(error.strerror or str(error)) from error
        with source:
            self._take(0, _chunks_of(source))
        self._check()

    def _download(self, url: str) -> None:
        """From one address, resuming and trying again. Raises: Refused, BrokeOff, httpx.TransportError."""
        fruitless, started_over = 0, False
        for connection in range(CONNECTIONS_MAX):
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

    def _stream(self, url: str, offset: int) -> None:
        """Add to the part what it lacks. Raises: Refused, BrokeOff, httpx.TransportError."""
        if offset >= self.total_bytes:
            return
        headers = HEADERS | ({"Range": f"bytes={offset}-"} if offset else {})
        with httpx.Client(timeout=TIMEOUT) as client, follow(client, url, headers) as response:
            offset = self._accepted_offset(response, offset)
            self._take(offset, response.iter_raw())  # unbuffered: a break loses nothing that arrived
        if self.part.size_bytes < self.total_bytes:
            raise BrokeOff(f"broke off at {self.part.size_bytes:,} of {self.total_bytes:,} bytes")

    def _take(self, offset: int, chunks: Iterator[bytes]) -> None:
        for done_bytes in self.part.write_from(offset, chunks):
            if done_bytes > self.total_bytes:
                break
            self.progress(done_bytes, self.total_bytes)

    def _accepted_offset(self, response: httpx.Response, offset: int) -> int:
        """Where the body begins in the file; a server without ranges answers 200 and begins at 0."""
        status, said = response.status_code, f"HTTP {response.status_code} {response.reason_phrase}"
        if status == 206:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
            if not span or int(span[1]) != offset or span[2] not in ("*", str(self.total_bytes)):
                self.part.discard()
                raise BrokeOff(f"answered another range than asked for: {response.headers.get('Content-Range')!r}")
            return offset
        if status == 416:
            self.part.discard()
            raise BrokeOff(said)
        if status in TRY_AGAIN_STATUSES or status >= 500:
            raise BrokeOff(said)
        if status != 200:
            raise Refused(said)
        length = response.headers.get("Content-Length", "")
        if length.isdigit() and int(length) != self.total_bytes:
            self.differed = True
            raise Refused(f"serves {int(length):,} bytes, the recipe states {self.total_bytes:,}")
        return 0

    def _check(self) -> None:
        """Raises: _Different, after removing the part."""
        size_bytes, digest = self.part.size_bytes, self.part.sha256()
        if (size_bytes, digest) == (self.total_bytes, self.sha256):
            return
        self.part.discard()
        self.differed = True
        if size_bytes != self.total_bytes:
            raise _Different(f"at least {size_bytes:,} bytes, the recipe states {self.total_bytes:,}")
        raise _Different(f"sha256 {digest}, the recipe states {self.sha256}")


class _Different(Refused):
    """The file is whole, but it is another one."""


def _chunks_of(file: BinaryIO) -> Iterator[bytes]:
    while True:
        try:
            chunk = file.read(CHUNK_BYTES)
        except OSError as error:  # the mirror's fault, not the store's
            raise Refused(error.strerror or str(error)) from error
        if not chunk:
            return
        yield chunk


@contextmanager
def follow(client: httpx.Client, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """GET, following redirects, but never from https to anything else. Raises: Refused, httpx.TransportError."""
    request = client.build_request("GET", url, headers=headers)
    for _ in range(REDIRECTS_MAX + 1):
        response = client.send(request, stream=True)
        try:
            if not response.has_redirect_location:
                yield response
                return
        finally:
            response.close()
        following = response.next_request
        if following is None or (request.url.scheme == "https" and following.url.scheme != "https"):
            raise Refused(f"redirects from https to {response.headers['Location']}")
        request = following
    raise Refused(f"more than {REDIRECTS_MAX} redirects")
