"""Admits a request by the role of its endpoint: before its body is read, and again by a dependency of every route.

The first spares the daemon what callers without a token send; the second is what denies by default, for it asks the very
endpoint that is about to answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi.routing import iter_route_contexts
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from livefuse.web.problems import Refused, explained
from livefuse.web.revocation import WhileHeld
from livefuse.web.roles import Role, role_of
from livefuse.web.tokens import Entry

_READING = ("GET", "HEAD")


class Admission:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, entry: Entry, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._entry = entry
        self._routes = list(iter_route_contexts(routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            wanted = self._wanted(scope["method"], scope["path"])
            try:
                await _admit(self._entry, HTTPConnection(scope), wanted)
            except Refused as error:
                await explained(error)(scope, receive, send)
                return
            app = scope["state"]["app"]
            if app:
                await WhileHeld(self._app, lambda: self._entry.role_of_app(app) >= wanted)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _wanted(self, method: str, path: str) -> Role:
        for route in self._routes:
            if method in (route.methods or ()) and route.path_regex.match(path):
                return role_of(route.endpoint)
        return Role.EVERYBODY  # there is no such route: 404 or 405


def dependency(entry: Entry) -> Callable[[HTTPConnection], Awaitable[None]]:
    """For the whole application: an endpoint that does not say its role needs the token."""

    async def admitted(connection: HTTPConnection) -> None:
        wanted = role_of(connection.scope.get("endpoint"))
        if not getattr(connection.state, "role", Role.EVERYBODY) >= wanted:
            await _admit(entry, connection, wanted)

    return admitted


async def _admit(entry: Entry, connection: HTTPConnection, wanted: Role) -> None:
    """Raises: Refused."""
    client, reading = connection.client, connection.scope.get("method") in _READING
    caller = await entry.admit(
        wanted,
        free=entry.free(connection.scope["livefuse.local"]),
        authorization=connection.headers.get("authorization", ""),
        ticket=connection.query_params.get("ticket", "") if reading else "",
        address=client.host if client else "",
    )
    connection.state.role, connection.state.app = caller
