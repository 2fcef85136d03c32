"""Presets as files that people pass on: TOML or JSON, read with suspicion."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from livefuse.config import known_keys
from livefuse.daemon.asked import whole_tree
from livefuse.daemon.toml_text import toml_text
from livefuse.errors import BadValue, UnknownKey

MOST_CHARACTERS = 65_536
_HEADER = "# livefuse preset: "
_NAMED = re.compile(rf"{re.escape(_HEADER)}(.+)")
_JSON_KEYS = ("schema_version", "name", "config")
_NAMED_KEYS = 5
_MOST_DOTS = 100


def as_toml(name: str, tree: Mapping[str, Any]) -> str:
    """With its name in the first line."""
    return f"{_HEADER}{name}\n\n{toml_text(tree)}"


def as_json(name: str, tree: Mapping[str, Any]) -> str:
    return json.dumps({"schema_version": 1, "name": name, "config": tree}, indent=2, ensure_ascii=False) + "\n"


def read_preset(text: str) -> tuple[str, dict[str, Any]]:
    """The name it was given, which may be empty, and what it says. Raises: BadValue, UnknownKey naming every unknown key."""
    if len(text) > MOST_CHARACTERS:
        raise BadValue(f"the file has {len(text):,} characters", hint=f"a preset has {MOST_CHARACTERS:,} at most")
    try:
        name, tree = _of_json(text) if text.lstrip().startswith("{") else _of_toml(text)
    except RecursionError as error:
        raise BadValue("the file is nested too deeply", hint="a preset has sections, and keys in them") from error
    _check_keys(tree)
    try:
        whole_tree(tree)
    except ValueError as error:
        raise BadValue(f"the file has a value that no setting takes: {error}", hint="take it out") from error
    return name, tree


def _of_toml(text: str) -> tuple[str, dict[str, Any]]:
    if any(
        line.count(".") > _MOST_DOTS for line in text.split("\n")
    ):  # its reader takes minutes for a key of 30,000 parts
        raise BadValue("a line of the file has too many dots", hint="a key of a preset has one: section.key")
    try:
        tree = tomllib.loads(text)
    except ValueError as error:  # a number of 5,000 digits is one that is no TOMLDecodeError
        raise BadValue(f"the file is neither TOML nor JSON: {error}", hint="export a preset to see one") from error
    named = _NAMED.match(text)
    return named[1].strip() if named else "", tree


def _of_json(text: str) -> tuple[str, dict[str, Any]]:
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise BadValue(f"the file is not valid JSON: {error}", hint="export a preset to see one") from error
    if "config" not in tree:
        return "", tree
    foreign = sorted(set(tree) - set(_JSON_KEYS))
    if foreign:
        raise UnknownKey(f"unknown keys: {', '.join(foreign)}", hint=f"known: {', '.join(_JSON_KEYS)}")
    name, config = tree.get("name", ""), tree["config"]
    if not isinstance(name, str) or not isinstance(config, dict):
        raise BadValue("`name` or `config` is of the wrong kind", hint="export a preset to see one")
    return name, config


def _check_keys(tree: Mapping[str, Any]) -> None:
    known = known_keys()
    sections = {key.partition(".")[0] for key in known if "." in key}
    unknown = []
    for name, value in tree.items():
        if name in sections and isinstance(value, Mapping):
            unknown += [f"{name}.{key}" for key in value if f"{name}.{key}" not in known]
        elif name not in sections and name not in known:
            unknown.append(name)
    if unknown:
        more = f" and {len(unknown) - _NAMED_KEYS} more" if len(unknown) > _NAMED_KEYS else ""
        named = ", ".join(f"`{key[:80]}`" for key in unknown[:_NAMED_KEYS])
        raise UnknownKey(
            f"the preset has unknown keys: {named}{more}",
            hint="take them out, or update livefuse: a newer one wrote them",
        )
