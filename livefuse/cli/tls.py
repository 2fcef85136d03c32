"""`livefuse tls`: this machine's own certificate authority, seen, trusted and replaced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from livefuse.cli.listing import print_json, print_table
from livefuse.errors import BadValue, DaemonError, NotHere

if TYPE_CHECKING:
    from livefuse.tls.authority import Authority

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_SYSTEMS = ("linux", "macos", "windows", "firefox", "ios", "android")


def tls_show(as_json: AsJson = False) -> None:
    """Show the authority: its file, its fingerprint, what it may vouch for."""
    from livefuse.tls.authority import kept_authority

    authority = kept_authority(_folder())
    if authority is None:
        raise NotHere("this machine has no authority yet", hint="`livefuse serve --tls` makes one")
    told = _told(authority)
    if as_json:
        print_json(told)
        return
    print_table(["KEY", "VALUE"], [[k, ", ".join(v) if isinstance(v, list) else str(v)] for k, v in told.items()])


def tls_trust(
    system: Annotated[str, typer.Option("--for", help=f"Only for one of: {', '.join(_SYSTEMS)}.")] = "",
    url: Annotated[str, typer.Option(help="Where devices reach the daemon, e.g. http://192.168.1.5:7853.")] = "",
) -> None:
    """Print what makes browsers, phones and programs trust this machine's authority; nothing is changed."""
    from livefuse.tls.authority import authority_file
    from livefuse.tls.trust import fetching, ways

    if system and system not in _SYSTEMS:
        raise BadValue(f"--for {system}: it is not known", hint=f"one of {', '.join(_SYSTEMS)}")
    authority = _authority()
    fetched_at = f"{url.rstrip('/') or _reached_at()}/ca.crt"
    typer.echo(f"fingerprint (SHA-256)\n  {_told(authority)['fingerprint']}")
    for way in ways(str(authority_file(_folder())), fetched_at):
        if system in ("", way.system):
            typer.echo("\n".join(["", f"# {way.name}", *(f"  {step}" for step in way.steps)]))
    if not system:
        typer.echo(
            "\n".join(["", "# another computer: fetch it first", *(f"  {line}" for line in fetching(fetched_at))])
        )


def tls_export(
    file: Annotated[Path | None, typer.Argument(help="Where to write it; standard output by default.")] = None,
) -> None:
    """Write the public certificate of the authority, for those who are to trust it. Its key stays where it is."""
    pem = _authority().pem
    if file is None:
        typer.echo(pem.decode(), nl=False)
        return
    try:
        file.write_bytes(pem)
    except OSError as error:
        raise DaemonError(f"cannot write {file}: {error.strerror}", hint="check the path") from error
    typer.echo(f"{file} is written", err=True)


def tls_renew(
    sure: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Make another authority: when its key may be known, or it may not vouch for a name. All who trusted it must do so anew."""
    from livefuse.tls.authority import forget_authority

    if not sure:
        typer.confirm(
            "Everybody who trusts the present authority has to trust the new one. Go on?", abort=True, err=True
        )
    forget_authority(_folder())
    typer.echo(f"new authority: {_told(_authority())['fingerprint']}\nStart the daemon again to use it.", err=True)


def _folder() -> Path:
    from livefuse.paths import Paths
    from livefuse.tls.serving import tls_folder

    return tls_folder(Paths.default().state)


def _authority() -> Authority:
    """Made now if there is none, for the names that the user's own configuration says."""
    from livefuse.daemon_config import load_daemon_config
    from livefuse.paths import Paths
    from livefuse.tls.authority import find_authority
    from livefuse.tls.names import machine_names

    file = Paths.default().config_file
    hosts = load_daemon_config(file).serve.hosts if file.is_file() else ()
    return find_authority(_folder(), machine_names(hosts))


def _told(authority: Authority) -> dict[str, Any]:
    from livefuse.tls.authority import authority_file
    from livefuse.tls.serving import fingerprint

    domains, networks = authority.permitted
    return {
        "certificate": str(authority_file(_folder())),
        "fingerprint": fingerprint(authority.pem),
        "until": authority.certificate.not_valid_after_utc.date().isoformat(),
        "domains": domains,
        "networks": [str(one) for one in networks],
    }


def _reached_at() -> str:
    """Of a daemon that runs here, for other machines."""
    from livefuse.client import running_daemons
    from livefuse.daemon_config import DEFAULT_PORT
    from livefuse.paths import Paths
    from livefuse.tls.names import machine_names, outward

    ports = [daemon.url.rpartition(":")[2] for daemon in running_daemons(Paths.default().state) if daemon.ca]
    address = next(iter(outward(machine_names())), "HOST")
    host = f"[{address}]" if ":" in str(address) else str(address)
    return f"http://{host}:{ports[0] if ports else DEFAULT_PORT}"
