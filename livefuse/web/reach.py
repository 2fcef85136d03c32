"""By which addresses this daemon is reached: from this machine, from others, through a tunnel."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from livefuse.web.listening import outward_address
from livefuse.web.security import is_loopback

if TYPE_CHECKING:
    from livefuse.tls.serving import Tls

EVERYWHERE = ("0.0.0.0", "::", "")


@dataclass(frozen=True, slots=True)
class Reach:
    """`local` is for programs of this machine, `network` for others; either is empty where nobody listens."""

    local: str
    network: str
    port: int
    ssh: str

    @property
    def plain_network(self) -> str:
        """Where the authority's certificate is fetched by who does not trust it yet."""
        return self.network.replace("https://", "http://", 1)


def reach(host: str, port: int, tls: Tls | None) -> Reach:
    """How a daemon that listens at `host` is reached. Plain HTTP stays open for this machine, so `local` needs no trust."""
    outward, scheme = outward_address(), "https" if tls else "http"
    if host in EVERYWHERE:
        local, network = "127.0.0.1", outward
    elif is_loopback(host):
        local, network = host, ""
    else:
        local, network = "", host
    return Reach(
        f"http://{_bracketed(local)}:{port}" if local else "",
        f"{scheme}://{_bracketed(network)}:{port}" if network else "",
        port,
        f"ssh -L {port}:{_tunnelled(local, network)}:{port} {_user()}@{outward or socket.gethostname()}",
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "USER"


def _tunnelled(local: str, network: str) -> str:
    return "localhost" if local in ("127.0.0.1", "localhost", "::1") else _bracketed(local or network)
