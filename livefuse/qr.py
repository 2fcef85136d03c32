"""QR codes: for a terminal, and for a page."""

from __future__ import annotations

import io

import segno

_WHITE_ON_BLACK, _PLAIN = (
    "\x1b[97;40m",
    "\x1b[0m",
)  # whatever the terminal's own colours: some readers take no inverted code


def terminal_qr(text: str, *, colour: bool = True) -> list[str]:
    """Lines of half blocks."""
    drawn = io.StringIO()
    segno.make_qr(text, error="l").terminal(drawn, border=2, compact=True)
    before, after = (_WHITE_ON_BLACK, _PLAIN) if colour else ("", "")
    return [f"{before}{line}{after}" for line in drawn.getvalue().splitlines()]


def svg_qr(text: str) -> bytes:
    """An SVG of paths alone, black on white in any theme."""
    drawn = io.BytesIO()
    segno.make_qr(text, error="m").save(
        drawn, kind="svg", xmldecl=False, border=4, scale=4, dark="#000", light="#fff", svgclass=None, lineclass=None
    )
    return drawn.getvalue()
