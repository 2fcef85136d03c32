"""GET as a download wants it: redirects followed with care, and two ways to fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from livefuse import __version__

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
HEADERS = {"Accept-Encoding": "identity", "User-Agent": f"livefuse/{__version__}"}
REDIRECTS_MAX = 5
CONNECTIONS_MAX = 50
TRY_AGAIN_STATUSES = (408, 425, 429)


class Refused(Exception):
    """This address will not give the file."""


class BrokeOff(Exception):
    """This address may give the rest if asked again."""


@contextmanager
def follow(client: httpx.Client, url: str, headers: dict[str, str]) -> Iterator[httpx.Response]:
    """GET, following redirects, but never from https to anything else. Raises: Refused, httpx.TransportError."""
    request = client.build_request("GET", url, headers=headers)
    for _ in range(REDIRECTS_MAX + 1):
        response = client.send(request, stream=True)
        try:
            if not response.has_redirect_location:
                yield response
                return
        finally:
            response.close()
        following = response.next_request
        if following is None or (request.url.scheme == "https" and following.url.scheme != "https"):
            raise Refused(f"redirects from https to {response.headers['Location']}")
        request = following
    raise Refused(f"more than {REDIRECTS_MAX} redirects")
