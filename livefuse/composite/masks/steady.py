"""Masks that do not flicker: edges are held still, what really appears or goes is followed at once."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32, U8

_FRAME_NS = 33_333_333  # strengths are stated for 30 frames a second
_LONGEST_NS = 200_000_000
_LOOK_PX, _REACH_PX = 64, 9  # change is judged on a square of this size, over this many of its pixels
# Mean change around a pixel: below the first an edge that trembles (a tenth: by one pixel), above the second something moved.
_TREMBLE, _MOVED = 0.12 * 255, 0.35 * 255
_CALMER = (
    0.75  # a place where something moved calms down by this from frame to frame, so that nothing trails behind a hand
)
_SLOWEST = 0.05
_ALL = 254.0


class Steady:
    """One face's mask over time, in its aligned square.

    An exponential average whose weight depends on how much around a pixel changes: an edge that trembles changes few
    pixels of a neighbourhood, a hand that comes in changes all of them. An edge that moves on slowly falls behind by the
    width that counts as moving, at most.
    """

    def __init__(self, amount: float) -> None:
        """`amount` 0 follows everything at once, 1 averages over some twenty frames."""
        self._slow = 1.0 if amount <= 0 else _SLOWEST + (1 - _SLOWEST) * (1 - amount) ** 2
        self._state: F32 | None = None
        self._moved: F32 | None = None
        self._is_fresh, self._t_ns = True, 0

    def follow(self, mask: U8 | None, t_ns: int) -> F32 | None:
        """The steadied mask, float32 0..255, not to be written to; None where all is visible. Shapes: (G, G)."""
        passed_ns, self._t_ns = min(abs(t_ns - self._t_ns), _LONGEST_NS), t_ns
        if self._is_fresh or self._slow >= 1:
            self._is_fresh, self._state = False, None if mask is None else mask.astype(np.float32)
            return self._state
        if self._state is None:
            if mask is None:
                return None
            self._state = np.full(mask.shape, 255, np.float32)
        self._approach(mask, 1 - (1 - self._slow) ** (passed_ns / _FRAME_NS))
        if mask is None and float(self._state.min()) >= _ALL:
            self._state = None
        return self._state

    def _approach(self, mask: U8 | None, slow: float) -> None:
        state = self._state
        assert state is not None
        away = 255 - state if mask is None else mask - state
        size = (_LOOK_PX, _LOOK_PX)
        change = cv2.resize(np.abs(away), size, interpolation=cv2.INTER_AREA)
        change = cv2.blur(change, (_REACH_PX, _REACH_PX), borderType=cv2.BORDER_REPLICATE)
        moved = np.clip((change - _TREMBLE) / (_MOVED - _TREMBLE), 0, 1)
        self._moved = moved if self._moved is None else np.maximum(moved, self._moved * np.float32(_CALMER))
        away *= cv2.resize(slow + (1 - slow) * self._moved, state.shape[::-1])
        state += away
