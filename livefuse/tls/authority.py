"""The authority of this machine: made once, kept for its user alone, and able to vouch for little.

Whoever trusts it must not have to trust this machine with the whole web: a key that is stolen signs nothing but local names,
private addresses, and what this machine was called when the authority was made.
"""

from __future__ import annotations

import os
import platform
import stat
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from filelock import FileLock

from livefuse.errors import DaemonError
from livefuse.tls.names import LOCAL_DOMAINS, PRIVATE, Names, Network, may_be_top_level, within

_LIFE = timedelta(days=3652)
_SKEW = timedelta(days=1)  # clocks of phones and of machines without a battery
_AGAIN = "`livefuse tls renew` makes another one, which has to be trusted anew"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that may be shown to everybody, and its key, which stays in its file."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The public certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def permitted(self) -> tuple[list[str], list[Network]]:
        """Domains and networks that it may vouch for."""
        said = self.certificate.extensions.get_extension_for_class(x509.NameConstraints).value.permitted_subtrees or []
        domains = [one.value for one in said if isinstance(one, x509.DNSName)]
        return domains, [one.value for one in said if isinstance(one, x509.IPAddress)]  # type: ignore[misc]


def authority_file(folder: Path) -> Path:
    """Where the public certificate is, for those who are to trust it."""
    return folder / "ca.crt"


def find_authority(folder: Path, names: Names, now: datetime | None = None) -> Authority:
    """The kept authority, made now if there is none. Raises: DaemonError."""
    now = now or datetime.now(UTC)
    try:
        private_folder(folder)
        with FileLock(folder / ".lock"):
            kept = _kept(folder) or _made(folder, names, now)
    except OSError as error:
        raise DaemonError(
            f"cannot keep certificates in {folder}: {error.strerror}", hint="make the folder writable"
        ) from error
    if kept.certificate.not_valid_after_utc <= now:
        raise DaemonError(f"the authority of {folder} ended on {kept.certificate.not_valid_after_utc:%x}", hint=_AGAIN)
    return kept


def kept_authority(folder: Path) -> Authority | None:
    """The kept authority, if there is one. Raises: DaemonError."""
    try:
        return _kept(folder)
    except OSError as error:
        raise DaemonError(f"cannot read {folder}: {error.strerror}", hint="check its permissions") from error


def forget_authority(folder: Path) -> None:
    """Delete the authority with all that it vouched for. Raises: DaemonError."""
    try:
        for name in ("ca.key", "ca.crt", "leaf.pem"):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise DaemonError(f"cannot change {folder}: {error.strerror}", hint="check its permissions") from error


def private_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if os.name == "posix" and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)


def write_private(file: Path, content: bytes, mode: int = 0o600) -> None:
    """As a whole or not at all, readable by this user alone. Raises: OSError."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as opened:
        opened.write(content)
    part.replace(file)


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _kept(folder: Path) -> Authority | None:
    try:
        handle = os.open(folder / "ca.key", os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(handle, "rb") as opened:
            if os.name == "posix" and stat.S_IMODE(os.fstat(handle).st_mode) & 0o077:
                os.fchmod(handle, 0o600)
            secret = opened.read(1 << 16)
        public = authority_file(folder).read_bytes()
    except FileNotFoundError:
        return None
    try:
        key = serialization.load_pem_private_key(secret, None)
        found = x509.load_pem_x509_certificate(public)
        if not isinstance(key, ec.EllipticCurvePrivateKey) or found.public_key() != key.public_key():
            raise ValueError("the key is not that of the certificate")
        authority = Authority(found, key)
        _ = authority.permitted
    except (ValueError, TypeError, x509.ExtensionNotFound) as error:
        raise DaemonError(f"the authority in {folder} is damaged: {error}", hint=_AGAIN) from error
    return authority


def _made(folder: Path, names: Names, now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "livefuse"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"livefuse on {platform.node() or 'this machine'}"[:64]),
        ]
    )
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(_constraints(names), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    authority = Authority(made, key)
    write_private(folder / "ca.key", key_pem(key))
    write_private(authority_file(folder), authority.pem, 0o644)
    return authority


def _constraints(names: Names) -> x509.NameConstraints:
    _, own = within(names, LOCAL_DOMAINS, PRIVATE)
    domains = [
        x509.DNSName(name) for name in (*LOCAL_DOMAINS, *(one for one in own.hosts if not may_be_top_level(one)))
    ]
    networks = [x509.IPAddress(one) for one in (*PRIVATE, *(ip_network(address) for address in own.addresses))]
    return x509.NameConstraints(permitted_subtrees=[*domains, *networks], excluded_subtrees=None)
