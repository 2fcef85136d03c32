"""The command tree, and the one place where errors become words and exit codes."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import typer

from livefuse import __version__
from livefuse.cli import (
    apps,
    bench,
    bench_quality,
    bench_webrtc,
    demo,
    groups,
    identity,
    models,
    models_convert,
    models_own,
    ps,
    remote,
    run,
    serve,
    swap,
    synthesize,
    system,
    upscale,
)
from livefuse.errors import LivefuseError

_EPILOG = (
    "Exit codes: 0 ok, 1 failure, 2 usage or configuration, 3 source, 4 model, identity or consent, "
    "5 device, 6 sink, 130 interrupted."
)

app = typer.Typer(
    name="livefuse",
    help="Swap the face of a consenting person in live video, every millisecond measured and shown.",
    epilog=_EPILOG,
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"livefuse {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Say more on standard error."),
) -> None:
    """Without a command: start the daemon and open its page."""
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="livefuse: %(message)s")
    if context.invoked_subcommand is None:
        serve.serve_and_open()


app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("run")(run.run)
app.command("swap")(swap.swap)
app.command("upscale")(upscale.upscale)
app.add_typer(groups.sessions_app, name="sessions")
app.add_typer(groups.jobs_app, name="jobs")
app.add_typer(groups.presets_app, name="presets")
app.add_typer(groups.ctl_app, name="ctl")
app.command("ps")(ps.ps)
app.add_typer(groups.apps_app, name="apps")
app.command("pair")(apps.pair)
app.add_typer(groups.tls_app, name="tls")
app.add_typer(groups.obs_app, name="obs")
app.command("health")(remote.health)
app.command("devices")(system.devices)
app.command("doctor")(system.doctor)
app.command("explain")(system.explain)
app.command("paths")(system.paths)
models_app = typer.Typer(help="List, fetch and verify model files.", no_args_is_help=True, rich_markup_mode=None)
models_app.command("list")(models.models_list)
models_app.command("pull")(models.models_pull)
models_app.command("verify")(models.models_verify)
models_app.command("measure")(models.models_measure)
models_app.command("add")(models_own.models_add)
models_app.command("show")(models_own.models_show)
models_app.command("remove")(models_own.models_remove)
models_app.command("convert")(models_convert.models_convert)
models_app.command("synthesize")(synthesize.models_synthesize)
app.add_typer(models_app, name="models")
identity_app = typer.Typer(
    help="Keep people under names, with the consent to use their face.", no_args_is_help=True, rich_markup_mode=None
)
identity_app.command("add")(identity.identity_add)
identity_app.command("list")(identity.identity_list)
identity_app.command("show")(identity.identity_show)
identity_app.command("remove")(identity.identity_remove)
app.add_typer(identity_app, name="identity")
bench_app = typer.Typer(help="Measure livefuse on this machine.", no_args_is_help=True, rich_markup_mode=None)
bench_app.command("pipeline")(bench.pipeline)
bench_app.command("models")(bench.models)
bench_app.command("quality")(bench_quality.quality)
bench_app.command("webrtc")(bench_webrtc.webrtc)
app.add_typer(bench_app, name="bench")


def run_command(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    try:
        app(args=list(arguments))
    except SystemExit as leaving:  # typer ends every command so, with usage errors already said
        return leaving.code if isinstance(leaving.code, int) else 0
    except LivefuseError as error:
        _say(error)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


def _say(error: LivefuseError) -> None:
    lines = [f"{error.code} {error.message}"]
    if error.hint:
        lines.append(f"  Try:  {error.hint}")
    lines.append(f"  More: livefuse explain {error.code}")
    typer.echo("\n".join(lines), err=True)
