"""A channel: a name under which pictures come in, are swapped, and are watched. It outlives its sessions.

When a session ends, fails or is restarted for a change, the viewers stay and see a slate meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from livefuse.clock import Clock, MonotonicClock
from livefuse.config import Config
from livefuse.daemon.cameras import Cameras
from livefuse.daemon.channel_changes import ChannelChanges, besides, closed
from livefuse.daemon.history import History
from livefuse.daemon.report import State
from livefuse.daemon_config import WebRtcConfig
from livefuse.doors import Doors
from livefuse.errors import LivefuseError, SessionError, SinkLost, SourceError
from livefuse.gate import HoldKind
from livefuse.session import Session
from livefuse.source.base import Source
from livefuse.source.url import parse
from livefuse.webrtc.audio import BROWSERS_HOLD_NS, AudioOut
from livefuse.webrtc.broadcast import Broadcast
from livefuse.webrtc.compare import Compare
from livefuse.webrtc.inlet import Inlet

log = logging.getLogger("livefuse")

_RETRY_FIRST_S, _RETRY_MAX_S = 0.5, 10.0
_STEADY_S = 30.0  # a session that ran for so long was well: what ends it is a new fault
_SETTLE_S = 20.0
_SLATED_S, _LOOK_S = 0.1, 0.002
_AGAIN = (SourceError, SinkLost)


class Channel(ChannelChanges):
    """All methods belong to the event loop. `config` is what the next session begins with."""

    def __init__(
        self,
        name: str,
        config: Config,
        webrtc: WebRtcConfig,
        *,
        host: str = "127.0.0.1",
        clock: Clock | None = None,
        hold: HoldKind = "",
    ) -> None:
        self.name, self.config = name, config
        self.session: Session | None = None
        self.hold: HoldKind = hold
        self._error: LivefuseError | None = None
        self._clock = clock or MonotonicClock()
        self.broadcast = Broadcast(name, webrtc, self._clock, host=host)
        self.compare = Compare(name, webrtc, self._clock, host=host)
        self.inlet = Inlet(name, webrtc, self._clock, host=host)
        self._audio = self._sound(webrtc) if webrtc.audio else None
        if self._audio is not None:
            self._audio.silence(bool(hold))
        self.broadcast.audio = self._audio
        self.inlet.audio_feed(self._audio)
        self._task: asyncio.Task[None] | None = None
        self._resting: State = "stopped"
        self._stopping = asyncio.Event()
        self.cameras = Cameras()
        self._changing, self.history = asyncio.Lock(), History()
        self._stops = self._closers = 0
        self._closed = False

    async def start(self) -> None:
        """Have a session run; what goes wrong later is told by `state` and `error`. Raises: SessionError after `close`."""
        if self._closed:
            raise SessionError(f"{self.name} is being removed", hint="make it anew")
        if self._task is None or self._task.done():
            self._stopping.clear()
            self._error = None
            self._task = asyncio.create_task(self._keep_running(), name=f"channel {self.name}")

    async def stop(self) -> None:
        """End the session; its outputs are completed. A restart that is going on ends here too."""
        self._stops += 1
        await self._halt()
        self._resting = "stopped"
        self.broadcast.show_slate("paused")

    async def restart(self) -> None:
        """Begin anew; returns when the session runs. Raises: LivefuseError of what keeps it from running."""
        async with self._changing:
            await self._begin_with(None)

    async def settled(self) -> None:
        """Wait until the session runs or will not. Raises: LivefuseError of what keeps it from running."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_S):
                while self.state == "starting" and self.error is None:
                    await asyncio.sleep(0.02)
        if (error := self.error) is not None:
            raise error

    async def hold_with(self, kind: HoldKind) -> bool:
        """Let every viewer, output and camera see a slate ("pause", "panic") and hear nothing, or all again (""): at once, and
        whatever session comes next. False if an output is stuck in a picture that it had begun before.
        """
        self.hold = kind
        if self._audio is not None:
            self._audio.silence(bool(kind))
        if kind:
            self.broadcast.forget()
            self.compare.forget()
        session = self.session
        if session is None or session.hold(kind, wait_s=0):
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_SLATED_S):
                while not session.covered() and self.hold == kind:
                    await asyncio.sleep(_LOOK_S)
        return session.covered()

    async def close(self) -> None:
        """For good: viewers and publisher are told."""
        self._closed = True
        await self.stop()
        await asyncio.gather(self.broadcast.close(), self.compare.close(), self.inlet.close())
        await asyncio.to_thread(self.cameras.close)
        if self._audio is not None:
            self._audio.close()

    def _sound(self, webrtc: WebRtcConfig) -> AudioOut:
        held_ns = BROWSERS_HOLD_NS if webrtc.playout_delay else 0  # browsers then show pictures at once, but not sound
        return AudioOut(lambda: self.broadcast.video_latency_ns, self._clock, lead_ns=held_ns)

    async def _begin_with(self, config: Config | None) -> None:
        stops = self._stops
        await self._halt()
        if config is not None:
            self.config = config
        if stops == self._stops:  # else somebody wants it stopped
            await self.start()
            await self.settled()

    async def _halt(self) -> None:
        self._stopping.set()
        if self.session is not None:
            self.session.stop()
        if self._task is not None:
            await self._task

    async def _keep_running(self) -> None:
        await asyncio.to_thread(self.cameras.follow, self.config.sinks)  # there before the first picture is
        wait_s, told = _RETRY_FIRST_S, ""
        while not self._stopping.is_set():
            began_ns = self._clock.now_ns()
            error = await self._run_once()
            self._resting = "ended" if error is None else "failed"
            if self._stopping.is_set():
                return
            if error is None:
                self.broadcast.show_slate("the source has ended")
                return
            if str(error) != told:  # once, however often it is tried again
                told = str(error)
                log.error("%s: %s %s", self.name, error.code, told)
            self.broadcast.show_slate("interrupted")
            if not isinstance(error, _AGAIN):
                return
            ran_s = (self._clock.now_ns() - began_ns) / 1e9
            wait_s = _RETRY_FIRST_S if ran_s > _STEADY_S else min(wait_s * 2, _RETRY_MAX_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._stopping.wait()

    async def _run_once(self) -> LivefuseError | None:
        """One session from its opening to its end; the error that it ended with."""
        self.session = session = self._session()
        running = asyncio.create_task(session.run())
        try:
            while not running.done() and session.state != "running":
                await asyncio.wait([running], timeout=0.02)
            if session.state == "running":
                self._error = None
            await running
        except LivefuseError as error:
            self._error = error
        except Exception as error:
            log.exception("%s failed", self.name)
            self._error = SessionError(f"{type(error).__name__}: {error}", hint="this is a fault of livefuse")
        else:
            self._error = None
        if session.state == "closed" and session.frames_out:
            self.config = session.config  # what was changed while it ran holds for the next
        return self._error

    def _session(self) -> Session:
        config = self.config.model_copy(update={"sinks": besides(self.config.sinks)})
        if self._closers:
            config = closed(config)
        session = Session(
            config,
            always=[self.broadcast.sink()],
            hold=self.hold,
            doors=Doors(self._open_source, keep_files=True, camera=self.cameras.sink),
        )
        session.pairs = self.compare.pairs()
        return session

    def _open_source(self, url: str) -> Source:
        from livefuse.source import open_source

        location = parse(url)
        if location.kind == "webrtc":
            source: Source = self.inlet.open_source(location)
        else:
            source = open_source(url, stall_ms=self.config.live.lost_ms)
        return source if self._audio is None else self._audio.follow(source)
