"""What the API is, for programs and for people: /api, /openapi.json and a page that shows it, without foreign assets."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts

from livefuse import __version__
from livefuse.explain import all_errors
from livefuse.web.pages import StaticFiles, policy, served, static_folder
from livefuse.web.problems import MEDIA_TYPE, status_of
from livefuse.web.roles import Role, everybody, role_of, view

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon

_PROBLEM = {
    "type": "object",
    "description": "What went wrong. Source: RFC 9457.",
    "required": ["type", "title", "status", "detail", "code", "hint"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what happened, and the value"},
        "code": {"type": "string", "pattern": "^LF[0-9]{4}$", "description": "`livefuse explain CODE` describes it"},
        "hint": {"type": "string", "description": "what to do about it"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}
_CALLER = {
    Role.EVERYBODY: "Free.",
    Role.VIEW: "Free on loopback, else with a token that may watch.",
    Role.CONTROL: "With a token of the scope `control`.",
    Role.IDENTITIES: "With a token of the scope `identities`.",
    Role.OWNER: "With the daemon's own token.",
}


def router(daemon: Daemon, app: FastAPI) -> APIRouter:
    """`/api`, `/openapi.json`, `/docs`."""
    router = APIRouter(tags=["daemon"])
    files = StaticFiles(static_folder())
    made: dict[str, Any] = {}

    @router.get("/api")
    @view
    async def api_index() -> dict[str, Any]:
        """What runs here, and where to go on."""
        paths = {"docs": "/docs", "openapi": "/openapi.json", "health": "/healthz", "ready": "/readyz"}
        return {"name": "livefuse", "version": __version__, "sessions": sorted(daemon.channels), **paths}

    @router.get("/openapi.json", include_in_schema=False)
    @everybody
    async def openapi() -> JSONResponse:
        if not made:
            made.update(described(app))
        return JSONResponse(made)

    @router.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    @everybody
    async def docs_page(request: Request) -> Response:
        return served(files.file("docs.html"), request, policy())

    return router


def described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description, with the roles of routes and the codes of errors."""
    tree = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    components = tree.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    roles = {(path, method.lower()): role for path, method, role in routes(app)}
    for path, methods in tree["paths"].items():
        for method, operation in methods.items():
            _describe(operation, roles[path, method])
    tree["x-errors"] = [
        {"code": code, "name": cls.__name__, "status": status_of(cls), "text": inspect.getdoc(cls) or ""}
        for code, cls in all_errors().items()
    ]
    return tree


def routes(app: FastAPI) -> list[tuple[str, str, Role]]:
    """Every path and method that the application answers, with the role it wants."""
    found = []
    for context in iter_route_contexts(app.routes):
        for method in sorted(context.methods or ()):
            found.append((str(context.path), method, role_of(context.endpoint)))
    return found


def _describe(operation: dict[str, Any], role: Role) -> None:
    operation["x-role"] = (role.name or "").lower()
    operation["description"] = f"{operation.get('description', '')}\n\n{_CALLER[role]}".strip()
    responses = operation.setdefault("responses", {})
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if role is not Role.EVERYBODY:
        operation["security"] = [{}, {"token": []}] if role is Role.VIEW else [{"token": []}]
        responses.setdefault("401", {"description": "The token is missing or wrong.", "content": content})
    if "422" in responses:
        responses["422"] = {"description": "The request does not fit.", "content": content}
    responses.setdefault("default", {"description": "What went wrong.", "content": content})
