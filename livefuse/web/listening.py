"""Opens the port: the asked one, or the next that is free."""

from __future__ import annotations

import errno
import os
import socket
from dataclasses import dataclass
from ipaddress import ip_address

from livefuse.errors import BadValue, PortTaken

TRIES = 20
_BACKLOG = 128
_NOT_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


@dataclass(frozen=True, slots=True)
class Listening:
    """Sockets that listen already: whoever connects before the application is loaded waits in their queue."""

    host: str
    port: int
    sockets: tuple[socket.socket, ...]
    scheme: str = "http"

    @property
    def url(self) -> str:
        """How this machine itself calls it."""
        return self.url_with(self.scheme)

    def url_with(self, scheme: str) -> str:
        """The same by another scheme: with TLS, loopback may still be called in plain text."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def close(self) -> None:
        for opened in self.sockets:
            opened.close()


def listen(host: str, port: int, *, tries: int = TRIES) -> Listening:
    """Listen at `port`, or at one of the `tries` after it; 0 is any. Raises: PortTaken, BadValue for the host."""
    addresses = _addresses(host)
    last = min(port + tries, 65535) if port else 0
    for candidate in range(port, last + 1):
        try:
            sockets = _opened(addresses, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _explained(error, host, candidate) from error
            continue
        return Listening(host, sockets[0].getsockname()[1], sockets)
    raise PortTaken(f"ports {port} to {last} are all taken", hint="name another with --port, or --port 0 for any")


def outward_address() -> str:
    """The address by which other machines of the network reach this one; nothing without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # chooses a route; a datagram socket sends nothing until told to
            address: str = probe.getsockname()[0]
        except OSError:
            return ""
    return "" if ip_address(address).is_loopback else address


def _addresses(host: str) -> list[tuple[socket.AddressFamily, str]]:
    try:
        found = socket.getaddrinfo(host or "0.0.0.0", None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise BadValue(
            f"serve.host = {host!r}: no such host", hint="127.0.0.1, 0.0.0.0 for all, or an address"
        ) from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found))


def _opened(addresses: list[tuple[socket.AddressFamily, str]], port: int) -> tuple[socket.socket, ...]:
    """All of a name's addresses at one port; those that this machine lacks are left out while another is there."""
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    try:
        for family, address in addresses:
            try:
                sockets.append(_bound(family, address, sockets[0].getsockname()[1] if sockets else port))
            except OSError as error:
                if error.errno not in _NOT_OURS:
                    raise
                missing = error
        if missing is not None and not sockets:
            raise missing
    except OSError:
        for opened in sockets:
            opened.close()
        raise
    return tuple(sockets)


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        # elsewhere than on Windows this says only that a port whose last connections are still dying may be taken again
        reuse = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR) if os.name == "nt" else socket.SO_REUSEADDR
        opened.setsockopt(socket.SOL_SOCKET, reuse, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address != "::"))
        opened.bind((address, port))
        opened.listen(_BACKLOG)  # now, for two daemons could bind the same port as long as neither listens
        opened.setblocking(False)
    except OSError:
        opened.close()
        raise
    return opened


def _explained(error: OSError, host: str, port: int) -> PortTaken | BadValue:
    if error.errno in _NOT_OURS:
        return BadValue(f"serve.host = {host!r} is no address of this machine", hint="127.0.0.1, or 0.0.0.0 for all")
    hint = "ports below 1024 are the system's: name another with --port" if port < 1024 else "name another with --port"
    return PortTaken(f"port {port} cannot be opened: {error.strerror}", hint=hint)
