"""A session's sinks, each with its own thread; they may come and go while frames leave."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

from livefuse.clock import Clock
from livefuse.config import LiveConfig
from livefuse.errors import NotHere, NotRunning
from livefuse.gate import Gate
from livefuse.sinks.base import Sink, StreamInfo
from livefuse.sinks.worker import SinkWorker
from livefuse.stats import Stats

_JOIN_S = 10.0


class Outputs:
    """The first sink is the one that latency is taken of. Iterating gives the sinks of this moment; any thread may."""

    def __init__(
        self,
        stream: StreamInfo,
        clock: Clock,
        stats: Stats,
        live: LiveConfig,
        *,
        every: bool,
        on_end: Callable[[], None],
        gate: Gate | None = None,
    ) -> None:
        self._gate = gate or Gate()
        self._stream, self._clock, self._stats = stream, clock, stats
        self._every, self._on_end = every, on_end
        self._retry_max_s = live.reconnect_max_s if live.reconnect and not every else None
        self._workers: tuple[SinkWorker, ...] = ()
        self._urls: dict[str, str] = {}
        self._changing = threading.Lock()
        self._closed = False

    def __iter__(self) -> Iterator[SinkWorker]:
        return iter(self._workers)

    def __len__(self) -> int:
        return len(self._workers)

    def open(self, sinks: Sequence[tuple[Sink, str]]) -> None:
        """Start with these, each with the URL it came by; all open at once. Raises: SinkError of the first that cannot."""
        workers = [self._worker(sink, url) for sink, url in sinks]
        for worker in workers:
            worker.opened.wait()
        for worker in workers:
            if worker.error is not None:
                raise worker.error

    def add(self, sink: Sink, url: str) -> str:
        """One more, once it is open; its name. Raises: SinkError; SessionError once closed."""
        worker = self._worker(sink, url)
        worker.opened.wait()
        if worker.error is not None:
            self._forget(worker)
            raise worker.error
        return worker.label

    def remove(self, name: str) -> None:
        """Complete one and let it go; those that were handed in ready-made stay. Raises: NotHere."""
        worker = next((worker for worker in self._workers if worker.label == name and name in self.urls), None)
        if worker is None:
            raise NotHere(f"there is no sink `{name}` to remove", hint="sinks: " + (", ".join(self.urls) or "none"))
        self._forget(worker)
        worker.finish(keep=True)
        worker.join(_JOIN_S)

    def covered(self, within_s: float) -> bool:
        """Whether every sink shows a slate of the hold that began last; waits so long for those that do not yet."""
        limit_s = time.monotonic() + within_s
        return all(worker.covered(max(0.0, limit_s - time.monotonic())) for worker in self._workers)

    def looked_at(self) -> bool:
        """Whether anybody looks at what any of them makes, or may do so unseen."""
        return any(worker.readers() != 0 for worker in self._workers)

    def close(self, *, keep: bool) -> None:
        """Complete all, or give all up."""
        with self._changing:
            self._closed = True
        for worker in self._workers:
            worker.finish(keep=keep)
        for worker in self._workers:
            worker.join(_JOIN_S)

    @property
    def names(self) -> list[str]:
        return [worker.label for worker in self._workers]

    @property
    def urls(self) -> dict[str, str]:
        """By name; sinks that were handed in ready-made have none."""
        return {name: url for name, url in self._urls.items() if url and name in self.names}

    @property
    def errors(self) -> list[Exception]:
        return [worker.error for worker in self._workers if worker.error is not None]

    @property
    def all_failed(self) -> bool:
        """Whether nothing is left to write to."""
        return bool(self.errors) and len(self.errors) == len(self)

    def _worker(self, sink: Sink, url: str) -> SinkWorker:
        with self._changing:
            if self._closed:  # nobody would ever complete it
                raise NotRunning("the session has ended meanwhile", hint="start it again")
            name = _free(sink.name, [*self._urls])
            worker = SinkWorker(
                sink, name, self._stream, self._clock, self._stats,
                every=self._every, retry_max_s=self._retry_max_s, on_end=self._on_end, gate=self._gate,
            )  # fmt: skip
            self._urls[name] = url
            self._workers = (*self._workers, worker)
            self._stats.lead(self._workers[0].label)
        worker.start()
        return worker

    def _forget(self, worker: SinkWorker) -> None:
        with self._changing:
            self._workers = tuple(other for other in self._workers if other is not worker)
            if self._workers:
                self._stats.lead(self._workers[0].label)


def _free(name: str, taken: Sequence[str]) -> str:
    """Two sinks of the same kind are told apart by a number; a number is not given twice, as counters carry it."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
