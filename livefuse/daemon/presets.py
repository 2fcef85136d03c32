"""Presets: parts of a configuration kept under names, one TOML file each, to be laid over a running session."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livefuse.config import make_config, read_toml
from livefuse.daemon.shown import holds_secret
from livefuse.daemon.toml_text import toml_text
from livefuse.errors import AlreadyHere, BadValue, NotHere
from livefuse.paths import Paths
from livefuse.swap.consent import sync_folder, write_durably

PRESET_NAME = r"[a-z0-9][a-z0-9_-]{0,47}"
NUMBERS = range(1, 10)
_NUMBERS = "numbers.json"
_MOST = 1000


class Presets:
    """`folder` is made when the first preset is kept. Files may be written there by hand as well."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Paths.default().config / "presets"

    def names(self) -> list[str]:
        if not self.folder.is_dir():
            return []
        return sorted(path.stem for path in self.folder.glob("*.toml") if re.fullmatch(PRESET_NAME, path.stem))

    def get(self, name: str) -> dict[str, Any]:
        """What the preset says, and nothing more. Raises: NotHere, ConfigError when the file was damaged by hand."""
        path = self._path(name)
        if not path.is_file():
            known = ", ".join(self.names()) or "none yet"
            raise NotHere(f"there is no preset {name!r}", hint=f"presets: {known}")
        return _checked(read_toml(path), str(path))

    def put(self, name: str, tree: Mapping[str, Any]) -> bool:
        """Keep a part of a configuration, whole or not at all; whether the name is new. Raises: UnknownKey, BadValue."""
        path = self._path(name)
        text = toml_text(_checked(tree, f"preset {name}"))
        new = not path.exists()
        if new and len(self.names()) >= _MOST:
            raise BadValue(f"{_MOST} presets are the most", hint="delete some first")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_durably(path, text.encode())
        if new:
            self._take_number(name)
        return new

    def rename(self, name: str, to: str) -> None:
        """With its number. Raises: NotHere, BadValue, AlreadyHere."""
        self.get(name)
        source, target = self._path(name), self._free(to)
        numbers = self.numbers()
        source.rename(target)
        if name in numbers:
            self._write_numbers({(to if key == name else key): value for key, value in numbers.items()})
        sync_folder(self.folder)

    def duplicate(self, name: str, to: str) -> None:
        """Raises: NotHere, BadValue, AlreadyHere."""
        tree = self.get(name)
        self._free(to)
        self.put(to, tree)

    def changed(self, name: str) -> float:
        """When it was last written, in seconds since 1970. Raises: NotHere."""
        try:
            return self._path(name).stat().st_mtime
        except FileNotFoundError as error:
            raise NotHere(f"there is no preset {name!r}", hint="see the list of presets") from error

    def numbers(self) -> dict[str, int]:
        """Those of the presets that have one, 1 to 9: what a key press stands for."""
        try:
            told = json.loads((self.folder / _NUMBERS).read_text("utf-8"))
        except (OSError, ValueError):  # none yet, or damaged by hand: numbers are given anew
            return {}
        here = set(self.names())
        pairs = told.items() if isinstance(told, dict) else ()
        return {name: n for name, n in pairs if name in here and isinstance(n, int) and n in NUMBERS}

    def number(self, name: str, number: int | None) -> None:
        """Give a preset a number; whichever had it takes what this one had. Raises: NotHere."""
        self.get(name)
        numbers = self.numbers()
        before = numbers.pop(name, None)
        holder = next((other for other, n in numbers.items() if n == number), None)
        if holder is not None:
            del numbers[holder]
            if before is not None:
                numbers[holder] = before
        if number is not None:
            numbers[name] = number
        self._write_numbers(numbers)

    def remove(self, name: str) -> None:
        """Raises: NotHere."""
        path = self._path(name)
        try:
            path.unlink()
        except FileNotFoundError as error:
            raise NotHere(f"there is no preset {name!r}", hint="see the list of presets") from error
        sync_folder(self.folder)

    def _free(self, name: str) -> Path:
        """Raises: AlreadyHere, BadValue."""
        path = self._path(name)
        if path.exists():
            raise AlreadyHere(f"there is a preset {name!r} already", hint="take another name")
        return path

    def _take_number(self, name: str) -> None:
        """The lowest that is free."""
        numbers = self.numbers()
        free = next((n for n in NUMBERS if n not in numbers.values()), None)
        if free is not None:
            self._write_numbers({**numbers, name: free})

    def _write_numbers(self, numbers: Mapping[str, int]) -> None:
        write_durably(self.folder / _NUMBERS, json.dumps(dict(numbers)).encode())

    def _path(self, name: str) -> Path:
        """Only a name that is a plain word becomes a part of a path. Raises: BadValue."""
        if not re.fullmatch(PRESET_NAME, name):
            raise BadValue(f"{name!r} cannot name a preset", hint="lower-case letters, digits, - and _, at most 48")
        return self.folder / f"{name}.toml"


def _checked(tree: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """What a tree says, in the configuration's own types. Raises: UnknownKey, BadValue."""
    config = make_config(tree, origin=origin)
    for url in (config.source, *config.sinks):
        if holds_secret(url):
            raise BadValue(
                f"{origin}: an address holds a password or a stream key, and presets are plain files",
                hint="write ${VARIABLE} in its place, and set it in the daemon's environment",
            )
    return config.model_dump(mode="json", exclude_unset=True)
