"""What a channel tells about itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from livefuse.config import Config
from livefuse.daemon.shown import error_for_viewers, masked_in, without_folders
from livefuse.errors import LivefuseError
from livefuse.gate import HoldKind
from livefuse.session import Session
from livefuse.source.url import masked
from livefuse.webrtc.audio import AudioOut
from livefuse.webrtc.broadcast import Broadcast
from livefuse.webrtc.compare import Compare
from livefuse.webrtc.inlet import Inlet

State: TypeAlias = Literal["stopped", "starting", "running", "ended", "failed"]


class Reported:
    """The readable half of a channel."""

    name: str
    hold: HoldKind
    config: Config
    session: Session | None
    broadcast: Broadcast
    compare: Compare
    inlet: Inlet
    _audio: AudioOut | None
    _task: asyncio.Task[None] | None
    _resting: State
    _error: LivefuseError | None

    @property
    def state(self) -> State:
        if self._task is None or self._task.done():
            return self._resting
        return "running" if self._runs() else "starting"

    @property
    def idle(self) -> bool:
        """Whether the session rests until somebody looks."""
        return self.session is not None and self._runs() and self.session.idle

    @property
    def error(self) -> LivefuseError | None:
        """What keeps the session from running, or ended it."""
        return None if self._runs() else self._error

    @property
    def current(self) -> Config:
        """What runs, or what the next session begins with; another object after every change."""
        return self._now()

    def summary(self, figures: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What a list of sessions shows; `figures` as for `record`."""
        config, session = self._now(), self.session if self._runs() else None
        record = (session.record() if figures is None else figures) if session else {}
        latency = record.get("latency_ms", {})
        return {
            "name": self.name,
            "state": self.state,
            "hold": self.hold,
            "idle": self.idle,
            "error": _problem(self.error),
            "source": masked(config.source),
            "identity": masked(config.identity.photo),
            "swapper": config.swap.model,
            "privacy": config.privacy.mode,
            "fps": round(session.fps(), 2) if session else 0.0,
            "latency_ms": {name: latency.get(name, 0.0) for name in ("p50", "p95", "p99")},
            "viewers": self.broadcast.viewers,
            "publisher": self.inlet.connected,
            "sinks": {name: masked(url) for name, url in session.sink_urls.items()} if session else {},
        }

    def record(self, figures: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The record of design §6 of this or the last session, with what WebRTC did beside it; without paths, for all
        who may watch may read it.

        `figures` are the session's, where they have been worked out already: off the loop, for percentiles take a while.
        """
        if figures is None:
            figures = self.session.record() if self.session else {}
        now = {
            "state": self.state,
            "hold": self.hold,
            "idle": self.idle,
            "webrtc": self.broadcast.record(),
            "comparing": self.compare.viewers,
            "publisher": self.inlet.record(),
        }
        if self._audio is not None:
            now["audio"] = self._audio.record()
        sinks = {name: _sink(one) for name, one in figures.get("sinks", {}).items()}
        told = {"sinks": sinks} if sinks else {}
        return {**figures, **told, **now, "error": error_for_viewers(_problem(self.error))}

    def _runs(self) -> bool:
        return self.session is not None and self.session.state == "running"

    def _now(self) -> Config:
        return self.session.config if self.session is not None and self._runs() else self.config


def _problem(error: LivefuseError | None) -> dict[str, str] | None:
    """With the secrets of addresses masked: what FFmpeg says of a failure may name the whole of one."""
    if error is None:
        return None
    return {"code": error.code, "message": masked_in(error.message), "hint": masked_in(error.hint)}


def _sink(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {**figures, "error": without_folders(figures.get("error") or "")}
