"""How exact, steady and prompt landmarks are, and how well faces are followed in a street.

    python -m tests.bench.landmarks [--frames N] [--every N] [--street SIZE ...] [--sheet FILE.png]

Synthetic faces give the truth: error is the mean distance to it in percent of the eye distance; jitter is the mean square
second difference on a face that holds still before a noisy camera; lag is the delay at which the truth, moved by it, fits
best. The street clip needs the folder of real media (LIVEFUSE_SHARED).
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from livefuse.align.cut import RegionCut
from livefuse.align.openseeface import OpenSeeFace
from livefuse.align.stage import Align
from livefuse.align.templates import five_points
from livefuse.config import DetectConfig, TrackConfig
from livefuse.detect.stage import Detect
from livefuse.detect.track import Tracker
from livefuse.detect.yunet import YuNet
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, Crops, Faces, HostFrame
from livefuse.runtime.ort import OrtEngine
from livefuse.source.synthetic.source import SyntheticSource
from tests.bench.street import follow_street
from tests.conftest import shared_folder

WARM_UP_FRAMES = 20


class Recorder:
    """A landmarker that keeps what it returned: the raw landmarks, before any filter."""

    looks_ahead = True

    def __init__(self, landmarker: OpenSeeFace) -> None:
        self._landmarker = landmarker
        self.landmarks = np.empty((0, 66, 2), np.float32)

    def __call__(self, lane: Lane, picture: Picture, points: F32, previous: F32 | None = None) -> tuple[F32, F32]:
        self.landmarks, confidence = self._landmarker(lane, picture, points, previous)
        return self.landmarks, confidence

    def begin(self, lane: Lane, picture: Picture, previous: F32) -> Callable[[], tuple[F32, F32]]:
        return lambda: self(lane, picture, five_points(previous), previous)


class Chain:
    """Detection and alignment as the pipeline has them."""

    def __init__(self, models: Path, track: TrackConfig, detect: DetectConfig) -> None:
        self.backend, self.lane = CpuBackend(), Lane(0)
        detector = YuNet(
            OrtEngine(models / "yunet_n_dynamic.onnx"),
            self.backend,
            size_px=detect.size,
            threshold=detect.threshold,
            max_faces=detect.max_faces,
        )
        self.recorder = Recorder(OpenSeeFace(OrtEngine(models / "openseeface_lm_model0.onnx"), self.backend))
        self.detect = Detect(detector, Tracker(track, detect), detect.every)
        self.align, self.cut = Align(self.recorder, track), RegionCut(self.backend)
        self.ms: list[tuple[float, float]] = []

    def __call__(self, frame: HostFrame) -> tuple[Picture, Faces, Crops]:
        picture = self.backend.upload(self.lane, frame)
        start = time.perf_counter()
        self.detect.begin(self.lane, picture)
        faces = self.detect(self.lane, picture, frame.pts_ns)
        middle = time.perf_counter()
        crops = self.align(self.lane, picture, faces, frame.pts_ns, self.cut)
        self.ms.append(((middle - start) * 1e3, (time.perf_counter() - middle) * 1e3))
        return picture, faces, crops


@dataclass(frozen=True)
class Sequence:
    """Shapes: truth, raw and tracked (T, 66, 2), frame px; visible (T, 66)."""

    truth: npt.NDArray[np.float64]
    raw: npt.NDArray[np.float64]
    tracked: npt.NDArray[np.float64]
    visible: npt.NDArray[np.bool_]
    missing: int

    @property
    def eye_distance_px(self) -> float:
        eyes = self.truth[:, 36:42].mean(axis=1) - self.truth[:, 42:48].mean(axis=1)
        return float(np.linalg.norm(eyes, axis=1).mean())


def frames_of(url: str, count: int) -> Iterator[HostFrame]:
    source = SyntheticSource(url)
    for _ in range(count):
        frame = source.read()
        if frame is None:
            return
        yield frame


def follow(chain: Chain, url: str, count: int) -> Sequence:
    """Run the chain over a synthetic face."""
    rows, missing = [], 0
    for i, frame in enumerate(frames_of(url, count)):
        _, _, crops = chain(frame)
        if i < WARM_UP_FRAMES:
            continue
        if not crops:
            missing += 1
            continue
        matrix = np.vstack((crops[0].to_crop, [0, 0, 1])).astype(np.float64)
        back = np.linalg.inv(matrix)
        tracked = crops[0].landmarks @ back[:2, :2].T + back[:2, 2]
        rows.append((frame.truth.landmarks[0], chain.recorder.landmarks[0], tracked, frame.truth.visible[0]))
    truth, raw, tracked_all, visible = (np.stack(column) for column in zip(*rows, strict=True))
    return Sequence(truth.astype(np.float64), raw.astype(np.float64), tracked_all, visible, missing)


def error_percent(found: npt.NDArray[np.float64], s: Sequence, part: slice = slice(None)) -> float:
    distance = np.linalg.norm(found - s.truth, axis=2)[:, part]
    return float(100 * distance[s.visible[:, part]].mean() / s.eye_distance_px)


def wander_percent(found: npt.NDArray[np.float64], s: Sequence) -> float:
    """Error without its constant part: drawn and learned faces place contours differently."""
    off = found - s.truth
    return float(100 * np.linalg.norm(off - off.mean(axis=0), axis=2).mean() / s.eye_distance_px)


def jitter(found: npt.NDArray[np.float64]) -> float:
    return float((np.diff(found, n=2, axis=0) ** 2).mean())


def lag_frames(found: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> float:
    """Delay of the face's centre at which it fits best, in frames."""
    a, b = found.mean(axis=1), truth.mean(axis=1)
    k = np.arange(5, len(a) - 5)
    delays = np.arange(-1.0, 4.0, 0.02)

    def misfit(delay: float) -> float:
        late = np.stack([np.interp(k - delay, np.arange(len(b)), b[:, axis]) for axis in (0, 1)], axis=1)
        off = a[k] - late
        return float(((off - off.mean(axis=0)) ** 2).mean())

    return float(delays[int(np.argmin([misfit(delay) for delay in delays]))])


def report_synthetic(models: Path, frames: int, every: int, size: int) -> list[str]:
    track, detect = TrackConfig(), DetectConfig(every=every, size=size)
    chain = Chain(models, track, detect)
    moving = follow(chain, "synthetic:1280x720@30?seed=0", frames)
    still = follow(Chain(models, track, detect), "synthetic:1280x720@30?seed=0&motion=0&noise=1", frames)
    detect_ms, align_ms = np.median(np.array(chain.ms), axis=0)
    lines = [
        f"moving: eye distance {moving.eye_distance_px:.0f} px, {len(moving.truth)} frames, {moving.missing} without a crop",
        f"  error      raw {error_percent(moving.raw, moving):.2f} %  tracked {error_percent(moving.tracked, moving):.2f} %",
    ]
    parts = {
        "jaw": slice(0, 17),
        "brows": slice(17, 27),
        "nose": slice(27, 36),
        "eyes": slice(36, 48),
        "mouth": slice(48, 66),
    }
    for name, part in parts.items():
        pair = [error_percent(found, moving, part) for found in (moving.raw, moving.tracked)]
        lines.append(f"    {name:8} raw {pair[0]:.2f} %  tracked {pair[1]:.2f} %")
    return [
        *lines,
        f"  wander     raw {wander_percent(moving.raw, moving):.2f} %  tracked {wander_percent(moving.tracked, moving):.2f} %",
        f"  lag        raw {lag_frames(moving.raw, moving.truth):.2f}  tracked {lag_frames(moving.tracked, moving.truth):.2f}"
        f"  tracked against raw {lag_frames(moving.tracked, moving.raw):.2f} frames",
        f"still, noisy: jitter energy tracked / raw {jitter(still.tracked) / jitter(still.raw):.3f}"
        f" (raw {100 * np.sqrt(jitter(still.raw)) / still.eye_distance_px:.3f} % of the eye distance)",
        f"time: detect {detect_ms:.1f} ms, align {align_ms:.1f} ms (medians, this machine as it is)",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=150)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--size", type=int, default=320)
    parser.add_argument("--street", type=int, nargs="*", default=[320, 640])
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    shared = shared_folder()
    if shared is None:
        parser.error("no folder of real models and clips: set LIVEFUSE_SHARED to it")
    lines = report_synthetic(shared / "models", options.frames, options.every, options.size)
    sys.stdout.write("\n".join(lines) + "\n")
    for size in options.street:
        config = DetectConfig(size=size, max_faces=16, every=options.every)
        chain = Chain(shared / "models", TrackConfig(faces="all"), config)
        sys.stdout.write("\n".join(follow_street(chain, shared, size, options.sheet)) + "\n")


if __name__ == "__main__":
    main()
