"""How long what is remembered of a face is kept."""

from __future__ import annotations

from typing import Protocol, TypeVar

_UNSEEN_NS = 1_000_000_000
_MOST = 64


class Seen(Protocol):
    seen_ns: int


K = TypeVar("K")
V = TypeVar("V", bound=Seen)


def forget(held: dict[K, V], t_ns: int) -> None:
    """Let go of what was not seen for a second and, of many, of those that came first: pictures that have nothing to do with each
    other have no time, and a new face each."""
    for key in [key for key, one in held.items() if is_old(one, t_ns)]:
        del held[key]
    while len(held) > _MOST:
        del held[next(iter(held))]


def is_old(one: Seen, t_ns: int) -> bool:
    """Whether a face has been away for so long that it begins anew."""
    return abs(t_ns - one.seen_ns) > _UNSEEN_NS
