"""The web application of a daemon: layers that refuse what is not for it, then pages, WHIP and WHEP, the API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI

from livefuse import __version__
from livefuse.web import docs, health, pages, problems, whip
from livefuse.web.admission import Admission, dependency
from livefuse.web.api import routers
from livefuse.web.edge import Edge
from livefuse.web.limits import Limits
from livefuse.web.security import Door, check_serve
from livefuse.web.tokens import Entry, ticket_router

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


def make_app(daemon: Daemon) -> FastAPI:
    """The application. `app.state.closing` is set when the daemon ends; `app.state.entry` knows the token and tickets.

    Raises: BadValue for `serve.hosts` or `serve.origins` that make no sense.
    """
    serve, secrets = daemon.config.serve, (daemon.token,)
    entry, closing = Entry(daemon.token, serve, daemon.apps, daemon.pairing), asyncio.Event()
    app = FastAPI(
        title="livefuse",
        version=__version__,
        summary="Swaps the face of a consenting person in live video.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(dependency(entry))],
    )
    app.state.entry, app.state.closing = entry, closing
    problems.install(app, secrets)
    for router in (health.router(daemon), docs.router(daemon, app), ticket_router(entry), *routers(daemon)):
        app.include_router(router)
    for router in (pages.router(daemon), whip.router(daemon)):  # last: their paths begin with any name
        app.include_router(router)
    check_serve(serve)
    app.add_middleware(Limits)  # the last one added is the first to see a request
    app.add_middleware(Admission, entry=entry, routes=app.routes)
    app.add_middleware(Door, serve=serve)
    app.add_middleware(Edge, closing=closing, secrets=secrets)
    return app
