"""The daemon: channels by name, presets and jobs, and a configuration that is followed while it changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from livefuse.config import Config
from livefuse.daemon.apps import Apps
from livefuse.daemon.channel import Channel
from livefuse.daemon.holds import Holds
from livefuse.daemon.jobs import Jobs
from livefuse.daemon.pairing import Pairing
from livefuse.daemon.presets import Presets
from livefuse.daemon.remembered import Remembered
from livefuse.daemon.token import find_token
from livefuse.daemon.words import reload_words
from livefuse.daemon.worn import Worn, without, words_of
from livefuse.daemon_config import DaemonConfig, check_session_name, load_daemon_config
from livefuse.errors import AlreadyHere, ConfigError, LivefuseError, NotHere
from livefuse.gate import HOLD_WORDS
from livefuse.paths import Paths
from livefuse.reconfigure import changed_keys

log = logging.getLogger("livefuse")

_LOOK_S = 1.0


class Daemon:
    """All methods belong to the event loop. `file` and `overrides` are what `reload` reads again.

    With `remembered`, what is changed is kept there; while nobody has ever chosen anything, its sessions do not start by themselves.
    """

    def __init__(
        self,
        config: DaemonConfig,
        *,
        file: Path | None = None,
        overrides: Mapping[str, Any] | None = None,
        paths: Paths | None = None,
        remembered: Remembered | None = None,
    ) -> None:
        self.config, self.paths = config, paths or Paths.default()
        self.remembered = remembered
        self.token = find_token(config, self.paths)
        self.apps = Apps(self.paths.state / "apps.json")
        self.pairing = Pairing(self.apps)
        self.presets = Presets(self.paths.config / "presets")
        self.jobs = Jobs(self.presets, self.paths.state / "jobs.json")
        self.holds = Holds(self.paths.state / "holds.json")
        self._worn = Worn(self.paths.identities)
        self.channels: dict[str, Channel] = {}
        self._file, self._overrides = file, dict(overrides or {})
        self._told = (
            load_daemon_config(file, self._overrides) if file else config
        )  # `config` has the port that was free
        self._watching: list[asyncio.Task[None]] = []
        self._reloading = asyncio.Lock()

    async def start(self) -> None:
        """Have every configured session begin; none is waited for."""
        for name, config in self.config.sessions.items():
            await self.create(name, config, start=self.remembered is None or not self.remembered.fresh)
        await asyncio.to_thread(self.jobs.start)
        if self.remembered is not None:
            self.remembered.begin(self.config.sessions)
            self._watch_by(self._remember(self.remembered), "remembered settings")
        if self._file is not None and self.config.serve.reload:
            self._watch_by(self._watch(self._file), "configuration file")
        self._watch_by(self._watch_faces(), "worn faces")

    async def stop(self) -> None:
        """End all sessions, their outputs completed; viewers are told."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        if self.remembered is not None:
            await asyncio.to_thread(self.remembered.keep, self._configs())
        await asyncio.gather(
            asyncio.to_thread(self.apps.keep_use),
            asyncio.to_thread(self.jobs.stop),
            *(channel.close() for channel in self.channels.values()),
        )

    @property
    def file(self) -> Path | None:
        """The configuration file that is followed."""
        return self._file

    def channel(self, name: str) -> Channel:
        """Raises: NotHere."""
        if name not in self.channels:
            known = ", ".join(self.channels) or "none"
            raise NotHere(f"there is no session `{name}`", hint=f"sessions: {known}")
        return self.channels[name]

    async def create(self, name: str, config: Config, *, start: bool = True) -> Channel:
        """Raises: BadValue for a name that no path can have, AlreadyHere."""
        check_session_name(name)
        if name in self.channels:
            raise AlreadyHere(f"there is a session `{name}` already", hint="change it, or take another name")
        hold = self.holds.of(name)
        if hold:
            log.warning("%s begins %s: `livefuse ctl resume` lets its pictures go", name, HOLD_WORDS[hold].lower())
        channel = Channel(name, config, self.config.webrtc, host=self.config.serve.host, hold=hold)
        self.channels[name] = channel
        if start:
            await channel.start()
        return channel

    async def remove(self, name: str) -> None:
        """End a session and forget it. Raises: NotHere."""
        channel = self.channel(name)
        await channel.close()
        if self.channels.get(name) is channel:  # else somebody was quicker, and another one has the name now
            del self.channels[name]
            self.holds.forget(name)
            await asyncio.to_thread(self.holds.write)

    async def take_off_withdrawn(self) -> None:
        """Have no session wear a stored face that was removed since this was called last."""
        configs = {name: channel.current for name, channel in self.channels.items()}
        gone = await asyncio.to_thread(self._worn.withdrawn, list(configs.values()))
        wearing = [name for name, config in configs.items() if words_of(config) & gone and name in self.channels]
        await asyncio.gather(*(self._take_off(self.channels[name], gone) for name in wearing))

    async def _take_off(self, channel: Channel, gone: set[str]) -> None:
        log.warning("%s: the identity that it wears was removed: it is taken off, and privacy is closed", channel.name)
        try:
            await channel.change(without(channel.current, gone))
        except LivefuseError as error:
            log.error("%s: %s; its pictures are held back", channel.name, error.message)
            self.holds.say(channel.name, "panic")
            await channel.hold_with("panic")
            await asyncio.to_thread(self.holds.write)

    async def reload(self) -> dict[str, Any]:
        """Read the configuration file again and take over what has changed in it since; what else was changed stays.

        `changed` says by session which keys were taken live and whether it restarted, `restart` which of the daemon's own
        keys wait for its restart. Raises: ConfigError; then nothing has changed.
        """
        if self._file is None:
            raise ConfigError("this daemon was started without a configuration file", hint="livefuse serve FILE.toml")
        async with self._reloading:
            before, now = self._told, load_daemon_config(self._file, self._overrides)
            self._told = now
            self.config = self.config.model_copy(update={"sessions": now.sessions})
            changed = {}
            for name in now.sessions.keys() & before.sessions.keys() & self.channels.keys():
                over = _differences(before.sessions[name], now.sessions[name])
                if over:
                    changed[name] = await self._changed(self.channels[name], over)
            added = [name for name in now.sessions if name not in self.channels]
            for name in added:
                await self.create(name, now.sessions[name])
            removed = [name for name in before.sessions if name not in now.sessions and name in self.channels]
            for name in removed:
                await self.remove(name)
            waiting = [key for key in ("serve", "webrtc") if getattr(before, key) != getattr(now, key)]
            return {"changed": changed, "added": added, "removed": removed, "restart": waiting}

    async def _changed(self, channel: Channel, over: Mapping[str, Any]) -> dict[str, Any]:
        """One session that cannot take its change does not keep the others from theirs."""
        try:
            return await channel.change(over)
        except LivefuseError as error:
            log.error("%s: %s", channel.name, error.message)
            return {"live": [], "restarted": False, "error": error.message}

    async def _remember(self, remembered: Remembered) -> None:
        """Looked at each second instead of written at each change: a slider that is dragged makes many."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await asyncio.to_thread(remembered.keep, self._configs())

    def _watch_by(self, watching: Coroutine[Any, Any, None], name: str) -> None:
        self._watching.append(asyncio.create_task(watching, name=name))

    async def _watch_faces(self) -> None:
        """The command line removes faces too, and so may another daemon."""
        while True:
            try:
                await self.take_off_withdrawn()
            except Exception:
                log.exception("whether worn faces still stand cannot be told")
            await asyncio.sleep(_LOOK_S)

    def _configs(self) -> dict[str, Config]:
        return {name: channel.config for name, channel in self.channels.items()}

    async def _watch(self, file: Path) -> None:
        seen = _stamp(file)
        while True:
            await asyncio.sleep(_LOOK_S)
            now = _stamp(file)
            if now == seen or now is None:
                continue
            seen = now
            try:
                log.warning("%s: %s", file, "; ".join(reload_words(await self.reload())))
            except LivefuseError as error:
                log.error("%s was not taken over: %s", file, error.message)


def _differences(before: Config, now: Config) -> dict[str, Any]:
    """What changed, as nested settings."""
    tree: dict[str, Any] = {}
    values = now.model_dump()
    for key in changed_keys(before, now):
        section, _, name = key.rpartition(".")
        if section:
            tree.setdefault(section, {})[name] = values[section][name]
        else:
            tree[name] = values[name]
    return tree


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
