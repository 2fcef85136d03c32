"""`livefuse bench webrtc`: how long it takes from the camera's due instant to the picture in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from livefuse.cli import options as o
from livefuse.errors import BadValue

if TYPE_CHECKING:
    from livefuse.bench.webrtc.figures import Spread
    from livefuse.bench.webrtc.measure import Measured, Result
    from livefuse.bench.webrtc.servers import Kind

_CODECS = ("auto", "h264", "vp8")


def webrtc(
    size: Annotated[str, typer.Option(help="360p, 480p, 720p, 1080p or WIDTHxHEIGHT.")] = "1280x720",
    fps: Annotated[int, typer.Option(min=5, max=120, help="Frames per second of the camera.")] = 30,
    seconds: Annotated[float, typer.Option(min=1, help="How long to measure.")] = 30.0,
    warm_up: Annotated[float, typer.Option(min=0, help="Seconds of pictures before that.")] = 5.0,
    codec: Annotated[str, typer.Option(help="auto, h264 or vp8.")] = "auto",
    viewers: Annotated[int, typer.Option(min=1, max=32, help="Pages that watch at once; all are read.")] = 1,
    shipped: Annotated[bool, typer.Option("--shipped", help="Then the same with aiortc as it comes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON on standard output.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write one line per shown frame to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw latency over time and the waterfall to this PNG.")] = None,
    setting: o.Settings = None,
) -> None:
    """Glass to glass: a stamped synthetic camera, a real daemon, and headless Chromium that reads the stamps back."""
    from livefuse.bench.clip import parse_resolution
    from livefuse.bench.webrtc.measure import Options, measure
    from livefuse.bench.webrtc.plot import draw_plot
    from livefuse.bench.webrtc.rows import csv_text
    from livefuse.cli.listing import print_json

    if codec not in _CODECS:
        raise BadValue(f"--codec {codec}", hint=", ".join(_CODECS))
    if plot is not None and plot.suffix.lower() != ".png":
        raise BadValue(f"--plot {plot}", hint="name a .png file")
    width, height = parse_resolution(size)
    options = Options(width, height, fps, seconds, warm_up, codec, viewers, o.settings({}, setting))
    kinds: list[Kind] = ["livefuse", "shipped"] if shipped else ["livefuse"]
    result = measure(options, kinds, lambda text: typer.echo(text, err=True))
    for one in result.measured:
        if csv is not None:
            named = csv if one.kind == "livefuse" else csv.with_stem(f"{csv.stem}-{one.kind}")
            named.write_text(csv_text(one.rows), "utf-8")
            typer.echo(f"wrote {named}", err=True)
    if plot is not None:
        draw_plot(result, plot)
        typer.echo(f"wrote {plot}", err=True)
    if as_json:
        print_json(result.as_dict())
    else:
        _print(result)


def _print(result: Result) -> None:
    from livefuse.bench.webrtc.measure import bench_environment
    from livefuse.cli.listing import print_table

    options, machine = result.options, bench_environment(result.browser)
    what = f"{options.width}x{options.height}@{options.fps}, {options.seconds:g} s, viewers {options.viewers}"
    typer.echo(f"{what}; {machine['cpu']}, {machine['cores']} cores; {result.browser}; no screen (headless)")
    spreads = [row for one in result.measured for row in _spreads(one)]
    print_table(["", "MS", "P50", "P95", "P99", "MAX", "MEAN"], spreads)
    for one in result.measured:
        typer.echo("")
        _print_server(one, options.frame_ms)
    if result.ratio:
        first, second = (one.figures.glass for one in result.measured[:2])
        typer.echo(
            f"\naiortc as shipped takes {result.ratio:.1f} times as long at the median, "
            f"{second.p99 / first.p99:.1f} times at p99; to the compositor "
            f"{result.measured[1].figures.to_compositor.p50 / result.measured[0].figures.to_compositor.p50:.1f} times"
        )


def _spreads(one: Measured) -> list[list[str]]:
    found = one.figures
    named = {
        "glass to glass": found.glass,
        "to the compositor": found.to_compositor,
        "to expectedDisplayTime": found.to_expected,
        "to the last packet": found.to_arrival,
        "age of the picture": found.age,
        "between frames": found.gap,
    }
    rows = [_spread(one.kind, name, spread) for name, spread in named.items()]
    return rows + [_spread(one.kind, f"viewer {i}", other.glass) for i, other in enumerate(one.others, 2)]


def _spread(kind: str, name: str, spread: Spread) -> list[str]:
    values = (spread.p50, spread.p95, spread.p99, spread.max, spread.mean)
    return [kind, name, *(f"{value:.1f}" for value in values)]


def _print_server(one: Measured, frame_ms: float) -> None:
    from livefuse.cli.listing import print_table

    found, way, receiver = one.figures, one.waterfall, one.receiver
    counts, freezes = found.counts, found.freezes
    typer.echo(
        f"{one.kind} ({one.codec}): {counts.shown} shown of {counts.expected} captured at {found.captured_fps:.2f} fps; "
        f"lost {counts.lost} (dropped by the session {sum(one.dropped.values())}), duplicates {counts.duplicates}, reordered {counts.reordered}, unreadable "
        f"{counts.unreadable}, not seen by the page's script {counts.unobserved}"
    )
    typer.echo(
        f"freezes (W3C) {freezes.count}, longest {freezes.longest_ms:.0f} ms; jitter {found.jitter_ms:.1f} ms; "
        f"page's clock ±{one.clock_uncertainty_ms:.2f} ms; ready after {one.ready_s:.1f} s"
    )
    print_table(["WATERFALL", "MEAN MS", "SAYS"], [[part.name, f"{part.ms:.2f}", part.witness] for part in way.parts])
    verdict = "within a frame's time" if way.explains(frame_ms) else "more than a frame's time, or below nothing"
    typer.echo(
        f"glass to glass {way.glass_ms:.1f} ms = {way.witnessed_ms:.1f} timed by daemon and browser + "
        f"{way.residual_ms:.1f} between them: {verdict}"
    )
    typer.echo("getStats: " + ", ".join(f"{name} {value:g}" for name, value in receiver.items()))
