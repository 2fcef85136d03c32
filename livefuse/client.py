"""Talks to a running daemon over its HTTP API."""

from __future__ import annotations

import ipaddress
import json
import os
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from livefuse import __version__
from livefuse.errors import BadValue, DaemonError, DaemonUnreachable, LivefuseError, NotAllowed, NotHere
from livefuse.paths import Paths
from livefuse.tls.trusting import CA_VARIABLE, named_trust, trusting

URL_VARIABLE = "LIVEFUSE_DAEMON"
TOKEN_VARIABLE = "LIVEFUSE_TOKEN"

_CONNECT_S = 3.0
_ANSWER_S = 300.0  # starting a session loads models, and may fetch them first
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


class Client:
    """One daemon. Close it, or use it in a `with` block."""

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        trust: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """`trust` says whose certificates are believed, the system's by default."""
        self.url = _checked(url)
        headers = {"User-Agent": f"livefuse/{__version__}", "Accept": "application/json, */*;q=0.5"}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=httpx.Timeout(_ANSWER_S, connect=_CONNECT_S),
            transport=transport,
            verify=trust if trust is not None else True,
            trust_env=not is_loopback(self.url),  # a proxy would look for the daemon on its own machine
        )

    @classmethod
    def find(cls, url: str = "", token: str = "", *, state: Path | None = None) -> Client:
        """The daemon at `url`, at LIVEFUSE_DAEMON, or the one that runs here. A token that was kept on this machine is
        only ever sent to this machine.

        Raises: DaemonUnreachable when none runs here; BadValue for no address, or when several run.
        """
        url = url or os.environ.get(URL_VARIABLE, "")
        token = token or os.environ.get(TOKEN_VARIABLE, "")
        folder = state or Paths.default().state
        here = running_daemons(folder)
        if url:
            return cls(url, token or _kept_token(_checked(url), here, folder), trust=_trust(url, here))
        if not here:
            raise DaemonUnreachable(
                "no daemon runs here", hint=f"`livefuse serve` starts one; --daemon URL or {URL_VARIABLE} names another"
            )
        if len(here) > 1:
            urls = ", ".join(daemon.url for daemon in here)
            raise BadValue(f"{len(here)} daemons run here: {urls}", hint=f"say which: --daemon {here[0].url}")
        return cls(here[0].url, token or here[0].token, trust=here[0].trust())

    def get(self, path: str, **query: str) -> Any:
        return self.call("GET", path, query=query)

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self.call("POST", path, body=body)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return self.call("PUT", path, body=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self.call("PATCH", path, body=body)

    def delete(self, path: str) -> Any:
        return self.call("DELETE", path)

    def send(self, path: str, content: bytes, media_type: str, **query: str) -> Any:
        """PUT a file as it is."""
        return self.call("PUT", path, content=content, media_type=media_type, query=query)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        media_type: str = "",
        query: Mapping[str, str] | None = None,
        token: str = "",
    ) -> Any:
        """What the daemon answers, decoded. `token` is shown instead of the usual one.

        Raises: the error that the daemon met, DaemonUnreachable.
        """
        headers = {"Content-Type": media_type} if media_type else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        with self._reached():
            response = self._http.request(method, path, json=body, content=content, params=query or {}, headers=headers)
        if not response.is_success:
            raise problem(response)
        if not response.content:
            return {}
        if "json" in response.headers.get("content-type", ""):
            return response.json()
        return response.text

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise DaemonUnreachable(
                f"{self.url} did not answer in time",
                hint="is it busy, or behind a firewall? `livefuse health` asks again",
            ) from error
        except httpx.ConnectError as error:
            if "CERTIFICATE_VERIFY_FAILED" not in str(error):
                raise self._silent(error) from error
            raise DaemonUnreachable(
                f"the certificate of {self.url} is not trusted: {str(error).rpartition('failed: ')[2]}",
                hint=f"{CA_VARIABLE}=ca.crt names its authority: `livefuse tls export` there writes the file",
            ) from error
        except httpx.TransportError as error:
            raise self._silent(error) from error

    def _silent(self, error: httpx.TransportError) -> DaemonUnreachable:
        return DaemonUnreachable(
            f"no daemon answers at {self.url}: {error}",
            hint="`livefuse serve` starts one; its address is what it prints",
        )

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def problem(response: httpx.Response) -> LivefuseError:
    """The error that a refusing answer tells of, as the class that was raised there. Source: RFC 9457."""
    try:
        told = response.json()
    except ValueError:
        told = {}
    if not isinstance(told, dict):
        told = {}
    kind = LivefuseError.registry.get(str(told.get("code", "")), _OF_STATUS.get(response.status_code, DaemonError))
    detail = told.get("detail") or told.get("title") or response.reason_phrase or "no reason given"
    message = detail if isinstance(detail, str) else json.dumps(detail)
    if "code" not in told:
        message = f"{response.request.url} answered {response.status_code}: {message}"
    hint = str(told.get("hint", ""))
    if response.status_code == httpx.codes.UNAUTHORIZED:  # the daemon's own hint is for those who write requests
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


def _checked(url: str) -> str:
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
