"""The pages and their files, from the package's own folder: no name from a URL ever becomes a path."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request, Response

from livefuse.errors import NotHere
from livefuse.web.roles import Role, everybody

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".woff2": "font/woff2",
}
_POLICY = {
    "default-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' blob: data:",
    "media-src": "'self' blob: mediastream:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file of the package as it is served."""

    body: bytes
    media_type: str
    etag: str


class StaticFiles:
    """All files that may be served, by their names; found once, read again when they change."""

    def __init__(self, folder: Path) -> None:
        files = (path for path in folder.rglob("*") if path.is_file() and path.suffix in _TYPES)
        self._paths = {path.relative_to(folder).as_posix(): path for path in files}
        self._read: dict[str, tuple[int, StaticFile]] = {}

    @property
    def names(self) -> Sequence[str]:
        return sorted(self._paths)

    def file(self, name: str) -> StaticFile:
        """Raises: NotHere."""
        path = self._paths.get(name)
        if path is None:
            raise NotHere("there is no such file", hint="the pages name those there are")
        changed_ns = path.stat().st_mtime_ns
        known = self._read.get(name)
        if known is None or known[0] != changed_ns:
            body = path.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
            known = changed_ns, StaticFile(body, _TYPES[path.suffix], etag)
            self._read[name] = known
        return known[1]


def static_folder() -> Path:
    """Where the package keeps its pages."""
    return Path(str(resources.files("livefuse.web"))) / "static"


def served(file: StaticFile, request: Request, headers: Mapping[str, str] | None = None) -> Response:
    """The file, or 304 if the browser has it; it asks each time, so that an updated daemon has no stale pages."""
    all_headers = {"ETag": file.etag, "Cache-Control": "no-cache", **(headers or {})}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if file.etag in known or "*" in known:
        return Response(status_code=304, headers=all_headers)
    return Response(file.body, headers=all_headers, media_type=file.media_type)


def policy(frame_ancestors: str = "'none'") -> dict[str, str]:
    """The Content-Security-Policy of a page: everything from here, nothing inline."""
    rules = _POLICY | {"frame-ancestors": frame_ancestors}
    return {"Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in rules.items())}


def router(daemon: Daemon) -> APIRouter:
    """`/`, `/sessions`, `/NAME`, `/NAME/publish`, `/static/...`: shells without content, so everybody may have them."""
    router = APIRouter(include_in_schema=False)
    files = StaticFiles(static_folder())
    ancestors = " ".join(["'self'", *daemon.config.serve.origins])

    def known(name: str, request: Request) -> None:
        """Which other sessions there are is for those who may watch."""
        if request.state.role < Role.VIEW and name not in daemon.channels:
            raise NotHere("there is no such session", hint="the start page lists them, with the token")
        daemon.channel(name)

    @router.api_route("/", methods=["GET", "HEAD"])
    @everybody
    async def studio(request: Request) -> Response:
        return served(files.file("studio.html"), request, policy())

    @router.api_route("/sessions", methods=["GET", "HEAD"])
    @everybody
    async def list_of_sessions(request: Request) -> Response:
        return served(files.file("sessions.html"), request, policy())

    @router.api_route("/static/{name:path}", methods=["GET", "HEAD"])
    @everybody
    async def static_file(name: str, request: Request) -> Response:
        return served(files.file(name), request)

    @router.api_route("/{name}", methods=["GET", "HEAD"])
    @everybody
    async def player(name: str, request: Request) -> Response:
        known(name, request)
        bare = "clean" in request.query_params
        return served(files.file("player.html"), request, policy(ancestors if bare else "'none'"))

    @router.api_route("/{name}/publish", methods=["GET", "HEAD"])
    @everybody
    async def publisher(name: str, request: Request) -> Response:
        known(name, request)
        return served(files.file("publish.html"), request, policy())

    return router
