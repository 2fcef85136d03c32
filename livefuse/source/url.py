"""Source URLs: what they name, their options, the environment inside them, and what of them a log may show.

Options are a query with FFmpeg's own names. Cameras own their whole query, so an unknown name there is an error; the
query of a network URL belongs to its server, so only the names in `STREAM_OPTIONS` are taken out of it.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from livefuse.errors import BadValue

Kind: TypeAlias = Literal["file", "network", "camera", "device", "synthetic", "webrtc"]

NETWORK = ("rtsp", "rtsps", "http", "https", "rtmp", "rtmps", "srt", "udp")
DEVICES = ("v4l2", "avfoundation", "dshow")
SCHEMES = ("file", "camera", *DEVICES, *NETWORK, "webrtc", "synthetic")
PUBLISHED_OPTIONS = ("video_size", "framerate")
CAMERA_OPTIONS = ("video_size", "framerate", "input_format", "pixel_format", "rtbufsize")
DECLARED_OPTIONS = ("video_size", "framerate")
STREAM_OPTIONS = {
    "rtsp": ("rtsp_transport", "rtsp_flags"),
    "rtsps": ("rtsp_transport",),
    "rtmp": ("listen",),
    "rtmps": ("listen",),
    "udp": DECLARED_OPTIONS,
}
CHOICES = {
    "rtsp_transport": ("tcp", "udp", "udp_multicast", "http", "https"),
    "rtsp_flags": ("listen", "prefer_tcp"),
    "listen": ("0", "1"),
}

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters at least: C:\clip.mp4 is a path
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}")
_SECRET = re.compile(r"pass|pwd|token|secret|key|auth|sig|credential|jwt|bearer", re.IGNORECASE)
_SECRET_IN_PATH = re.compile(r"((?:pass\w*|pwd|token|secret)=)[^&/;]*", re.IGNORECASE)
_LISTENING = {"listen=1", "rtsp_flags=listen", "mode=listener"}
_SHAPES = {"video_size": re.compile(r"\d+x\d+"), "framerate": re.compile(r"\d+(\.\d+)?(/\d+)?")}


@dataclass(frozen=True, slots=True)
class Location:
    """A source URL taken apart. `target` is what FFmpeg opens: a path, a device, a camera's name or a network URL."""

    kind: Kind
    scheme: str
    target: str
    shown: str
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def waits(self) -> bool:
        """Whether the other side comes to us whenever it likes, so that size and rate are declared instead of learnt."""
        if self.scheme == "srt":
            return "mode=listener" in urlsplit(self.target).query.split("&")
        listens = self.options.get("listen") == "1" or self.options.get("rtsp_flags") == "listen"
        return listens or (self.scheme == "udp" and any(name in self.options for name in DECLARED_OPTIONS))


def parse(url: str, environ: Mapping[str, str] | None = None) -> Location:
    """Take a source URL apart, with `${VAR}` and `${VAR:default}` filled in.

    Raises: BadValue for an unset variable, an unknown scheme or an unknown option.
    """
    full = expand(url, environ)
    if not full.strip():
        raise BadValue("the source URL is empty", hint="name a file, `camera:0`, an rtsp:// address or `synthetic:`")
    found = _SCHEME.match(full)
    if found is None or _exists(full):
        return Location("file", "file", full, full)
    scheme, rest = found[1].lower(), full[found.end() :]
    if scheme == "file":
        return _file(rest)
    if scheme == "synthetic":
        return Location("synthetic", scheme, full, full)
    if scheme == "webrtc":
        return _published(rest, full)
    if scheme == "camera" or scheme in DEVICES:
        return _camera(scheme, rest, masked(full))
    if scheme in NETWORK:
        return _network(scheme, full)
    raise BadValue(f"unknown source scheme `{scheme}:` in {masked(full)}", hint=_nearest(scheme, SCHEMES))


def expand(url: str, environ: Mapping[str, str] | None = None) -> str:
    """Fill in `${VAR}` and `${VAR:default}`, so that secrets need not be written down. Raises: BadValue if unset."""
    values = os.environ if environ is None else environ

    def value(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        if name in values:
            return values[name]
        if default is None:
            raise BadValue(f"${{{name}}} is not set", hint=f"set it in the environment, or write ${{{name}:default}}")
        return default

    return _VARIABLE.sub(value, url)


def masked(url: str) -> str:
    """The URL with passwords, tokens and stream keys as `***`: the only form that logs and errors may show."""
    found = _SCHEME.match(url)
    if found is None or "://" not in url:
        return url
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{found[1]}://***"
    user, _, host = parts.netloc.rpartition("@")
    if user:
        host = f"{user.partition(':')[0]}:***@{host}" if ":" in user else f"***@{host}"
    path = _SECRET_IN_PATH.sub(r"\1***", parts.path)  # some cameras want /user=admin&password=x
    if parts.scheme.startswith("rtmp") and path.count("/") > 1 and not path.endswith("/"):
        path = f"{path.rpartition('/')[0]}/***"  # the last part is the stream key
    query = "&".join(_masked_pair(pair) for pair in parts.query.split("&")) if parts.query else ""
    return urlunsplit((parts.scheme, host, path, query, parts.fragment))


def _masked_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}=***" if equals and _SECRET.search(name) else pair


def _file(rest: str) -> Location:
    path = rest
    if rest.startswith("//"):  # file:///a%20b is a URI; file:a%20b is FFmpeg's form, taken as it is
        parts = urlsplit("file:" + rest)
        host = "" if parts.netloc == "localhost" else parts.netloc  # file://clip.mp4: meant as a relative path
        path = unquote(host + parts.path)
        if os.name == "nt":
            path = path.lstrip("/")
    return Location("file", "file", path, path)


def _camera(scheme: str, rest: str, shown: str) -> Location:
    target, _, query = rest.partition("?")
    if not target:
        raise BadValue(f"`{scheme}:` names no camera", hint="`camera:0` is the first; `livefuse devices` lists them")
    options = _query(query, "camera", CAMERA_OPTIONS)
    kind: Kind = "camera" if scheme == "camera" else "device"
    return Location(kind, scheme, unquote(target), shown, options)


def _published(rest: str, shown: str) -> Location:
    """What a page or program publishes to the daemon is named by the session alone."""
    target, _, query = rest.partition("?")
    if target:
        raise BadValue(f"{shown}: nothing may follow `webrtc:` but options", hint="webrtc:?video_size=1280x720")
    return Location("webrtc", "webrtc", "", shown, _query(query, "webrtc", PUBLISHED_OPTIONS))


def _query(query: str, what: str, known: tuple[str, ...]) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in options.items():
        if name not in known:
            raise BadValue(f"unknown {what} option `{name}`", hint=_nearest(name, known))
        shape = _SHAPES.get(name)
        if not value or (shape and not shape.fullmatch(value)):
            example = {"video_size": "1280x720", "framerate": "30"}.get(name, "mjpeg")
            raise BadValue(f"{what} option {name}={value!r} makes no sense", hint=f"for example {name}={example}")
    return options


def _network(scheme: str, full: str) -> Location:
    shown = masked(full)
    try:
        parts = urlsplit(full)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise BadValue(f"{shown} is not a valid URL: {error}", hint="scheme://host:port/path") from error
    if not host and scheme != "udp":
        raise BadValue(f"{shown} names no host", hint=f"{scheme}://host:port/path")
    pairs = [pair for pair in parts.query.split("&") if pair]
    known = STREAM_OPTIONS.get(scheme, ())
    if set(pairs) & _LISTENING:
        known = (*known, *DECLARED_OPTIONS)
    ours = [pair for pair in pairs if pair.partition("=")[0] in known]
    options = dict(parse_qsl("&".join(ours), keep_blank_values=True))
    for name, value in options.items():
        _check_stream_option(name, value)
    if scheme == "rtmps" and options.get("listen") == "1":
        raise BadValue(f"{shown}: rtmps cannot listen", hint="listen on rtmp://127.0.0.1 behind a proxy that ends TLS")
    if ours:
        full = urlunsplit(parts._replace(query="&".join(pair for pair in pairs if pair not in ours)))
    return Location("network", scheme, full, shown, options)


def _check_stream_option(name: str, value: str) -> None:
    if name in CHOICES and value not in CHOICES[name]:
        raise BadValue(f"{name}={value!r} makes no sense", hint=_nearest(value, CHOICES[name]))
    shape = _SHAPES.get(name)
    if shape and not shape.fullmatch(value):
        example = {"video_size": "1280x720", "framerate": "30"}[name]
        raise BadValue(f"{name}={value!r} makes no sense", hint=f"for example {name}={example}")


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except OSError:  # longer than the system allows a name to be
        return False


def _nearest(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return (f"did you mean `{near[0]}`? " if near else "") + "known: " + ", ".join(known)
