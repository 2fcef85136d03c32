"""What a daemon serves HTTPS with: its own certificate, made and renewed by itself, or the one that its user names."""

from __future__ import annotations

import hashlib
import logging
import ssl
from pathlib import Path

from livefuse.daemon_config import ServeConfig
from livefuse.errors import BadValue
from livefuse.tls.authority import find_authority
from livefuse.tls.leaf import find_leaf
from livefuse.tls.names import Names, machine_names, within

_log = logging.getLogger("livefuse")
_BEGINS, _ENDS = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"


def tls_folder(state: Path) -> Path:
    """Where the authority and its key are kept."""
    return state / "tls"


def fingerprint(pem: bytes) -> str:
    """SHA-256 of the first certificate, as browsers and phones show it."""
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(first_certificate(pem).decode())).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, 64, 2))


def first_certificate(pem: bytes) -> bytes:
    """Raises: ValueError if there is none."""
    begins = pem.index(_BEGINS)
    return pem[begins : pem.index(_ENDS, begins) + len(_ENDS)] + b"\n"


class Tls:
    """`context` is what connections are made with, `pem` what whoever calls must trust: the authority's certificate if
    `is_own`, else the very one that is served. All methods may be called from any thread."""

    def __init__(self, serve: ServeConfig, state: Path) -> None:
        """Raises: BadValue for files that make no sense, DaemonError."""
        self._serve, self._folder = serve, tls_folder(state)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.is_own = not serve.tls_cert
        self.names = Names((), ())
        self.left_out = Names((), ())
        self.pem = b""
        self._loaded: object = None
        self.renew()

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.pem)

    def renew(self) -> bool:
        """Take over what has changed: another address, an end that is near, a file that was replaced. Connections that
        there are go on. Raises: BadValue, DaemonError."""
        return self._renew_own() if self.is_own else self._renew_given()

    def _renew_own(self) -> bool:
        called = machine_names(self._serve.hosts)
        authority = find_authority(self._folder, called)
        names, left_out = within(called, *authority.permitted)
        file, made = find_leaf(self._folder, authority, names)
        if made or self._loaded is None:
            self.context.load_cert_chain(file)
            self._loaded = file
        self.names, self.left_out, self.pem = names, left_out, authority.pem
        return made

    def _renew_given(self) -> bool:
        chain, key = (Path(one).expanduser() for one in (self._serve.tls_cert, self._serve.tls_key))
        try:
            seen = tuple(file.stat().st_mtime_ns for file in (chain, key))
            if seen == self._loaded:
                return False
            pem = chain.read_bytes()
            self.context.load_cert_chain(chain, key, password=lambda: "")  # without this OpenSSL asks on the terminal
            self.pem = first_certificate(pem)
        except (OSError, ValueError) as error:
            why = "they cannot be read together" if isinstance(error, ssl.SSLError) else str(error)
            hint = "PEM files: the certificate with its chain, and its key without a password"
            raise BadValue(f"serve.tls_cert, serve.tls_key: {why}", hint=hint) from error
        again, self._loaded = self._loaded is not None, seen
        return again


def make_tls(serve: ServeConfig, state: Path) -> Tls | None:
    """Nothing where HTTPS is not asked for. Raises: BadValue, DaemonError."""
    if bool(serve.tls_cert) != bool(serve.tls_key):
        raise BadValue("serve.tls_cert and serve.tls_key belong together", hint='set both, or serve.tls = "auto"')
    return Tls(serve, state) if serve.tls or serve.tls_cert else None
