"""Output frames in reused memory: a frame's buffer returns by itself when the last holder lets go of its planes."""

from __future__ import annotations

import threading
import weakref

import numpy as np

from livefuse.frame import U8, PixelFormat, plane_shapes


class FramePool:
    """Hands out plane arrays of one format and size.

    Sinks keep frames for as long as they like, on their own threads; nobody has to give anything back. The trick: each
    hand-out is a fresh array over an old buffer, NumPy views keep that array alive, and its end frees the buffer.
    """

    def __init__(self, format: PixelFormat, height: int, width: int) -> None:  # noqa: A002
        self._shapes = plane_shapes(format, height, width)
        self._size = sum(int(np.prod(shape)) for shape in self._shapes)
        self._free: list[bytearray] = []
        self._lock = threading.Lock()
        self._holders: dict[int, weakref.ref[U8]] = {}
        self.buffers = 0

    def take(self) -> tuple[U8, ...]:
        """Planes with whatever contents the buffer last had."""
        with self._lock:
            buffer = self._free.pop() if self._free else None
            if buffer is None:
                self.buffers += 1
        buffer = buffer if buffer is not None else bytearray(self._size)
        flat = np.frombuffer(buffer, np.uint8)
        key = id(buffer)
        self._holders[key] = weakref.ref(flat, lambda _: self._give_back(key, buffer))
        planes, start = [], 0
        for shape in self._shapes:
            size = int(np.prod(shape))
            planes.append(flat[start : start + size].reshape(shape))
            start += size
        return tuple(planes)

    def _give_back(self, key: int, buffer: bytearray) -> None:
        # Runs wherever the last reference dies, perhaps inside a garbage collection that interrupted `take`:
        # list.append and dict.pop are atomic, so no lock here.
        self._holders.pop(key, None)
        self._free.append(buffer)
