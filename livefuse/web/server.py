"""Runs a daemon behind its web application: from the opened port to a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import uvicorn

from livefuse import __version__
from livefuse.daemon.words import reload_words
from livefuse.daemon_config import DaemonConfig
from livefuse.errors import DaemonError, LivefuseError
from livefuse.paths import Paths
from livefuse.web.accepting import accepting
from livefuse.web.listening import Listening, listen
from livefuse.web.protocol import PromptProtocol

if TYPE_CHECKING:
    from fastapi import FastAPI

    from livefuse.daemon.daemon import Daemon
    from livefuse.tls.serving import Tls

STOP_S = 10.0
_ANSWERS_S = 2
_ENDING = (signal.SIGINT, signal.SIGTERM)
_HEADER_BYTES = 32 << 10
_log = logging.getLogger("livefuse")


class MakesDaemon(Protocol):
    def __call__(
        self, config: DaemonConfig, *, file: Path | None, overrides: Mapping[str, Any] | None, paths: Paths
    ) -> Daemon: ...


@dataclass(frozen=True, slots=True)
class Serving:
    """A daemon that answers. `stop` ends it cleanly, from its event loop."""

    listening: Listening
    daemon: Daemon
    stop: Callable[[], None]
    tls: Tls | None = None


async def serve(
    config: DaemonConfig,
    *,
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    paths: Paths | None = None,
    announce: Callable[[Serving], None] = lambda _: None,
    make_daemon: MakesDaemon | None = None,
    stop_s: float = STOP_S,
) -> None:
    """Serve until a signal. `announce` is called once, as soon as requests are answered.

    Raises: PortTaken, BadValue, DaemonError, and whatever the configuration's sessions cannot begin with.
    """
    where, paths = listen(config.serve.host, config.serve.port), paths or Paths.default()
    try:
        tls = _tls(config, paths)
        where = dataclasses.replace(where, scheme="https" if tls else "http")
        # the port is open by now: loading what follows takes a second, and who asks meanwhile waits instead of failing
        own = config.model_copy(update={"serve": config.serve.model_copy(update={"port": where.port})})
        daemon = (make_daemon or _daemon)(own, file=file, overrides=overrides, paths=paths)
        await _Run(daemon, where, stop_s, tls).until_stopped(paths.state, announce)
    finally:
        where.close()


class _Run:
    def __init__(self, daemon: Daemon, where: Listening, stop_s: float, tls: Tls | None) -> None:
        self._daemon, self._where, self._stop_s, self._tls = daemon, where, stop_s, tls
        self._stop = asyncio.Event()
        self._ended = False
        self._reloads: set[asyncio.Task[None]] = set()

    async def until_stopped(self, state: Path, announce: Callable[[Serving], None]) -> None:
        with self._signals():
            try:
                await (
                    self._daemon.start()
                )  # sessions open on threads of their own, while the application is made on another
                app = await asyncio.to_thread(_application, self._daemon)
                await self._answer(app, state, announce)
            finally:
                await self._end()

    async def _answer(self, app: FastAPI, state: Path, announce: Callable[[Serving], None]) -> None:
        """Streams end first, then sessions with their outputs, then the last answers."""
        server, tls = _Server(_uvicorn_config(app)), self._tls
        app.state.tls = tls
        http = asyncio.create_task(server.serve([] if tls else list(self._where.sockets)), name="http")
        try:
            while not server.started and not http.done():
                await asyncio.sleep(0.005)
            with _told(state, self._where, self._daemon.token, tls):
                async with accepting(self._where.sockets, tls, server.protocol) if tls else contextlib.nullcontext():
                    announce(Serving(self._where, self._daemon, self._stop.set, tls))
                    await _first_of(http, self._stop)
                    app.state.closing.set()
                    await self._end()
        finally:
            server.should_exit = True
            await http

    async def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        try:
            await asyncio.wait_for(self._daemon.stop(), self._stop_s)
        except TimeoutError:
            _log.error("the sessions did not end within %.0f s and were left", self._stop_s)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """The first SIGINT or SIGTERM ends everything cleanly, the second at once; SIGHUP reads the configuration again."""
        loop = asyncio.get_running_loop()

        def end(_: int, __: object) -> None:
            for number in _ENDING:
                signal.signal(number, signal.SIG_DFL)
            loop.call_soon_threadsafe(self._stop.set)

        if threading.current_thread() is not threading.main_thread():  # whoever runs it there ends it by `stop`
            yield
            return
        before = {number: signal.signal(number, end) for number in _ENDING}
        if hasattr(signal, "SIGHUP"):
            again = signal.signal(signal.SIGHUP, lambda *_: loop.call_soon_threadsafe(self._reload))
            before[signal.SIGHUP] = again
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _reload(self) -> None:
        task = asyncio.get_running_loop().create_task(self._reloaded())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reloaded(self) -> None:
        try:
            _log.warning("configuration read again: %s", "; ".join(reload_words(await self._daemon.reload())))
        except LivefuseError as error:
            _log.error("configuration not taken over: %s", error.message)


class _Server(uvicorn.Server):
    """Signals are ours, for a session's outputs are to be completed before the server ends."""

    def protocol(self) -> PromptProtocol:
        """For a connection that was accepted elsewhere."""
        return PromptProtocol(self.config, self.server_state, self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _uvicorn_config(app: FastAPI) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=PromptProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,  # livefuse.web.edge writes it, without what URLs may hold
        proxy_headers=False,  # nobody may say where they come from
        server_header=False,
        timeout_graceful_shutdown=_ANSWERS_S,
        limit_concurrency=1000,
        h11_max_incomplete_event_size=_HEADER_BYTES,
    )


def _application(daemon: Daemon) -> FastAPI:
    from livefuse.web.app import make_app

    return make_app(daemon)


def _tls(config: DaemonConfig, paths: Paths) -> Tls | None:
    if not (config.serve.tls or config.serve.tls_cert or config.serve.tls_key):
        return None
    from livefuse.tls.serving import make_tls

    return make_tls(config.serve, paths.state)


def _daemon(config: DaemonConfig, *, file: Path | None, overrides: Mapping[str, Any] | None, paths: Paths) -> Daemon:
    from livefuse.daemon.daemon import Daemon

    return Daemon(config, file=file, overrides=overrides, paths=paths)


async def _first_of(http: asyncio.Task[None], stop: asyncio.Event) -> None:
    """Raises: what ended the server, if it was not `stop`."""
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((http, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
    if http.done():
        http.result()


@contextlib.contextmanager
def _told(state: Path, where: Listening, token: str, tls: Tls | None = None) -> Iterator[None]:
    """While this runs, the state folder says where the daemon is, to its user only. Raises: DaemonError."""
    file = state / f"daemon-{where.port}.json"
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    started = datetime.now(UTC).isoformat(timespec="seconds")
    told = {"url": where.url, "token": token, "pid": os.getpid(), "version": __version__, "started": started}
    told |= {"ca" if tls.is_own else "certificate": tls.pem.decode()} if tls else {}
    try:
        state.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            json.dump(told, opened)
        part.replace(file)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise DaemonError(f"cannot write {file}: {error.strerror}", hint="LIVEFUSE_HOME names another place") from error
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
