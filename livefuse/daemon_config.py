"""What `livefuse serve` is told: how it listens, how WebRTC behaves, and the sessions it runs.

One TOML file serves both `livefuse run` and `livefuse serve`: its usual keys describe the session `live`; `[sessions.NAME]`
tables describe others, each laid over the usual keys; `[serve]` and `[webrtc]` belong to the daemon alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from livefuse.config import Config, environment_keys, known_only, make_config, merged, read_toml, refused
from livefuse.errors import BadValue
from livefuse.sections import Section

DEFAULT_PORT = 7853
"""Not registered with IANA, and no self-hosted service that we know of uses it."""

DEFAULT_SESSION = "live"
SESSION_NAME = r"[a-z0-9][a-z0-9_-]{0,31}"
_TAKEN = ("api", "metrics", "healthz", "readyz", "static", "docs", "openapi", "sessions")
_OURS = ("serve", "webrtc", "sessions")

SessionName = Annotated[str, Field(pattern=f"^{SESSION_NAME}$")]
Bitrate = Annotated[str, Field(pattern=r"^(\d+(\.\d+)?[kKmM]?)?$")]


class ServeConfig(Section):
    """How the daemon listens, and whom it obeys."""

    host: str = Field(
        "127.0.0.1", description="address to listen on; anything but loopback wants the token for viewing too"
    )
    port: int = Field(DEFAULT_PORT, ge=0, le=65535, description="TCP port; the next free one if taken, 0 for any")
    token: str = Field("", description="what changes must carry as `Authorization: Bearer`; made and kept when empty")
    view: Literal["auto", "open", "token"] = Field(
        "auto",
        description="who may watch: anybody, whoever has the token, or by the address (auto: anybody on loopback)",
    )
    hosts: tuple[str, ...] = Field((), description="further names by which browsers may call this daemon (Host header)")
    origins: tuple[str, ...] = Field(
        (), description="further web origins whose pages may call it, e.g. https://studio.example"
    )
    tls: Literal["", "auto"] = Field(
        "", description="auto serves HTTPS with a certificate of this machine's own authority; see `livefuse tls`"
    )
    tls_cert: str = Field("", description="serve HTTPS with this certificate file (PEM, with its chain) instead")
    tls_key: str = Field("", description="the private key of `tls_cert` (PEM, not encrypted)")
    pairing: bool = Field(
        True, description="whether apps may ask for a token of their own, which you allow on the page"
    )
    reload: bool = Field(True, description="watch the configuration file, and apply what changes in it")
    remember: bool = Field(
        True, description="without a configuration file: keep what the page and the API change for the next start"
    )
    uploads_mb: int = Field(
        4096, ge=0, description="disk space for videos and pictures that pages send to be sources; 0 takes none"
    )
    recordings: str = Field(
        "", description="folder of recordings; `livefuse` in the user's folder of videos when empty"
    )


class IceServer(Section):
    """A STUN or TURN server."""

    urls: tuple[str, ...] = Field(
        min_length=1, description="stun:HOST[:PORT], turn:HOST[:PORT][?transport=tcp], turns:..."
    )
    username: str = Field("", description="TURN user")
    credential: str = Field("", description="TURN password")
    secret: str = Field(
        "", description="secret shared with the TURN server: credentials made from it end after `ttl_s`"
    )
    ttl_s: int = Field(3600, ge=60, le=86400, description="life of credentials made from `secret`")

    @field_validator("urls")
    @classmethod
    def _known_schemes(cls, urls: tuple[str, ...]) -> tuple[str, ...]:
        for url in urls:
            if not re.match(r"(stuns?|turns?):[^/\s]+$", url):
                raise ValueError(f"{url!r} is no stun:, turn: or turns: address")
        return urls


class WebRtcConfig(Section):
    """Pictures to and from browsers, OBS and other WebRTC peers."""

    codec: Literal["auto", "h264", "vp8"] = Field(
        "auto", description="video codec; auto is H.264 where the viewer takes our profile, else VP8"
    )
    encoder: str = Field(
        "auto",
        description="FFmpeg's name of the H.264 encoder; auto takes the first hardware one that opens, else libx264",
    )
    preset: str = Field("superfast", description="libx264 preset")
    bitrate: Bitrate = Field("", description="bits per second to begin with, e.g. 2.5M; empty picks by size")
    min_bitrate: Bitrate = Field("300k", description="never below this, whatever the receiver estimates")
    max_bitrate: Bitrate = Field("", description="never above this; empty is four times the beginning")
    playout_delay: bool = Field(
        True, description="ask browsers to show frames at once instead of smoothing (playout-delay)"
    )
    audio: bool = Field(True, description="pass sound through, delayed as the picture is")
    ice_servers: tuple[IceServer, ...] = Field((), description="STUN and TURN servers; none are used unless named here")
    ports: str = Field(
        "", pattern=r"^(\d{1,5}-\d{1,5})?$", description="UDP ports for media, e.g. 50000-50100; any when empty"
    )
    addresses: tuple[str, ...] = Field(
        (),
        description="local addresses offered to peers; by default those of `serve.host`, or of every interface for 0.0.0.0",
    )
    max_viewers: int = Field(32, ge=1, le=1000, description="viewers of one session at once")
    idle_s: float = Field(
        30.0, gt=0, description="a peer that has not connected, or fell silent, is dropped after this"
    )


class DaemonConfig(Section):
    """Everything `livefuse serve` runs on."""

    serve: ServeConfig = ServeConfig()
    webrtc: WebRtcConfig = WebRtcConfig()
    sessions: dict[SessionName, Config] = Field(default_factory=dict, description="what runs under which name")

    @field_validator("sessions")
    @classmethod
    def _free_names(cls, sessions: dict[str, Config]) -> dict[str, Config]:
        for name in sessions:
            if name in _TAKEN:
                raise ValueError(f"`{name}` is a path of the daemon itself")
        return sessions


def daemon_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """`LIVEFUSE_SERVE__HOST=0.0.0.0` -> `{"serve.host": "0.0.0.0"}`, as `config.environment_overrides` for sessions.

    Raises: UnknownKey.
    """
    said = environment_keys(environ)
    own = {key: value for key, value in said.items() if key.partition(".")[0] in ("serve", "webrtc")}
    return known_only(own, DaemonConfig)


def check_session_name(name: str) -> str:
    """The name if it can stand in a path. Raises: BadValue."""
    if not re.fullmatch(SESSION_NAME, name) or name in _TAKEN:
        raise BadValue(
            f"{name!r} cannot name a session",
            hint="lower-case letters, digits, - and _, at most 32, and none of " + ", ".join(_TAKEN),
        )
    return name


def load_daemon_config(path: str | Path | None, overrides: Mapping[str, Any] | None = None) -> DaemonConfig:
    """Read a TOML file (none: defaults). `overrides` are dotted keys; `serve.` and `webrtc.` reach the daemon's own
    sections, all others the session `live`. Raises: ConfigError, UnknownKey, BadValue."""
    tree = read_toml(Path(path)) if path else {}
    return make_daemon_config(tree, overrides, origin=str(path or "flags"))


def make_daemon_config(
    tree: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, *, origin: str = "flags"
) -> DaemonConfig:
    """Decode nested mappings. Raises: UnknownKey, BadValue."""
    said = dict(overrides or {})
    own = {key: said.pop(key) for key in list(said) if key.partition(".")[0] in ("serve", "webrtc")}
    usual = {key: value for key, value in tree.items() if key not in _OURS}
    base = merged(usual, said)
    given = tree.get("sessions", {})
    if not isinstance(given, Mapping):
        raise BadValue(f"{origin}: sessions = {given!r}", hint="write [sessions.NAME] tables")
    sessions = {DEFAULT_SESSION: make_config(base, origin=origin)} if usual or said or not given else {}
    for name, over in given.items():
        check_session_name(name)
        if not isinstance(over, Mapping):
            raise BadValue(f"{origin}: sessions.{name} = {over!r}", hint=f"write a table: [sessions.{name}]")
        sessions[name] = make_config(laid_over(base, over), origin=f"{origin}: sessions.{name}")
    daemon = merged({key: tree[key] for key in ("serve", "webrtc") if key in tree}, own)
    try:
        return DaemonConfig.model_validate(daemon | {"sessions": sessions})
    except ValidationError as error:
        raise refused(error, origin, DaemonConfig) from error


def laid_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings, key by key; what `over` says wins."""
    result: dict[str, Any] = dict(base)
    for key, value in over.items():
        below = result.get(key)
        result[key] = laid_over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result
