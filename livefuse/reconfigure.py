"""What has to happen when a session goes over from one configuration to another: two values in, a plan out."""

from __future__ import annotations

from dataclasses import dataclass

from livefuse.config import Config
from livefuse.sections import Section

_LOOK = ("identity", "cast", "swap", "profile", "mask", "colour", "enhance", "expression")
_STAGES = ("detect", "align", "runtime", "auto_pull")
_CHOICE = ("track.faces", "track.index", "track.like", "track.recogniser", "track.likeness", "track.min_px")
_AT_ONCE = ("privacy.mode", "overlay.enabled", "source", "sinks", "stats", "cast")


@dataclass(frozen=True, slots=True)
class Plan:
    """`keys` are all that differ, dotted; `restart` those among them that a running session cannot take."""

    keys: list[str]
    restart: list[str]
    look: bool
    choice: bool
    stages: bool
    source: bool
    sinks_added: list[str]
    sinks_removed: list[str]


def plan(old: Config, new: Config) -> Plan:
    """From `old` to `new`."""
    keys = changed_keys(old, new)
    look = [key for key in keys if _section(key) in _LOOK]
    choice = [key for key in keys if key in _CHOICE or key == "cast"]
    stages = [key for key in keys if _section(key) in _STAGES or (_section(key) == "track" and key not in _CHOICE)]
    known = {*look, *choice, *stages, *(key for key in keys if key in _AT_ONCE)}
    return Plan(
        keys,
        [key for key in keys if key not in known],
        bool(look) or "privacy.mode" in keys,
        bool(choice),
        bool(stages),
        "source" in keys,
        _without(new.sinks, old.sinks),
        _without(old.sinks, new.sinks),
    )


def changed_keys(old: Config, new: Config) -> list[str]:
    """The dotted keys whose values differ."""
    keys = []
    for name in Config.model_fields:
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        if isinstance(before, Section) and isinstance(after, Section):
            fields = type(before).model_fields
            keys += [f"{name}.{key}" for key in fields if getattr(before, key) != getattr(after, key)]
        else:
            keys.append(name)
    return keys


def _section(key: str) -> str:
    return key.partition(".")[0]


def _without(these: tuple[str, ...], those: tuple[str, ...]) -> list[str]:
    """The URLs of the first that the second has not, counted as often as they stand there."""
    left = list(those)
    rest = []
    for url in these:
        if url in left:
            left.remove(url)
        else:
            rest.append(url)
    return rest
