"""Pixel boost as one batched run against k x k single runs: time, and how far the results are apart.

    python -m tests.bench.boost [--model inswapper_128] [--tiny] [--runs 5]

Both ways run the same synthesized weights on the same random pictures, in turns.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from livefuse.config import RuntimeConfig
from livefuse.device.base import Lane
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.onnx.free_batch import freed_file
from livefuse.weights.recipe import load_recipe
from livefuse.weights.synthesize import synthesize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="inswapper_128")
    parser.add_argument("--tiny", action="store_true", help="few channels: for a quick look")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--provider", default="cpu")
    parser.add_argument("--boosts", type=int, nargs="+", default=[2, 3])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        recipe = load_recipe(asked.model)
        synthesize(str(recipe.synthesis), path, tiny=asked.tiny)
        config = RuntimeConfig(providers=(asked.provider,))
        single = OrtEngine(path, config=config, threads=asked.threads)
        batched = OrtEngine(freed_file(path, Path(folder)), config=config, threads=asked.threads)
        print(f"{asked.model}{' (tiny)' if asked.tiny else ''}, {asked.runs} runs each way in turns, ms")
        print(
            f"{'boost':>5} {'runs p50':>10} {'p95':>9} {'batch p50':>10} {'p95':>9} {'ratio':>6} {'max abs difference':>19}"
        )
        for k in asked.boosts:
            print(_line(k, single, batched, asked.runs), flush=True)


def _line(k: int, single: OrtEngine, batched: OrtEngine, runs: int) -> str:
    random, n, lanes = np.random.default_rng(k), k * k, (Lane(0), Lane(1))
    feeds = {
        name: random.random((n, *(axis for axis in shape[1:] if isinstance(axis, int))), np.float32)
        for name, shape in batched.inputs.items()
    }
    alone = [{name: values[i : i + 1] for name, values in feeds.items()} for i in range(n)]
    took: tuple[list[float], list[float]] = ([], [])
    apart = 0.0
    for run in range(runs + 1):
        began = time.perf_counter()
        separate = [next(iter(single.run(lanes[0], feed).values())) for feed in alone]
        between = time.perf_counter()
        together = next(iter(batched.run(lanes[1], feeds).values()))
        ended = time.perf_counter()
        apart = max(
            apart, *(float(np.abs(one[0] - other).max()) for one, other in zip(separate, together, strict=True))
        )
        if run:  # the first shows the runtime the shapes
            took[0].append((between - began) * 1e3)
            took[1].append((ended - between) * 1e3)
    (p50, p95), (b50, b95) = (np.percentile(each, (50, 95)) for each in took)
    return f"{k:>5} {p50:10.1f} {p95:9.1f} {b50:10.1f} {b95:9.1f} {b50 / p50:6.2f} {apart:19.2e}"


if __name__ == "__main__":
    main()
