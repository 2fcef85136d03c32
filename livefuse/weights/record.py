"""What hashing a stored file once found, so that it is hashed again only when its size or time has changed."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGED_NS = -1
"""No file has this time: the record's hash is still what the file should have, and the file does not have it."""


@dataclass(frozen=True, slots=True)
class Record:
    """One file's hash, and the size and time it had then."""

    sha256: str
    size_bytes: int
    mtime_ns: int

    def describes(self, path: Path) -> bool:
        """Whether the file has not changed since, by its size and time."""
        stat = path.stat()
        return (self.size_bytes, self.mtime_ns) == (stat.st_size, stat.st_mtime_ns)


def record_path(path: Path) -> Path:
    return path.with_name(f".{path.name}.verified")


def read_record(path: Path) -> Record | None:
    """What is known of the file at `path`; None where nothing is, or the record is damaged."""
    try:
        told: Any = json.loads(record_path(path).read_text("utf-8"))
        return Record(str(told["sha256"]), int(told["bytes"]), int(told["mtime_ns"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(path: Path, sha256: str, *, changed: bool = False) -> None:
    """Remember a file's hash. A store that cannot be written works, its files are only hashed at every start."""
    stat, record = path.stat(), record_path(path)
    told = {
        "sha256": sha256,
        "bytes": stat.st_size,
        "mtime_ns": CHANGED_NS if changed else stat.st_mtime_ns,
    }
    fresh = record.with_name(f"{record.name}.{os.getpid()}")
    with suppress(OSError):
        fresh.write_text(json.dumps(told), "utf-8")
        fresh.replace(record)
