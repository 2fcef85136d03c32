"""When a frame of a source that does not pace itself is due: time goes in, a decision comes out.

The stream's clock is tied to the monotonic clock at an anchor. The anchor moves when the stream's own time jumps, and
when the reader has fallen behind by more than a period: the lost time is then given up instead of being caught up by
a burst of frames, whose latency would count from instants long past.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Pacer:
    """Maps `pts_ns` to monotonic instants. `late` and `jumps` count the re-anchorings, by cause.

    A gap up to `jump_ns` is taken for a still picture, as screen recordings have them, and waited out.
    """

    jump_ns: int = 10_000_000_000
    late: int = 0
    jumps: int = 0
    _anchor_ns: int | None = None
    _last_pts_ns: int = 0

    def due_ns(self, pts_ns: int, now_ns: int, period_ns: int) -> int:
        """The instant at which the frame at `pts_ns` is due; `now_ns` itself if it starts a new anchor."""
        if self._anchor_ns is None:
            return self._anchored(pts_ns, now_ns)
        step_ns = pts_ns - self._last_pts_ns
        if step_ns < 0 or step_ns > max(self.jump_ns, 4 * period_ns):
            self.jumps += 1
            return self._anchored(pts_ns, now_ns)
        due_ns = self._anchor_ns + pts_ns
        if now_ns - due_ns > period_ns:
            self.late += 1
            return self._anchored(pts_ns, now_ns)
        self._last_pts_ns = pts_ns
        return due_ns

    def _anchored(self, pts_ns: int, now_ns: int) -> int:
        self._anchor_ns, self._last_pts_ns = now_ns - pts_ns, pts_ns
        return now_ns
