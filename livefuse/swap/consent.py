"""On whose word and on what ground a face is used: no record, no swap.

Each photo lies in a folder `<sha256[:16]>/` of its own, beside its `consent.json`: photos used once right in the folder of
identities, those of a stored identity in its folder there. One log has what was granted and what was removed, each line
with the hash of the line before. A record is on the disk, not in a cache of the system, before the call that writes it
returns.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping
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
_AGAIN = "add the identity again and state the ground"


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
    ground = stated_ground(config)
    return ConsentRecord(config.by or login_name(), now(), ground, photo_sha256, __version__)


def stated_ground(config: IdentityConfig) -> Ground:
    """What the operator said, asked before a photo is looked at. Raises: NoConsent."""
    if config.consent is None:
        grounds = "; ".join(f"`{ground}`: {_GROUNDS[ground]}" for ground in get_args(Ground))
        raise NoConsent(
            f"no ground for using the face in {config.photo!r}: somebody has to answer for every face that is put on",
            hint=f"say on what ground with `--consent GROUND` or `identity.consent`; {grounds}",
        )
    return config.consent


def now() -> str:
    """ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def store(folder: Path, record: ConsentRecord, photo: bytes, suffix: str) -> Path:
    """Write the photo, the record and a line of the log durably; returns the identity's folder.

    Two processes may store the same identity at once: each file is replaced as a whole, the log is appended under a lock.
    """
    home = keep(folder, record, photo, suffix, seal=False)
    grant(folder, [record])
    _seal(home, record)
    return home


def keep(folder: Path, record: ConsentRecord, photo: bytes, suffix: str, *, seal: bool = True) -> Path:
    """Write the photo, and with `seal` its record, durably into a folder of their own; the log is not told."""
    home = folder / record.photo_sha256[:16]
    home.mkdir(parents=True, exist_ok=True)
    picture = home / f"photo{suffix}"
    if not picture.exists():
        write_durably(picture, photo)
    if seal:
        _seal(home, record)
    return home


def grant(folder: Path, records: Iterable[ConsentRecord], identity: str = "") -> None:
    """Log that photos may be used, as part of a stored identity where its id is given."""
    named = {"identity": identity} if identity else {}
    _append(folder / _LOG, [{**asdict(record), **named} for record in records])


def withdraw(folder: Path, identity: str, photos: Iterable[str], by: str = "") -> None:
    """Log that an identity was removed: its records count no longer, whatever is still on the disk or in a copy."""
    told = {"event": "removed", "identity": identity, "photos": sorted(photos)}
    _append(folder / _LOG, [{**told, "who": by or login_name(), "when": now(), "livefuse_version": __version__}])


def _seal(home: Path, record: ConsentRecord) -> None:
    write_durably(home / _RECORD, (json.dumps(asdict(record), indent=2) + "\n").encode())


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


def require_standing(folder: Path, identity: str, photos: Iterable[str]) -> dict[str, ConsentRecord]:
    """The records of a stored identity's photos by their sha256, if the log has them too and not their removal.

    Raises: NoConsent when a record is missing, damaged, about another photo, unknown to the log or withdrawn.
    """
    home = folder / identity
    told = [entry for entry in entries(folder) if entry.get("identity") == identity]
    removed = next((entry for entry in told if entry.get("event") == "removed"), None)
    if removed is not None:
        raise NoConsent(f"the consent for {home} was withdrawn on {removed.get('when')}", hint=_AGAIN)
    records = {}
    for digest in photos:
        path = home / digest[:16] / _RECORD
        record = read_record(path.parent)
        if record.photo_sha256 != digest:
            raise NoConsent(f"the consent record {path} is not about this photo", hint=_AGAIN)
        if not any(asdict(record).items() <= entry.items() for entry in told):
            raise NoConsent(f"the consent record {path} was never given here: the log does not have it", hint=_AGAIN)
        records[digest] = record
    return records


def entries(folder: Path) -> list[dict[str, object]]:
    """What the log says, line by line; damaged lines say nothing. `verify_log` tells whether it was changed."""
    path = folder / _LOG
    lines = path.read_text("utf-8", "replace").splitlines() if path.exists() else []
    return [entry for entry in map(_parsed, lines) if entry is not None]


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


def _append(path: Path, told: Iterable[Mapping[str, object]]) -> None:
    """Add lines that each hold the hash of the line before: a later change shows.

    A last line without its end was cut off by a crash before anybody was told that it counts: it is written over.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"), path.open("a+b") as log:
        log.seek(0)
        whole, end, _ = log.read().rpartition(b"\n")
        log.truncate(len(whole) + len(end))
        previous = _digest(whole.rpartition(b"\n")[2].decode("utf-8", "replace")) if end else ""
        for entry in told:
            line = json.dumps({**entry, "previous": previous})
            log.write(line.encode() + b"\n")
            previous = _digest(line)
        log.flush()
        os.fsync(log.fileno())


def write_durably(path: Path, content: bytes) -> None:
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
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the disk know the folder's names as they are now."""
    if os.name == "posix":
        directory = os.open(folder, os.O_RDONLY)
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


def login_name() -> str:
    """Who runs this."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user id has no name
        return f"uid {os.getuid()}" if hasattr(os, "getuid") else "unknown"
