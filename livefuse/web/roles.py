"""Who may ask for what: each endpoint says its role, and one that says nothing needs the token."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_MARK = "livefuse_role"


class Role(IntEnum):
    """What a caller has shown; a higher one includes the lower ones."""

    EVERYBODY = 0
    VIEW = 1
    CONTROL = 2


def everybody(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint that needs nothing: health, pages without content, files of the package."""
    return _marked(endpoint, Role.EVERYBODY)


def view(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint that shows what runs: free on loopback, else it needs the token."""
    return _marked(endpoint, Role.VIEW)


def control(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint that changes something or shows faces, files or settings; unmarked ones are like it."""
    return _marked(endpoint, Role.CONTROL)


def role_of(endpoint: object) -> Role:
    """The role an endpoint wants."""
    return getattr(endpoint, _MARK, Role.CONTROL)


def _marked(endpoint: Endpoint, role: Role) -> Endpoint:
    setattr(endpoint, _MARK, role)
    return endpoint
