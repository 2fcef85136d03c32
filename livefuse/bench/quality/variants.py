"""What is compared: configurations that differ in one stage."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from livefuse.config import known_keys, make_config, toml_value
from livefuse.errors import BadValue, UnknownKey
from livefuse.weights.store import ModelStore

_NEXT_KEY = re.compile(r",(?=\s*[a-z_]+\.[a-z_]+\s*=)")
_AT_HAND = ("present", "verified", "unverified")
PLAIN: Mapping[str, Any] = {
    "mask.occlusion": (),
    "mask.steady": 0.0,
    "colour.method": "none",
    "colour.seam": 0.0,
    "enhance.model": "",
    "track.smooth": False,
}
"""Every stage off: the swapper alone."""


@dataclass(frozen=True, slots=True)
class Variant:
    """`settings` are configuration keys that differ from the session's; with `skipped` there is a reason not to run it."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ""

    @property
    def shown(self) -> str:
        """The settings as they are written on a command line."""
        return ", ".join(f"{key}={_written(value)}" for key, value in self.settings.items()) or "as it comes"


def default_variants(swapper: str, store: ModelStore) -> list[Variant]:
    """All stages off, as it comes, and as it comes but for one stage, in the order of the pipeline."""
    learned = swapper != "mesh"
    return [
        Variant("plain", PLAIN),
        Variant("default"),
        Variant("no-smoothing", {"track.smooth": False}),
        Variant("no-occlusion", {"mask.occlusion": ()}),
        Variant("no-steady-edges", {"mask.steady": 0.0}),
        Variant("no-seam-tint", {"colour.seam": 0.0}, "" if learned else "the mesh takes its colours by itself"),
        Variant("no-colour", {"colour.method": "none"}, "" if learned else "the mesh comes without"),
        *(Variant(method, {"colour.method": method}) for method in ("lab", "histogram", "relight")),
        Variant("boost-2", {"swap.boost": 2}, "" if learned else "the mesh works at the picture's own resolution"),
        _enhanced(store),
    ]


def _enhanced(store: ModelStore) -> Variant:
    """The first enhancer at hand: a comparison does not fetch hundreds of megabytes that nobody asked for."""
    names = sorted(name for name, recipe in store.recipes.items() if recipe.kind == "enhancer")
    at_hand = [name for name in names if store.status(name) in _AT_HAND]
    if at_hand:
        return Variant("enhancer", {"enhance.model": at_hand[0], "enhance.wait": True})
    return Variant("enhancer", skipped="no enhancer on this machine: `livefuse models list`")


def chosen_variants(words: Sequence[str], swapper: str, store: ModelStore) -> list[Variant]:
    """What the command's words say: `NAME=key=value,...` is a variant of one's own, a bare NAME one of the default ones; all
    of those without a word. Raises: BadValue, UnknownKey."""
    known = {variant.name: variant for variant in default_variants(swapper, store)}
    if not words:
        return list(known.values())
    chosen = [_parsed(word, known) for word in words]
    twice = {one.name for one in chosen if sum(other.name == one.name for other in chosen) > 1}
    if twice:
        raise BadValue(f"two variants are called {sorted(twice)[0]!r}", hint="give each a name of its own")
    return chosen


def _parsed(word: str, known: Mapping[str, Variant]) -> Variant:
    name, found, rest = word.partition("=")
    if not name or (found and not rest):
        raise BadValue(f"--variant {word!r}", hint="write it as NAME=section.key=value,section.key=value")
    if not found:
        if name not in known:
            raise BadValue(f"--variant {name!r} names none that is known", hint=f"known: {', '.join(known)}")
        return known[name]
    settings = dict(_setting(word, pair) for pair in _NEXT_KEY.split(rest))
    make_config({}, settings, origin=f"--variant {name}")
    return Variant(name, settings)


def _setting(word: str, pair: str) -> tuple[str, Any]:
    key, found, value = pair.partition("=")
    key = key.strip()
    if not found:
        raise BadValue(f"--variant {word!r}: {pair!r} says no value", hint="write it as section.key=value")
    if key not in known_keys():
        raise UnknownKey(f"--variant {word!r}: there is no key `{key}`", hint="known keys: " + ", ".join(known_keys()))
    return key, toml_value(value.strip())


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(f'"{one}"' for one in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)
