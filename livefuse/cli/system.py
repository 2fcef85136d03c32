"""`livefuse paths`, `devices`, `doctor`, `explain`: about this machine and about livefuse itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli.listing import print_json, print_table

if TYPE_CHECKING:
    from livefuse.source.devices import Camera

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

_MARKS = {"ok": "green", "warn": "yellow", "missing": "bold red"}


def paths(as_json: AsJson = False) -> None:
    """Show the folders that livefuse uses; LIVEFUSE_HOME moves them all."""
    from livefuse.paths import Paths

    found = Paths.default()
    if as_json:
        print_json(found.as_dict() | {"config_file": str(found.config_file)})
    else:
        print_table(["WHAT", "WHERE"], [[name, where] for name, where in found.as_dict().items()])


def devices(as_json: AsJson = False) -> None:
    """List the cameras of this machine: the URL that opens each, what it offers, and what stands in the way."""
    from livefuse.source.devices import list_cameras

    cameras = list_cameras()
    if as_json:
        print_json({"cameras": [_camera_dict(number, camera) for number, camera in enumerate(cameras)]})
    elif cameras:
        rows = [[f"camera:{n}", c.name, c.path, _formats(c), c.note] for n, c in enumerate(cameras)]
        print_table(["URL", "NAME", "PATH", "FORMATS", "NOTE"], rows)
    else:
        typer.echo("no camera found; `livefuse doctor` says more", err=True)


def _camera_dict(number: int, camera: Camera) -> dict[str, Any]:
    modes = [
        {
            "pixel_format": m.pixel_format,
            "video_size": f"{m.width}x{m.height}",
            "framerates": [float(r) for r in m.rates],
        }
        for m in camera.modes
    ]
    told = {"url": f"camera:{number}", "device_url": camera.url, "name": camera.name, "path": camera.path}
    return told | {"virtual": camera.is_virtual, "note": camera.note, "modes": modes}


def _formats(camera: Camera) -> str:
    offers = []
    for name, sizes, rates in camera.formats:
        width, height = max(sizes)
        fastest = f"@{float(rates[0]):g}" if rates else ""
        offers.append(f"{name} {width}x{height}{fastest}" + (f" and {len(sizes) - 1} more" if len(sizes) > 1 else ""))
    return ", ".join(offers)


def doctor(as_json: AsJson = False) -> None:
    """Check what livefuse can use here, and print the command that fixes what it cannot."""
    from livefuse.doctor.report import default_checks, run_checks, summary

    findings = run_checks(default_checks())
    if as_json:
        print_json(summary(findings))
        return
    print_table(["STATUS", "WHAT", "DETAIL"], [[f.status, f.name, f.detail] for f in findings], colours=_MARKS)
    fixes = [f for f in findings if f.fix]
    if fixes:
        typer.echo("\nTo fix:")
    for finding in fixes:
        typer.echo(f"  # {finding.name}\n  {finding.fix}")


def explain(
    code: Annotated[str, typer.Argument(metavar="CODE", help="An error's code or name, e.g. LF0101 or UnknownKey.")],
    as_json: AsJson = False,
) -> None:
    """Say what an error means, its exit code, and where it stands among the others."""
    from livefuse.explain import explain as explained

    explanation = explained(code)
    if as_json:
        print_json(explanation.as_dict())
    else:
        typer.echo(str(explanation))
