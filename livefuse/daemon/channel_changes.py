"""How a channel is changed: live where its session takes that, by a restart where not, and back to what was where that fails."""

from __future__ import annotations

import asyncio
import contextlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from livefuse.config import Config, make_config
from livefuse.daemon.cameras import Cameras
from livefuse.daemon.history import History
from livefuse.daemon.report import Reported
from livefuse.daemon_config import laid_over
from livefuse.errors import LivefuseError, NeedsRestart, NotRunning
from livefuse.session import Session


class ChannelChanges(Reported):
    """The half of a channel that is changed: one change at a time, but for closing privacy, which waits for none."""

    cameras: Cameras
    history: History
    _changing: asyncio.Lock
    _closers: int

    async def change(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Lay nested settings over what holds now: `live` names the keys that a running session took without a hitch.

        What it cannot take restarts it; if that fails, all is as before, but for privacy that was to be closed: that happens
        at once, whatever other change is going on, and stays.
        Raises: UnknownKey, BadValue, and whatever the new settings lack.
        """
        make_config(laid_over(self._now().model_dump(), overrides), origin="request")  # what is wrong closes nothing
        with self._closing(overrides.get("privacy", {}).get("mode", "")):
            return await self._change(overrides)

    async def _change(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        async with self._changing:
            await self._opened()
            config = make_config(laid_over(self._now().model_dump(), overrides), origin="request")
            with self.history.noting(self._now):
                told = await self._change_to(config.model_copy(update={"sinks": besides(config.sinks)}))
            await asyncio.to_thread(self.cameras.follow, self.config.sinks)
            return told

    async def add_sink(self, url: str) -> str:
        """The name of the new sink. Raises: BadValue, SinkError."""
        async with self._changing:
            await self._opened()
            session = self._running_session()
            name = await asyncio.to_thread(session.add_sink, url)
            self.config = session.config
            return name

    async def remove_sink(self, name: str) -> None:
        """Raises: NotHere, SessionError."""
        async with self._changing:
            await self._opened()
            session = self._running_session()
            await asyncio.to_thread(session.remove_sink, name)
            self.config = session.config
            await asyncio.to_thread(self.cameras.follow, self.config.sinks)

    @contextlib.contextmanager
    def _closing(self, mode: str) -> Iterator[None]:
        """Whoever closes privacy may have to wait for a change that takes long; the pictures do not."""
        if mode != "closed":
            yield
            return
        self._closers += 1
        try:
            with self.session.closing() if self.session is not None else contextlib.nullcontext():
                yield
        finally:
            self._closers -= 1

    async def _change_to(self, config: Config) -> dict[str, Any]:
        before = self._now()
        if not self._runs():
            again = self.state in ("starting", "failed")  # it may be just this that keeps it from running
            if again:
                await self._restart_with(config, before)
            self.config = config
            return {"live": [], "restarted": again}
        assert self.session is not None
        try:
            keys = await asyncio.to_thread(self.session.change, config)
        except NeedsRestart:
            await self._restart_with(config, before)
            return {"live": [], "restarted": True}
        except LivefuseError:
            self.config = self.session.config  # privacy may have been closed
            raise
        self.config = config
        return {"live": keys, "restarted": False}

    async def _restart_with(self, config: Config, before: Config) -> None:
        try:
            await self._begin_with(config)
        except LivefuseError:
            if config.privacy.mode == "closed":
                before = closed(before)
            with contextlib.suppress(LivefuseError):  # it may not have run before either
                await self._begin_with(before)
            raise

    async def _opened(self) -> None:
        """A session that is just being opened is waited for: a change would miss it."""
        if self.state == "starting" and self.error is None:
            with contextlib.suppress(LivefuseError):
                await self.settled()

    def _running_session(self) -> Session:
        """Raises: NotRunning."""
        if self.session is None or not self._runs():
            raise NotRunning(f"{self.name} is {self.state}", hint="start it first, or set its `sinks`")
        return self.session

    @abstractmethod
    async def settled(self) -> None: ...

    @abstractmethod
    async def _begin_with(self, config: Config | None) -> None:
        """Restart; None for what is configured already. Raises: LivefuseError of what keeps it from running."""


def closed(config: Config) -> Config:
    return config.model_copy(update={"privacy": config.privacy.model_copy(update={"mode": "closed"})})


def besides(sinks: tuple[str, ...]) -> tuple[str, ...]:
    """The sinks that are not a channel's anyway: it is always watched by WebRTC, and needs no sink to keep it going."""
    return tuple(url for url in sinks if url != "null:" and not url.startswith("webrtc:"))
