"""What is known of a clip before anything is swapped: looked at once, used by every variant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from livefuse.align.stage import agrees
from livefuse.align.templates import five_points
from livefuse.bench.quality.clips import ClipFrame
from livefuse.bench.quality.judges import Judges
from livefuse.bench.quality.motion import Motion, motion_of
from livefuse.bench.quality.regions import Mask
from livefuse.bench.quality.window import Window, window_of
from livefuse.errors import DegenerateFace
from livefuse.frame import F32, U8
from livefuse.source.synthetic.truth import SyntheticTruth
from livefuse.swap.mesh.mask import face_contour, inside
from livefuse.swap.mesh.topology import face_frame

EMBED_EVERY = 5
"""A person does not change from frame to frame, and embedding costs more than all else."""
_COVERED = 0.02
"""Part of a face under a hand, from which its landmarks and embedding are the hand's too and not compared."""
_OPAQUE = 128
_FACE_UNITS2 = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The face of one frame of the original.

    Shapes: landmarks (66, 2) frame px, as found with `framing`; motion of the window since the frame before, None on the
    first; hand and hand_on_face (h, w) bool, window px, None where the truth knows of none; embedding (D,) on every fifth frame.
    """

    index: int
    window: Window
    landmarks: F32
    framing: F32
    motion: Motion | None
    hand: Mask | None
    hand_on_face: Mask | None
    covered: float
    embedding: F32 | None

    @property
    def clear(self) -> bool:
        """Nothing known to be in front of the face."""
        return self.covered <= _COVERED

    @property
    def usable(self) -> Mask:
        """What may be compared between frames: not under a hand, whose motion is not the face's."""
        return np.ones(self.window.shape, np.bool_) if self.hand is None else ~self.hand


def look_at(clip: Iterable[ClipFrame], judges: Judges) -> list[Target | None]:
    """For each frame its target, None where there is no face. Raises: SourceError."""
    judges.restart()
    targets: list[Target | None] = []
    before: U8 | None = None
    framing: F32 | None = None
    for index, frame in enumerate(clip):
        target = _target(index, frame, before, judges, framing)
        framing = None if target is None else target.landmarks
        targets.append(target)
        before = frame.rgb
    return targets


def _target(index: int, frame: ClipFrame, before: U8 | None, judges: Judges, framing: F32 | None) -> Target | None:
    rgb = frame.rgb
    points = judges.find(rgb, frame.t_ns)
    if points is None:
        return None
    near = _near(framing, points)
    first = judges.place(rgb, points, near)
    # Placed twice, so that a swapped picture can be looked at in exactly the crop that this one was.
    landmarks = None if first is None else judges.place(rgb, points, first)
    if first is None or landmarks is None:
        return None
    try:
        window = window_of(landmarks, rgb.shape[1], rgb.shape[0])
    except DegenerateFace:
        return None
    hand, on_face = _hand(frame.truth, window, landmarks)
    motion = None if before is None else motion_of(window.cut(rgb), window.cut(before))
    embedding = judges.embed(rgb, five_points(landmarks)) if index % EMBED_EVERY == 0 else None
    return Target(index, window, landmarks, first, motion, hand, on_face, _part(on_face, window), embedding)


def _near(framing: F32 | None, points: F32) -> F32 | None:
    """The landmarks before, where they are about the same face."""
    return framing if framing is not None and agrees(framing, points) else None


def _hand(truth: SyntheticTruth | None, window: Window, landmarks: F32) -> tuple[Mask | None, Mask | None]:
    """Where a hand is, and where it is in front of this face."""
    if truth is None or truth.cover is None or not len(truth.landmarks):
        return None, None
    drawn = truth.landmarks[np.linalg.norm(truth.landmarks - landmarks, axis=2).mean(axis=1).argmin()]
    contour = face_contour(drawn, face_frame(drawn))
    face = window.cut(inside(contour, (truth.height, truth.width))) >= _OPAQUE
    hand = window.cut(truth.occlusion()) >= _OPAQUE
    return hand, hand & face


def _part(hand: Mask | None, window: Window) -> float:
    """How much of a face a hand hides: in square units, as the face's own area is about two of them."""
    return 0.0 if hand is None else float(hand.sum() / (_FACE_UNITS2 * window.unit_px**2))
