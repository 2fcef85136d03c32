"""What a tracked face looks like: per cell of its own space a running mean and spread, and how a frame differs from it.

A face that is seen is followed quickly, so that turning and changing light never build up to a difference. What differs is
told apart from what the light did (smooth over the whole face) and from landmarks that are a little off (an affine shift
of the model, by its own gradients); both are fitted robustly, together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.composite.masks.estimate_space import Bools, Space
from livefuse.frame import F32, U8

_DARK = 20.0  # of 255: below it colours are noise, and the logarithm flattens out
# Differences that mean nothing: log brightness, red, blue over green.
FLOOR = np.array([0.022, 0.012, 0.014], np.float32)
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
_HIDDEN_SAY, _MOBILE_SAY = 0.15, 0.3
_WINDOW_CELLS = 7 / 64
_ALIKE, _TEXTURE = (0.4, 0.85), 0.035
_LOGS = np.log(np.arange(256, dtype=np.float32) + np.float32(_DARK))[None]
_MIX = np.array([[0.3, 0.6, 0.1], [1, -1, 0], [0, -1, 1]], np.float32)
_ACROSS = np.array([-1, -2, 0, 2, 1], np.float32) / 8
_ALONG = np.array([1, 4, 6, 4, 1], np.float32) / 16


@dataclass(frozen=True, slots=True)
class Difference:
    """A frame against the model: `variance` (3, gh, gw) that is usual, `residual` that neither light nor shift explains,
    `change` without the light, both as `variance`; (gh, gw) `deviation`, the squared residual in usual ones, and
    `brightness` of the frame in the model's light."""

    variance: F32
    residual: F32
    change: F32
    deviation: F32
    brightness: F32


@dataclass(slots=True)
class Appearance:
    """The model of one face. Shapes: mean, variance (3, gh, gw); hidden_s (gh, gw), how long a cell was not seen."""

    space: Space
    mean: F32
    variance: F32 = field(init=False)
    hidden_s: F32 = field(init=False)
    frames: int = 1
    _light: tuple[F32, F32] = field(init=False)

    def __post_init__(self) -> None:
        self.variance = np.zeros_like(self.mean)
        self.hidden_s = np.zeros(self.mean.shape[1:], np.float32)
        self._light = np.zeros(12, np.float32), np.zeros((2, 3), np.float32)

    def compare(self, seen: F32, hidden: Bools) -> Difference:
        """Shapes: seen (3, gh, gw), `features` of the frame; hidden (gh, gw), what was hidden before."""
        slope_x, slope_y = slopes(self.mean)
        variance = self._usual(slope_x, slope_y)
        difference = seen - self.mean
        say = np.where(hidden, np.float32(_HIDDEN_SAY) * _fixed(self.space).say, _fixed(self.space).say)
        light, to_right, down = self._explain(difference, variance, say, slope_x, slope_y)
        change = difference - light
        slope_x *= to_right
        slope_y *= down
        residual = change - slope_x
        residual -= slope_y
        squared = residual * residual
        squared /= variance
        deviation = squared[0] + squared[1]
        deviation += squared[2]
        brightness = seen[0] - light[0]
        deviation *= 1 - _same_structure(self.mean[0], brightness)
        return Difference(variance, residual, change, deviation, brightness)

    def learn(self, difference: Difference, hidden: Bools, doubt_s: F32 | np.float32, dt_s: float) -> None:
        """Follow what is seen. Shapes: hidden and doubt_s (gh, gw): cells not to learn from, and the seconds by which
        their model ages. What has been hidden for too long is learned: it belongs to the face by now."""
        limit = np.sqrt(difference.variance)
        limit *= np.float32(_OUTLIER)
        follow = max(1 / (self.frames + 1), 1 - np.exp(-dt_s / _FOLLOW_S))
        spread = max(1 / (self.frames + 2), 1 - np.exp(-dt_s / _SPREAD_S))
        step, usual = _within(limit, difference.change), _within(limit, difference.residual)
        step *= np.float32(follow)
        usual *= usual
        usual *= np.float32(1 - spread)
        usual -= self.variance
        usual *= np.float32(spread)
        if hidden.any():
            followed = np.logical_not(hidden & (self.hidden_s < _LONGEST_S)).astype(np.float32)
            step *= followed
            usual *= followed
        self.mean += step
        self.variance += usual
        fresh = np.maximum(0, self.hidden_s - np.float32(dt_s / _FADE_S))
        self.hidden_s = np.where(hidden, self.hidden_s + doubt_s, fresh)
        self.frames += 1

    def _usual(self, slope_x: F32, slope_y: F32) -> F32:
        """The variance that means nothing, (3, gh, gw)."""
        slope2 = slope_x * slope_x
        slope2 += slope_y * slope_y
        usual = cv2.blur(_tall(slope2), (3, 3)).reshape(slope2.shape)
        usual *= np.float32(SHIFTED_CELLS2)
        usual += np.float32(_SPREADS) * self.variance
        usual += _fixed(self.space).floor
        if self.hidden_s.any():
            usual += self.hidden_s * _FORGETS_PER_S[:, None, None]
        return np.asarray(usual, np.float32)

    def _explain(self, difference: F32, variance: F32, say: F32, slope_x: F32, slope_y: F32) -> tuple[F32, F32, F32]:
        """What the light did, (3, gh, gw), and how far the model is off to the right and down, (gh, gw), cells."""
        some, coarse = _fixed(self.space).some, _fixed(self.space).coarse
        linear = coarse[:3]
        basis = np.concatenate((slope_x[0].take(some) * linear, slope_y[0].take(some) * linear, coarse))
        old, old_tint = self._light
        target = _taken(difference, some) - np.concatenate((old[None] @ basis, old_tint @ linear))
        precise, weights = 1 / _taken(variance, some), say.take(some)
        left = target
        for half in _STEPS:
            far = np.einsum("ij,ij,ij->j", left, left, precise)
            robust = weights / (1 + far * np.float32(1 / half)) ** 2
            bright = _solved(basis, robust * precise[0], _STIFF, target[:1])
            tint = _solved(linear, robust * precise[1], _STIFF_TINT, target[1:])
            left = target - np.concatenate((bright @ basis, tint @ linear))
        whole, tint = bright[0] + old, tint + old_tint
        self._light = np.where(np.arange(12) < 6, 0, _LIGHT_KEPT * whole).astype(np.float32), tint
        parts = np.zeros((5, 6), np.float32)
        parts[0], parts[1:3, :3], parts[3:, :3] = whole[6:], tint, whole[:6].reshape(2, 3)
        fields = (parts @ self.space.smooth.reshape(6, -1)).reshape(5, *self.space.shape)
        return fields[:3], fields[3], fields[4]


@dataclass(frozen=True, slots=True)
class _Fixed:
    """What of a comparison is the same for all faces. Shapes: floor (3, gh, gw), variance; say (gh, gw), 0..1; some
    (n), the cells that light and shift are fitted to, and coarse (6, n), `Space.smooth` there."""

    floor: F32
    say: F32
    some: npt.NDArray[np.intp]
    coarse: F32


@lru_cache(maxsize=4)
def _fixed(space: Space) -> _Fixed:
    step = max(1, space.shape[0] // _FIT_ROWS)
    floor = (FLOOR**2)[:, None, None] + space.mobile * (_MOBILE_FLOOR**2)[:, None, None]
    say = space.core * (1 - np.float32(1 - _MOBILE_SAY) * space.mobile)
    fitted = np.zeros(space.shape, np.bool_)
    fitted[::step, ::step] = say[::step, ::step] > 0
    some = np.flatnonzero(fitted)
    return _Fixed(floor, say, some, _taken(space.smooth, some))


def features(image: U8) -> F32:
    """Log brightness and the logarithms of red and of blue over green: light only adds to them. Shapes: (h, w, 3) ->
    (3, h, w)."""
    logs = cv2.LUT(image, _LOGS)
    return np.asarray((_MIX @ logs.reshape(-1, 3).T).reshape(3, *image.shape[:2]), np.float32)


def slopes(planes: F32) -> tuple[F32, F32]:
    """Change per cell to the right and down, of what is first made a little smoother. Shapes: (n, gh, gw) each."""
    tall = _tall(planes)
    to_right = cv2.sepFilter2D(tall, -1, _ACROSS, _ALONG).reshape(planes.shape)
    return to_right, cv2.sepFilter2D(tall, -1, _ALONG, _ACROSS).reshape(planes.shape)


def _taken(planes: F32, cells: npt.NDArray[np.intp]) -> F32:
    return planes.reshape(len(planes), -1).take(cells, axis=1)


def _tall(planes: F32) -> F32:
    """Planes under one another, for one filter over all: what it mixes lies at the grid's border, outside the face."""
    return planes.reshape(-1, planes.shape[-1])


def _within(limit: F32, values: F32) -> F32:
    held = np.minimum(values, limit)
    return np.maximum(held, -limit, out=held)


def _solved(basis: F32, weights: F32, stiff: F32, target: F32) -> F32:
    """The weighted least-squares fit of each row of `target` (k, n) by the rows of `basis` (m, n), (k, m)."""
    weighted = basis * weights
    _, solved = cv2.solve(weighted @ basis.T + stiff, weighted @ target.T)
    return np.asarray(solved.T, np.float32)


def _same_structure(model: F32, seen: F32) -> F32:
    """How surely the same features are seen: local correlation, where the model has features. 0..1, (gh, gw)."""
    size = max(3, round(_WINDOW_CELLS * model.shape[0]) | 1)
    products = np.empty((5, *model.shape), np.float32)
    products[0], products[1] = model, seen
    np.multiply(model, model, out=products[2])
    np.multiply(seen, seen, out=products[3])
    np.multiply(model, seen, out=products[4])
    a, b, aa, bb, ab = cv2.blur(_tall(products), (size, size)).reshape(products.shape)
    aa -= a * a
    bb -= b * b
    ab -= a * b
    variance, other = np.maximum(aa, 0), np.maximum(bb, 0)
    other += np.float32(1e-4)
    alike = ab / np.sqrt((variance + np.float32(1e-4)) * other)
    low, high = _ALIKE
    alike -= np.float32(low)
    alike *= np.float32(1 / (high - low))
    match: F32 = np.minimum(np.maximum(alike, 0), 1)
    match *= variance
    match /= variance + np.float32(_TEXTURE**2)
    return match
