"""What a frame costs beside its models: wall time less the runtime's calls, livefuse and the insightface package in one run.

    python -m tests.bench.outside [--frames N] [--swapper inswapper_128] [--profile livefuse ...] [--models FOLDER]

One face, 35 % of the frame's height, detection on every frame, pictures of 1920x1080 and 3840x2160 pixels. The swapper is
`livefuse models synthesize`'s, with few channels: same inputs and outputs, and its runs are subtracted. insightface gets
the same swapper graph, a synthesized SCRFD for its detector (also subtracted), and the true face for its points.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from livefuse.api import FrameSwapper
from livefuse.config import make_config
from livefuse.frame import F32, U8
from livefuse.paths import Paths
from livefuse.photos import photo_finder
from livefuse.weights.recipe import load_recipe
from tests.conftest import shared_folder
from tests.synthetic_models import SWAPPER_NEEDS, install

SIZES = {"1080p": (1920, 1080), "2160p": (3840, 2160)}
FACE = 0.35
PROFILES = ("livefuse", "insightface", "facefusion", "deep-live-cam")


class RuntimeClock:
    """Sums the time that any thread spends inside ONNX Runtime's calls."""

    def __init__(self) -> None:
        self.spent_s = 0.0
        self._lock = threading.Lock()

    @contextmanager
    def installed(self) -> Iterator[None]:
        names = ("run", "run_with_iobinding")
        originals = {name: getattr(onnxruntime.InferenceSession, name) for name in names}
        for name, original in originals.items():
            setattr(onnxruntime.InferenceSession, name, self._timed(original))
        try:
            yield
        finally:
            for name, original in originals.items():
                setattr(onnxruntime.InferenceSession, name, original)

    def _timed(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            try:
                return call(*args, **kwargs)
            finally:
                with self._lock:
                    self.spent_s += time.perf_counter() - start

        return timed


def scene(photo: U8, box: tuple[float, float, float, float], width: int, height: int) -> U8:
    """The photo enlarged on a noisy ground so that its face is 35 % of the frame's height, in the middle."""
    scale = FACE * height / (box[3] - box[1])
    centre = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    matrix = np.array([[scale, 0, width / 2 - scale * centre[0]], [0, scale, height / 2 - scale * centre[1]]])
    out = np.random.default_rng(0).integers(60, 90, (height, width, 3)).astype(np.uint8)
    cv2.warpAffine(photo, matrix, (width, height), dst=out, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_TRANSPARENT)
    return out


def measured(clock: RuntimeClock, call: Callable[[], object], frames: int) -> str:
    """Milliseconds outside the runtime over `frames` calls after a warm-up: median, p95, p99; and inside, the median."""
    outside, inside = [], []
    for i in range(frames + 10):
        clock.spent_s, start = 0.0, time.perf_counter()
        call()
        wall = time.perf_counter() - start
        if i >= 10:
            outside.append((wall - clock.spent_s) * 1e3)
            inside.append(clock.spent_s * 1e3)
    p50, p95, p99 = np.percentile(outside, (50, 95, 99))
    return f"{p50:8.2f} {p95:8.2f} {p99:8.2f}   {np.median(inside):8.1f}"


def livefuse_call(frame: U8, photo: Path, swapper: str, profile: str) -> Callable[[], object]:
    settings = {
        "identity.photo": str(photo),
        "identity.consent": "public-domain",
        "swap.model": swapper,
        "profile.name": profile,
        "privacy.mode": "open",
        "align.model": "openseeface" if profile in ("livefuse", "facefusion") else "none",
    }
    swap = FrameSwapper(make_config({}, settings))
    changed = (swap(frame) != frame).any(axis=2).mean()
    if changed < 0.01:
        raise SystemExit(f"{profile}: nothing was swapped")
    return lambda: swap(frame)


def insightface_call(frame: U8, photo: U8, points: dict[str, Any], models: Path) -> Callable[[], object] | None:
    try:
        from insightface.app.common import Face
        from insightface.model_zoo.inswapper import INSwapper
        from insightface.model_zoo.scrfd import SCRFD
    except ImportError:
        return None
    detector = SCRFD(str(models / load_recipe("scrfd_10g").file))
    detector.prepare(-1, input_size=(640, 640))
    swapper = INSwapper(str(models / load_recipe("inswapper_128").file))
    bgr = np.ascontiguousarray(frame[..., ::-1])
    target = Face(kps=points["target"])
    embedding = np.random.default_rng(0).normal(size=512).astype(np.float32)
    source = Face(embedding=embedding)

    def call() -> object:
        detector.detect(bgr)
        return swapper.get(bgr, target, source, paste_back=True)

    cv2.setNumThreads(os.cpu_count() or 1)  # as a program of its own has it; livefuse goes back to one
    return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--swapper", default="inswapper_128")
    parser.add_argument("--profile", action="append", choices=PROFILES)
    args = parser.parse_args()
    shared = shared_folder()
    if shared is None:
        raise SystemExit("needs the folder of real models and pictures: LIVEFUSE_SHARED")
    with tempfile.TemporaryDirectory() as folder:
        run(args, shared / "media", Path(folder))


def store_in(folder: Path, swapper: str, mirror: Path) -> Path:
    """A home of its own with synthesized models; the small real ones come from the mirror."""
    os.environ["LIVEFUSE_HOME"], os.environ["LIVEFUSE_MODEL_MIRROR"] = str(folder), str(mirror)
    paths = Paths.default()
    install(paths, *SWAPPER_NEEDS[swapper], "scrfd_10g")
    return paths.models


def largest_face(rgb: U8) -> tuple[tuple[float, float, float, float], F32]:
    """Box and five points of a picture's largest face."""
    faces = photo_finder(make_config({}))(rgb)
    box, points, _ = max(faces, key=lambda face: float(face[0][3] - face[0][1]))
    return (float(box[0]), float(box[1]), float(box[2]), float(box[3])), points


def run(args: argparse.Namespace, media: Path, folder: Path) -> None:
    models = store_in(folder, args.swapper, media.parent / "models")
    photo = media / "mona_lisa.jpg"
    source = cv2.cvtColor(cv2.imread(str(media / "astronaut.png")), cv2.COLOR_BGR2RGB)
    box, points = largest_face(source)
    print(f"{'ms beside the models':34s}{'p50':>8s} {'p95':>8s} {'p99':>8s}   {'models':>8s}")
    clock = RuntimeClock()
    with clock.installed():
        for name, (width, height) in SIZES.items():
            frame = scene(source, box, width, height)
            for profile in args.profile or PROFILES:
                call = livefuse_call(frame, photo, args.swapper, profile)
                print(f"{name}  livefuse, profile {profile:16s}{measured(clock, call, args.frames)}")
            scale = FACE * height / (box[3] - box[1])
            middle = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
            target = ((points - middle) * scale + (width / 2, height / 2)).astype(np.float32)
            other = insightface_call(frame, source, {"target": target}, models)
            if other is not None:
                print(f"{name}  the insightface package     {measured(clock, other, max(10, args.frames // 4))}")


if __name__ == "__main__":
    main()
    sys.stdout.flush()
