"""The web application of a daemon: layers that refuse what is not for it, then pages, WHIP and WHEP, the API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from starlette.requests import HTTPConnection

from livefuse import __version__
from livefuse.web import docs, health, pages, problems, whip
from livefuse.web.api import routers
from livefuse.web.edge import Edge
from livefuse.web.limits import Limits
from livefuse.web.roles import role_of
from livefuse.web.security import Door
from livefuse.web.tokens import Entry, ticket_router

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon

_READING = ("GET", "HEAD")


def make_app(daemon: Daemon) -> FastAPI:
    """The application. `app.state.closing` is set when the daemon ends; `app.state.entry` knows the token and tickets.

    Raises: BadValue for `serve.hosts` or `serve.origins` that make no sense.
    """
    serve, secrets = daemon.config.serve, (daemon.token,)
    entry, closing = Entry(daemon.token, serve), asyncio.Event()
    app = FastAPI(
        title="livefuse",
        version=__version__,
        summary="Swaps the face of a consenting person in live video.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(_admission(entry))],
    )
    app.state.entry, app.state.closing = entry, closing
    problems.install(app, secrets)
    for layer, options in ((Limits, {}), (Door, {"serve": serve}), (Edge, {"closing": closing, "secrets": secrets})):
        app.add_middleware(layer, **options)
    for router in (health.router(daemon), docs.router(daemon, app), ticket_router(entry), *routers(daemon)):
        app.include_router(router)
    for router in (pages.router(daemon), whip.router(daemon)):  # last: their paths begin with any name
        app.include_router(router)
    Door(app, serve)  # the layers are made at the first request: what is wrong with them is said now
    return app


def _admission(entry: Entry) -> Callable[[HTTPConnection], Awaitable[None]]:
    """The dependency of every route there is: one that does not say its role needs the token."""

    async def admitted(connection: HTTPConnection) -> None:
        scope = connection.scope
        wanted = role_of(scope.get("endpoint"))
        client = connection.client
        connection.state.role = await entry.admit(
            wanted,
            free=entry.free(scope["livefuse.local"]),
            authorization=connection.headers.get("authorization", ""),
            ticket=connection.query_params.get("ticket", "") if scope.get("method") in _READING else "",
            address=client.host if client else "",
        )

    return admitted
