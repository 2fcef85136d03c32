"""What of a configuration others may see, and how what they saw comes back: addresses and settings without their secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from livefuse.config import Config
from livefuse.sections import Section
from livefuse.source.url import masked

MASK = "***"
_SECRETS = ("token", "credential", "secret", "password")
_VARIABLE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::([^}]*))?\}")


def shown(config: Section) -> dict[str, Any]:
    """A configuration as nested mappings, secrets as `***`."""
    tree: dict[str, Any] = _shown(config.model_dump(mode="json"), "")
    return tree


def _shown(value: Any, key: str) -> Any:
    if isinstance(value, Mapping):
        return {name: _shown(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_shown(inner, key) for inner in value]
    if isinstance(value, str):
        return MASK if value and key in _SECRETS else masked(value)
    return value


def holds_secret(url: str) -> bool:
    """Whether a URL has a password, token or stream key written out; `${VARIABLE}` in its place is none."""
    named = _VARIABLE.sub(lambda found: MASK if found[1] is None else found[1], url)
    return masked(named) != named


def unmasked(change: Mapping[str, Any], now: Config) -> dict[str, Any]:
    """A change in which what was shown masked, and came back as it was shown, is what it stands for."""
    known = {masked(url): url for url in (now.source, *now.sinks)}
    tree = dict(change)
    if isinstance(tree.get("source"), str):
        tree["source"] = known.get(tree["source"], tree["source"])
    if isinstance(tree.get("sinks"), list | tuple):
        tree["sinks"] = [known.get(url, url) for url in tree["sinks"]]
    return tree
