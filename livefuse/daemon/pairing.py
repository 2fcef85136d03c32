"""Apps that ask for a token: each waits for a short while until the owner allows or denies it.

Whoever reaches the daemon may ask, so there are bounds: few at once, few in a while. Nothing here is on a disk, and no token
exists before the app that asked fetches it with the secret that only it was told.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from livefuse.daemon.app_names import checked_app_name
from livefuse.daemon.apps import Apps, Scope, checked_scopes
from livefuse.errors import AlreadyHere, NotAllowed, NotHere

PENDING_S = 120.0
FETCH_S = 60.0
MOST_PENDING = 3
MOST_OF_ONE = 2
_KEPT_S = 300.0
_WINDOW_S = 600.0
_MOST_OF_ADDRESS, _MOST_OF_ALL = 10, 40
_DENIED_S = 30.0

State = Literal["pending", "allowed", "denied", "expired", "delivered"]
Clock = Callable[[], float]


@dataclass(slots=True)
class Asking:
    """One request. `code` is what the app and the owner's page both show."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    code: str
    address: str
    secret_sha256: bytes
    ends_s: float
    origin: str = ""
    here: bool = False
    state: State = "pending"

    def expires_in_s(self, now_s: float) -> float:
        return max(0.0, self.ends_s - now_s)


class Pairing:
    """All methods belong to the event loop."""

    def __init__(self, apps: Apps, now: Clock = time.monotonic) -> None:
        self._apps, self._now = apps, now
        self._asking: dict[str, Asking] = {}
        self._began: deque[tuple[float, str]] = deque()

    def ask(
        self, name: str, scopes: Sequence[Scope], address: str, *, origin: str = "", here: bool = False
    ) -> tuple[Asking, str]:
        """Begin; the secret with which the app asks what became of it. `origin` is that of the web page that asks, `here`
        says whether the app runs on this machine. Raises: BadValue, NotAllowed."""
        name, scopes = checked_app_name(name), checked_scopes(scopes)
        wait_s = self.wait_s(address)
        if wait_s:
            raise NotAllowed("too many apps ask at once, or too often", hint=f"ask again in {wait_s:.0f} s")
        secret, now_s = secrets.token_urlsafe(32), self._now()
        taken = {one.code for one in self.pending()}
        code = next(code for code in iter(_code, "") if code not in taken)
        digest = hashlib.sha256(secret.encode()).digest()
        asking = Asking(secrets.token_hex(8), name, scopes, code, address, digest, now_s + PENDING_S, origin, here)
        self._asking[asking.id] = asking
        self._began.append((now_s, address))
        return asking, secret

    def wait_s(self, address: str) -> float:
        """How long this address has to wait before it may ask; 0 if it need not."""
        now_s, pending = self._now(), self.pending()
        while self._began and self._began[0][0] <= now_s - _WINDOW_S:
            self._began.popleft()
        own = [one for one in pending if one.address == address]
        waits_s = [one.ends_s + _DENIED_S for one in self._asking.values() if _denied(one, address)]
        if len(pending) >= MOST_PENDING or len(own) >= MOST_OF_ONE:
            waits_s.append(min(one.ends_s for one in pending))
        theirs = [began_s for began_s, whose in self._began if whose == address]
        if len(theirs) >= _MOST_OF_ADDRESS:
            waits_s.append(theirs[-_MOST_OF_ADDRESS] + _WINDOW_S)
        if len(self._began) >= _MOST_OF_ALL:
            waits_s.append(self._began[-_MOST_OF_ALL][0] + _WINDOW_S)
        return max(0.0, max(waits_s, default=now_s) - now_s)

    def pending(self) -> list[Asking]:
        """Those that wait for the owner, the oldest first."""
        self._tidy()
        return [one for one in self._asking.values() if one.state == "pending"]

    def expires_in_s(self, asking: Asking) -> float:
        return asking.expires_in_s(self._now())

    def of_secret(self, asking_id: str, secret: str) -> Asking:
        """Raises: NotHere, for a wrong secret as for a wrong id."""
        self._tidy()
        found = self._asking.get(asking_id)
        digest = hashlib.sha256(secret.encode()).digest()
        if found is None or not hmac.compare_digest(digest, found.secret_sha256):
            raise _gone()
        return found

    def is_secret(self, secret: str) -> bool:
        """Whether a bearer word is no guess at the token, but the secret of one that asks."""
        digest = hashlib.sha256(secret.encode()).digest()
        return any(hmac.compare_digest(digest, one.secret_sha256) for one in self._asking.values())

    async def delivered(self, asking: Asking) -> str:
        """The token of one that was allowed, made now; nothing the second time. Raises: BadValue, DaemonError."""
        if asking.state != "allowed":
            return ""
        asking.state = "delivered"
        try:
            _, token = await asyncio.to_thread(self._apps.add, asking.name, asking.scopes)
        except BaseException:
            asking.state = "allowed"
            raise
        return token

    def allow(self, asking_id: str, scopes: Sequence[Scope] | None = None) -> Asking:
        """With other scopes than it asked for, if these are said. Raises: NotHere, AlreadyHere, BadValue."""
        asking = self._answerable(asking_id)
        if scopes is not None:
            asking.scopes = checked_scopes(scopes)
        asking.state, asking.ends_s = "allowed", self._now() + FETCH_S
        return asking

    def deny(self, asking_id: str) -> Asking:
        """Raises: NotHere, AlreadyHere."""
        asking = self._answerable(asking_id)
        asking.state, asking.ends_s = "denied", self._now()
        return asking

    def _answerable(self, asking_id: str) -> Asking:
        self._tidy()
        asking = self._asking.get(asking_id)
        if asking is None:
            raise _gone()
        if asking.state != "pending":
            raise AlreadyHere(f"{asking.name!r} does not wait: {asking.state}", hint="have the app ask again")
        return asking

    def _tidy(self) -> None:
        now_s = self._now()
        for one in list(self._asking.values()):
            if one.state in ("pending", "allowed") and one.ends_s <= now_s:
                one.state = "expired"
            if one.ends_s <= now_s - _KEPT_S:
                del self._asking[one.id]


def _code() -> str:
    return f"{secrets.randbelow(10_000):04d}"


def _denied(asking: Asking, address: str) -> bool:
    return asking.state == "denied" and asking.address == address


def _gone() -> NotHere:
    return NotHere("nothing of that id asks for a token", hint="ask again: POST /api/pair")
