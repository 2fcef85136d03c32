"""The whole pipeline with enhancers at several cadences, at full speed: what sharpening costs a stream.

    python -m tests.bench.enhanced [--provider cuda] [--models gfpgan_1.4 gpen_bfr_512] [--every 1 2 4] [--swapper inswapper_128]

Synthesized models of full size are written into a home of their own; detector and landmarker are the real ones, found with
LIVEFUSE_MODEL_MIRROR. Every frame waits for its network; the last rows do not wait, as live pictures do.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator

from livefuse.bench.clip import parse_resolution
from livefuse.bench.pipeline import measure
from livefuse.config import make_config
from livefuse.paths import Paths
from tests.synthetic_models import SWAPPER_NEEDS, install


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--provider", default="cpu")
    parser.add_argument("--models", nargs="+", default=["gfpgan_1.4"])
    parser.add_argument("--every", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--swapper", default="inswapper_128")
    parser.add_argument("--resolution", default="720p")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--tiny", action="store_true", help="few channels: for a quick look")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["LIVEFUSE_HOME"] = home
        needs = SWAPPER_NEEDS.get(asked.swapper, ())
        install(Paths.default(), *needs, *asked.models, tiny=asked.tiny)
        print(
            f"{asked.swapper}, {asked.resolution}, {asked.provider}, {asked.frames} frames; ms between frames that leave"
        )
        print(f"{'enhancer':26} {'every':>5} {'waits':>6} {'fps':>7} {'p50':>7} {'p95':>7} {'p99':>7}", flush=True)
        for model, every, wait in _rows(asked.models, asked.every):
            settings = {
                "identity.photo": "synthetic:7", "identity.consent": "synthetic", "swap.model": asked.swapper,
                "enhance.model": model, "enhance.every": every, "enhance.wait": wait,
                "runtime.providers": (asked.provider,),
            }  # fmt: skip
            width, height = parse_resolution(asked.resolution)
            record = measure(make_config({}, settings), width, height, asked.frames)
            spread = record["interval_ms"]
            print(
                f"{model or '(none)':26} {every if model else '':>5} {('yes' if wait else 'no') if model else '':>6} "
                f"{record['fps']:7.1f} {spread['p50']:7.1f} {spread['p95']:7.1f} {spread['p99']:7.1f}",
                flush=True,
            )


def _rows(models: list[str], cadences: list[int]) -> Iterator[tuple[str, int, bool]]:
    yield "", 1, True
    for model in models:
        for every in cadences:
            yield model, every, True
        yield model, max(1, min(cadences[-1], 2)), False


if __name__ == "__main__":
    main()
