"""What a tracked face looks like: per cell of its own space a running mean and spread, and how a frame differs from it.

A face that is seen is followed quickly, so that turning and changing light never build up to a difference. What differs is
told apart from what the light did (smooth over the whole face) and from landmarks that are a little off (an affine shift
of the model, by its own gradients); both are fitted robustly, together.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from livefuse.composite.masks.estimate_space import Bools, Space
from livefuse.frame import F32, U8

_DARK = 20.0  # of 255: below it colours are noise, and the logarithm flattens out
FLOOR = np.array(
    [0.022, 0.012, 0.014], np.float32
)  # differences that mean nothing: log brightness, red, blue over green
_MOBILE_FLOOR = np.array([0.25, 0.12, 0.12], np.float32)  # the same where lids, lips and teeth come and go
_SPREADS = 1.5  # how much learned variance excuses
SHIFTED_CELLS2 = 0.25  # and how much a slope does: squared cells by which landmarks may be off
_FORGETS_PER_S = np.array([0.03, 0.02, 0.02], np.float32) ** 2  # variance gained while a cell is hidden
_FOLLOW_S, _SPREAD_S = 0.27, 0.65
_FADE_S = 0.17  # in which the doubt of a hidden second goes once the cell is seen again
_LONGEST_S = 5.0  # that a cell is taken to be hidden
_OUTLIER = 3.0  # spreads
_STEPS = (10.0, 3.5)  # of the robust fit: squared deviation at which a cell loses half its say, and more
_LIGHT_KEPT = 0.9
_FIT_ROWS = 21  # of the grid: so few unknowns need no more
# What holds the fit back, against cells that count 1 / variance each: shift (x, y by 1, x, y), light (degree two), tint.
_STIFF = np.diag(np.array([0.1, 0.5, 0.5, 0.1, 0.5, 0.5, 5, 20, 20, 60, 60, 60], np.float32))
_STIFF_TINT = np.diag(np.array([20, 80, 80], np.float32))
_ONES = np.ones(3, np.float32)
_HIDDEN_SAY = 0.15
_WINDOW_CELLS = 7 / 64
_ALIKE, _TEXTURE = (0.4, 0.85), 0.035


@dataclass(frozen=True, slots=True)
class Difference:
    """A frame against the model, (gh, gw, ...): `variance` (3 channels) that is usual, `residual` (3) that neither light
    nor shift explains, `change` (3) without the light, `deviation`, the squared residual in usual ones, and the frame itself
    in the model's light, `seen` (3)."""

    variance: F32
    residual: F32
    change: F32
    deviation: F32
    seen: F32


@dataclass(slots=True)
class Appearance:
    """The model of one face. Shapes: mean, variance (gh, gw, 3); hidden_s (gh, gw), how long a cell was not seen."""

    space: Space
    mean: F32
    variance: F32 = field(init=False)
    hidden_s: F32 = field(init=False)
    frames: int = 1
    _light: tuple[F32, F32] = field(init=False)
    _linear: F32 = field(init=False)

    def __post_init__(self) -> None:
        self.variance = np.zeros_like(self.mean)
        self.hidden_s = np.zeros(self.mean.shape[:2], np.float32)
        self._light = np.zeros(12, np.float32), np.zeros((3, 2), np.float32)
        self._linear = np.ascontiguousarray(self.space.smooth[..., :3])

    def compare(self, seen: F32, hidden: Bools) -> Difference:
        """Shapes: seen (gh, gw, 3), `features` of the frame; hidden (gh, gw), what was hidden before."""
        slope_x, slope_y = slopes(self.mean)
        slope2 = cv2.blur(slope_x * slope_x + slope_y * slope_y, (3, 3))
        variance = FLOOR**2 + _SPREADS * self.variance + SHIFTED_CELLS2 * slope2
        variance += self.space.mobile[..., None] * _MOBILE_FLOOR**2 + self.hidden_s[..., None] * _FORGETS_PER_S
        difference = seen - self.mean
        say = self.space.core * np.where(hidden, np.float32(_HIDDEN_SAY), np.float32(1)) * (1 - 0.7 * self.space.mobile)
        light, shift = self._explain(difference, variance, say, slope_x, slope_y)
        change = difference - light
        residual = change - shift
        deviation = (residual * residual / variance) @ _ONES
        deviation *= 1 - _same_structure(self.mean[..., 0], seen[..., 0] - light[..., 0])
        return Difference(variance, residual, change, deviation, seen - light)

    def learn(self, difference: Difference, hidden: Bools, doubt_s: F32, dt_s: float) -> None:
        """Follow what is seen. Shapes: hidden and doubt_s (gh, gw): cells not to learn from, and the seconds by which
        their model ages. What has been hidden for too long is learned: it belongs to the face by now."""
        limit = _OUTLIER * np.sqrt(difference.variance)
        follow = max(1 / (self.frames + 1), 1 - np.exp(-dt_s / _FOLLOW_S))
        spread = max(1 / (self.frames + 2), 1 - np.exp(-dt_s / _SPREAD_S))
        seen = ~(hidden & (self.hidden_s < _LONGEST_S))[..., None]
        self.mean += np.float32(follow) * np.clip(difference.change, -limit, limit) * seen
        usual = np.clip(difference.residual, -limit, limit)
        self.variance += np.float32(spread) * ((1 - np.float32(spread)) * usual * usual - self.variance) * seen
        fresh = np.maximum(0, self.hidden_s - np.float32(dt_s / _FADE_S))
        self.hidden_s = np.where(hidden, self.hidden_s + doubt_s, fresh).astype(np.float32)
        self.frames += 1

    def _explain(self, difference: F32, variance: F32, say: F32, slope_x: F32, slope_y: F32) -> tuple[F32, F32]:
        """What light, and a shift of the model, make of the difference, each (gh, gw, 3)."""
        smooth, step = self.space.smooth, max(1, self.space.shape[0] // _FIT_ROWS)
        some = slice(None, None, step), slice(None, None, step)
        coarse = smooth[some].reshape(-1, 6)
        linear = np.ascontiguousarray(coarse[:, :3])
        moved = [slope[some][..., :1].reshape(-1, 1) * linear for slope in (slope_x, slope_y)]
        basis = np.concatenate((*moved, coarse), axis=1)
        old, old_tint = self._light
        target = difference[some].reshape(-1, 3) - np.concatenate((basis @ old[:, None], linear @ old_tint), axis=1)
        precise, weights = np.float32(1) / variance[some].reshape(-1, 3), say[some].ravel()
        bright, tint = np.zeros((12, 1), np.float32), np.zeros((3, 2), np.float32)
        for half in _STEPS:
            left = target - np.concatenate((basis @ bright, linear @ tint), axis=1)
            robust: F32 = weights / (1 + (left * left * precise) @ _ONES * np.float32(1 / half)) ** 2
            bright = _solved(basis, robust * precise[:, 0], _STIFF, target[:, :1])
            tint = _solved(linear, robust * precise[:, 1], _STIFF_TINT, target[:, 1:])
        bright, tint = bright[:, 0] + old, tint + old_tint
        self._light = np.where(np.arange(12) < 6, 0, _LIGHT_KEPT * bright).astype(np.float32), tint
        whole = self._linear
        light = np.concatenate(((smooth @ bright[6:])[..., None], whole @ tint), axis=-1)
        to_right, down = np.moveaxis(whole @ bright[:6].reshape(2, 3).T, -1, 0)
        return light, slope_x * to_right[..., None] + slope_y * down[..., None]


def features(image: U8) -> F32:
    """Log brightness and the logarithms of red and of blue over green: light only adds to them. Shapes: as the image."""
    logs = cv2.log(image.astype(np.float32) + np.float32(_DARK))
    red, green, blue = logs[..., 0], logs[..., 1], logs[..., 2]
    return np.dstack((0.3 * red + 0.6 * green + 0.1 * blue, red - green, blue - green)).astype(np.float32)


def slopes(values: F32) -> tuple[F32, F32]:
    """Change per cell to the right and down. Shapes: (gh, gw, n) each."""
    calm = cv2.GaussianBlur(values, (3, 3), 0)
    return cv2.Sobel(calm, -1, 1, 0, scale=1 / 8), cv2.Sobel(calm, -1, 0, 1, scale=1 / 8)


def _solved(basis: F32, weights: F32, stiff: F32, target: F32) -> F32:
    weighted = basis * weights[:, None]
    return np.asarray(np.linalg.solve(weighted.T @ basis + stiff, weighted.T @ target), np.float32)


def _same_structure(model: F32, seen: F32) -> F32:
    """How surely the same features are seen: local correlation, where the model has features. 0..1, (gh, gw)."""
    size = max(3, round(_WINDOW_CELLS * model.shape[0]) | 1)
    a, b, aa, bb = cv2.split(cv2.blur(cv2.merge((model, seen, model * model, seen * seen)), (size, size)))
    ab = cv2.blur(model * seen, (size, size))
    variance = np.maximum(aa - a * a, 0)
    alike = (ab - a * b) / np.sqrt((variance + 1e-4) * (np.maximum(bb - b * b, 0) + 1e-4))
    low, high = _ALIKE
    match: F32 = np.clip((alike - low) / (high - low), 0, 1) * (variance / (variance + _TEXTURE**2))
    return match
