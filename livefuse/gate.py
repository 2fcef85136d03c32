"""Whether pictures go on their way: not while they are held back, nor while nobody looks."""

from __future__ import annotations

from typing import Literal, TypeAlias

HoldKind: TypeAlias = Literal["", "pause", "panic"]
"""Why nothing is shown: somebody asked for a break, or for privacy at once; nothing while pictures leave."""

HOLD_WORDS: dict[HoldKind, str] = {"pause": "Paused", "panic": "Private"}


class Gate:
    """One session's. Any thread reads; it is written under the lock of whoever holds or wakes.

    `turns` counts how often it closed or opened: pictures before and after have nothing to do with each other.
    """

    def __init__(self, hold: HoldKind = "") -> None:
        self.hold: HoldKind = hold
        self.idle = False
        self.turns = self.holds = 0
        self._since_ns = 0

    @property
    def shut(self) -> bool:
        """Whether captured pictures end here."""
        return bool(self.hold) or self.idle

    def hold_as(self, kind: HoldKind, now_ns: int) -> None:
        """Hold pictures back, or let them go again: those that are due from now on."""
        if kind == self.hold:
            return
        self._since_ns = now_ns
        self.holds += 1
        self.turns += 1
        self.hold = kind  # last: whoever sees it open sees from when on

    def rest(self, idle: bool) -> None:
        """Nobody looks, or somebody does again."""
        if idle != self.idle:
            self.turns += 1
            self.idle = idle

    def admits(self, due_ns: int) -> bool:
        """Whether a picture that was due then may be seen: what was made ready before a hold may not, also after it."""
        return not self.hold and due_ns >= self._since_ns

    def turns_away(self, holds: int) -> str:
        """Why a picture just captured ends here, by what counts drops; `holds` are those when its capture began."""
        if self.hold or holds != self.holds:
            return "held"
        return "idle" if self.idle else ""
