"""How other programs and devices come to trust this machine's authority: exact commands, and taps where there are none."""

from __future__ import annotations

import shlex
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Way:
    """`steps` are commands if `is_command`, else sentences."""

    system: str
    name: str
    steps: tuple[str, ...]
    is_command: bool = True


def ways(file: str, url: str) -> list[Way]:
    """`file` is the certificate where the commands are to be typed, `url` where devices fetch it."""
    path = shlex.quote(file)
    nss = "sql:$HOME/.pki/nssdb"
    return [
        Way(
            "linux", "Debian, Ubuntu: curl, OBS, Python",
            (f"sudo cp {path} /usr/local/share/ca-certificates/livefuse.crt", "sudo update-ca-certificates"),
        ),
        Way("linux", "Fedora, Arch: the same", (f"sudo trust anchor {path}",)),
        Way(
            "linux", "Chromium, Chrome (certutil is in libnss3-tools or nss-tools)",
            (
                'mkdir -p "$HOME/.pki/nssdb"',
                f'test -e "$HOME/.pki/nssdb/cert9.db" || certutil -d "{nss}" -N --empty-password',
                f'certutil -d "{nss}" -A -t C,, -n livefuse -i {path}',
            ),
        ),
        Way(
            "macos", "Safari, Chrome, curl",
            (f"security add-trusted-cert -r trustRoot -k ~/Library/Keychains/login.keychain-db {path}",),
        ),
        Way("windows", "Edge, Chrome, OBS", (f'certutil -user -addstore Root "{file}"',)),
        Way(
            "firefox", "Firefox, anywhere",
            (
                "Settings, Privacy & Security, Certificates, View Certificates, Authorities, Import",
                f"choose {file}, tick: trust this CA to identify websites",
            ),
            False,
        ),
        Way(
            "ios", "iPhone, iPad",
            (
                f"open {url} in Safari, and allow the profile",
                "Settings, General, VPN & Device Management: install the profile",
                "compare the fingerprint under More Details",
                "Settings, General, About, Certificate Trust Settings: turn it on",
            ),
            False,
        ),
        Way(
            "android", "Android",
            (
                f"open {url} in the browser, and keep the file",
                "Settings, search for: CA certificate; install anyway, and choose the file",
                "compare the fingerprint under Trusted credentials, User",
            ),
            False,
        ),
    ]  # fmt: skip


def fetching(url: str, to: str = "livefuse-ca.crt") -> list[str]:
    """Commands that bring the certificate to another computer, and show its fingerprint there."""
    return [f"curl -o {to} {url}", f"openssl x509 -in {to} -noout -fingerprint -sha256"]
