"""`livefuse models convert`: a model in half precision or INT8, judged before it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer

from livefuse.cli.listing import print_json
from livefuse.cli.models import AsJson, open_store
from livefuse.cli.models_own import Name
from livefuse.errors import BadValue

if TYPE_CHECKING:
    from livefuse.weights.convert.calibrate import Material
    from livefuse.weights.convert.converting import Attempt

_MOST = 24


def models_convert(
    name: Name,
    precision: Annotated[str, typer.Option("--precision", help="fp16 or int8.")],
    frames: Annotated[
        Path | None,
        typer.Option(
            "--frames",
            help="A video, a folder of pictures or a picture, with faces: calibrated on two thirds, judged on the rest. "
            "Without it, on drawn faces.",
            show_default=False,
        ),
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=500, help="Most pictures used.")] = _MOST,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the file here and install nothing.", show_default=False)
    ] = None,
    own_name: Annotated[str, typer.Option("--name", help="What to call it; otherwise NAME_fp16 or NAME_int8.")] = "",
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            help="Least that is installed, in the model's own measure. Pictures, PSNR: 40 dB for fp16, 30 dB for int8; "
            "vectors, masks, maps, cosine: 0.9999 and 0.98; detectors, share of faces kept: 0.99.",
            show_default=False,
        ),
    ] = None,
    calibration: Annotated[
        str, typer.Option("--calibration", help="Ranges of activations in int8: minmax, percentile or entropy.")
    ] = "minmax",
    activations: Annotated[
        str, typer.Option("--activations", help="In int8: int8 runs everywhere, uint8 is finer; TensorRT refuses it.")
    ] = "int8",
    as_json: AsJson = False,
) -> None:
    """Write a model in half precision or INT8, compare it with the original on real crops, and keep it if it holds."""
    from livefuse.paths import Paths
    from livefuse.runtime.offline import Activations, Calibration
    from livefuse.weights.convert.converting import Wish, convert_model
    from livefuse.weights.convert.judge import Precision

    if precision == "int8" and frames is None:
        typer.echo("calibrated on drawn faces: real ones are better, name some with --frames", err=True)
    wish = Wish(
        precision=cast("Precision", _one_of("--precision", precision, get_args(Precision))),
        frames=frames,
        out=out,
        name=own_name,
        threshold=threshold,
        most=most,
        calibration=cast("Calibration", _one_of("--calibration", calibration, get_args(Calibration))),
        activations=cast("Activations", _one_of("--activations", activations, get_args(Activations))),
    )
    made = convert_model(
        open_store(), Paths.default().recipes, name, wish, tell=lambda step: typer.echo(_in_words(step), err=True)
    )
    if as_json:
        print_json(made.as_dict())
        return
    sizes = f"{made.source_bytes / 1e6:.1f} MB -> {made.attempt.size_bytes / 1e6:.1f} MB"
    typer.echo(f"{made.recipe.name}: {made.path}" if made.recipe else str(made.path))
    typer.echo(f"{sizes}, {made.attempt.judgement.in_words()}", err=True)
    if made.recipe_path is not None:
        typer.echo(f"recipe: {made.recipe_path}")


def _one_of(option: str, value: str, allowed: tuple[Any, ...]) -> str:
    if value not in allowed:
        raise BadValue(f"{option} {value}", hint=f"one of {', '.join(allowed)}")
    return value


def _in_words(step: Material | Attempt) -> str:
    from livefuse.weights.convert.calibrate import Material

    if isinstance(step, Material):
        shared = "" if step.apart else ": judged on what it was calibrated on"
        return f"{step.source}: {len(step.calibration)} to calibrate on, {len(step.judging)} to judge on{shared}"
    times = f"{step.judgement.before_ms:.1f} ms -> {step.judgement.after_ms:.1f} ms on this machine's CPU"
    return f"{step.how}: {step.judgement.in_words()}; {times}"
