"""Who a caller is: the bearer token, the short-lived tickets made from it, and what guessing costs."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from fastapi import APIRouter, Request

from livefuse.daemon.apps import Apps
from livefuse.daemon.pairing import Pairing
from livefuse.daemon_config import ServeConfig
from livefuse.errors import NotAllowed
from livefuse.web.problems import Refused
from livefuse.web.roles import SCOPES, Role, role_with, view
from livefuse.web.security import is_loopback

TICKET_S = 60
_GUESSES = 10
_WINDOW_S = 60.0
_ADDRESSES = 1024

Clock = Callable[[], float]


class Caller(NamedTuple):
    """What somebody has shown, and the app whose token it was, if it was an app's."""

    role: Role = Role.EVERYBODY
    app: str = ""


class Tickets:
    """Words for a URL, where no header can be set (EventSource, pictures): they say who asked, and end soon."""

    def __init__(self, now: Clock = time.monotonic) -> None:
        self._key = secrets.token_bytes(32)
        self._now = now

    def issue(self, caller: Caller) -> str:
        """A ticket that shows for a minute what `caller` has shown, to be used for reading only."""
        body = f"{int(self._now() + TICKET_S)}.{caller.role.value}.{caller.app}.{secrets.token_urlsafe(6)}"
        return f"{body}.{self._mark(body)}"

    def caller(self, ticket: str) -> Caller:
        """Whose ticket it is; nobody's if it is not ours or has ended."""
        body, _, mark = ticket.rpartition(".")
        if not hmac.compare_digest(mark.encode(), self._mark(body).encode()):
            return Caller()
        ends, role, app, _ = body.split(".", 3)
        return Caller(Role(int(role)), app) if self._now() < int(ends) else Caller()

    def _mark(self, body: str) -> str:
        return hmac.new(self._key, body.encode(), hashlib.sha256).hexdigest()[:32]


class Guesses:
    """Different wrong tokens per address; who tried too many waits, even with the right one.

    The same wrong token again is no new guess: a page left open since the token changed must not lock its user out.
    """

    def __init__(self, now: Clock = time.monotonic, *, most: int = _GUESSES) -> None:
        self._now = now
        self._most = most
        self._tried: OrderedDict[str, dict[bytes, float]] = OrderedDict()

    def blocked_s(self, address: str) -> float:
        """How long this address still has to wait; 0 if it need not."""
        tried = self._recent(address)
        return max(0.0, min(tried.values()) + _WINDOW_S - self._now()) if len(tried) >= self._most else 0.0

    def wrong(self, address: str, token: str) -> None:
        """Count a wrong token."""
        tried = self._recent(address)
        if len(tried) < self._most:
            tried.setdefault(hashlib.sha256(token.encode()).digest(), self._now())
        self._tried[address] = tried
        self._tried.move_to_end(address)
        while len(self._tried) > _ADDRESSES:
            self._tried.popitem(last=False)

    def _recent(self, address: str) -> dict[bytes, float]:
        since = self._now() - _WINDOW_S
        return {guess: at for guess, at in self._tried.get(address, {}).items() if at > since}


class Entry:
    """Tells a caller's role, and refuses those whose role does not do."""

    def __init__(
        self,
        token: str,
        serve: ServeConfig,
        apps: Apps,
        pairing: Pairing,
        *,
        delay_s: tuple[float, float] = (0.1, 0.4),
    ) -> None:
        self._token = token.encode()
        self._apps, self._pairing = apps, pairing
        self._view = serve.view
        self._on_loopback = is_loopback(serve.host)
        self._delay_s = delay_s
        self.tickets = Tickets()
        self.guesses = Guesses()

    def free(self, local: bool) -> Role:
        """What a caller may do who shows nothing. `local`: over loopback and by a loopback name, so through no proxy."""
        is_open = self._view == "open" or (self._view == "auto" and self._on_loopback and local)
        return Role.VIEW if is_open else Role.EVERYBODY

    async def admit(
        self, wanted: Role, *, free: Role, authorization: str, ticket: str = "", address: str = ""
    ) -> Caller:
        """The caller, whose role is at least `wanted`. Raises: Refused."""
        token = bearer(authorization)
        shown = self._with_token(token, address) if token else self._with_ticket(ticket)
        held = shown.role | free
        if held >= wanted:
            return Caller(held, shown.app)
        if shown.role:
            raise _beyond(wanted)
        if not token:
            raise _unknown("the ticket has ended" if ticket else "this needs the token")
        await asyncio.sleep(secrets.SystemRandom().uniform(*self._delay_s))
        raise _unknown("the token is not one of this daemon")

    def role_of_app(self, app: str) -> Role:
        """What an app may do by now."""
        return role_with(self._apps.scopes(app))

    def _with_token(self, token: str, address: str) -> Caller:
        wait_s = self.guesses.blocked_s(address)
        if wait_s:
            hint = f"wait {wait_s:.0f} s"
            raise Refused(
                429, NotAllowed("too many wrong tokens from this address", hint=hint), {"Retry-After": f"{wait_s:.0f}"}
            )
        if hmac.compare_digest(token.encode(), self._token):
            return Caller(Role.OWNER)
        app = self._apps.with_token(token)
        if app is not None:
            return Caller(role_with(app.scopes), app.id)
        if not self._pairing.is_secret(token):
            self.guesses.wrong(address, token)
        return Caller()

    def _with_ticket(self, ticket: str) -> Caller:
        """An app's ticket shows no more than the app may do by now."""
        shown = self.tickets.caller(ticket) if ticket else Caller()
        return Caller(shown.role & self.role_of_app(shown.app), shown.app) if shown.app else shown


def bearer(authorization: str) -> str:
    """The token of an `Authorization` header; nothing if it has none. Source: RFC 6750 section 2.1."""
    scheme, _, token = authorization.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _unknown(what: str) -> Refused:
    hint = "send `Authorization: Bearer TOKEN`; `livefuse serve` prints where the token is kept"
    return Refused(401, NotAllowed(what, hint=hint), {"WWW-Authenticate": 'Bearer realm="livefuse"'})


def _beyond(wanted: Role) -> Refused:
    scopes = [scope for scope, role in SCOPES.items() if role >= wanted]
    if not scopes:
        return Refused(403, NotAllowed("this is for the owner of the daemon", hint="use the daemon's own token"))
    hint = "the owner can give it: the list of apps on the Connect page"
    return Refused(403, NotAllowed(f"this app may not do this: it lacks the scope `{scopes[0]}`", hint=hint))


def ticket_router(entry: Entry) -> APIRouter:
    """`POST /api/ticket`."""
    router = APIRouter(tags=["daemon"])

    @router.post("/api/ticket", status_code=201)
    @view
    async def make_ticket(request: Request) -> dict[str, str | int]:
        """A word that may stand in a URL as `?ticket=` for a minute, where no header can be set: event streams, pictures."""
        return {"ticket": entry.tickets.issue(Caller(request.state.role, request.state.app)), "seconds": TICKET_S}

    return router
