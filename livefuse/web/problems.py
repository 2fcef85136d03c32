"""Errors as application/problem+json (RFC 9457): the code and hint that the command line shows, and never a secret."""

from __future__ import annotations

import difflib
import logging
import re
import traceback
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from livefuse import errors
from livefuse.daemon.shown import masked_in
from livefuse.errors import BadValue, DaemonError, LivefuseError, NotAllowed, NotHere, UnknownKey

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5

STATUS: Mapping[type[LivefuseError], int] = {
    LivefuseError: 500,
    errors.ConfigError: 422,
    errors.SourceError: 422,
    errors.SourceLost: 503,
    errors.SinkError: 422,
    errors.DiskFull: 507,
    errors.SinkLost: 503,
    errors.VirtualCameraMissing: 409,
    errors.IdentityError: 422,
    errors.NoConsent: 403,
    errors.UnknownIdentity: 404,
    errors.NameTaken: 409,
    errors.ModelError: 500,
    errors.ModelMissing: 409,
    errors.RecipeInvalid: 422,
    errors.DownloadFailed: 502,
    errors.StoreUnwritable: 507,
    errors.LicenceNotAccepted: 403,
    errors.ModelInUse: 409,
    errors.EngineError: 500,
    errors.SessionError: 500,
    errors.Interrupted: 409,
    errors.NeedsRestart: 409,
    errors.NotRunning: 409,
    errors.PeerError: 503,
    errors.BadOffer: 400,
    errors.TooManyPeers: 503,
    errors.DaemonError: 500,
    errors.NotHere: 404,
    errors.AlreadyHere: 409,
    errors.NotAllowed: 403,
    errors.DaemonUnreachable: 502,
}
"""What a class is answered with; those that are not here, as the nearest class above them."""

_log = logging.getLogger(__name__)


class Refused(HTTPException):
    """A request that is answered with an error of ours and a status of HTTP's own, such as 413 or 421."""

    def __init__(self, status: int, error: LivefuseError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, error.message, dict(headers or {}))
        self.error = error


def status_of(error: type[LivefuseError]) -> int:
    """The HTTP status of an error class."""
    return next(STATUS[cls] for cls in error.__mro__ if cls in STATUS)


def problem(
    status: int,
    error: LivefuseError,
    headers: Mapping[str, str] | None = None,
    *,
    secrets: Sequence[str] = (),
    **more: Any,
) -> JSONResponse:
    """One error as a response."""
    cls = type(error)
    body = {
        "type": f"/docs#{cls.code}",
        "title": _words(cls.__name__) if cls is not LivefuseError else HTTPStatus(status).phrase,
        "status": status,
        "detail": scrubbed(error.message, secrets),
        "code": cls.code,
        "hint": scrubbed(error.hint, secrets),
    }
    wait = {"Retry-After": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return JSONResponse(body | more, status, {**wait, **(headers or {})}, MEDIA_TYPE)


def explained(error: Exception, secrets: Sequence[str] = (), *, asked: Any = None) -> JSONResponse:
    """Any exception as a response; what nobody foresaw is logged, and answered without its words.

    `asked` is the type of the body that the route takes: where the nearest key is looked for.
    """
    if isinstance(error, Refused):
        return problem(error.status_code, error.error, error.headers, secrets=secrets)
    if isinstance(error, LivefuseError):
        return problem(status_of(type(error)), error, secrets=secrets)
    if isinstance(error, RequestValidationError):
        return _invalid(error, secrets, asked)
    if isinstance(error, HTTPException):
        said = scrubbed(str(error.detail), secrets)
        return problem(error.status_code, _of_http(error.status_code, said), error.headers, secrets=secrets)
    text = scrubbed("".join(traceback.format_exception(error)), secrets)
    _log.error("internal error\n%s", text)
    return problem(500, LivefuseError("internal error", hint="the daemon's log has the details"))


def scrubbed(text: str, secrets: Sequence[str] = ()) -> str:
    """The text without the given secrets, and with passwords and stream keys of URLs as `***`."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return masked_in(text)


def install(app: FastAPI, secrets: Sequence[str]) -> None:
    """Answer every error of the application's routes as a problem."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        response = explained(error, secrets, asked=_asked(request))
        if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            response.headers["Allow"] = ", ".join(_methods(app, request.scope["path"]))
        return response

    for cls in (LivefuseError, HTTPException, RequestValidationError):
        app.add_exception_handler(cls, answer)


def _methods(app: FastAPI, path: str) -> list[str]:
    """All methods that a path takes; a router knows only those of the first route that fits."""
    fitting = [route for route in iter_route_contexts(app.routes) if route.path_regex.match(path)]
    return sorted({method for route in fitting for method in route.methods or ()})


def _asked(request: Request) -> Any:
    """The type of the body that the route takes, or None."""
    field = getattr(request.scope.get("route"), "body_field", None)
    return field.field_info.annotation if field is not None else None


def _invalid(error: RequestValidationError, secrets: Sequence[str], asked: Any) -> JSONResponse:
    # without `input`: a body may hold a password
    found = [
        {"where": ".".join(str(part) for part in one["loc"]), "what": scrubbed(str(one["msg"]), secrets)}
        for one in error.errors()
    ]
    first = error.errors()[0]
    if first["type"] == "extra_forbidden" and first["loc"][0] == "body":
        path = [str(part) for part in first["loc"][1:]]
        unknown = UnknownKey(f"request: unknown key `{'.'.join(path)}`", hint=_nearest(path, asked))
        return problem(422, unknown, secrets=secrets, errors=found)
    words = "; ".join(f"{one['where']}: {one['what']}" for one in found)
    hint = "/docs describes what this address takes"
    return problem(422, BadValue(f"the request does not fit: {words}", hint=hint), secrets=secrets, errors=found)


def _nearest(path: Sequence[str], asked: Any) -> str:
    *above, wrong = path
    for part in above:
        info = getattr(asked, "model_fields", {}).get(part)
        asked = info.annotation if info is not None else None
    if not (isinstance(asked, type) and issubclass(asked, BaseModel)):
        return "/docs describes what this address takes"
    near = difflib.get_close_matches(wrong, asked.model_fields, n=1, cutoff=0.5)
    if near:
        return f"did you mean `{'.'.join([*above, near[0]])}`?"
    return "known keys here: " + ", ".join(asked.model_fields)


def _of_http(status: int, detail: str) -> LivefuseError:
    if status == HTTPStatus.NOT_FOUND:
        return NotHere("there is nothing at this address", hint="/docs lists what there is")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return NotAllowed(detail)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return DaemonError(detail)
    return BadValue(f"the request cannot be taken: {detail}", hint="/docs describes what this address takes")


def _words(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).capitalize()
