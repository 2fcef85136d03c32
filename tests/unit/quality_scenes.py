"""Faces, clips and judges for tests of `bench quality`, with everything known about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from livefuse.bench.quality.clips import ClipFrame
from livefuse.bench.quality.measure import Measure, Watched
from livefuse.bench.quality.original import look_at
from livefuse.frame import F32, U8
from livefuse.source.synthetic.source import SyntheticSource
from livefuse.source.synthetic.truth import SyntheticTruth
from livefuse.swap.mesh.mask import face_contour, inside
from livefuse.swap.mesh.topology import face_frame


def texture(height: int, width: int, *, seed: int = 1, grain: float = 3.0) -> U8:
    """Smooth noise with something to follow everywhere."""
    noise = np.random.default_rng(seed).standard_normal((height, width, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), grain)
    return np.clip(110 + soft / soft.std() * 30, 0, 200).astype(np.uint8)


def disc(shape: tuple[int, int], radius: float, centre: tuple[float, float] | None = None) -> np.ndarray:
    ys, xs = np.indices(shape)
    x, y = centre or (shape[1] / 2, shape[0] / 2)
    return np.asarray(np.hypot(xs - x, ys - y) <= radius)


def face_landmarks() -> F32:
    landmarks: F32 = SyntheticSource("synthetic:320x240?motion=0&noise=0").frame(0).truth.landmarks[0]
    return landmarks


WIDTH, HEIGHT, FRAMES = 320, 240, 6
LANDMARKS = face_landmarks()
UNIT_PX = face_frame(LANDMARKS).unit_px


def face_mask(grow_px: float = 0.0) -> np.ndarray:
    contour = face_contour(LANDMARKS, face_frame(LANDMARKS))
    middle = contour.mean(axis=0)
    away = contour - middle
    contour = middle + away * (1 + grow_px / np.linalg.norm(away, axis=1, keepdims=True))
    return np.asarray(inside(contour.astype(np.float32), (HEIGHT, WIDTH)) > 127)


class FixedJudges:
    """Everybody's landmarks are `LANDMARKS`, moved by `shift` once a picture is not the original; embeddings are the
    face's mean colour."""

    def __init__(self, shift: tuple[float, float] = (0, 0)) -> None:
        self.shift, self.original = shift, texture(HEIGHT, WIDTH, seed=5)

    def restart(self) -> None: ...

    def find(self, rgb: U8, t_ns: int) -> F32 | None:
        return LANDMARKS[:5] if rgb.any() else None

    def place(self, rgb: U8, points: F32, framing: F32 | None) -> F32 | None:
        moved = np.zeros(2) if np.array_equal(rgb, self.original) else np.array(self.shift)
        return np.asarray(LANDMARKS + moved, np.float32)

    def embed(self, rgb: U8, points: F32) -> F32:
        colour = rgb[face_mask()].mean(axis=0) - 128
        return np.asarray(colour, np.float32)


def still_clip(picture: U8, frames: int = FRAMES, truth: SyntheticTruth | None = None) -> list[ClipFrame]:
    return [ClipFrame(picture, i * 33_000_000, truth) for i in range(frames)]


def watched(
    clip: Sequence[ClipFrame],
    change: Callable[[int, U8], U8],
    judges: FixedJudges | None = None,
    identity: F32 | None = None,
) -> Watched:
    judges = judges or FixedJudges()
    turn = iter(range(len(clip)))

    def swap(frame: U8, *, t_ns: int | None = None) -> U8:
        return change(next(turn), frame.copy())

    return Measure(clip, look_at(clip, judges), judges, identity)(swap)
