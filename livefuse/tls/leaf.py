"""The certificate that the daemon itself shows: for a year, under all names of this machine."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from livefuse.errors import DaemonError
from livefuse.tls.authority import Authority, key_pem, write_private
from livefuse.tls.names import Names

LIFE = timedelta(days=397)  # what browsers take at most
RENEW = timedelta(days=30)
_SKEW = timedelta(days=1)


def find_leaf(folder: Path, authority: Authority, names: Names, now: datetime | None = None) -> tuple[Path, bool]:
    """A file with key and chain that is good for `names`, and whether it was made just now. Raises: DaemonError."""
    now, file = now or datetime.now(UTC), folder / "leaf.pem"
    try:
        if _is_good(file, authority, names, now):
            return file, False
        write_private(file, _made(authority, names, now))
    except OSError as error:
        raise DaemonError(f"cannot write {file}: {error.strerror}", hint="make the folder writable") from error
    return file, True


def _is_good(file: Path, authority: Authority, names: Names, now: datetime) -> bool:
    try:
        content = file.read_bytes()
        found = x509.load_pem_x509_certificate(content)
        serialization.load_pem_private_key(content, None)
        found.verify_directly_issued_by(authority.certificate)
        held = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except FileNotFoundError:
        return False
    except Exception:  # whatever is wrong with it: another one is made
        return False
    hosts = held.get_values_for_type(x509.DNSName)
    addresses = {str(one) for one in held.get_values_for_type(x509.IPAddress)}
    lasts = found.not_valid_before_utc <= now < found.not_valid_after_utc - RENEW
    return lasts and set(hosts) == set(names.hosts) and addresses == set(map(str, names.addresses))


def _made(authority: Authority, names: Names, now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    said = [*(x509.DNSName(host) for host in names.hosts), *(x509.IPAddress(one) for one in names.addresses)]
    issuer = authority.certificate
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    own_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    made = (
        x509.CertificateBuilder(issuer.subject, _called("livefuse"), key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(max(now - _SKEW, issuer.not_valid_before_utc))
        .not_valid_after(min(now - _SKEW + LIFE, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(said), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own_id), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    chain = made.public_bytes(serialization.Encoding.PEM)
    return chain + authority.pem + key_pem(key)


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
