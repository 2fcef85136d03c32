"""What several answers of the API have in common."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from livefuse.config import Config


class Told(BaseModel):
    """What is answered. A daemon may come to tell more than an older client knows."""

    model_config = ConfigDict(extra="allow")


class Asked(BaseModel):
    """A body. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Change(Told):
    """What became of a change."""

    live: list[str] = Field(description="keys that a running session took without a hitch")
    restarted: bool = Field(description="whether the session had to begin anew; its viewers stayed")


def api_router(tag: str) -> APIRouter:
    """A router below /api whose operations are called what their functions are, so that clients can be generated."""
    return APIRouter(prefix="/api", tags=[tag], generate_unique_id_function=_name)


def said(config: Config) -> dict[str, Any]:
    """What a partial configuration says, as nested mappings: only the keys that were written."""
    return config.model_dump(exclude_unset=True)


def _name(route: APIRoute) -> str:
    return route.name
