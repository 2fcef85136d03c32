"""The parts of a configuration that presets are made of, and what a preset would change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from livefuse.config import Config, IdentityConfig, make_config
from livefuse.daemon.shown import shown
from livefuse.daemon_config import laid_over
from livefuse.reconfigure import changed_keys, plan
from livefuse.sections import Section

Part = Literal["look", "faces", "identity", "source", "outputs", "privacy"]
PARTS: tuple[Part, ...] = get_args(Part)
_HOLDS: Mapping[Part, tuple[str, ...]] = {
    "look": ("swap", "mask", "colour", "enhance", "expression", "profile", "overlay"),
    "faces": ("detect", "align", "track"),
    "identity": ("identity", "cast"),
    "source": ("source",),
    "outputs": ("sinks", "output"),
    "privacy": ("privacy",),
}


@dataclass(frozen=True, slots=True)
class KeyChange:
    """One key that a preset would change; secrets as ***. `about` is what the key means."""

    key: str
    before: Any
    after: Any
    restart: bool
    about: str


def part_of(config: Config, parts: Collection[Part]) -> dict[str, Any]:
    """What a configuration says in some of its parts: all of it, so that a preset gives the same wherever it is applied."""
    names = {name for part in parts for name in _HOLDS[part]}
    tree: dict[str, Any] = config.model_dump(mode="json", include=names, exclude_none=True)
    return {name: value for name, value in tree.items() if value or name != "cast"}


def parts_in(tree: Mapping[str, Any]) -> list[str]:
    """The parts that a preset has something of; `other` for what belongs to none."""
    found: list[str] = [part for part, names in _HOLDS.items() if any(name in tree for name in names)]
    known = {name for names in _HOLDS.values() for name in names}
    return found + (["other"] if set(tree) - known else [])


def notable(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Of what a preset says, that which is not so anyway, by dotted key; secrets as ***."""
    config = make_config(tree, origin="preset")
    return {key: _at(shown(config), key) for key in changed_keys(Config(), config)}


def to_apply(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A preset as the change that it is. Files hold no nulls: a section that lacks only keys that may be null is meant whole,
    and another face has its own consent."""
    change = {name: _whole(name, value) for name, value in tree.items()}
    if change.get("identity", {}).get("photo"):
        change["identity"] = IdentityConfig().model_dump() | change["identity"]
    return change


def differences(now: Config, tree: Mapping[str, Any]) -> list[KeyChange]:
    """What applying a preset would change. Raises: UnknownKey, BadValue."""
    after = make_config(laid_over(now.model_dump(), to_apply(tree)), origin="preset")
    steps, old, new = plan(now, after), shown(now), shown(after)
    return [KeyChange(key, _at(old, key), _at(new, key), key in steps.restart, _about(key)) for key in steps.keys]


def _whole(name: str, value: Any) -> Any:
    section = Config.model_fields[name].annotation if name in Config.model_fields else None
    if not (isinstance(section, type) and issubclass(section, Section) and isinstance(value, Mapping)):
        return value
    lacking = [key for key in section.model_fields if key not in value]
    meant_whole = all(section.model_fields[key].default is None for key in lacking)
    return {**value, **dict.fromkeys(lacking)} if meant_whole else dict(value)


def _at(tree: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.rpartition(".")
    return tree[section][name] if section else tree[name]


def _about(key: str) -> str:
    section, _, name = key.rpartition(".")
    fields = Config.model_fields
    model = fields[section].annotation if section else Config
    known = getattr(model, "model_fields", {})
    return (known[name].description or "") if name in known else ""
