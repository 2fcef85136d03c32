"""What a synthetic person does over time: smooth sums of sines, talking, smiles and blinks, all from seed and time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from livefuse.source.synthetic.light import Light
from livefuse.source.synthetic.pose import Expression

_BLINK_S = 0.24


@dataclass(frozen=True, slots=True)
class Act:
    """One instant: angles in radians, sway in cm, expression and light."""

    yaw: float
    pitch: float
    roll: float
    sway_cm: tuple[float, float]
    expression: Expression
    light: Light


class Motion:
    """A person's movement; `amount` 0 is a still, neutral face."""

    def __init__(self, seed: int, amount: float) -> None:
        rng = np.random.default_rng([seed & 0xFFFFFFFF, 37])
        self._phase = rng.uniform(0, 2 * np.pi, 16)
        self._pace = rng.uniform(0.85, 1.15, 16)
        self._blinks = np.cumsum(rng.uniform(1.8, 4.6, 64)) - 1.0
        self._amount = amount

    def at(self, t_s: float) -> Act:
        k = self._amount
        if k == 0:
            return Act(0.0, 0.0, 0.0, (0.0, 0.0), Expression(), Light())
        yaw = k * (0.40 * self._wave(0, 0.11, t_s) + 0.10 * self._wave(1, 0.31, t_s))
        pitch = k * (0.09 * self._wave(2, 0.16, t_s) + 0.03 * self._wave(3, 0.47, t_s))
        roll = k * (0.07 * self._wave(4, 0.13, t_s) + 0.04 * self._wave(5, 0.29, t_s))
        sway = (k * 1.6 * self._wave(6, 0.09, t_s), k * 0.5 * self._wave(7, 0.19, t_s))
        light = Light(-0.62 + k * 0.45 * self._wave(8, 0.05, t_s), 0.55 + k * 0.15 * self._wave(9, 0.07, t_s))
        return Act(yaw, pitch, roll, sway, self._expression(t_s, k, yaw), light)

    def _expression(self, t_s: float, k: float, yaw: float) -> Expression:
        talking = max(0.0, self._wave(10, 0.12, t_s) + 0.15) ** 0.6
        syllable = 0.5 + 0.5 * self._wave(11, 2.6, t_s) * self._wave(12, 1.1, t_s)
        smile = 0.12 + 0.88 * max(0.0, self._wave(13, 0.10, t_s)) ** 1.2
        jaw = k * (1.15 * talking * max(0.0, syllable) ** 1.5 + 0.30 * max(0.0, smile - 0.3))
        brow = k * (0.7 * self._wave(14, 0.17, t_s) * abs(self._wave(15, 0.23, t_s)))
        gaze = (
            float(np.clip(-0.35 * yaw, -0.3, 0.3)) + 0.05 * k * self._wave(1, 0.37, t_s),
            0.03 * k * self._wave(3, 0.3, t_s),
        )
        return Expression(
            jaw=jaw if jaw > 0.03 else 0.0, smile=k * smile, blink=min(1.0, k) * self._blink(t_s), brow=brow, gaze=gaze
        )

    def _blink(self, t_s: float) -> float:
        """0 open to 1 shut: fast down, slower up."""
        since = (t_s % float(self._blinks[-1])) - self._blinks
        since = since[(since >= 0) & (since < _BLINK_S)]
        if not len(since):
            return 0.0
        u = float(since[0]) / _BLINK_S
        return float(np.sin(np.pi * u**0.75) ** 1.2)

    def _wave(self, i: int, hertz: float, t_s: float) -> float:
        return float(np.sin(2 * np.pi * hertz * self._pace[i] * t_s + self._phase[i]))
