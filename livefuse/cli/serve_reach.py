"""What `livefuse serve` says to those who come from other machines: code, certificate, tunnel."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from livefuse.web.reach import Reach, reach

if TYPE_CHECKING:
    from livefuse.web.server import Serving


def reach_of(serving: Serving) -> Reach:
    return reach(serving.listening.host, serving.listening.port, serving.tls)


def stranger_lines(serving: Serving, *, secret: bool) -> list[str]:
    """Everything somebody at another machine needs; the code holds the token, so it is for a terminal only."""
    ways, tls = reach_of(serving), serving.tls
    if not ways.network:
        return []
    said = [""]
    if secret:
        said += _code(f"{ways.network}/#token={serving.daemon.token}")
    if tls is not None and tls.is_own:
        said += [
            f"  trust        {ways.plain_network}/ca.crt   how: livefuse tls trust",
            f"  fingerprint  {tls.fingerprint[:47]}",
            f"               {tls.fingerprint[48:]}",
        ]
    elif tls is None:
        said.append("  A browser gives its camera only to HTTPS pages and localhost. Choose one of:")
        said.append("  trust        livefuse serve --tls, and trust its certificate once: livefuse tls trust")
        said.append("  Tailscale    tailscale serve, and list its name in serve.hosts")
    return [*said, f"  tunnel       {ways.ssh}   then http://localhost:{ways.port}/"]


def _code(url: str) -> list[str]:
    from livefuse.qr import terminal_qr

    drawn = terminal_qr(url, colour="NO_COLOR" not in os.environ)
    plain = terminal_qr(url, colour=False)
    return [*drawn, ""] if len(plain[0]) <= shutil.get_terminal_size().columns else []
