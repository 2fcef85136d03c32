"""What FFmpeg says when a network source or camera fails, as errors that tell what to do."""

from __future__ import annotations

import av
import av.container

from livefuse.errors import (
    BadValue,
    LivefuseError,
    NotMedia,
    SourceDenied,
    SourceForbidden,
    SourceLost,
    SourceNotFound,
    SourceStalled,
)
from livefuse.source.container import STREAM_CODECS
from livefuse.source.url import Location

_DENIED = (av.HTTPUnauthorizedError, av.HTTPForbiddenError, av.PermissionError)
_MISSING = (av.HTTPNotFoundError, av.FileNotFoundError)
_BUSY_ERRNO, _IO_ERRNO = 16, 5
_NO_DEVICE_ERRNOS = (6, 19)


def why_lost(error: av.FFmpegError, location: Location, took_s: float, limit_s: float) -> LivefuseError:
    """The SourceError (or BadValue) for what FFmpeg reported after `took_s` of at most `limit_s` seconds.

    Interrupted demuxers report anything, RTSP even "invalid data", so the clock decides what was a stall.
    """
    shown, said = location.shown, error.strerror or str(error)
    if isinstance(error, av.ExitError | av.TimeoutError) or took_s >= limit_s:
        return stalled(shown, "sent nothing", limit_s)
    if isinstance(error, av.ProtocolNotFoundError):
        return BadValue(f"{shown}: this FFmpeg cannot speak {location.scheme}:", hint="rtsp, rtmp, http and udp work")
    if isinstance(error, _DENIED):
        return SourceDenied(f"{shown}: {said}", hint=_denied_hint(location))
    if isinstance(error, _MISSING) or (error.errno in _NO_DEVICE_ERRNOS and location.kind != "network"):
        return SourceNotFound(f"{shown}: {said}", hint="check the address; `livefuse devices` lists cameras")
    if error.errno == _BUSY_ERRNO:
        return SourceDenied(f"{shown} is busy", hint="another program holds the camera: close it there")
    if isinstance(error, av.ArgumentError) and location.kind == "network":
        return SourceForbidden(
            f"{shown} sends a kind of data that its URL does not claim (a playlist, or a rare container)",
            hint="a playlist's URL ends in .m3u8",
        )
    if isinstance(error, av.ArgumentError):
        return BadValue(f"{shown}: the camera refuses these options", hint="`livefuse devices` lists sizes and rates")
    if isinstance(error, av.InvalidDataError):
        return NotMedia(f"{shown} sends no video that FFmpeg can read", hint="try to open it in a player")
    if error.errno == _IO_ERRNO:  # also FFmpeg's word for a host name that does not resolve
        said = "no connection, or it broke off"
    return SourceLost(f"{shown}: {said}", hint="is the camera or server on, and the address right?")


def stalled(shown: str, did: str, limit_s: float) -> SourceStalled:
    return SourceStalled(f"{shown} {did} for {limit_s:g} s", hint="check the network and that the camera is on")


def check_codec(container: av.container.InputContainer, shown: str) -> None:
    """Raises: SourceForbidden for a codec that network sources may not use."""
    for stream in container.streams.video:
        name = stream.codec_context.name if stream.codec_context else "unknown"
        if name not in STREAM_CODECS:
            raise SourceForbidden(
                f"{shown} sends {name} video, which is not decoded from the network",
                hint="H.264, H.265, VP8, VP9, AV1, MPEG-4 and MJPEG are",
            )


def _denied_hint(location: Location) -> str:
    if location.kind == "network":
        return "put user and password into the URL: scheme://user:${PASSWORD}@host"
    return "add yourself to the group `video`, or allow camera access in the system's privacy settings"
