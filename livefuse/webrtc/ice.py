"""Where peers meet: which addresses and ports are offered, which STUN and TURN servers are told about.

aioice binds any free port of every interface but loopback. Here each connection's host candidates are made by us instead:
instance attributes of that connection are replaced, aioice's classes stay as they are.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import functools
import hashlib
import hmac
import ipaddress
import logging
import random
import socket
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from aioice import Candidate
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, get_host_addresses, server_reflexive_candidate
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc.rtcconfiguration import RTCBundlePolicy

from livefuse.daemon_config import IceServer, WebRtcConfig
from livefuse.errors import PeerError
from livefuse.source.url import expand

log = logging.getLogger("livefuse")

_BUFFER_BYTES = 1 << 20  # a key frame at 1080p leaves as one burst
_STUN_S = 3.0
_TURN_USER = "livefuse"

_Gather = Callable[..., Coroutine[Any, Any, list[Candidate]]]


def new_connection(config: WebRtcConfig, host: str) -> RTCPeerConnection:
    """A connection that binds only where `host`, `webrtc.addresses` and `webrtc.ports` say, and asks no server that the
    configuration does not name (aiortc by itself would ask a public one)."""
    servers = []
    for server in config.ice_servers:
        username, credential = credentials(server)
        servers.append(RTCIceServer(list(server.urls), username or None, credential or None))
    connection = RTCPeerConnection(RTCConfiguration(iceServers=servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
    addresses, ports = local_addresses(config, host), port_range(config)
    inner: Any = connection  # whose private names carry its class
    gather = inner._RTCPeerConnection__gather

    async def gather_ours() -> None:
        for transport in inner._RTCPeerConnection__iceTransports:
            ice: Any = transport.iceGatherer._connection
            theirs = ice.get_component_candidates
            if not isinstance(theirs, functools.partial):
                ice.get_component_candidates = functools.partial(_candidates, ice, theirs, addresses, ports)
                ice.query_consent = functools.partial(_consent, ice, ice.query_consent)
        await gather()

    inner._RTCPeerConnection__gather = gather_ours
    return connection


def local_addresses(config: WebRtcConfig, host: str) -> list[str]:
    """What is offered to peers, the likeliest first. Loopback is among it wherever a page on this machine may call.

    Raises: PeerError when the host's name cannot be resolved.
    """
    if config.addresses:
        return list(config.addresses)
    if host in ("", "0.0.0.0"):
        return [*get_host_addresses(use_ipv4=True, use_ipv6=False), "127.0.0.1"]
    if host == "::":
        return [*get_host_addresses(use_ipv4=True, use_ipv6=True), "127.0.0.1", "::1"]
    if host == "localhost":
        return ["127.0.0.1"]
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise PeerError(f"{host}: {error.strerror}", hint="name local addresses in `webrtc.addresses`") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def port_range(config: WebRtcConfig) -> range:
    """UDP ports that may be bound; (0,) lets the system choose. Raises: PeerError when the range is empty."""
    if not config.ports:
        return range(1)
    first, last = (int(part) for part in config.ports.split("-"))
    if not 0 < first <= last <= 65535:
        raise PeerError(f"webrtc.ports = {config.ports!r} is no range of ports", hint="write e.g. 50000-50100")
    return range(first, last + 1)


def credentials(server: IceServer, now_s: float | None = None) -> tuple[str, str]:
    """User and password for a server; made from its shared secret, they end after `ttl_s`. `${VAR}` is filled in.

    Source: draft-uberti-behave-turn-rest-00, section 2.2. Raises: BadValue for a variable that is not set.
    """
    secret = expand(server.secret)
    if not secret:
        return server.username, expand(server.credential)
    expiry_s = int(time.time() if now_s is None else now_s) + server.ttl_s
    username = f"{expiry_s}:{server.username or _TURN_USER}"
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()


def ice_links(config: WebRtcConfig) -> list[str]:
    """Values of the Link headers that tell a WHIP or WHEP client its STUN and TURN servers.

    Source: RFC 9725, section 4.6.
    """
    links = []
    for server in config.ice_servers:
        username, credential = credentials(server)
        for url in server.urls:
            link = f'<{url}>; rel="ice-server"'
            if username and url.startswith("turn"):
                link += f'; username="{_quoted(username)}"; credential="{_quoted(credential)}"'
                link += '; credential-type="password"'
            links.append(link)
    return links


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


async def _consent(ice: Any, theirs: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """aioice begins to ask for consent even if it was closed while its checks completed, and then asks for ever."""
    if not ice._closing:
        await theirs()


async def _candidates(
    ice: Connection, theirs: _Gather, ours: list[str], ports: range, *, component: int, addresses: list[str]
) -> list[Candidate]:
    """Host candidates where we want them, and what the STUN and TURN servers know, if there are any."""
    protocols = []
    for rank, address in enumerate(ours):
        protocol = await _bound(ice, address, ports)
        if protocol is not None:
            protocol.local_candidate = _host_candidate(protocol, component, rank)
            protocols.append(protocol)
    if not protocols and not ice.turn_server:
        raise PeerError(f"could not bind any of {', '.join(ours)}", hint="check `webrtc.addresses`")
    ice._protocols += protocols
    found = [protocol.local_candidate for protocol in protocols]
    if ice.stun_server:
        found += await _reflexive(protocols, ice.stun_server)
    if ice.turn_server:
        found += await theirs(component=component, addresses=[])
    return found


async def _bound(ice: Connection, address: str, ports: range) -> StunProtocol | None:
    """A socket on the address, None if this machine does not have it. Raises: PeerError when all ports are taken."""
    loop = asyncio.get_running_loop()
    for port in _shuffled(ports):
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: StunProtocol(ice), local_addr=(address, port)
            )
        except OSError as error:
            if ports.start and error.errno in (errno.EADDRINUSE, errno.EACCES):
                continue
            log.warning("webrtc: cannot bind to %s: %s", address, error)
            return None
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, _BUFFER_BYTES)
        return protocol
    raise PeerError(
        f"no UDP port of {ports.start}-{ports.stop - 1} is free on {address}",
        hint="widen `webrtc.ports`: each peer needs one per address",
    )


def _shuffled(ports: range) -> Iterator[int]:
    """Every port once, from a random one on: neighbours in time do not fight over the same ports."""
    start = random.randrange(len(ports))
    for step in range(len(ports)):
        yield ports[(start + step) % len(ports)]


def _host_candidate(protocol: StunProtocol, component: int, rank: int) -> Candidate:
    host, port = protocol.transport.get_extra_info("sockname")[:2]
    return Candidate(
        foundation=candidate_foundation("host", "udp", host),
        component=component,
        transport="udp",
        priority=candidate_priority(component, "host", 65535 - rank),
        host=host,
        port=port,
        type="host",
    )


async def _reflexive(protocols: list[StunProtocol], server: tuple[str, int]) -> list[Candidate]:
    """What the STUN server sees of us; a server that does not answer costs no more than `_STUN_S`."""
    tasks = [
        asyncio.ensure_future(server_reflexive_candidate(protocol, server))
        for protocol in protocols
        if ipaddress.ip_address(protocol.local_candidate.host).version == 4
    ]
    if not tasks:
        return []
    done, pending = await asyncio.wait(tasks, timeout=_STUN_S)
    for task in pending:
        task.cancel()
    found = []
    for task in done:
        if (error := task.exception()) is None:
            found.append(task.result()[0])
        else:
            log.warning("webrtc: %s:%d told no address: %s", *server, error)
    return found
