"""The API's routers.

Endpoints are marked with `view` or `everybody` of `livefuse.web.roles`, right below the route's decorator; unmarked ones
need the token. They raise `LivefuseError`s, which `livefuse.web.problems` answers as problem+json. Everything slow is done
by plain functions, which FastAPI runs on threads of its own: the loop that carries the media never waits for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from livefuse.web import metrics
from livefuse.web.api import (
    apps,
    camera,
    config,
    connect,
    control,
    drawn,
    engines,
    events,
    first,
    history,
    identities,
    jobs,
    models,
    presets,
    recordings,
    sessions,
    sinks,
    sources,
    system,
    uploads,
)
from livefuse.web.records import Records

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


def routers(daemon: Daemon) -> list[APIRouter]:
    """Everything below /api, and /metrics."""
    records = Records()
    parts = (
        apps,
        control,
        connect,
        camera,
        sinks,
        identities,
        drawn,
        models,
        engines,
        sources,
        uploads,
        first,
        presets,
        history,
        jobs,
        config,
    )
    return [
        *(part.router(daemon) for part in parts),
        system.router(),
        *(part.router(daemon, records) for part in (sessions, events, metrics, recordings)),
    ]
