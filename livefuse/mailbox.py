"""Hand-overs between threads: `Latest` for live video (newest wins), `Every` for files (nothing is lost)."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The other side has finished; nothing more will come."""


class Mailbox(Protocol[T]):
    """One producer, one consumer."""

    dropped: int

    def put(self, item: T) -> None: ...

    def get(self, timeout_s: float | None = None) -> T | None:
        """The next item, or None when `timeout_s` passed. Raises: Closed when closed and empty."""
        ...

    def close(self) -> None: ...


class Latest(Generic[T]):
    """Depth one: a newer item replaces one not taken yet, which counts as dropped. `put` never waits."""

    def __init__(self) -> None:
        self.dropped = 0
        self._item: T | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: T) -> None:
        with self._changed:
            if self._closed:
                return
            if self._item is not None:
                self.dropped += 1
            self._item = item
            self._changed.notify()

    def get(self, timeout_s: float | None = None) -> T | None:
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed, timeout_s)
            item, self._item = self._item, None
            if item is None and self._closed:
                raise Closed
            return item

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Every(Generic[T]):
    """A short queue whose `put` waits for room: for files, where each frame counts and time does not.

    A writer that waits is woken when the queue has run down to half, not for every place that becomes free: waking a
    thread costs up to a millisecond on a virtual machine, which the reader pays.
    """

    def __init__(self, depth: int = 4) -> None:
        self.dropped = 0
        self._items: deque[T] = deque()
        self._depth, self._low = depth, depth // 2
        self._closed = False
        lock = threading.Lock()
        self._filled, self._room = threading.Condition(lock), threading.Condition(lock)

    def put(self, item: T) -> None:
        with self._room:
            self._room.wait_for(lambda: len(self._items) < self._depth or self._closed)
            if self._closed:
                self.dropped += 1
                return
            self._items.append(item)
            self._filled.notify()

    def get(self, timeout_s: float | None = None) -> T | None:
        with self._filled:
            self._filled.wait_for(lambda: self._items or self._closed, timeout_s)
            if self._items:
                item = self._items.popleft()
                if len(self._items) <= self._low:
                    self._room.notify()
                return item
            if self._closed:
                raise Closed
            return None

    def close(self) -> None:
        with self._filled:
            self._closed = True
            self._filled.notify_all()
            self._room.notify_all()
