"""From figures of single frames to those of a clip."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from livefuse.bench.quality import metrics

_WARM_UP_FRAMES = 3


@dataclass(slots=True)
class FrameFigures:
    """One frame with a face; NaN where something was not measured. Pairs are the swapped picture's and the original's."""

    swapped: bool
    identity: float = math.nan
    identity_before: float = math.nan
    own: float = math.nan
    landmark_error: float = math.nan
    mouth: tuple[float, float] = (math.nan, math.nan)
    eyes: tuple[float, float] = (math.nan, math.nan)
    flicker: tuple[float, float] = (math.nan, math.nan)
    pulse: tuple[float, float] = (math.nan, math.nan)
    edge: tuple[float, float] = (math.nan, math.nan)
    seam: tuple[float, float] = (math.nan, math.nan)
    sharpness: tuple[float, float] = (math.nan, math.nan)
    hand: float = math.nan


@dataclass(slots=True)
class Outside:
    """What changed outside of the face's window, over all frames."""

    changed: int = 0
    pixels: int = 0
    squares: float = 0.0

    def add(self, found: tuple[int, int, float]) -> None:
        self.changed += found[0]
        self.pixels += found[1]
        self.squares += found[2]


@dataclass(frozen=True, slots=True)
class Figures:
    """A variant on a clip. Every value may be NaN: there was nothing to measure."""

    frames: int
    faces: int
    """Frames with a face."""
    swapped: float = field(metadata={"unit": "share of the frames with a face"})
    identity: float = field(metadata={"unit": "cosine to the identity's face"})
    identity_original: float = field(metadata={"unit": "cosine of the face that is not swapped to the identity's"})
    own: float = field(metadata={"unit": "cosine to the target's own face"})
    landmark_error_percent: float = field(metadata={"unit": "% of the distance of the eyes' outer corners"})
    mouth_correlation: float
    mouth_difference: float = field(metadata={"unit": "of the mouth's width"})
    eyes_correlation: float
    eyes_difference: float = field(metadata={"unit": "eye aspect ratio"})
    flicker: float = field(metadata={"unit": "grey levels more than the original"})
    pulse: float = field(metadata={"unit": "grey levels more than the original, of the face as a whole"})
    edge_flicker: float = field(metadata={"unit": "grey levels more than the original"})
    flicker_original: float
    edge_flicker_original: float
    seam: float = field(metadata={"unit": "CIEDE2000"})
    seam_original: float
    sharpness: float = field(metadata={"unit": "variance of the Laplacian, of the original's"})
    outside_changed: float = field(metadata={"unit": "share of the pixels outside the face"})
    outside_psnr_db: float
    """Infinite where nothing changed."""
    hand: float = field(metadata={"unit": "grey levels under a hand"})
    ms_p50: float
    ms_p95: float

    @property
    def fps(self) -> float:
        return 1e3 / self.ms_p50 if self.ms_p50 else math.nan

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which knows neither NaN nor infinity: both are null there; PSNR is null where nothing changed."""
        values = {one.name: getattr(self, one.name) for one in fields(self)} | {"fps": self.fps}
        return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


def summed_up(frames: list[FrameFigures], times_ms: list[float], outside: Outside) -> Figures:
    """`times_ms` has every frame; those of the warm-up are left out where there are enough."""
    settled = times_ms[_WARM_UP_FRAMES:] if len(times_ms) > 2 * _WARM_UP_FRAMES else times_ms
    mouth, eyes = (np.array([getattr(f, name) for f in frames]).reshape(-1, 2) for name in ("mouth", "eyes"))
    names = ("flicker", "pulse", "edge", "seam", "sharpness")
    flicker, pulse, edge, seam, sharpness = (_pair(frames, name) for name in names)
    return Figures(
        frames=len(times_ms),
        faces=len(frames),
        swapped=metrics.mean([f.swapped for f in frames]),
        identity=metrics.mean([f.identity for f in frames]),
        identity_original=metrics.mean([f.identity_before for f in frames]),
        own=metrics.mean([f.own for f in frames]),
        landmark_error_percent=metrics.mean([f.landmark_error for f in frames]),
        mouth_correlation=metrics.correlation(*mouth.T),
        mouth_difference=metrics.mean(np.abs(mouth[:, 0] - mouth[:, 1])),
        eyes_correlation=metrics.correlation(*eyes.T),
        eyes_difference=metrics.mean(np.abs(eyes[:, 0] - eyes[:, 1])),
        flicker=flicker[0] - flicker[1],
        pulse=pulse[0] - pulse[1],
        edge_flicker=edge[0] - edge[1],
        flicker_original=flicker[1],
        edge_flicker_original=edge[1],
        seam=seam[0],
        seam_original=seam[1],
        sharpness=sharpness[0] / sharpness[1] if sharpness[1] else math.nan,
        outside_changed=outside.changed / outside.pixels if outside.pixels else math.nan,
        outside_psnr_db=metrics.psnr_db(outside.squares, 3 * outside.pixels) if outside.pixels else math.nan,
        hand=metrics.mean([f.hand for f in frames]),
        ms_p50=float(np.percentile(settled, 50)) if settled else math.nan,
        ms_p95=float(np.percentile(settled, 95)) if settled else math.nan,
    )


def _pair(frames: list[FrameFigures], name: str) -> tuple[float, float]:
    """Means over the frames, swapped and original."""
    pairs = np.array([getattr(frame, name) for frame in frames], np.float64).reshape(-1, 2)
    return metrics.mean(pairs[:, 0]), metrics.mean(pairs[:, 1])
