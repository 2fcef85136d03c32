"""The token that whoever changes something must show."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path

from livefuse.daemon_config import DaemonConfig
from livefuse.errors import BadValue, DaemonError
from livefuse.paths import Paths

TOKEN_VARIABLE = "LIVEFUSE_TOKEN"
_SHORTEST = 16
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


def token_file(paths: Paths) -> Path:
    """Where a token that nobody chose is kept."""
    return paths.state / "token"


def find_token(config: DaemonConfig, paths: Paths, environ: Mapping[str, str] = os.environ) -> str:
    """The token of the configuration, of LIVEFUSE_TOKEN, or the kept one, made now if there is none.

    Source: RFC 6750 section 2.1 (what a bearer token may consist of). Raises: BadValue, DaemonError.
    """
    for said, where in ((config.serve.token, "serve.token"), (environ.get(TOKEN_VARIABLE, ""), TOKEN_VARIABLE)):
        if said:
            return _checked(said, where)
    file = token_file(paths)
    try:
        return _kept(file) or _made(file)
    except OSError as error:
        hint = f"set {TOKEN_VARIABLE}, or make the folder writable"
        raise DaemonError(f"cannot keep the token in {file}: {error.strerror}", hint=hint) from error


def _checked(token: str, where: str) -> str:
    if len(token) < _SHORTEST or not _TOKEN.fullmatch(token):
        raise BadValue(
            f"{where} cannot be a token: {len(token)} characters",
            hint=f"at least {_SHORTEST} of A-Z a-z 0-9 - . _ ~ + /, e.g. from `openssl rand -hex 24`",
        )
    return token


def _kept(file: Path) -> str:
    """The kept token; nothing if there is no file or it is damaged."""
    try:
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except FileNotFoundError:
        return ""
    with os.fdopen(handle, errors="replace") as opened:
        if os.name == "posix" and stat.S_IMODE(os.fstat(handle).st_mode) & 0o077:
            os.fchmod(handle, 0o600)
        token = opened.read(1024).strip()
    return token if len(token) >= _SHORTEST and _TOKEN.fullmatch(token) else ""


def _made(file: Path) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as opened:
        opened.write(secrets.token_urlsafe(32) + "\n")
    try:
        os.link(part, file)  # two daemons that start at once agree on the first one's token
    except FileExistsError:
        if not _kept(file):
            part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return _kept(file)
