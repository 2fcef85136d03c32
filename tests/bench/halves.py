"""float32 against fp16 of synthesized models at full size, on one provider: time, size and how far the outputs are apart.

    python -m tests.bench.halves [NAME]... [--provider cuda] [--runs 30]

Both run the same random inputs in turns. Needs `pip install "livefuse[convert]"`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from livefuse.config import RuntimeConfig
from livefuse.device.base import Lane
from livefuse.errors import LivefuseError
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.add.trial import feed
from livefuse.weights.bind import bound
from livefuse.weights.convert.half import to_half
from livefuse.weights.convert.judge import psnr
from livefuse.weights.convert.prepare import prepared
from livefuse.weights.onnx.model import read_model, write_model
from livefuse.weights.recipe import Recipe, load_recipe
from livefuse.weights.synthesize import synthesize

MODELS = (
    "inswapper_128", "simswap_256", "xseg_1", "bisenet_resnet_34", "occluder_vm", "gpen_bfr_256", "gpen_bfr_512",
    "gfpgan_1.4", "codeformer", "restoreformer_plus_plus", "real_esrgan_x4", "real_esrgan_general_x4v3", "span_kendata_x4",
)  # fmt: skip
_WARM_UP_RUNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=MODELS)
    parser.add_argument("--provider", default="cpu")
    parser.add_argument("--runs", type=int, default=30)
    asked = parser.parse_args()
    print(f"{asked.provider}, {asked.runs} runs each in turns; ms p50 (p95)")
    print(
        f"{'model':26} {'MB':>15} {'float32':>18} {'fp16':>18} {'ratio':>6} {'TFLOP/s':>8} {'PSNR dB':>8}", flush=True
    )
    for name in asked.names:
        try:
            print(line(name, asked.provider, asked.runs), flush=True)
        except LivefuseError as error:
            print(f"{name:26} {error.message}", flush=True)


def line(name: str, provider: str, runs: int) -> str:
    recipe = load_recipe(name)
    with tempfile.TemporaryDirectory() as folder:
        single, half = Path(folder) / "single.onnx", Path(folder) / "half.onnx"
        made = synthesize(str(recipe.synthesis), single, precision="fp32")
        model = read_model(prepared(single, Path(folder)))
        to_half(model)
        write_model(model, half)
        config = RuntimeConfig(providers=(provider,))
        engines = [OrtEngine(path, config=config) for path in (single, half)]
        recipe = bound(recipe, engines[0].inputs, engines[0].outputs)
        feeds = feeds_of(recipe)
        lanes = (Lane(0), Lane(1))
        outputs = [
            [engine.run(lane, feeds) for _ in range(_WARM_UP_RUNS)][-1]
            for engine, lane in zip(engines, lanes, strict=True)
        ]
        apart = difference(recipe, *outputs)
        times: list[list[float]] = [[], []]
        for _ in range(runs):
            for engine, lane, took in zip(engines, lanes, times, strict=True):
                began = time.perf_counter()
                engine.run(lane, feeds)
                took.append((time.perf_counter() - began) * 1e3)
        sizes = [path.stat().st_size / 1e6 for path in (single, half)]
    (a, a95), (b, b95) = (np.percentile(took, (50, 95)) for took in times)
    return (
        f"{name:26} {sizes[0]:6.1f} → {sizes[1]:6.1f} {a:8.2f} ({a95:7.2f}) {b:8.2f} ({b95:7.2f}) {b / a:6.2f} "
        f"{2 * made.gmac / b:8.1f} {apart:8.1f}"
    )


def feeds_of(recipe: Recipe) -> dict[str, npt.NDArray[Any]]:
    side = recipe.crop_px or 128
    sized = [
        tensor.model_copy(
            update={
                "shape": tuple(
                    axis if isinstance(axis, int) else (1 if i == 0 else side) for i, axis in enumerate(tensor.shape)
                )
            }
        )
        for tensor in recipe.inputs
    ]
    return {tensor.name: feed(tensor, recipe) for tensor in sized}


def difference(recipe: Recipe, single: dict[str, Any], half: dict[str, Any]) -> float:
    """PSNR over the float32 output's own range, of the recipe's outputs together."""
    squared = []
    for tensor in recipe.outputs:
        one, other = (np.asarray(outputs[tensor.name], np.float64) for outputs in (single, half))
        squared.append(float(np.mean((one - other) ** 2)) / max(float(np.ptp(one)) ** 2, 1e-12))
    return psnr(max(squared))


if __name__ == "__main__":
    main()
