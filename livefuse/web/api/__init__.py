"""The API's routers.

Endpoints are marked with `view` or `everybody` of `livefuse.web.roles`, right below the route's decorator; unmarked ones
need the token. They raise `LivefuseError`s, which `livefuse.web.problems` answers as problem+json.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter


def routers(daemon: Any) -> list[APIRouter]:
    """Everything below /api, and /metrics."""
    del daemon
    return []
