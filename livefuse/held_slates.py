"""The slates that leave in the place of pictures while these are held back."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

from livefuse.clock import Clock
from livefuse.config import PrivacyConfig
from livefuse.egress import Egress
from livefuse.frame import SLATE_SCENE, HostFrame
from livefuse.gate import HOLD_WORDS, Gate, HoldKind
from livefuse.sinks.base import StreamInfo

_FPS = 30  # at most


def slate_of(privacy: PrivacyConfig, stream: StreamInfo, words: str) -> HostFrame:
    """A slate of a session's size: the picture that its settings name, or these words."""
    from livefuse.composite.slate import slate

    return slate(stream.format, stream.height, stream.width, stream.colour, words, privacy.slate or None)


def hold_slates(privacy: PrivacyConfig, stream: StreamInfo) -> dict[HoldKind, HostFrame]:
    """One for each kind of hold, drawn before it is needed: a panic must not wait for it."""
    if privacy.slate:
        return dict.fromkeys(HOLD_WORDS, slate_of(privacy, stream, ""))
    return {kind: slate_of(privacy, stream, words) for kind, words in HOLD_WORDS.items()}


def slate_period_s(stream: StreamInfo) -> float:
    """How often slates leave."""
    return 1 / min(_FPS, float(stream.fps or _FPS))


class HeldSlates:
    """Sends slates for as long as the gate holds pictures back, from a thread of its own: the pipeline may hang.

    `slates` are drawn beforehand, so that the first one leaves at once.
    """

    def __init__(
        self, gate: Gate, egress: Egress, slates: Mapping[HoldKind, HostFrame], clock: Clock, period_s: float
    ) -> None:
        self._gate, self._egress, self._clock, self._period_s = gate, egress, clock, period_s
        duration_ns = round(period_s * 1e9)
        self._slates = {
            kind: replace(slate, duration_ns=duration_ns, scene=SLATE_SCENE) for kind, slate in slates.items()
        }
        self._thread: threading.Thread | None = None
        self._changed = threading.Condition()
        self._ended = False

    def follow(self) -> None:
        """The gate has changed: the first slate leaves before this returns."""
        with self._changed:
            kind = self._gate.hold
            if kind and not self._ended:
                self._egress.send_now(self._slates[kind], slate=True)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="livefuse-hold", daemon=True)
                    self._thread.start()
            self._changed.notify_all()

    def end(self) -> None:
        """No more slates: the sinks are about to be completed."""
        with self._changed:
            self._ended = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        with self._changed:
            while self._gate.hold and not self._ended:
                kind = self._gate.hold
                if not self._changed.wait(self._period_s) and self._gate.hold == kind and kind:
                    self._egress.send_now(self._slates[kind], slate=True)
            self._thread = None
