"""Nested mappings as TOML text: the standard library reads TOML, and does not write it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from livefuse.errors import BadValue

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(tree: Mapping[str, Any]) -> str:
    """One table a section. Raises: BadValue for what TOML has no word for."""
    plain = {key: value for key, value in tree.items() if not isinstance(value, Mapping)}
    blocks = [_lines(plain)] if plain else []
    for name, section in tree.items():
        if isinstance(section, Mapping):
            blocks.append(f"[{_key(name)}]\n{_lines(section)}".rstrip("\n"))
    return "\n\n".join(block.rstrip("\n") for block in blocks) + "\n" if blocks else ""


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{_key(name)} = {_value(value, name)}\n" for name, value in table.items())


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _quoted(name)


def _value(value: Any, name: str) -> str:
    """Source: TOML 1.0, a table inside a value is written in line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_value(one, key)}" for key, one in value.items()) + "}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(_value(one, name) for one in value) + "]"
    raise BadValue(f"{name} = {value!r} cannot be kept", hint="leave the key out instead: its default is the same")


def _quoted(text: str) -> str:
    """JSON's escapes are TOML's; only DEL, which JSON leaves as it is, has to be escaped here."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadValue(f"{text!r} is no text that UTF-8 can hold", hint="remove the lone surrogates") from error
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
