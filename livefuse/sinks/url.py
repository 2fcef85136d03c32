"""Sink URLs: scheme, address and options. The names of options are FFmpeg's own."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from livefuse.errors import BadValue, SinkUnwritable
from livefuse.source.url import expand, masked

NETWORK_SCHEMES = ("rtmp", "rtmps", "rtsp", "srt", "udp")
SCHEMES = ("null", "file", "vcam", "pipewire", *NETWORK_SCHEMES)
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
CONTAINERS: Mapping[str, str] = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
    ".ts": "mpegts",
    ".flv": "flv",
}
UPSCALE = "upscale"
ENCODER_OPTIONS = ("vcodec", "preset", "tune", "crf", "b", "g", "threads")
_OPTION_VALUES: Mapping[str, tuple[str, str]] = {
    "crf": (r"\d{1,2}", "a number from 0 to 63"),
    "b": (r"\d+(\.\d+)?[kKmM]?", "bits per second such as 2500k or 4M"),
    "g": (r"\d{1,5}", "frames between key frames"),
    "threads": (r"\d{1,3}", "a number of threads"),
    "sleep_ms": (r"\d{1,6}", "milliseconds"),
    "size": (r"\d{2,5}x\d{2,5}", "WIDTHxHEIGHT such as 1280x720"),
    "pixel_format": (r"yuyv422|yuv420p", "yuyv422 or yuv420p"),
    UPSCALE: (r"([A-Za-z0-9][\w.-]*)?", "the name of an upscaler, or nothing for none"),
}


@dataclass(frozen=True, slots=True)
class SinkUrl:
    """`address` is a path, a device or, for networks, the URL without the options that are ours."""

    scheme: str
    address: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_image(self) -> bool:
        return self.scheme == "file" and Path(self.address).suffix.lower() in IMAGE_SUFFIXES


def parse_sink_url(url: str) -> SinkUrl:
    """`${VAR}` is filled in. Raises: BadValue for an unknown scheme or option; SinkUnwritable for an unknown file suffix."""
    url = expand(url)
    scheme, address, query = _split(url)
    if scheme in NETWORK_SCHEMES:
        return _network(scheme, url)
    options = dict(parse_qsl(query, keep_blank_values=True))
    known = {"null": ("sleep_ms",), "vcam": ("size", "pixel_format"), "pipewire": ("size",), "file": ENCODER_OPTIONS}[
        scheme
    ]
    _check(url, options, (*known, UPSCALE))
    if scheme == "file":
        _check_suffix(address)
    return SinkUrl(scheme, address, options)


def unused(url: str) -> str:
    """The URL, or where it names a file that is there already, the same with the next free number: `out-2.mp4`.

    Raises: BadValue, SinkUnwritable.
    """
    target = parse_sink_url(url)
    path = Path(target.address)
    if target.scheme != "file" or "%" in path.name or not path.exists():
        return url
    free = next(other for n in count(2) if not (other := path.with_stem(f"{path.stem}-{n}")).exists())
    return f"file:{free}" + (f"?{urlencode(target.options)}" if target.options else "")


def bits_per_second(text: str) -> int:
    """`2500k` -> 2500000."""
    factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:].lower(), 1)
    return round(float(text.rstrip("kKmM")) * factor)


def _split(url: str) -> tuple[str, str, str]:
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]+):", url)  # two letters at least: `C:` is a drive
    if match is None:
        return ("file", *_path_and_query(url))
    scheme, rest = match[1].lower(), url[match.end() :]
    if scheme not in SCHEMES:
        near = difflib.get_close_matches(scheme, SCHEMES, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}:`?" if near else "schemes: " + ", ".join(SCHEMES)
        raise BadValue(f"unknown sink scheme `{scheme}:` in {masked(url)}", hint=hint)
    if scheme == "file":
        path, query = _path_and_query(rest)
        return scheme, unquote(path[2:]) if path.startswith("//") else path, query
    address, _, query = rest.partition("?")
    return scheme, address, query


def _path_and_query(text: str) -> tuple[str, str]:
    """A `?` is legal in a file's name: it starts a query only after a suffix that we know and before a `name=`."""
    path, _, query = text.rpartition("?")
    suffix = Path(path).suffix.lower()
    if path and re.match(r"\w+=", query) and (suffix in CONTAINERS or suffix in IMAGE_SUFFIXES):
        return path, query
    return text, ""


def _network(scheme: str, url: str) -> SinkUrl:
    """Take our own options out of the query; the rest belongs to the protocol and stays as it was written."""
    base, _, query = url.partition("?")
    ours, theirs = {}, []
    known = (*ENCODER_OPTIONS, UPSCALE, *(("rtsp_transport",) if scheme == "rtsp" else ()))
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if name in known:
            ours[name] = unquote(value)
        else:
            theirs.append(part)
    _check(masked(url), ours, known)
    if not urlsplit(base).hostname:
        raise BadValue(f"{masked(url)} names no host", hint=f"write {scheme}://HOST[:PORT]/...")
    return SinkUrl(scheme, base + ("?" + "&".join(theirs) if theirs else ""), ours)


def _check(url: str, options: Mapping[str, str], known: Collection[str]) -> None:
    for name, value in options.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean `{near[0]}`?" if near else "options: " + ", ".join(known)
            raise BadValue(f"{url}: unknown option `{name}`", hint=hint)
        pattern, meaning = _OPTION_VALUES.get(name, (r".+", "a value"))
        if not re.fullmatch(pattern, value):
            raise BadValue(f"{url}: {name} = {value!r}", hint=f"{name} takes {meaning}")


def _check_suffix(address: str) -> None:
    suffix = Path(address).suffix.lower()
    if suffix in CONTAINERS or suffix in IMAGE_SUFFIXES:
        return
    works = ", ".join((*CONTAINERS, *IMAGE_SUFFIXES))
    ending = f"the ending `{suffix}`" if suffix else "no ending"
    raise SinkUnwritable(f"{address}: {ending} names no file type that livefuse writes", hint=f"use one of {works}")
