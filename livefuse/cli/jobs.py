"""`livefuse jobs`: files that a running daemon swaps, and models that it fetches, beside its sessions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from livefuse.cli.listing import print_json, print_table
from livefuse.cli.remote import AsJson, Daemon, connect, nested, tell

JobId = Annotated[str, typer.Argument(metavar="ID", help="Of a job, or its beginning; see `livefuse jobs list`.")]

_COLOURS = {"running": "cyan", "done": "green", "failed": "bold red", "cancelled": "dim", "interrupted": "yellow"}
_SHOWN = 8


def jobs_list(daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Show what waits, runs and has ended."""
    with connect(daemon) as client:
        found = client.get("/api/jobs")
    if as_json:
        print_json(found)
        return
    rows = [[job["id"][:_SHOWN], job["state"], job["kind"], _short(job), _far(job)] for job in found["jobs"]]
    print_table(["ID", "STATE", "KIND", "WHAT", "PROGRESS"], rows, colours=_COLOURS)


def jobs_add(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="Picture or video.")],
    out: Annotated[
        Path | None,
        typer.Argument(metavar="[OUTPUT]", help="Appears when it is complete; INPUT-swapped beside the input without."),
    ] = None,
    face: Annotated[str, typer.Option("--face", help="The name of a stored identity.")] = "",
    preset: Annotated[str, typer.Option("--preset", help="Begin with a preset.")] = "",
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set any configuration key; repeatable.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")] = False,
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Queue a picture or video, both on the daemon's machine. Prints the job's id."""
    body = {
        "input": str(source.expanduser().absolute()),
        "output": str(out.expanduser().absolute()) if out else "",
        "overwrite": overwrite,
        "preset": preset,
        "identity": face,
        "config": nested(setting),
    }
    with connect(daemon) as client:
        job = client.post("/api/jobs", body)
    if as_json:
        print_json(job)
    else:
        typer.echo(job["id"])


def jobs_show(job_id: JobId, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Show one job: how far it is, or why it failed."""
    with connect(daemon) as client:
        job = client.get(_path(client, job_id))
    if as_json:
        print_json(job)
        return
    typer.echo(f"{job['id']}  {job['state']}  {_what(job)}  {_far(job)}".rstrip())
    for note in job["notes"]:
        typer.echo(f"  {note}")
    if job["error"]:
        typer.echo(f"  {job['error']['code']} {job['error']['detail']}")
        if job["error"]["hint"]:
            typer.echo(f"  Try: {job['error']['hint']}")


def jobs_cancel(job_id: JobId, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Take a job out of the queue, or stop it; one that has ended is forgotten."""
    with connect(daemon) as client:
        path = _path(client, job_id)
        tell(client.delete(path), as_json, f"{path.rpartition('/')[2]} is cancelled")


def jobs_retry(job_id: JobId, daemon: Daemon = "", as_json: AsJson = False) -> None:
    """Queue a job that failed or was stopped anew; a download goes on where it stopped. Prints the new job's id."""
    with connect(daemon) as client:
        job = client.post(f"{_path(client, job_id)}/retry")
    if as_json:
        print_json(job)
    else:
        typer.echo(job["id"])


def jobs_move(
    job_id: JobId,
    place: Annotated[int, typer.Argument(min=1, max=10_000, help="Its place among those that wait; 1 comes next.")],
    daemon: Daemon = "",
    as_json: AsJson = False,
) -> None:
    """Have a waiting job come earlier or later."""
    with connect(daemon) as client:
        job = client.post(f"{_path(client, job_id)}/move", {"place": place - 1})
    tell(job, as_json, f"{job['id'][:_SHOWN]} is number {place} now")


def _path(client: Any, job_id: str) -> str:
    """The address of the one job whose id begins so. Raises: NotHere."""
    from livefuse.client import segment
    from livefuse.errors import NotHere

    ids = [job["id"] for job in client.get("/api/jobs")["jobs"] if job_id and job["id"].startswith(job_id)]
    if len(ids) != 1:
        what = "there is no job" if not ids else f"{len(ids)} jobs"
        raise NotHere(f"{what} {job_id!r}", hint="`livefuse jobs list` shows their ids")
    return f"/api/jobs/{segment(ids[0])}"


def _what(job: Mapping[str, Any]) -> str:
    return f"{job['input']} -> {job['output']}" if job["kind"] == "file" else str(job["model"])


def _short(job: Mapping[str, Any]) -> str:
    """Without folders: whole paths are what `livefuse jobs show` prints."""
    return f"{Path(job['input']).name} -> {Path(job['output']).name}" if job["kind"] == "file" else _what(job)


def _far(job: Mapping[str, Any]) -> str:
    progress = job["progress"]
    for done, total, unit in (("frames", "frames_total", "frames"), ("bytes_done", "bytes_total", "bytes")):
        if progress[total]:
            left = f", {progress['eta_s']:.0f} s left" if progress["eta_s"] is not None else ""
            slow = f", held up by {progress['bottleneck']}" if progress.get("bottleneck") else ""
            return f"{progress[done]} of {progress[total]} {unit}{left}{slow}"
    return f"{progress['frames']} frames" if progress["frames"] else ""
