"""What a file's first bytes say it is, before a demuxer may have an opinion.

Playlists and scripts are the dangerous kind: they make a demuxer open other files. FFmpeg picks them by content, whatever
the name claims, so they are recognised here and refused by `container`.
"""

from __future__ import annotations

import re

HEAD_BYTES = 4096

# What would make a demuxer open something else than the file itself.
_SCRIPTS = (
    ("an ffconcat script", re.compile(rb"\s*ffconcat\s+version", re.IGNORECASE)),
    ("a concat script", re.compile(rb"\s*(?:#[^\n]*\n\s*)*file\s+['\"/.\w]")),
    ("an HLS playlist", re.compile(rb"\s*#EXTM3U")),
    ("an SDP description", re.compile(rb"\s*v=0\s*\r?\n\s*o=")),
    ("a DASH manifest", re.compile(rb".{0,512}<MPD[\s>]", re.DOTALL)),
    ("a Smooth Streaming manifest", re.compile(rb".{0,512}<SmoothStreamingMedia", re.DOTALL)),
    ("a WebVTT or RealText script", re.compile(rb"\s*(?:WEBVTT|<window)", re.IGNORECASE)),
)
_PICTURES = (
    ("png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("jpeg", re.compile(rb"\xff\xd8\xff")),
    ("webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("bmp", re.compile(rb"BM.{4}\0\0\0\0", re.DOTALL)),
    ("tiff", re.compile(rb"II[*+]\0|MM\0[*+]")),
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PLAIN = re.compile(rb"[\t\n\r\x0c\x1b\x20-\x7e\x80-\xff]*")


def script_in(head: bytes) -> str | None:
    """The kind of playlist or script that starts here, as words for an error; None if it is none."""
    text = head.removeprefix(_BYTE_ORDER_MARK)
    return next((name for name, pattern in _SCRIPTS if pattern.match(text)), None)


def picture_in(head: bytes) -> str | None:
    """The kind of still picture that starts here: png, jpeg, webp, bmp, tiff or None."""
    return next((name for name, pattern in _PICTURES if pattern.match(head)), None)


def is_text(head: bytes) -> bool:
    """Whether this is text: UTF-8 (perhaps cut in a character) without control characters."""
    if head.startswith(b"YUV4MPEG2 ") or not _PLAIN.fullmatch(head):
        return False
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return len(head) == HEAD_BYTES and error.start >= HEAD_BYTES - 3
    return True
