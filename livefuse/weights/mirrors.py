"""Where model files are looked for before their public addresses: LIVEFUSE_MODEL_MIRROR."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

MIRROR_VARIABLE = "LIVEFUSE_MODEL_MIRROR"


def mirrors_from(environ: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The mirrors that the environment names, in order."""
    return split_mirrors(environ.get(MIRROR_VARIABLE, ""))


def split_mirrors(text: str, separator: str = os.pathsep) -> tuple[str, ...]:
    """Folders and http(s) URLs, separated by commas or as PATH is.

    A colon also stands inside `https://host:8080/x`, so it separates only before what begins a path or a URL.
    """
    before_a_place = r"(?=/(?!/)|~|\.|https?://)" if separator == ":" else ""
    pieces = re.split(f",|{re.escape(separator)}{before_a_place}", text)
    return tuple(piece.strip() for piece in pieces if piece.strip())


def is_url(mirror: str) -> bool:
    return mirror.startswith(("http://", "https://"))


def place_in(mirror: str, file: str) -> str | Path:
    """A file's address in a mirror."""
    return f"{mirror.rstrip('/')}/{file}" if is_url(mirror) else Path(mirror).expanduser() / file


def in_folders(mirrors: Sequence[str], file: str, size_bytes: int | None) -> tuple[Path, ...]:
    """Those mirror folders' copies of a file that are there and have its size, where that is known: no network is needed
    for them."""
    places = [place_in(mirror, file) for mirror in mirrors]
    return tuple(
        place
        for place in places
        if isinstance(place, Path) and place.is_file() and size_bytes in (None, place.stat().st_size)
    )
