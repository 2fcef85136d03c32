"""What an app that may control a session may set there. The rest is for the owner: whatever names a file or an address of the
caller's choice, puts on a face that is not stored, opens privacy, or takes the badge away.

A key that is not said to be harmless is the owner's. What a session says already, or the owner's configuration, anybody who
may control it may say too; and presets, which the owner keeps, may be applied whole.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from livefuse.config import Config
from livefuse.errors import NotAllowed
from livefuse.swap.identity.load import names_stored

_HARMLESS = (
    "detect",
    "align",
    "track",
    "swap",
    "mask",
    "colour",
    "enhance",
    "expression",
    "profile",
    "adaptive",
    "live",
    "output",
)
_PLAIN = re.compile(r"[\w+-][\w .+-]*|")
_SOURCE = re.compile(r"(camera:[\w -]+|webrtc:|synthetic:[\w@./:-]*)(\?[\w=&./%-]*)?")
_SINK = re.compile(r"(null:|webrtc:|pipewire:|vcam:(/dev/video\d+)?)(\?[\w=&.-]*)?")
_DRAWN = re.compile(r"synthetic:\d+")


def check_for_app(change: Mapping[str, Any], now: Config | None, addresses: Collection[str]) -> None:
    """`addresses` are those that the owner's configuration names. Raises: NotAllowed, naming the keys."""
    beyond = sorted(set(_beyond(change, now, addresses)))
    if beyond:
        raise NotAllowed(
            f"an app may not set this: {', '.join(beyond)}",
            hint="the owner can keep it in a preset, which apps may apply",
        )


def _beyond(change: Mapping[str, Any], now: Config | None, addresses: Collection[str]) -> Iterator[str]:
    known = now.model_dump() if now is not None else {}
    for name, value in change.items():
        if isinstance(value, Mapping):
            before = known.get(name) or {}
            for key, inner in value.items():
                if not (key in before and before[key] == inner) and not _may_set(name, key, inner, value):
                    yield f"{name}.{key}"
        elif not (name in known and known[name] == value) and not _may_name(name, value, known, addresses):
            yield name


def _may_name(name: str, value: Any, known: Mapping[str, Any], addresses: Collection[str]) -> bool:
    """A key of no section: where pictures come from and go to."""
    if name == "source":
        return value in addresses or (bool(_SOURCE.fullmatch(value)) and not Path(value).exists())
    if name == "sinks":
        allowed = {*addresses, *known.get("sinks", ())}
        return all(url in allowed or _SINK.fullmatch(url) for url in value)
    return False


def _may_set(section: str, key: str, value: Any, beside: Mapping[str, Any]) -> bool:
    if section in _HARMLESS:
        return _is_plain(value) and (section, key, bool(value)) != ("track", "like", True)
    if section == "overlay":
        return key == "enabled" or (key == "badge" and value is True)
    if section == "privacy":
        return (key, value) in (("mode", "closed"), ("slate", "")) or key == "cover"
    if section == "identity":
        return _may_wear(key, value, str(beside.get("photo", "")))
    return False


def _may_wear(key: str, value: Any, photo: str) -> bool:
    """A stored face has its own consent, which nobody else can give; a drawn one is nobody's."""
    if key == "photo":
        return value == "" or bool(_DRAWN.fullmatch(value)) or names_stored(value)
    if key == "consent":
        return value is None or (value == "synthetic" and bool(_DRAWN.fullmatch(photo)))
    return key == "face" or value == ""


def _is_plain(value: Any) -> bool:
    """Names of models, numbers and switches; nothing that could be a path, an address or a variable."""
    if isinstance(value, str):
        return bool(_PLAIN.fullmatch(value)) and ".." not in value
    if isinstance(value, list | tuple):
        return all(_is_plain(inner) for inner in value)
    return value is None or isinstance(value, bool | int | float)
