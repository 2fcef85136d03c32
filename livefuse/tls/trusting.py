"""Whose certificate a client of ours believes."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from livefuse.errors import BadValue

CA_VARIABLE = "LIVEFUSE_CA"


def named_trust() -> ssl.SSLContext | None:
    """The authority that LIVEFUSE_CA names and no other; nothing (the system's) if it is not set. Raises: BadValue."""
    named = os.environ.get(CA_VARIABLE, "")
    if not named:
        return None
    try:
        return trusting(Path(named).expanduser().read_text("ascii"), f"{CA_VARIABLE}={named}")
    except (OSError, UnicodeDecodeError) as error:
        raise BadValue(f"{CA_VARIABLE}={named}: it cannot be read", hint="the path of a ca.crt in PEM") from error


def trusting(pem: str, what: str, *, pinned: bool = False) -> ssl.SSLContext:
    """This authority and no other, or with `pinned` this very certificate, whatever names are in it. Raises: BadValue."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if pinned:
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise BadValue(f"{what} is no certificate", hint="a PEM file: -----BEGIN CERTIFICATE-----") from error
    return context
