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
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^\s'\"<>`,)\]]+")
_USER = re.compile(
    r"(\b[A-Za-z][A-Za-z0-9+.-]+://[^\s/@:]*:)[^\s/]*@"
)  # whole: passwords may hold what ends an address
_FOLDERS = re.compile(r"(?<![\w:/*@.])(?:~|[A-Za-z]:)?[/\\](?:[^\s/\\'\"`:]+[/\\])+")
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


def masked_in(text: str) -> str:
    """A message with the secrets of the addresses in it as `***`."""
    return _ADDRESS.sub(lambda found: masked(found[0]), _USER.sub(r"\1***@", text))


def without_folders(text: str) -> str:
    """A message for those who may watch: of this machine's paths, the last part."""
    return _FOLDERS.sub("", masked_in(text))


def kind_of(url: str) -> str:
    """`file:` or the scheme of a source's or sink's address; nothing of where it is."""
    found = _SCHEME.match(url)
    return f"{found[1].lower()}:" if found else "file:" if url else ""


def for_viewers(summary: Mapping[str, Any]) -> dict[str, Any]:
    """A session's summary without paths, addresses and whose face it is: these are for whoever has the token."""
    told = dict(summary)
    if "identity" in told:
        told["identity"] = ""
    if "source" in told:
        told["source"] = kind_of(told["source"])
    if "sinks" in told:
        told["sinks"] = {name: kind_of(url) for name, url in told["sinks"].items()}
    told["error"] = error_for_viewers(told.get("error"))
    return told


def error_for_viewers(error: Mapping[str, str] | None) -> dict[str, str] | None:
    """What went wrong, without paths."""
    return {key: without_folders(value) for key, value in error.items()} if error else None


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
