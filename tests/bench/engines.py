"""What an engine's own work costs beside the runtime's: bound runs against `InferenceSession.run`, in one process, in turn.

    python -m tests.bench.engines [--runs N]

Times are the fastest tenth's limit, which other programs disturb least, over runs in random order; "alone" is
`InferenceSession.run`, whose outputs are new memory of the runtime's own each time. B/run is what Python allocates beside
that (tracemalloc). Models are in the folder of real models (LIVEFUSE_SHARED).
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from livefuse.device.base import Lane
from livefuse.runtime.ort import OrtEngine
from tests.conftest import shared_folder

MODELS = (
    ("yunet_n_dynamic.onnx", (1, 3, 32, 32)),
    ("yunet_n_dynamic.onnx", (1, 3, 192, 320)),
    ("mobilefacenet_128d.onnx", (1, 3, 112, 112)),
    ("openseeface_lm_model0.onnx", (1, 3, 224, 224)),
)
_WARM_UP_RUNS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    folder = shared_folder()
    if folder is None:
        sys.exit("set LIVEFUSE_SHARED to the folder of real models")
    runs = parser.parse_args().runs
    print(
        f"{'model':28} {'input':>16} {'alone µs':>10} {'run µs':>8} {'submit µs':>10} {'alone B/run':>12} {'run B/run':>10}"
    )
    for name, shape in MODELS:
        times, sizes = measure(folder / "models" / name, shape, runs)
        alone, run, submit = (1e6 * float(np.percentile(times[way], 10)) for way in ("alone", "run", "submit"))
        size = "x".join(map(str, shape))
        print(
            f"{name:28} {size:>16} {alone:10.0f} {run:8.0f} {submit:10.0f} {sizes['alone']:12.0f} {sizes['run']:10.0f}"
        )


def measure(path: Path, shape: tuple[int, ...], runs: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Seconds of every run, and bytes allocated by one, of each way to run."""
    engine, lane = OrtEngine(path, threads=1), Lane(0)
    (name,) = engine.inputs
    feeds = {name: lane.buffer("x", shape, np.float32)}
    feeds[name][:] = np.random.default_rng(7).random(shape, np.float32)
    session = engine._session
    ways: dict[str, Callable[[], Any]] = {
        "alone": lambda: session.run(None, feeds),
        "run": lambda: engine.run(lane, feeds),
        "submit": lambda: engine.submit(lane, feeds).result(),
    }
    times: dict[str, list[float]] = {way: [] for way in ways}
    shuffled = random.Random(7)
    for turn in range(_WARM_UP_RUNS + runs):
        for way in shuffled.sample(sorted(ways), len(ways)):
            began = time.perf_counter()
            ways[way]()
            if turn >= _WARM_UP_RUNS:
                times[way].append(time.perf_counter() - began)
    return times, {way: allocated(work) for way, work in ways.items()}


def allocated(work: Callable[[], Any]) -> float:
    """Peak of what Python and NumPy hold during a run, above what they held before."""
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return float(peak - before)


if __name__ == "__main__":
    main()
