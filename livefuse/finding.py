"""Where a daemon is found, what it takes to talk to it, and what its refusals mean.

Without an HTTP library of its own, whose import takes longer than a panic may.
"""

from __future__ import annotations

import ipaddress
import json
import os
import ssl
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from livefuse import __version__
from livefuse.errors import BadValue, DaemonError, DaemonUnreachable, LivefuseError, NotAllowed, NotHere
from livefuse.paths import Paths
from livefuse.tls.trusting import named_trust, trusting

URL_VARIABLE = "LIVEFUSE_DAEMON"
TOKEN_VARIABLE = "LIVEFUSE_TOKEN"

_PRESS_S = 10.0
_OF_STATUS: dict[int, type[DaemonError]] = {401: NotAllowed, 403: NotAllowed, 404: NotHere, 421: NotAllowed}


@dataclass(frozen=True, slots=True)
class Running:
    """What a daemon says about itself in the state folder."""

    url: str
    token: str
    pid: int
    version: str
    started: str
    ca: str = ""
    certificate: str = ""

    def trust(self) -> ssl.SSLContext | None:
        """Its own authority or its very certificate, and nothing else; nothing for plain HTTP. Raises: BadValue."""
        if self.certificate:  # its names may be those of the outside, but here it is called 127.0.0.1
            return trusting(self.certificate, "the daemon's certificate", pinned=True)
        return trusting(self.ca, "the daemon's authority") if self.ca else None


def running_daemons(state: Path) -> list[Running]:
    """Those of this machine and user whose process lives; files that say something else are left out."""
    found = (_told(path) for path in sorted(state.glob("daemon-*.json")))
    return [daemon for daemon in found if daemon is not None and _lives(daemon.pid)]


def _told(path: Path) -> Running | None:
    try:
        tree = json.loads(path.read_text("utf-8"))
        return Running(
            str(tree["url"]), str(tree["token"]), int(tree["pid"]), str(tree["version"]), str(tree["started"]),
            str(tree.get("ca", "")), str(tree.get("certificate", "")),
        )  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError):  # being written, of another version, or another user's
        return None


def _lives(pid: int) -> bool:
    if os.name == "nt":  # where signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's, who got the number after ours had ended: nobody to give a token to
        return False
    return True


@dataclass(frozen=True, slots=True)
class Reached:
    """A daemon's address, the token to show it, and whose certificates are believed there: the system's if None."""

    url: str
    token: str
    trust: ssl.SSLContext | None

    def press(self, path: str) -> Any:
        """POST to an address that needs nothing more: what is answered. Raises: DaemonUnreachable, what the daemon refuses."""
        url = checked(self.url)
        parts = urlsplit(url)
        headers = {"User-Agent": f"livefuse/{__version__}", "Authorization": f"Bearer {self.token}"}
        if parts.scheme == "https":
            context = self.trust or ssl.create_default_context()
            line: HTTPConnection = HTTPSConnection(parts.hostname or "", parts.port, timeout=_PRESS_S, context=context)
        else:
            line = HTTPConnection(parts.hostname or "", parts.port, timeout=_PRESS_S)
        with closing(line):
            try:
                line.request("POST", parts.path + path, headers=headers)
                answer = line.getresponse()
                body = answer.read()
            except (OSError, HTTPException) as error:
                raise silent(url, error) from error
        if answer.status >= 300:
            raise problem_of(answer.status, answer.reason, body, url + path)
        return json.loads(body) if body else {}


def find_daemon(url: str = "", token: str = "", *, state: Path | None = None) -> Reached:
    """The daemon at `url`, at LIVEFUSE_DAEMON, or the one that runs here. A token that was kept on this machine is
    only ever sent to this machine.

    Raises: DaemonUnreachable when none runs here; BadValue for no address, or when several run.
    """
    url = url or os.environ.get(URL_VARIABLE, "")
    token = token or os.environ.get(TOKEN_VARIABLE, "")
    folder = state or Paths.default().state
    here = running_daemons(folder)
    if url:
        return Reached(url, token or _kept_token(checked(url), here, folder), _trust(url, here))
    if not here:
        raise DaemonUnreachable(
            "no daemon runs here", hint=f"`livefuse serve` starts one; --daemon URL or {URL_VARIABLE} names another"
        )
    if len(here) > 1:
        urls = ", ".join(daemon.url for daemon in here)
        raise BadValue(f"{len(here)} daemons run here: {urls}", hint=f"say which: --daemon {here[0].url}")
    return Reached(here[0].url, token or here[0].token, here[0].trust())


def silent(url: str, error: Exception) -> DaemonUnreachable:
    """Nobody answered."""
    return DaemonUnreachable(
        f"no daemon answers at {url}: {error}", hint="`livefuse serve` starts one; its address is what it prints"
    )


def problem_of(status: int, reason: str, body: bytes, url: str) -> LivefuseError:
    """The error that a refusing answer tells of, as the class that was raised there. Source: RFC 9457."""
    try:
        told = json.loads(body)
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    kind = LivefuseError.registry.get(str(told.get("code", "")), _OF_STATUS.get(status, DaemonError))
    detail = told.get("detail") or told.get("title") or reason or "no reason given"
    message = detail if isinstance(detail, str) else json.dumps(detail)
    if "code" not in told:
        message = f"{url} answered {status}: {message}"
    hint = str(told.get("hint", ""))
    if status == 401:  # the daemon's own hint is for those who write requests
        hint = f"{TOKEN_VARIABLE}=... takes the token that `livefuse serve` printed"
    return kind(message, hint=hint)


def segment(name: str) -> str:
    """A name as one part of a path, whatever is in it."""
    return quote(name, safe="")


def is_loopback(url: str) -> bool:
    """Whether an address is this machine's own."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable:
        raise BadValue(
            f"{url!r} is no daemon's address", hint="write it as `livefuse serve` prints it: http://HOST:PORT"
        )
    return url.rstrip("/")


def _trust(url: str, here: list[Running]) -> ssl.SSLContext | None:
    """For a daemon of this machine what it wrote down, else what the environment names. Raises: BadValue."""
    known = [daemon.trust() for daemon in here if daemon.url.rstrip("/") == url.rstrip("/")]
    return (known[0] if known else None) or (named_trust() if url.startswith("https:") else None)


def _kept_token(url: str, here: list[Running], state: Path) -> str:
    """Of the daemon of this machine at that address, or what daemons of this machine use."""
    for daemon in here:
        if daemon.url.rstrip("/") == url.rstrip("/"):
            return daemon.token
    if not is_loopback(url):
        return ""
    try:
        return (state / "token").read_text("utf-8").strip()
    except OSError:
        return ""
