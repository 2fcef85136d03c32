"""About this machine, and about what went wrong."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter

from livefuse.doctor.report import default_checks, run_checks, summary
from livefuse.errors import BadValue, NotHere
from livefuse.explain import Explanation, all_errors, explain
from livefuse.web.api.told import Told, api_router
from livefuse.web.roles import everybody


class Finding(Told):
    """One fact. `fix` is a command that can be copied, or empty when nothing is to be done."""

    name: str
    status: Literal["ok", "warn", "missing"]
    detail: str
    fix: str


class Checkup(Told):
    counts: dict[str, int]
    findings: list[Finding]


class Explained(Told):
    """What an error code means. `position` leads from the root of the tree to it, `narrower` are those right below."""

    code: str
    name: str
    exit_code: int
    position: tuple[str, ...]
    narrower: tuple[str, ...]
    text: str


class ErrorList(Told):
    errors: list[Explained]


def router() -> APIRouter:
    """`/api/doctor`, `/api/errors`."""
    router = api_router("daemon")

    @router.get("/doctor")
    def run_doctor() -> Checkup:
        """Check what livefuse can use here, with the command that fixes what it cannot."""
        return Checkup.model_validate(summary(run_checks(default_checks())))

    @router.get("/errors")
    @everybody
    async def list_errors() -> ErrorList:
        """Every error code there is."""
        return ErrorList(errors=[_told(explain(code)) for code in all_errors()])

    @router.get("/errors/{code}")
    @everybody
    async def explain_error(code: str) -> Explained:
        """What a code means."""
        try:
            return _told(explain(code))
        except BadValue as error:
            raise NotHere(error.message, hint="/api/errors has all codes") from error

    return router


def _told(explanation: Explanation) -> Explained:
    return Explained.model_validate(explanation.as_dict())
