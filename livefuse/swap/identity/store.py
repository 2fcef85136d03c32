"""Identities kept under names.

`<folder>/<id>/` has `identity.json` and one folder per photo (see `livefuse.swap.consent`). An identity is written into a
folder of its own that is moved to its place when it is whole; ids are drawn by lot, so that a name is only a label. A
crash leaves the old identity, the new one, or both: then the newer one has the name.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

from livefuse.config import IdentityConfig
from livefuse.errors import IdentityError, NameTaken
from livefuse.swap import consent
from livefuse.swap.consent import ConsentRecord
from livefuse.swap.identity import Embed, FaceFinder, Identity, Shot
from livefuse.swap.identity.gather import gather
from livefuse.swap.identity.names import checked_name, is_id, same_name, unknown
from livefuse.swap.identity.restore import photo_of, restored
from livefuse.swap.identity.stored import FILE, StoredIdentity, StoredShot, read_stored
from livefuse.swap.identity.writing import digests_in, with_ground, write_identity

log = logging.getLogger("livefuse")

_LOCK, _STAGING, _REMOVED = ".identities.lock", ".staging-", ".removed-"
_ABANDONED_S = 3600.0  # a folder being written for longer was left by a crash


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A photo that was used without being stored under a name: kept with its consent record until it is removed."""

    id: str
    record: ConsentRecord


class Found(NamedTuple):
    """An identity by its id, and how to call it in a sentence."""

    id: str
    title: str


class IdentityStore:
    """Used by several processes at once. `folder` is made when something is first stored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def default(cls) -> IdentityStore:
        from livefuse.paths import Paths

        return cls(Paths.default().identities)

    def add(
        self,
        name: str,
        sources: Sequence[str],
        config: IdentityConfig,
        find: FaceFinder,
        embed: Embed | None = None,
        *,
        replace: bool = False,
    ) -> StoredIdentity:
        """Store one person's photos, folders of photos or videos under a name.

        Photos are kept as they came, of videos the chosen shots as PNG. With `embed`, photos of somebody else are marked.
        Raises: NoConsent, NameTaken, NoFace, SeveralFaces, IdentityError, SourceError.
        """
        name, config = checked_name(name), self.check(name, sources, config, replace=replace)
        gathered = gather(sources, config, find, embed)
        self.folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.folder))
        try:
            stored, records = write_identity(staging, name, gathered, config)
            self._publish(staging, stored, records, replace=replace)
        finally:
            shutil.rmtree(staging, ignore_errors=True)  # moved to its place when all went well
        return stored

    def check(
        self, name: str, sources: Sequence[str], config: IdentityConfig, *, replace: bool = False
    ) -> IdentityConfig:
        """What `add` refuses before it looks at a photo; the configuration with its ground.

        Raises: NoConsent, NameTaken, IdentityError.
        """
        name = checked_name(name)
        if not sources:
            raise IdentityError(f"no photo of {name!r} was given", hint="photos, a folder of photos, or a video")
        config = with_ground(config, sources)
        consent.stated_ground(config)
        old = self._named(name)
        if old is not None and not replace:
            raise _taken(old.name)
        return config

    def list(self) -> Sequence[StoredIdentity]:
        """All that can be read, by name; `damaged` has the rest."""
        return sorted(self._newest(), key=lambda stored: stored.name.casefold())

    def damaged(self) -> dict[str, str]:
        """What is wrong, by id, with identities that cannot be read or whose consent does not stand."""
        found = {}
        for home in self._homes():
            try:
                self.require_consent(read_stored(home))
            except IdentityError as error:
                found[home.name] = error.message
        return found

    def unnamed(self) -> Sequence[Unnamed]:
        """Photos that `--face PHOTO` left here, with their records."""
        found = []
        for home in self._folders():
            if not (home / FILE).exists():
                try:
                    found.append(Unnamed(home.name, consent.read_record(home)))
                except IdentityError as error:
                    log.warning("%s", error.message)
        return found

    def names(self) -> Sequence[str]:
        return [stored.name for stored in self.list()]

    def get(self, name: str) -> StoredIdentity:
        """By name, whatever its case, or by id. Raises: UnknownIdentity, IdentityError."""
        if is_id(name) and (self.folder / name / FILE).exists():
            return read_stored(self.folder / name)
        stored = self._named(name)
        if stored is None:
            raise unknown(name, self.names())
        return stored

    def load(self, name: str) -> Identity:
        """The identity, ready to be put on: no model is needed. Raises: UnknownIdentity, NoConsent, IdentityError."""
        from livefuse.swap.identity.load import assembled

        stored = self.get(name)
        records = self.require_consent(stored)
        return assembled(stored.name, [self.shot(stored, shot) for shot in stored.used], records)

    def require_consent(self, stored: StoredIdentity) -> dict[str, ConsentRecord]:
        """The records of its photos by sha256. Raises: NoConsent unless all stand."""
        return consent.require_standing(self.folder, stored.id, [shot.sha256 for shot in stored.shots])

    def photo(self, stored: StoredIdentity, shot: StoredShot) -> Path:
        return photo_of(self.folder / stored.id, shot)

    def shot(self, stored: StoredIdentity, shot: StoredShot) -> Shot:
        """With its picture. Raises: NoConsent when the photo is not the one consented to, IdentityError."""
        return restored(self.folder / stored.id, shot)

    def find(self, name: str) -> Found:
        """What a name or an id stands for, damaged or not. Raises: UnknownIdentity."""
        if is_id(name) and (self.folder / name).is_dir() and name not in {stored.id for stored in self._readable()}:
            return Found(name, f"the identity {name}")
        stored = self.get(name)
        return Found(stored.id, repr(stored.name))

    def remove(self, name: str, *, by: str = "") -> str:
        """Delete an identity's photos and all that was made of them, and log that it was; its id.

        The log of consents keeps who granted what, and when. Raises: UnknownIdentity.
        """
        if not self.folder.is_dir():
            raise unknown(name, [])
        with self._locked():
            found = self.find(name)
            self._delete(self.folder / found.id, by)
            return found.id

    def _publish(
        self, staging: Path, stored: StoredIdentity, records: Sequence[ConsentRecord], *, replace: bool
    ) -> None:
        with self._locked():
            self._tidy()
            old = self._named(stored.name)
            if old is not None and not replace:
                raise _taken(old.name)
            consent.grant(self.folder, records, stored.id)
            staging.replace(self.folder / stored.id)
            consent.sync_folder(self.folder)
            if old is not None:
                self._delete(self.folder / old.id, stored.who)

    def _delete(self, home: Path, by: str) -> None:
        """The withdrawal is logged first: from then on the consent does not stand, whatever happens to the files."""
        consent.withdraw(self.folder, home.name, digests_in(home), by)
        gone = self.folder / f"{_REMOVED}{home.name}"
        home.replace(gone)
        shutil.rmtree(gone)
        consent.sync_folder(self.folder)

    def _named(self, name: str) -> StoredIdentity | None:
        return next((stored for stored in self._newest() if same_name(stored.name, name)), None)

    def _newest(self) -> Sequence[StoredIdentity]:
        """What can be read, each name once."""
        by_age = sorted(self._readable(), key=lambda stored: stored.created)
        return list({stored.name.casefold(): stored for stored in by_age}.values())

    def _readable(self) -> Sequence[StoredIdentity]:
        found = []
        for home in self._homes():
            try:
                found.append(read_stored(home))
            except IdentityError as error:
                log.debug("%s", error.message)  # `damaged` tells
        return found

    def _homes(self) -> Sequence[Path]:
        return [home for home in self._folders() if (home / FILE).exists()]

    def _folders(self) -> Sequence[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(home for home in self.folder.iterdir() if is_id(home.name) and home.is_dir())

    def _tidy(self) -> None:
        """Remove what crashes left: unfinished folders, and older identities whose name a newer one has."""
        for part in self.folder.iterdir():
            unfinished = part.name.startswith(_STAGING) and time.time() - part.stat().st_mtime > _ABANDONED_S
            if unfinished or part.name.startswith(_REMOVED):
                shutil.rmtree(part)
        newest = {stored.id for stored in self._newest()}
        for stored in self._readable():
            if stored.id not in newest:
                self._delete(self.folder / stored.id, stored.who)

    def _locked(self) -> FileLock:
        return FileLock(self.folder / _LOCK)


def _taken(name: str) -> NameTaken:
    return NameTaken(
        f"there is a stored identity called {name!r}", hint="take another name, or replace it: `--replace`"
    )
