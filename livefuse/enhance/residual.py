"""What a network added to a face, kept and moved along with the face until the network runs again.

Only the difference is kept: the face itself is swapped on every frame and stays alive. Where it has changed since (a mouth
opened, a lid fell), the difference belongs to something that is no longer there and fades out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

from livefuse.device.base import Lane
from livefuse.device.planes import Affine
from livefuse.enhance.cut import IDENTITY, resized
from livefuse.enhance.motion import Motion
from livefuse.frame import F32, U8
from livefuse.swap.mesh import warp
from livefuse.swap.mesh.warp import Lattice

_GLANCE_PX = 64  # at which two faces are compared: coarse enough that neither noise nor detail counts
_SAME, _OTHER = 14.0, 40.0  # of 255: up to where a face counts as unchanged, and from where on as another one
_EDGE = 0.6  # part of the local contrast that a small misplacement explains
_STEPS = 2  # frames over which a new difference takes over, at most
_FADE_FRAMES = 5
_BORDER = (0.02, 0.09)  # where the crop's border fades in, of its side


@dataclass(slots=True)
class Residual:
    """One run's result.

    Shapes: values (w, w, 4) float32, RGB and nothing; glance (g, g, 3) float32, the face that the network saw, reduced;
    controls (n, 2), px of the network's input, None where no landmarks tell.
    """

    values: F32
    glance: F32
    controls: F32 | None


def difference(face: F32, image: U8, side: int, amount: float, *, soft_border: bool) -> F32:
    """`amount` of what a network changed, at `side` px. Shapes: face (S, S, 3) 0..255, image (S, S, 3) -> (w, w, 4)."""
    changed = np.asarray(cv2.subtract(face, image, dtype=cv2.CV_32F), np.float32)
    if side != changed.shape[0]:
        changed = np.asarray(cv2.resize(changed, (side, side), interpolation=cv2.INTER_AREA), np.float32)
    if amount != 1:
        changed *= np.float32(amount)
    if soft_border:
        changed *= _border(side)[..., None]
    return np.asarray(cv2.cvtColor(changed, cv2.COLOR_RGB2RGBA), np.float32)


def glance(image: U8) -> F32:
    """A face reduced to what can be compared, (h, w, 3) -> (gh, gw, 3) float32, by whole steps: averaging over fractions of
    pixels takes many times as long. What is left over at the far ends is left out."""
    step = _step(image)
    h, w = image.shape[0] // step, image.shape[1] // step
    small = cv2.resize(image[: h * step, : w * step], (w, h), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (3, 3), 0), np.float32)


def _step(image: U8 | F32) -> int:
    return max(1, round(max(image.shape[:2]) / _GLANCE_PX))


@dataclass(slots=True)
class Kept:
    """The residuals of one face: the newest, and the one before it, brought into the newest's place, while it goes out."""

    newest: Residual | None = None
    before: F32 | None = None
    mixed: F32 | None = None
    """What is shown, but for the fading in: (w, w, 4)."""
    shown: F32 | None = None
    fresh: bool = False
    _mix: float = 1.0
    _step: float = 1.0
    _strength: float = 1.0
    _memory: dict[str, F32] = field(default_factory=dict)

    def take(self, residual: Residual, before: F32 | None, *, every: int, fresh: bool, fades_in: bool) -> None:
        """A run's result has come. `before` is what was shown until now, in its place; `fresh` says that the run was on
        this very frame; `fades_in` that the first one appears gradually."""
        if self.newest is None:
            self._strength = 0.0 if fades_in else 1.0
        self.newest, self.before, self.fresh = residual, before, fresh
        self._step = 1 / min(every, _STEPS)
        self._mix = 1.0 if before is None or every == 1 else 0.0

    def advance(self) -> F32 | None:
        """One frame further: what is shown on it, (w, w, 4)."""
        if self.newest is None:
            return None
        self._mix = min(1.0, self._mix + self._step)
        self._strength = min(1.0, self._strength + 1 / _FADE_FRAMES)
        if self._mix == 1:
            self.before = None
        values = self.newest.values
        self.mixed = self.shown = values
        if self.before is not None:
            out = self._buffer("mixed", values)
            self.mixed = self.shown = cv2.addWeighted(values, self._mix, self.before, 1 - self._mix, 0, dst=out)
        if self._strength < 1:
            self.shown = np.multiply(self.mixed, np.float32(self._strength), out=self._buffer("shown", values))
        return self.shown

    def _buffer(self, name: str, like: F32) -> F32:
        held = self._memory.get(name)
        if held is None or held.shape != like.shape:
            held = self._memory[name] = np.empty_like(like)
        return held


class Mover:
    """Brings residuals onto a face as it is now."""

    def __init__(self, side: int) -> None:
        self._side, self._motion = side, Motion(side)

    def onto(self, before: F32, old: Residual, new: Residual) -> F32:
        """What was shown until now, in the place of a new residual; where the face has changed, the new one's own.

        Shapes: before (w, w, 4) -> new.values's.
        """
        lane, size = Lane(-1), (new.values.shape[1], new.values.shape[0])
        to_input = resized(IDENTITY, size[0], self._side)
        lattice = self._motion.map(size, to_input, new.controls, old.controls)
        there = warp.enlarge(lane, _in_px(lattice, before.shape[0] / self._side))
        moved = cv2.remap(before, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        keep = self._unchanged(new.glance, old, there, before.shape[0])
        if keep is not None:
            weight = cv2.resize(keep, size, interpolation=cv2.INTER_LINEAR)[..., None]
            moved = new.values + weight * (moved - new.values)
        return np.asarray(moved, np.float32)

    def add(
        self, lane: Lane, image: U8, to_input: Affine, kept: Kept, now: F32 | None, weight: F32 | None = None
    ) -> None:
        """Add what is shown to an image of the face, in place.

        Shapes: image (h, w, 3); to_input (2, 3), px of the image -> px of the network's input; now (n, 2), the face's
        controls; weight (h, w), how much of it where.
        """
        held, shown = kept.newest, kept.shown
        if held is None or shown is None:
            return
        keep = None
        if kept.fresh and shown.shape[:2] == image.shape[:2] and np.array_equal(to_input, IDENTITY):
            moved = shown  # to the last bit: where other programs' results are met exactly
        else:
            moved, keep = self._moved(lane, image, to_input, kept, now)
        rgb = cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB, dst=lane.buffer("enhance.added", image.shape, np.float32))
        _weigh(lane, rgb, keep, weight)
        cv2.add(image, rgb, dst=image, dtype=cv2.CV_8U)

    def _moved(self, lane: Lane, image: U8, to_input: Affine, kept: Kept, now: F32 | None) -> tuple[F32, F32 | None]:
        """What is shown, over the image, (h, w, 4), and how far it still belongs there."""
        held, shown = kept.newest, kept.shown
        assert held is not None
        assert shown is not None
        size = (image.shape[1], image.shape[0])
        lattice = self._motion.map(size, to_input, now, now if kept.fresh else held.controls)
        there = warp.enlarge(lane, _in_px(lattice, shown.shape[0] / self._side))
        moved = lane.buffer("enhance.moved", (*image.shape[:2], 4), np.float32)
        cv2.remap(shown, there, None, cv2.INTER_LINEAR, dst=moved, borderMode=cv2.BORDER_CONSTANT)
        if kept.fresh:
            return moved, None
        now_seen, step = glance(image), _step(image)
        covered = there[: now_seen.shape[0] * step, : now_seen.shape[1] * step]
        return moved, self._unchanged(now_seen, held, covered, shown.shape[0])

    def _unchanged(self, now: F32, held: Residual, there: F32, side: int) -> F32 | None:
        """How far each part of a face is what the network saw, 0..1 at the resolution of `now`; None: all of it is.

        Shapes: now (gh, gw, 3); there (h, w, 2), px of a residual of `side` px, for all that `now` shows.
        """
        few = cv2.resize(there, now.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        ratio = np.float32(held.glance.shape[0] / side)
        places = (few + np.float32(0.5)) * ratio - np.float32(0.5)
        then = cv2.remap(held.glance, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        change = now - then
        change -= np.median(change[::2, ::2], axis=(0, 1))  # light that changes everywhere is no other face
        apart = np.abs(change).max(axis=2)
        apart -= np.float32(_EDGE) * _contrast(then)
        if float(apart.max()) <= _SAME:
            return None
        t = np.clip((apart - _SAME) / (_OTHER - _SAME), 0, 1)
        keep = 1 - t * t * (3 - 2 * t)
        return np.asarray(cv2.GaussianBlur(cv2.erode(keep, np.ones((3, 3), np.uint8)), (5, 5), 0), np.float32)


def _contrast(image: F32) -> F32:
    """What one pixel of misplacement changes, (h, w)."""
    grey = image.mean(axis=2)
    return np.asarray(
        cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=0.125), cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=0.125))
    )


def _weigh(lane: Lane, rgb: F32, keep: F32 | None, weight: F32 | None) -> None:
    if keep is not None:
        size = rgb.shape[1::-1]
        full = lane.buffer("enhance.keep", rgb.shape[:2], np.float32)
        cv2.resize(keep, size, dst=full, interpolation=cv2.INTER_LINEAR)
        weight = full if weight is None else cv2.multiply(full, weight, dst=full)
    if weight is not None:
        wide = cv2.merge((weight,) * 3, dst=lane.buffer("enhance.weights", rgb.shape, np.float32))
        cv2.multiply(rgb, wide, dst=rgb)


def _in_px(lattice: Lattice, ratio: float) -> Lattice:
    """The same map to px of a residual, `ratio` times as large as the network's input."""
    if ratio == 1:
        return lattice
    return lattice._replace(padded=(lattice.padded + np.float32(0.5)) * np.float32(ratio) - np.float32(0.5))


@lru_cache(maxsize=8)
def _border(side: int) -> F32:
    """0 at the border, 1 inside: what the network did to a part of the border does not end in a line."""
    place = (np.arange(side) + 0.5) / side
    low, high = _BORDER
    t = np.clip((np.minimum(place, 1 - place) - low) / (high - low), 0, 1)
    edge = t * t * (3 - 2 * t)
    out = (edge[:, None] * edge).astype(np.float32)
    out.flags.writeable = False
    return out
