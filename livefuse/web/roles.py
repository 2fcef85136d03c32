"""Who may ask for what: each endpoint says its role, and one that says nothing is for the owner alone.

The owner has the daemon's token. An app that was paired has a token of its own with some of the scopes `view`, `control` and
`identities`; whoever may do more than watch may watch too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Flag
from typing import Any, TypeVar

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])
_MARK = "livefuse_role"


class Role(Flag):
    """What a caller has shown. Comparisons are those of sets: `held >= wanted` where all that is wanted is held."""

    EVERYBODY = 0
    VIEW = 1
    _CHANGES = 2
    _FACES = 4
    _REST = 8
    CONTROL = VIEW | _CHANGES
    IDENTITIES = VIEW | _FACES
    OWNER = CONTROL | IDENTITIES | _REST

    def __ge__(self, other: Role) -> bool:
        return self & other == other

    def __gt__(self, other: Role) -> bool:
        return self >= other and self != other

    def __le__(self, other: Role) -> bool:
        return other >= self

    def __lt__(self, other: Role) -> bool:
        return other > self


SCOPES: Mapping[str, Role] = {"view": Role.VIEW, "control": Role.CONTROL, "identities": Role.IDENTITIES}
"""What an app may be given, by the names that requests use."""


def role_with(scopes: Iterable[str]) -> Role:
    """The role of somebody with these scopes. Raises: KeyError."""
    role = Role.EVERYBODY
    for scope in scopes:
        role |= SCOPES[scope]
    return role


def everybody(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint that needs nothing: health, pages without content, files of the package."""
    return _marked(endpoint, Role.EVERYBODY)


def view(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint that shows what runs: free on loopback, else for whoever may watch."""
    return _marked(endpoint, Role.VIEW)


def control(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint that changes what runs, within what the owner allowed: no path or address of the caller's choice."""
    return _marked(endpoint, Role.CONTROL)


def identities(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint that shows, adds or removes faces."""
    return _marked(endpoint, Role.IDENTITIES)


def owner(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint for the daemon's own token; unmarked ones are like it."""
    return _marked(endpoint, Role.OWNER)


def role_of(endpoint: object) -> Role:
    """The role an endpoint wants."""
    return getattr(endpoint, _MARK, Role.OWNER)


def _marked(endpoint: Endpoint, role: Role) -> Endpoint:
    setattr(endpoint, _MARK, role)
    return endpoint
