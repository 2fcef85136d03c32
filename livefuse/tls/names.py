"""What this machine is called, and what its authority may vouch for at all."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import ifaddr

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")

LOCAL_DOMAINS = ("localhost", "local", "lan", "internal", "home.arpa")
"""Names that nobody can own on the public internet (RFC 6761, 6762, 8375; ICANN 2024; `lan` by custom)."""

PRIVATE = tuple(
    ip_network(network)
    for network in (
        "127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
        "::1/128", "fc00::/7", "fe80::/10",
    )
)  # fmt: skip
"""Source: RFC 1918, 3927, 4193, 4291, 6598 (which Tailscale uses)."""

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Names:
    """Host names and addresses, each sorted and without repetition."""

    hosts: tuple[str, ...]
    addresses: tuple[Address, ...]

    @classmethod
    def of(cls, hosts: Iterable[str], addresses: Iterable[Address]) -> Names:
        return cls(tuple(sorted(set(hosts))), tuple(sorted(set(addresses), key=lambda one: (one.version, one))))

    def __str__(self) -> str:
        return ", ".join([*self.hosts, *map(str, self.addresses)])


def machine_names(further: Iterable[str] = ()) -> Names:
    """All by which this machine may be called now; `further` are as in `serve.hosts`: NAME[:PORT] or an address."""
    called = socket.gethostname().lower()
    hosts, addresses = {"localhost", f"{called.partition('.')[0]}.local"}, {*_addresses()}
    if not may_be_top_level(called):
        hosts.add(called)
    for one in further:
        host = urlsplit(f"//{one}").hostname or ""
        try:
            addresses.add(ip_address(host))
        except ValueError:
            hosts.add(host)
    return Names.of((host for host in hosts if _HOST.fullmatch(host)), addresses)


def may_be_top_level(host: str) -> bool:
    """Whether a name could be a whole domain of the internet: who may vouch for a machine called `dev` may for all of
    `.dev`. None has a digit or, but for `xn--`, a hyphen."""
    return "." not in host and (host.startswith("xn--") or not re.search(r"[0-9-]", host))


def outward(names: Names) -> list[Address]:
    """The addresses by which other machines may reach this one."""
    return [one for one in names.addresses if not (one.is_loopback or one.is_link_local)]


def within(names: Names, domains: Iterable[str], networks: Iterable[Network]) -> tuple[Names, Names]:
    """Those that constraints permit, and the others. Source: RFC 5280 section 4.2.1.10."""
    domains, networks = tuple(domains), tuple(networks)
    hosts = {host for host in names.hosts if any(host == one or host.endswith(f".{one}") for one in domains)}
    addresses = {one for one in names.addresses if any(one in network for network in networks)}
    outside = Names.of(set(names.hosts) - hosts, set(names.addresses) - addresses)
    return Names.of(hosts, addresses), outside


def _addresses() -> Iterable[Address]:
    yield from (IPv4Address("127.0.0.1"), IPv6Address("::1"))
    for adapter in ifaddr.get_adapters():
        for one in adapter.ips:
            address = ip_address(one.ip if isinstance(one.ip, str) else one.ip[0].partition("%")[0])
            if not address.is_link_local or address.version == 4:  # those of IPv6 need a zone, which no URL can carry
                yield address
