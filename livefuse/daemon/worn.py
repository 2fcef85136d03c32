"""Stored faces that are worn: one whose consent is withdrawn meanwhile is to be taken off at once."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from livefuse.config import Config, IdentityConfig
from livefuse.errors import NoConsent, UnknownIdentity
from livefuse.swap.identity.load import standing_version


class Worn:
    """Knows which words have stood for somebody: a word that never did is a mistake, and said elsewhere. Any thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stood: set[str] = set()
        self._looking = threading.Lock()
        self._looked: tuple[int, frozenset[str]] = (-1, frozenset())

    def withdrawn(self, configs: Iterable[Config]) -> set[str]:
        """What of all that is worn stood for somebody and no longer does. Costs next to nothing while no store changes."""
        words = {word for config in configs for word in words_of(config)}
        with self._looking:
            now = _stamp(self._folder), frozenset(words)
            if now == self._looked:
                return set()
            self._looked = now
            standing = {word for word in words if self._stands(word)}
            gone = (words - standing) & self._stood
            self._stood = standing
            return gone

    def _stands(self, word: str) -> bool:
        try:
            return bool(standing_version(word, self._folder))
        except (UnknownIdentity, NoConsent):
            return False


def words_of(config: Config) -> set[str]:
    """What a configuration puts on."""
    return {wanted.photo for wanted in (config.identity, *config.cast) if wanted.photo}


def without(config: Config, words: set[str]) -> Mapping[str, Any]:
    """What to change so that none of these is worn. Privacy closes: with it open, the real face would come out from below."""
    left = [role.model_dump() for role in config.cast if role.photo not in words]
    change: dict[str, Any] = {"privacy": {"mode": "closed"}}
    if len(left) < len(config.cast):
        change["cast"] = left
    if config.identity.photo in words:
        change["identity"] = IdentityConfig().model_dump()
    return change


def _stamp(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
