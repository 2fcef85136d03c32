"""Apps that were paired: who they are, what they may do, and the hash of each one's token.

A token is 256 bits drawn by lot, so a plain SHA-256 of it is enough: there is nothing to guess. The file is read again when
another daemon of the same user has written it, so that what is revoked there is revoked here.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from livefuse.daemon.app_names import checked_app_name
from livefuse.daemon.job import now
from livefuse.errors import BadValue, DaemonError, NotHere
from livefuse.swap.consent import write_durably

log = logging.getLogger("livefuse")

Scope = Literal["view", "control", "identities"]
MOST_APPS = 100
_LOCK_S = 5.0
_NOTHING, _UNREADABLE = (-1, -1, -1), (-2, -2, -2)


class App(BaseModel):
    """One app. Of its token only the SHA-256 is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    name: str
    scopes: tuple[Scope, ...]
    token_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created: str
    last_used: str = ""


class _Kept(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1]
    apps: list[App]


class Apps:
    """Looking up is quick and belongs to any thread; what writes goes to the disk, so not on the event loop."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem = ""
        self._apps: dict[str, App] = {}
        self._by_token: dict[str, str] = {}
        self._used: dict[str, str] = {}
        self._seen = _NOTHING
        self._turn, self._writing = threading.Lock(), threading.Lock()
        self.list()

    def list(self) -> Sequence[App]:
        """All of them, the oldest first, each with the time when it last showed its token."""
        with self._turn:
            self._follow()
            return [self._with_use(app) for app in self._apps.values()]

    def with_token(self, token: str) -> App | None:
        """Whose token this is."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        with self._turn:
            self._follow()
            app = self._apps.get(self._by_token.get(digest, ""))
            if app is not None:
                self._used[app.id] = now()
            return app

    def scopes(self, app_id: str) -> tuple[Scope, ...]:
        """What an app may do by now: nothing when it was removed."""
        with self._turn:
            self._follow()
            app = self._apps.get(app_id)
            return app.scopes if app is not None else ()

    def add(self, name: str, scopes: Sequence[Scope]) -> tuple[App, str]:
        """The app, and its token, which nobody can tell again. Raises: BadValue, DaemonError."""
        token = f"lfa_{secrets.token_urlsafe(32)}"
        app = App(
            id=secrets.token_hex(8),
            name=checked_app_name(name),
            scopes=checked_scopes(scopes),
            token_sha256=hashlib.sha256(token.encode()).hexdigest(),
            created=now(),
        )
        with self._written() as apps:
            if len(apps) >= MOST_APPS:
                raise BadValue(f"{MOST_APPS} apps are paired", hint="remove some that are no longer used")
            apps[app.id] = app
        return app, token

    def change(self, app_id: str, *, name: str | None = None, scopes: Sequence[Scope] | None = None) -> App:
        """Raises: NotHere, BadValue, DaemonError."""
        said: dict[str, object] = {"name": checked_app_name(name)} if name is not None else {}
        if scopes is not None:
            said["scopes"] = checked_scopes(scopes)
        with self._written() as apps:
            if app_id not in apps:
                raise _unknown(app_id)
            apps[app_id] = apps[app_id].model_copy(update=said)
        return self._with_use(apps[app_id])

    def remove(self, app_id: str) -> None:
        """From now on its token is a wrong one. Raises: NotHere, DaemonError."""
        with self._written() as apps:
            if apps.pop(app_id, None) is None:
                raise _unknown(app_id)

    def keep_use(self) -> None:
        """Write down when each app was last heard of; a daemon that ends does so all the same if this fails."""
        self.list()
        with self._turn:
            newer = any(self._with_use(app) != app for app in self._apps.values())
        if not newer:
            return
        try:
            with self._written():
                pass
        except DaemonError as error:
            log.warning("when apps were last used is not kept: %s", error.message)

    @contextmanager
    def _written(self) -> Iterator[dict[str, App]]:
        """The apps as they are on the disk, to be changed; written when the block ends well."""
        with self._writing:  # not `_turn`: whoever looks up must not wait for a disk
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=_LOCK_S):
                    apps = {app.id: app for app in self.list()}
                    yield apps
                    kept = _Kept(schema_version=1, apps=[self._with_use(app) for app in apps.values()])
                    self._set_aside()
                    write_durably(self.path, kept.model_dump_json(indent=1).encode())
                    self.list()
            except OSError as error:
                hint = "is the disk full, or the folder another user's? nothing has changed"
                raise DaemonError(f"cannot write {self.path}: {error.strerror or error}", hint=hint) from error

    def _follow(self) -> None:
        """Read the file if it is another one than last time. A damaged one allows nobody."""
        stamp = _stamp(self.path)
        if stamp == self._seen:
            return
        self._seen, self.problem, self._apps = stamp, "", {}
        if stamp != _NOTHING:
            try:
                self._apps = {app.id: app for app in _Kept.model_validate_json(self.path.read_bytes()).apps}
            except (ValidationError, OSError) as error:
                said = error.strerror if isinstance(error, OSError) else "it is damaged"
                self.problem = f"{self.path.name} cannot be read: {said}; no app is allowed until it is paired again"
                log.error("%s", self.problem)
        self._by_token = {app.token_sha256: app.id for app in self._apps.values()}

    def _set_aside(self) -> None:
        """What could not be read is kept, never written over."""
        if self.problem and self.path.exists():
            self.path.replace(self.path.with_suffix(".damaged"))

    def _with_use(self, app: App) -> App:
        used = max(app.last_used, self._used.get(app.id, ""))
        return app.model_copy(update={"last_used": used}) if used != app.last_used else app


def checked_scopes(scopes: Sequence[Scope]) -> tuple[Scope, ...]:
    """In their usual order, each once. Raises: BadValue for none."""
    known: Mapping[Scope, int] = {"view": 0, "control": 1, "identities": 2}
    if not scopes:
        raise BadValue("an app without any scope could do nothing", hint="view, control or identities")
    return tuple(sorted(set(scopes), key=known.__getitem__))


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _NOTHING
    except OSError:
        return _UNREADABLE
    return found.st_mtime_ns, found.st_size, found.st_ino


def _unknown(app_id: str) -> NotHere:
    return NotHere(f"there is no app {app_id[:32]!r}", hint="`livefuse apps list` shows the apps there are")
