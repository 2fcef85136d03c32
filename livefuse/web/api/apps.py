"""Apps: one asks for a token of its own, the owner allows or denies it on the page, and can take it back at any time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from livefuse.daemon.apps import App, Scope
from livefuse.daemon.asked import AskedText
from livefuse.daemon.pairing import Asking
from livefuse.errors import NotAllowed
from livefuse.web.api.told import Asked, Told, api_router
from livefuse.web.problems import Refused
from livefuse.web.roles import everybody, owner
from livefuse.web.tokens import bearer

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon

Scopes = Annotated[tuple[Scope, ...], Field(min_length=1, max_length=8)]


class AskToPair(Asked):
    name: AskedText = Field(max_length=200, description="what the owner reads: at most 40 visible characters")
    scopes: Scopes = Field(("view", "control"), description="view, control, identities")


class Asks(Told):
    """Show `code` to your user; then ask `GET /api/pair/ID` about once a second, with `secret` as the bearer token."""

    id: str
    secret: str
    code: str = Field(description="what the owner's page shows too")
    expires_in: float = Field(description="seconds")


class Paired(Told):
    """What became of it. `token` is told once."""

    state: Literal["pending", "allowed", "denied", "expired", "delivered"]
    name: str
    scopes: tuple[Scope, ...]
    token: str = ""
    expires_in: float = Field(description="seconds until the owner can no longer answer")


class PendingApp(Told):
    """An app that asks. `here` says whether it runs on the daemon's own machine."""

    id: str
    name: str
    scopes: tuple[Scope, ...]
    code: str
    address: str
    origin: str = Field(description="of the web page that asks, if it is one")
    here: bool
    expires_in: float


class PairedApp(Told):
    id: str
    name: str
    scopes: tuple[Scope, ...]
    created: str
    last_used: str = Field(description="when it last showed its token; empty if it never did")


class AppList(Told):
    apps: list[PairedApp]
    pending: list[PendingApp]
    problem: str = Field("", description="why no app is allowed, if their list could not be read")


class Allow(Asked):
    scopes: Scopes | None = Field(None, description="instead of those it asked for")


class AppChange(Asked):
    name: AskedText | None = Field(None, max_length=200)
    scopes: Scopes | None = None


def router(daemon: Daemon) -> APIRouter:
    """`/api/pair`, `/api/apps`."""
    router = api_router("apps")

    @router.post("/pair", status_code=202)
    @everybody
    async def ask_to_pair(body: AskToPair, request: Request, response: Response) -> Asks:
        """Ask the owner for a token. Nothing is given before it was allowed on the daemon's page."""
        _check_asker(daemon, request)
        asking, secret = daemon.pairing.ask(
            body.name,
            body.scopes,
            _address(request),
            origin=_foreign_origin(daemon, request),
            here=request.scope["livefuse.local"],
        )
        response.headers["Location"] = f"/api/pair/{asking.id}"
        return Asks(id=asking.id, secret=secret, code=asking.code, expires_in=daemon.pairing.expires_in_s(asking))

    @router.get("/pair/{asking}")
    @everybody
    async def get_pairing(asking: str, request: Request) -> Paired:
        """What became of a request, for the app that made it; its token, once, when it was allowed."""
        found = daemon.pairing.of_secret(asking, bearer(request.headers.get("authorization", "")))
        state, token = found.state, await daemon.pairing.delivered(found)
        return Paired(
            state=state if token or state != "allowed" else "delivered",
            name=found.name,
            scopes=found.scopes,
            token=token,
            expires_in=daemon.pairing.expires_in_s(found),
        )

    @router.post("/pair/{asking}/allow")
    @owner
    async def allow_app(asking: str, body: Allow | None = None) -> PendingApp:
        """Let it have a token, with the scopes it asked for or with those that are said."""
        return _pending(daemon, daemon.pairing.allow(asking, body.scopes if body is not None else None))

    @router.post("/pair/{asking}/deny")
    @owner
    async def deny_app(asking: str) -> PendingApp:
        """Let it have none. It may ask again a little later."""
        return _pending(daemon, daemon.pairing.deny(asking))

    @router.get("/apps")
    @owner
    async def list_apps() -> AppList:
        """Who has a token and what it may do, and who asks for one."""
        apps = [_app(app) for app in daemon.apps.list()]
        return AppList(apps=apps, pending=pending_apps(daemon), problem=daemon.apps.problem)

    @router.patch("/apps/{app_id}")
    @owner
    def change_app(app_id: str, body: AppChange) -> PairedApp:
        """Call it differently, or let it do more or less, from now on."""
        return _app(daemon.apps.change(app_id, name=body.name, scopes=body.scopes))

    @router.delete("/apps/{app_id}", status_code=204)
    @owner
    def remove_app(app_id: str) -> None:
        """Take its token back; what it has open ends within a second."""
        daemon.apps.remove(app_id)

    return router


def pending_apps(daemon: Daemon) -> list[PendingApp]:
    """Who asks now, the oldest first."""
    return [_pending(daemon, asking) for asking in daemon.pairing.pending()]


def _check_asker(daemon: Daemon, request: Request) -> None:
    """Raises: NotAllowed, Refused."""
    if not daemon.config.serve.pairing:
        raise NotAllowed("this daemon pairs no apps: serve.pairing is off", hint="use the daemon's own token")
    wait_s = daemon.pairing.wait_s(_address(request))
    if wait_s:
        hint = f"ask again in {wait_s:.0f} s"
        error = NotAllowed("too many apps ask at once, or too often", hint=hint)
        raise Refused(429, error, {"Retry-After": f"{max(1.0, wait_s):.0f}"})


def _foreign_origin(daemon: Daemon, request: Request) -> str:
    """Only one that is listed: a program may say that it is a page of ours, and would be believed."""
    said = request.headers.get("origin", "")
    known = {origin.lower().rstrip("/") for origin in daemon.config.serve.origins}
    return said if said.lower() in known else ""


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _pending(daemon: Daemon, asking: Asking) -> PendingApp:
    return PendingApp(
        id=asking.id, name=asking.name, scopes=asking.scopes, code=asking.code, address=asking.address,
        origin=asking.origin, here=asking.here, expires_in=daemon.pairing.expires_in_s(asking),
    )  # fmt: skip


def _app(app: App) -> PairedApp:
    return PairedApp(**app.model_dump(exclude={"token_sha256"}))
