"""The unfinished file of a download: grows at its end, is hashed as it grows, survives the process."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from livefuse.errors import StoreUnwritable

CHUNK_BYTES = 1 << 18
MARGIN_BYTES = 1 << 20


class PartFile:
    """`<target>.part`. Its sha256 is kept up to date while bytes arrive; what an earlier process left is hashed once."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._digest = hashlib.sha256()
        self._digested_bytes = 0

    @property
    def size_bytes(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def write_from(self, offset: int, chunks: Iterable[bytes]) -> Iterator[int]:
        """Write chunks at `offset`, dropping what lay behind it; yields the size after each."""
        self._digest_up_to(offset)
        with self.path.open("r+b" if offset else "wb") as file:
            file.truncate(offset)
            file.seek(offset)
            for chunk in chunks:
                file.write(chunk)
                self._digest.update(chunk)
                self._digested_bytes += len(chunk)
                yield self._digested_bytes

    def sha256(self) -> str:
        self._digest_up_to(self.size_bytes)
        return self._digest.hexdigest()

    def _digest_up_to(self, size_bytes: int) -> None:
        if self._digested_bytes == size_bytes:
            return
        self._digest, self._digested_bytes = hashlib.sha256(), size_bytes
        if size_bytes:
            with self.path.open("rb") as file:
                left_bytes = size_bytes
                while left_bytes and (chunk := file.read(min(CHUNK_BYTES, left_bytes))):
                    self._digest.update(chunk)
                    left_bytes -= len(chunk)

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)

    def finish(self) -> None:
        """Give the file its final name in one step."""
        with self.path.open("r+b") as file:
            os.fsync(file.fileno())  # a power cut must not leave a full-sized file of zeros under the final name
        self.path.replace(self.target)


def sha256_of(path: Path) -> str:
    """Hex digest of a whole file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def ensure_space(folder: Path, needed_bytes: int) -> None:
    """Refuse early what would fill the disk. Raises: StoreUnwritable."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes + MARGIN_BYTES > free_bytes:
        raise StoreUnwritable(
            f"{folder} has {free_bytes:,} bytes free, {needed_bytes:,} more are needed", hint=_MOVE_HINT
        )


_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))  # Windows knows no quotas
_MOVE_HINT = "free some space, or set LIVEFUSE_HOME to a folder on another disk"


@contextmanager
def disk_errors_explained(folder: Path) -> Iterator[None]:
    """Turns the system's errors about `folder` into ours. Raises: StoreUnwritable."""
    try:
        yield
    except OSError as error:
        full = error.errno in _FULL
        if full:
            message, hint = f"the disk of {folder} is full", _MOVE_HINT + "; what arrived is kept"
        else:
            message = f"the model folder {folder} cannot be written: {error.strerror or error}"
            hint = "make it writable, or set LIVEFUSE_HOME to a folder that is"
        raise StoreUnwritable(message, hint=hint) from error
