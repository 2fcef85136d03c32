"""By which names this daemon may be called, and from whose pages: what keeps other web sites out of it.

A page of any site can make the browser of whoever runs the daemon send requests to it, and by DNS rebinding even read the
answers. So the Host must be one of ours, an Origin must be the same or a listed one, and whatever cannot be parsed is refused.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from livefuse.daemon_config import ServeConfig
from livefuse.errors import BadValue, NotAllowed
from livefuse.web.problems import Refused, explained

EXPOSED = "Location, ETag, Link, Retry-After"
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
_HEADERS = "Authorization, Content-Type, If-Match, If-None-Match"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_OF_PROXIES = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"via")
"""A proxy on this machine that puts our own name into Host (nginx does so unless told otherwise) looks local but for these."""
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_-]+(?:\.[a-z0-9_-]+)*)(?::([0-9]{1,5}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class Authority(NamedTuple):
    """A host, IPv6 in brackets, and the port if one was said."""

    host: str
    port: int | None

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


def authority(text: str) -> Authority | None:
    """`HOST[:PORT]` taken apart; nothing if it is not that. Source: RFC 9110 section 7.2."""
    found = _AUTHORITY.fullmatch(text.lower())
    if found is None:
        return None
    port = int(found[2]) if found[2] else None
    host = found[1]
    if port is not None and not 0 < port < 65536:
        return None
    if host.startswith("["):
        try:
            host = f"[{IPv6Address(host[1:-1]).compressed}]"
        except ValueError:
            return None
    return Authority(host, port)


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine, seen from itself."""
    if host == "localhost":
        return True
    try:
        return _plain(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_serve(serve: ServeConfig) -> None:
    """Raises: BadValue for hosts or origins that no request could ever match."""
    for host in serve.hosts:
        if authority(host) is None:
            raise BadValue(f"serve.hosts: {host!r} is no host name", hint="write NAME or NAME:PORT, without http://")
    for origin in serve.origins:
        if _origin(origin) is None:
            raise BadValue(f"serve.origins: {origin!r} is no origin", hint="write it as https://studio.example")


class Door:
    """ASGI middleware: refuses foreign hosts and origins, and answers the preflights of origins that are listed."""

    def __init__(self, app: ASGIApp, serve: ServeConfig) -> None:
        self._app = app
        self._serve = serve

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            host = _host(scope, self._serve)
            listed = _listed_origin(scope, host, self._serve)
        except Refused as error:
            await _refuse(error, scope, receive, send)
            return
        direct = not any(_header(scope, name) for name in _OF_PROXIES)
        scope["livefuse.local"] = direct and is_loopback(host.host) and is_loopback(_client(scope))
        if listed and scope["type"] == "http":
            await self._cross_origin(listed, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _cross_origin(self, origin: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method"):
            await _preflight(origin, scope)(scope, receive, send)
            return

        async def with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Access-Control-Allow-Origin"] = origin
                headers["Access-Control-Expose-Headers"] = EXPOSED
                headers.add_vary_header("Origin")
            await send(message)

        await self._app(scope, receive, with_origin)


def _host(scope: Scope, serve: ServeConfig) -> Authority:
    said = _header(scope, b"host")
    host = authority(said[0]) if len(said) == 1 else None
    if host is None or str(host) not in _own_names(scope, serve):
        words = ", ".join(said)[:100] or "nothing"
        hint = f'call it by its address, or list the name: serve.hosts = ["{host}"]' if host else "send one Host header"
        raise Refused(421, NotAllowed(f"this daemon is not called {words!r}", hint=hint))
    return host


def _own_names(scope: Scope, serve: ServeConfig) -> set[str]:
    address, port = scope.get("server") or ("", None)
    own = {*_LOOPBACK}
    bound = authority(f"[{serve.host}]" if ":" in serve.host else serve.host)
    if bound is not None:
        own.add(bound.host)
    try:
        local = _plain(address)  # the address of ours that the connection came to
        own.add(f"[{local.compressed}]" if local.version == 6 else str(local))
    except ValueError:
        pass
    own |= _certified(scope)
    names = {f"{host}:{port}" for host in own} | (own if port == _DEFAULT_PORTS[scope.get("scheme", "http")] else set())
    for further in serve.hosts:
        said = authority(further)
        names |= {str(said), f"{said.host}:{said.port or port}"} if said else set()
    return names


def _certified(scope: Scope) -> set[str]:
    """Over HTTPS also the names of our certificate: nobody else has one for them, so no other site can take them over."""
    tls = getattr(getattr(scope.get("app"), "state", None), "tls", None)
    return set(tls.names.hosts) if tls is not None and scope.get("scheme") == "https" else set()


def _listed_origin(scope: Scope, host: Authority, serve: ServeConfig) -> str:
    """The request's origin if it is a listed one, nothing if it is the same or unsaid. Raises: Refused."""
    said = _header(scope, b"origin")
    if not said:
        _check_fetch_site(scope)
        return ""
    origin = _origin(said[0]) if len(said) == 1 else None
    if origin is not None:
        if said[0].lower() in {known.lower().rstrip("/") for known in serve.origins}:
            return said[0]
        scheme, theirs = origin
        default = _DEFAULT_PORTS[scheme]
        same = (theirs.host, theirs.port or default) == (host.host, host.port or default)
        if same and (
            scheme == "https" or scope.get("scheme") != "https"
        ):  # a proxy may have taken the TLS off, not put it on
            return ""
    shown = ", ".join(said)[:100]
    raise Refused(403, NotAllowed(f"pages of {shown!r} may not call this daemon", hint="list it in serve.origins"))


def _check_fetch_site(scope: Scope) -> None:
    """Pictures, scripts and frames that foreign pages ask for carry no Origin; browsers say so in Sec-Fetch-Site."""
    site, mode = (_header(scope, name) for name in (b"sec-fetch-site", b"sec-fetch-mode"))
    if site and site[0] in ("cross-site", "same-site") and mode != ["navigate"]:
        raise Refused(403, NotAllowed("another site's page asked for this", hint="open the page of the daemon itself"))


def _origin(text: str) -> tuple[str, Authority] | None:
    scheme, found, rest = text.lower().rstrip("/").partition("://")
    where = authority(rest) if found else None
    return (scheme, where) if scheme in _DEFAULT_PORTS and where else None


def _preflight(origin: str, scope: Scope) -> Response:
    headers = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _HEADERS,
        "Access-Control-Max-Age": "600",
        "Vary": "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
    }
    if _header(scope, b"access-control-request-private-network"):
        headers["Access-Control-Allow-Private-Network"] = "true"
    return Response(status_code=204, headers=headers)


async def _refuse(error: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error.detail[:100]})
        return
    await explained(error)(scope, receive, send)


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _plain(address: str) -> IPv4Address | IPv6Address:
    """Raises: ValueError."""
    parsed = ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return mapped or parsed
