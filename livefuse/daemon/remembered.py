"""What the page and the API change while the daemon runs without a configuration file, kept for its next start.

A file of its own: `livefuse.toml` belongs to whoever wrote it, with its comments and its order. Where there is one, nothing is
kept here. What flags and environment said for one run is not kept either, only what was changed over it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livefuse.config import Config, make_config, read_toml
from livefuse.daemon.toml_text import toml_text
from livefuse.daemon_config import DEFAULT_SESSION, DaemonConfig, check_session_name, laid_over, make_daemon_config
from livefuse.errors import BadValue, ConfigError
from livefuse.paths import Paths
from livefuse.reconfigure import changed_keys
from livefuse.swap.consent import write_durably

log = logging.getLogger("livefuse")

FILE = "studio.toml"
_OWN = ("serve", "webrtc")
_CHOICES = ("source", "identity.photo", "cast")
_HEADER = """\
# Kept by livefuse: what its page and its API changed while it ran without a configuration file.
# Written anew at every change. To rule it by hand, move it to livefuse.toml beside it: then nothing is written here.
"""


class Remembered:
    """`overrides` are what flags and environment say: they win over what was kept, and are not kept."""

    def __init__(self, paths: Paths, overrides: Mapping[str, Any] | None = None) -> None:
        self.file = paths.config / FILE
        self._overrides = dict(overrides or {})
        self.keeps = make_daemon_config({}, self._overrides).serve.remember
        self._kept = self._read() if self.keeps else {}
        self._begun: dict[str, Config] = {}
        self._now: dict[str, Config] = {}
        self._told = ""

    @property
    def fresh(self) -> bool:
        """Whether nobody has ever said what to show: then nothing is to start before somebody has."""
        said = self._overrides.keys() & set(_CHOICES)
        return not said and not any(_chosen(tree) for tree in self._kept.values())

    def config(self) -> DaemonConfig:
        """What the daemon begins with. Raises: UnknownKey, BadValue for what flags or environment say."""
        own = {key: value for key, value in self._overrides.items() if key.partition(".")[0] in _OWN}
        said = {key: value for key, value in self._overrides.items() if key not in own}
        sessions = {name: make_config(tree, origin=str(self.file)) for name, tree in self._kept.items()}
        if said or not sessions or DEFAULT_SESSION in sessions:
            sessions[DEFAULT_SESSION] = make_config(self._kept_below(said), said)
        return make_daemon_config({}, own).model_copy(update={"sessions": sessions})

    def begin(self, sessions: Mapping[str, Config]) -> None:
        """What is changed from now on is what will be kept."""
        self._begun = self._now = dict(sessions)

    def keep(self, sessions: Mapping[str, Config]) -> None:
        """Write what differs, if it does since the last time. A folder that cannot be written is said once in the log."""
        if not self.keeps or dict(sessions) == self._now:
            return
        self._now = dict(sessions)
        try:
            text = _HEADER + "".join(_tables(name, self._tree(name, now)) for name, now in sessions.items())
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self.file, text.encode())  # as a file of 0600: addresses may hold passwords
        except (OSError, BadValue) as error:
            if str(error) != self._told:
                self._told = str(error)
                log.warning("what was changed cannot be kept in %s: %s", self.file, error)

    def _kept_below(self, said: Mapping[str, Any]) -> dict[str, Any]:
        kept = dict(self._kept.get(DEFAULT_SESSION, {}))
        if "identity.photo" in said:  # another face: what was said about the one before does not hold for it
            kept.pop("identity", None)
        return kept

    def _tree(self, name: str, now: Config) -> dict[str, Any]:
        """What was kept before, with what differs from what this run began with."""
        begun = self._begun.get(name)
        values = now.model_dump(mode="json", exclude_none=True)
        tree = dict(self._kept.get(name, {})) if begun is not None else {}
        for key in changed_keys(begun or Config(), now):
            if key == "sinks":
                tree |= {"sinks": _cameras(now)} if _cameras(now) or "sinks" in tree else {}
                continue
            section, _, inner = key.rpartition(".")
            if section == "identity":  # whole: a ground belongs to its photo
                tree[section] = {k: v for k, v in values[section].items() if v != ""}
            elif section:
                below = {k: v for k, v in tree.get(section, {}).items() if k != inner}
                tree[section] = laid_over(below, {k: v for k, v in values[section].items() if k == inner})
            else:
                tree.pop(inner, None)
                tree |= {inner: values[inner]} if inner in values else {}
        return tree

    def _read(self) -> dict[str, dict[str, Any]]:
        """The kept settings by session. A file that is damaged is set aside: it must not keep the daemon from starting."""
        if not self.file.exists():
            return {}
        try:
            return _decoded(self.file)
        except ConfigError as error:
            aside = self.file.with_name(f"{FILE}.damaged-{time.strftime('%Y%m%d-%H%M%S')}")
            log.warning("%s\n  What the page had changed is set aside as %s", error.message, aside)
            try:
                self.file.replace(aside)
            except OSError as problem:
                log.warning("%s cannot be renamed (%s); it is not read", self.file, problem.strerror)
            return {}


def _decoded(file: Path) -> dict[str, dict[str, Any]]:
    """Raises: ConfigError for whatever could not be begun with."""
    tree = read_toml(file)
    sessions = tree.pop("sessions", {})
    if tree or not isinstance(sessions, dict):
        raise ConfigError(f"{file} has more than sessions: {', '.join(tree) or 'sessions'}", hint="")
    for name, said in sessions.items():
        check_session_name(name)
        if not isinstance(said, dict):
            raise ConfigError(f"{file}: sessions.{name} is no table", hint="")
        make_config(said, origin=str(file))
    return sessions


def _chosen(tree: Mapping[str, Any]) -> bool:
    return "source" in tree or "cast" in tree or bool(tree.get("identity", {}).get("photo"))


def _cameras(config: Config) -> list[str]:
    """The outputs that a next start brings back. Nobody wants to record, or to be live on a server, because the daemon starts."""
    return [url for url in config.sinks if url.startswith(("vcam:", "pipewire:"))]


def _tables(name: str, tree: Mapping[str, Any]) -> str:
    """TOML tables of one session. Raises: BadValue for text that no file can hold."""
    plain = {key: value for key, value in tree.items() if not isinstance(value, Mapping)}
    said = f"\n[sessions.{name}]\n{toml_text(plain)}"
    for section, inner in tree.items():
        if isinstance(inner, Mapping) and inner:
            said += f"\n[sessions.{name}.{section}]\n{toml_text(inner)}"
    return said
