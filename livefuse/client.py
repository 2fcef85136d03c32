"""Talks to a running daemon over its HTTP API."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from livefuse import __version__
from livefuse.errors import DaemonUnreachable, LivefuseError
from livefuse.finding import (
    TOKEN_VARIABLE,
    URL_VARIABLE,
    Running,
    checked,
    find_daemon,
    is_loopback,
    problem_of,
    running_daemons,
    segment,
    silent,
)
from livefuse.tls.trusting import CA_VARIABLE

__all__ = [
    "TOKEN_VARIABLE",
    "URL_VARIABLE",
    "Client",
    "Running",
    "is_loopback",
    "problem",
    "running_daemons",
    "segment",
]

_CONNECT_S = 3.0
_ANSWER_S = 300.0  # starting a session loads models, and may fetch them first


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
        self.url = checked(url)
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
        found = find_daemon(url, token, state=state)
        return cls(found.url, found.token, trust=found.trust)

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
                raise silent(self.url, error) from error
            raise DaemonUnreachable(
                f"the certificate of {self.url} is not trusted: {str(error).rpartition('failed: ')[2]}",
                hint=f"{CA_VARIABLE}=ca.crt names its authority: `livefuse tls export` there writes the file",
            ) from error
        except httpx.TransportError as error:
            raise silent(self.url, error) from error

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def problem(response: httpx.Response) -> LivefuseError:
    """The error that a refusing answer tells of, as the class that was raised there."""
    return problem_of(response.status_code, response.reason_phrase, response.content, str(response.request.url))
