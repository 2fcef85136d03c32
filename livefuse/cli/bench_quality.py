"""`livefuse bench quality`: what a swap looks like, in figures and pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli import options as o

if TYPE_CHECKING:
    from livefuse.bench.quality.compare import Compared, Result
    from livefuse.bench.quality.figures import Figures

_IDENTITY = "synthetic:7"
_COLUMNS = (
    "VARIANT", "IDENTITY", "(ORIGINAL)", "OWN", "LANDMARKS %", "MOUTH", "EYES", "FLICKER", "PULSE", "EDGE", "SEAM", "(ORIGINAL)", "SHARP",
    "HAND", "OUTSIDE", "SWAPPED %", "MS", "P95",
)  # fmt: skip


def quality(
    clips: Annotated[
        list[str] | None, typer.Argument(metavar="[CLIP]...", help="Videos; synthetic ones, with a hand too, without.")
    ] = None,
    face: o.FacePhoto = "",
    consent: o.Consent = None,
    frames: Annotated[int, typer.Option(min=2, help="Most frames of each clip.")] = 90,
    swapper: o.Swapper = "mesh",
    variant: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="NAME=KEY=VALUE,...",
            help="Compare only these: settings of your own, or a bare NAME of the usual ones.",
        ),
    ] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write a sheet of pictures to this PNG.")] = None,
    columns: Annotated[int, typer.Option(min=1, max=12, help="Frames of each clip on the sheet.")] = 4,
    differences: Annotated[bool, typer.Option("--differences", help="Differences too, four times enlarged.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON on standard output.")] = False,
    setting: o.Settings = None,
) -> None:
    """Quality measured on clips, with and without each stage: likeness, expression kept, flicker, seams, hands kept."""
    o.require_consent(face, consent)
    from livefuse.bench.quality.clips import DEFAULT_CLIPS, clips_of
    from livefuse.bench.quality.compare import compare
    from livefuse.bench.quality.sheet import draw_sheet, require_png, write_sheet
    from livefuse.bench.quality.variants import chosen_variants
    from livefuse.weights.store import ModelStore

    if sheet is not None:
        require_png(sheet)
    settings = o.settings(_identity(face, consent, swapper) | {"swap.model": swapper}, setting)
    compared = compare(
        clips_of(clips or DEFAULT_CLIPS, frames),
        chosen_variants(variant or (), swapper, ModelStore.default()),
        settings,
        shown_frames=columns if sheet is not None else 0,
        progress=lambda text: typer.echo(text, err=True),
    )
    if as_json:
        _print_record(compared, {"frames": frames, "settings": settings})
    else:
        _print_tables(compared)
    if sheet is not None and any(one.pictures for one in compared.results):
        write_sheet(draw_sheet(compared, differences=differences), sheet)
        typer.echo(f"wrote {sheet}", err=True)
    if all(one.figures is None for one in compared.results):
        raise typer.Exit(1)


def _identity(face: str, consent: o.Ground | None, swapper: str) -> dict[str, Any]:
    """Somebody drawn where nobody is named; a model of one person has theirs."""
    if face or consent is not None:
        return {"identity.photo": face, "identity.consent": consent.value if consent else None}
    from livefuse.weights.store import ModelStore

    if swapper != "mesh" and ModelStore.default().recipe(swapper).identity == "none":
        return {}
    return {"identity.photo": _IDENTITY, "identity.consent": "synthetic"}


def _print_record(compared: Compared, options: dict[str, Any]) -> None:
    from livefuse.cli.listing import print_json
    from livefuse.environment import environment

    results = [one.as_dict() for one in compared.results]
    print_json({"environment": environment(), "options": options, "results": results})


def _print_tables(compared: Compared) -> None:
    from livefuse.cli.listing import print_table

    for i, clip in enumerate(compared.originals):
        results = [one for one in compared.results if one.clip == clip]
        measured = next((one.figures for one in results if one.figures is not None), None)
        with_face = f": {measured.faces} of {measured.frames} frames with a face" if measured else ""
        typer.echo(("\n" if i else "") + clip + with_face)
        if measured is not None:
            print_table(_COLUMNS, [_cells(one) for one in results if one.figures is not None])
        for one in results:
            if one.figures is None:
                typer.echo(f"{one.variant.name}: skipped, {one.reason}")


def _cells(result: Result) -> Sequence[str]:
    f = result.figures
    assert f is not None
    return [
        result.variant.name,
        _shown(f.identity, ".3f"),
        _shown(f.identity_original, ".3f"),
        _shown(f.own, ".3f"),
        _shown(f.landmark_error_percent, ".2f"),
        _motion(f.mouth_correlation, f.mouth_difference),
        _motion(f.eyes_correlation, f.eyes_difference),
        _shown(f.flicker, "+.2f"),
        _shown(f.pulse, "+.2f"),
        _shown(f.edge_flicker, "+.2f"),
        _shown(f.seam, ".2f"),
        _shown(f.seam_original, ".2f"),
        _shown(f.sharpness, ".2f"),
        _shown(f.hand, ".2f"),
        _outside(f),
        _shown(100 * f.swapped, ".0f"),
        _shown(f.ms_p50, ".1f"),
        _shown(f.ms_p95, ".1f"),
    ]


def _shown(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "–"


def _motion(correlation: float, difference: float) -> str:
    return f"{_shown(correlation, '.2f')} / {_shown(difference, '.3f')}"


def _outside(figures: Figures) -> str:
    """What changed outside of the face: nothing, or how many pixels and by how much."""
    if figures.outside_changed == 0:
        return "0"
    return f"{_shown(1e6 * figures.outside_changed, '.0f')} ppm, {_shown(figures.outside_psnr_db, '.1f')} dB"
