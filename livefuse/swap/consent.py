"""On whose word and on what ground a face is used: no record, no swap.

`data_dir/identities/<sha256[:16]>/` holds the photo and `consent.json`. A record is on the disk, not in a cache of the
system, before the call that writes it returns.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from filelock import FileLock

from livefuse import __version__
from livefuse.config import Ground, IdentityConfig
from livefuse.errors import NoConsent

_GROUNDS = {
    "self": "it is my own face",
    "licence": "the person agreed, or I hold a licence",
    "public-domain": "an old painting or the like",
    "synthetic": "drawn or generated, nobody real",
}
_RECORD, _LOG = "consent.json", "consent.log.jsonl"


@dataclass(frozen=True, slots=True)
class ConsentRecord:
    """Who said when (ISO 8601, UTC) on what ground that the photo with this sha256 may be used, told to which livefuse."""

    who: str
    when: str
    ground: Ground
    photo_sha256: str
    livefuse_version: str


def require_ground(config: IdentityConfig, photo_sha256: str) -> ConsentRecord:
    """A new record from what the operator said. Raises: NoConsent."""
    if config.consent is None:
        grounds = "; ".join(f"`{ground}`: {_GROUNDS[ground]}" for ground in get_args(Ground))
        raise NoConsent(
            f"no ground for using the face in {config.photo!r}: somebody has to answer for every face that is put on",
            hint=f"say on what ground with `--consent GROUND` or `identity.consent`; {grounds}",
        )
    who = config.by or _login_name()
    when = datetime.now(UTC).isoformat(timespec="seconds")
    return ConsentRecord(who, when, config.consent, photo_sha256, __version__)


def store(folder: Path, record: ConsentRecord, photo: bytes, suffix: str) -> Path:
    """Write the photo, the record and a line of the log durably; returns the identity's folder.

    Two processes may store the same identity at once: each file is replaced as a whole, the log is appended under a lock.
    """
    home = folder / record.photo_sha256[:16]
    home.mkdir(parents=True, exist_ok=True)
    picture = home / f"photo{suffix}"
    if not picture.exists():
        _replace(picture, photo)
    _append(folder / _LOG, record)
    _replace(home / _RECORD, (json.dumps(asdict(record), indent=2) + "\n").encode())
    return home


def read_record(home: Path) -> ConsentRecord:
    """The record in an identity's folder. Raises: NoConsent when it is missing or damaged."""
    path = home / _RECORD
    try:
        record = ConsentRecord(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError as error:
        raise NoConsent(f"{home} has no consent record", hint="state the ground again with `--consent`") from error
    except (OSError, ValueError, TypeError) as error:
        raise NoConsent(f"the consent record {path} is damaged: {error}", hint="state the ground again") from error
    if record.ground not in get_args(Ground) or not record.photo_sha256.startswith(home.name):
        raise NoConsent(f"the consent record {path} is not about this photo", hint="state the ground again")
    return record


def verify_log(folder: Path) -> int:
    """Entries of the consent log whose chain of hashes holds. Raises: NoConsent when a line was changed or removed."""
    path = folder / _LOG
    previous, lines = "", path.read_text("utf-8").splitlines() if path.exists() else []
    for number, line in enumerate(lines, 1):
        entry = _parsed(line)
        if entry is None or entry.get("previous") != previous:
            raise NoConsent(
                f"{path}, line {number}: the chain is broken, the log was changed", hint="restore it from a copy"
            )
        previous = _digest(line)
    return len(lines)


def _append(path: Path, record: ConsentRecord) -> None:
    """Add a line that holds the hash of the line before: a later change shows."""
    with FileLock(f"{path}.lock"), path.open("a+b") as log:
        log.seek(0)
        lines = log.read().splitlines()
        previous = _digest(lines[-1].decode()) if lines else ""
        log.write(json.dumps({**asdict(record), "previous": previous}).encode() + b"\n")
        log.flush()
        os.fsync(log.fileno())


def _replace(path: Path, content: bytes) -> None:
    """Write beside the file, flush to the disk, rename over it: readers see the old or the new, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    if os.name == "posix":
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _parsed(line: str) -> dict[str, object] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user id has no name
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
