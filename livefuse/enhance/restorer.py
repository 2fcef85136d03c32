"""The enhancer stage: a restoring network on every n-th frame, and what it added moved along with the face between.

A frame that may not wait hands its face to the network and goes on; the result is used from the frame on which it is there,
bent from the face it was computed on to the face as it has become.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from livefuse.align.templates import TEMPLATES
from livefuse.device.base import Lane, Picture
from livefuse.enhance.cut import Place, place
from livefuse.enhance.ground import Ground
from livefuse.enhance.network import Network, Run
from livefuse.enhance.residual import Kept, Mover, Residual, difference, glance
from livefuse.errors import DegenerateFace
from livefuse.frame import F32, U8, Crop, Crops
from livefuse.swap.base import Paste
from livefuse.swap.forget import forget

_MOST_IN_FLIGHT = 2  # one that runs and one that comes next; more would only grow old in the queue
_NEVER = 1 << 30
Key = tuple[int, int]


@dataclass(slots=True)
class _Face:
    """One track: when it was last seen, frames since its last run, and whether one is under way."""

    seen_ns: int
    since: int = _NEVER
    flying: bool = False
    kept: Kept = field(default_factory=Kept)


@dataclass(slots=True)
class _Job:
    """A face that the network works on, as it was then. The image lies in memory of `lane`."""

    key: Key
    run: Run
    image: U8
    controls: F32 | None
    side: int
    lane: Lane


class Restorer:
    """Used by the pipeline's thread. `every` may be changed between two frames.

    Without `wait` the network is never waited for: one run per face, and few in all, are under way at a time.
    """

    def __init__(
        self,
        network: Network,
        ground: Ground,
        *,
        every: int,
        blend: float,
        wait: bool,
        mover: Mover | None = None,
    ) -> None:
        self.every = every
        self._network, self._ground, self._blend, self._wait = network, ground, blend, wait
        self._template = np.asarray(TEMPLATES[network.template] * network.side, np.float32)
        self._mover = mover or Mover(network.side)
        self._faces: dict[Key, _Face] = {}
        self._flying: list[_Job] = []
        self._lanes = [Lane(-1 - i) for i in range(_MOST_IN_FLIGHT)]

    def __call__(self, lane: Lane, picture: Picture, crops: Crops, paste: Paste, t_ns: int) -> Crops:
        """Raises: EngineFailed."""
        if self._blend == 0:
            return crops
        places = self._places(crops, t_ns)
        self._collect()
        due = self._due(list(places.values()))
        if due and self._wait:
            jobs = self._started(lane, lane, picture, crops, due, paste)
            for job in jobs:
                self._take(job, fresh=True)
        elif due:
            self._start(lane, picture, crops, due, paste)
        out = list(crops)
        for i, where in places.items():
            out[i] = self._enhanced(lane, picture, out, where, paste)
        forget(self._faces, t_ns)
        return out

    def _places(self, crops: Crops, t_ns: int) -> dict[int, Place]:
        """The swapped faces, by their place among the crops."""
        places = {}
        for i, crop in enumerate(crops):
            if not crop.swapped or crop.mask is None or not crop.mask.any():
                continue
            try:
                places[i] = place(crop, i, self._template)
            except DegenerateFace:
                continue  # no larger than a pixel: there is nothing to restore
            face = self._faces.setdefault(_key(crop), _Face(t_ns))
            face.seen_ns, face.since = t_ns, min(face.since + 1, _NEVER)
        return places

    def _due(self, places: list[Place]) -> list[Place]:
        """The faces whose turn it is: new ones at once, of the others as many as keeps the load even."""
        waiting = [(self._faces[_key(one.crop)], one) for one in places]
        new = [one for face, one in waiting if face.since == _NEVER and not face.flying]
        late = [pair for pair in waiting if self.every <= pair[0].since < _NEVER and not pair[0].flying]
        late.sort(key=lambda pair: -pair[0].since)
        return new + [one for _, one in late[: math.ceil(len(places) / self.every)]]

    def _start(self, lane: Lane, picture: Picture, crops: Crops, due: list[Place], paste: Paste) -> None:
        """As many of the due faces as may be under way; the others' turn comes later."""
        groups = [due] if self._network.batches else [[one] for one in due]
        busy = {job.lane for job in self._flying}
        for group, own in zip(groups, [one for one in self._lanes if one not in busy], strict=False):
            self._flying += self._started(lane, own, picture, crops, group, paste)
            for one in group:
                face = self._faces[_key(one.crop)]
                face.flying, face.since = True, 0

    def _started(
        self, lane: Lane, own: Lane, picture: Picture, crops: Crops, due: list[Place], paste: Paste
    ) -> list[_Job]:
        """Runs whose memory is that of the lane `own`."""
        side = self._network.side
        images = own.buffer("enhance.look", (len(due), side, side, 3))
        for one, image in zip(due, images, strict=True):
            self._ground.look(lane, picture, crops, one, paste, image)
        runs = self._network.submit(own, list(images))
        return [
            _Job(_key(one.crop), run, image, one.controls, self._ground.side(one), own)
            for one, run, image in zip(due, runs, images, strict=True)
        ]

    def _collect(self) -> None:
        """Use what is ready. Raises: EngineFailed."""
        done = [job for job in self._flying if job.run.done]
        self._flying = [job for job in self._flying if not job.run.done]
        for job in done:
            if job.key in self._faces:
                self._faces[job.key].flying = False
        for job in done:
            self._take(job, fresh=False)

    def _take(self, job: _Job, *, fresh: bool) -> None:
        face = self._faces.get(job.key)
        output = job.run.read()
        if face is None:
            return
        amount = self._blend if self._ground.blends else 1.0
        values = difference(output, job.image, job.side, amount, soft_border=self._ground.soft_border)
        residual, kept = Residual(values, glance(job.image), job.controls), face.kept
        before = None
        if kept.newest is not None and kept.mixed is not None and self.every > 1:
            before = self._mover.onto(kept.mixed, kept.newest, residual)
        kept.take(residual, before, every=self.every, fresh=fresh, fades_in=not self._wait)
        if fresh:
            face.since = 0

    def _enhanced(self, lane: Lane, picture: Picture, crops: Crops, where: Place, paste: Paste) -> Crop:
        kept = self._faces[_key(where.crop)].kept
        if kept.advance() is None:
            return where.crop
        canvas = self._ground.canvas(lane, picture, crops, where, paste)
        if canvas is None:
            return where.crop
        self._mover.add(lane, canvas.image, canvas.to_input, kept, where.controls, canvas.weight)
        kept.fresh = False
        return self._ground.finish(lane, picture, where, canvas)


def _key(crop: Crop) -> Key:
    return crop.track, crop.role
