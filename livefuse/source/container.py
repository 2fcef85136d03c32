"""Opening containers, limited to what their URL claims.

FFmpeg decides by content: `evil.mp4` that holds an ffconcat script or a playlist would make it open other files or hosts
(PyAV 18 does, measured). So every open names the demuxers and protocols it allows: a local file can reach files only and
never a playlist, unless the URL itself says `.m3u8`; a network URL can never reach a file.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import av
import av.container

from livefuse.errors import NotMedia, SourceDenied, SourceForbidden, SourceNotFound
from livefuse.source.sniff import HEAD_BYTES, is_text, script_in
from livefuse.source.url import Location

_FILES = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf,mxf,gif,apng,yuv4mpegpipe,ivf,nut,dv,"
    "h264,hevc,av1,obu,m4v,mpegvideo,mjpeg,vc1,wtv,rm,webp_anim,amr,mp3,aac,wav,flac"  # sound: for its own error message
)
_STREAMS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,flv,live_flv,ogg,avi,mpjpeg,mjpeg,h264,hevc,aac,mp3"
_PLAYLISTS = ".m3u8", ".m3u"
_HTTP = "http,https,httpproxy,tcp,tls,crypto"
# What each scheme may reach. FFmpeg asks for each nested protocol by name.
_PROTOCOLS = {
    "http": _HTTP,
    "https": _HTTP,
    "rtsp": "rtsp,rtp,srtp,tcp,udp,tls,http,https",
    "rtsps": "rtsp,rtsps,rtp,srtp,tcp,udp,tls,http,https",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tcp,tls",
    "srt": "srt",
    "udp": "udp,rtp",
}
_DEMUXERS = {"rtsp": "rtsp,mpegts", "rtsps": "rtsp,mpegts", "rtmp": "flv,live_flv", "rtmps": "flv,live_flv"}
# Names that claim a container, so that a playlist behind them is a lie.
_CONTAINER_ENDINGS = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".flv", ".mjpg", ".mjpeg")


# Decoders that may meet bytes from the network; FFmpeg has some 500 more, many of them old and rarely tested.
STREAM_CODECS = (
    "h264", "hevc", "vp8", "vp9", "libvpx", "libvpx-vp9", "av1", "libdav1d", "libaom-av1", "mjpeg",
    "mpeg4", "mpeg2video", "mpeg1video", "flv", "h263", "rawvideo",
)  # fmt: skip
_SOUND_CODECS = (
    "aac", "aac_latm", "mp3", "mp3float", "opus", "libopus", "vorbis", "ac3", "eac3", "flac", "alac",
    "pcm_alaw", "pcm_mulaw", "pcm_s16le", "pcm_s16be", "adpcm_g726", "g722",
)  # fmt: skip


def head_of(path: Path) -> bytes:
    """A regular file's first bytes.

    Raises: SourceNotFound, SourceDenied, NotMedia for a folder, an empty file or something that is no file at all.
    """
    try:
        if path.is_dir():
            raise NotMedia(f"{path} is a folder", hint="name a file in it")
        if path.exists() and not path.is_file():
            raise NotMedia(f"{path} is neither a file nor a folder", hint="cameras are opened as `v4l2:/dev/video0`")
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except FileNotFoundError as error:
        raise SourceNotFound(f"no such file: {path}", hint=_names_near(path)) from error
    except PermissionError as error:
        raise SourceDenied(f"no permission to read {path}", hint=f"chmod u+r '{path}', or copy it") from error
    except OSError as error:
        raise NotMedia(f"cannot read {path}: {error.strerror}", hint="check the disk and the name") from error
    if not head:
        raise NotMedia(f"{path} is empty (0 bytes)", hint="was it copied or recorded to the end?")
    return head


def open_file(path: Path) -> av.container.InputContainer:
    """Open a local file. Raises: SourceForbidden, NotMedia and what `head_of` raises."""
    head = head_of(path)
    playlist = path.suffix.lower() in _PLAYLISTS
    script = script_in(head)
    if script and not (playlist and script == "an HLS playlist"):
        raise SourceForbidden(
            f"{path} is {script}, which would open other files", hint="name the video file itself, or a real .m3u8"
        )
    if not script and is_text(head):
        raise NotMedia(f"{path} is text, not a video", hint="name a video or picture file")
    options = {
        "format_whitelist": f"hls,{_FILES}" if playlist else _FILES,
        "protocol_whitelist": "file,crypto" if playlist else "file",
    }
    try:
        return av.open(str(path.absolute()), options=options)
    except av.FFmpegError as error:
        raise _unreadable(path, error) from error


def network_options(location: Location) -> dict[str, str]:
    """FFmpeg's options for a network URL: what it may reach, and the URL's own."""
    scheme = location.scheme
    options = {
        "protocol_whitelist": _PROTOCOLS[scheme],
        "format_whitelist": _DEMUXERS.get(scheme, _STREAMS),
        "codec_whitelist": ",".join((*STREAM_CODECS, *_SOUND_CODECS)),
    }
    if scheme in ("http", "https") and _may_be_playlist(location.target):
        options["format_whitelist"] = f"hls,{_STREAMS},webvtt"
    if scheme not in ("http", "https"):
        options["analyzeduration"] = (
            "1000000"  # us; FFmpeg's own 5 s only help with streams that begin without a picture
        )
    if scheme in ("rtsp", "rtsps"):
        options["rtsp_transport"] = "tcp"  # a lost UDP packet smears faces until the next keyframe
    return options | dict(location.options)


def _may_be_playlist(url: str) -> bool:
    return not urlsplit(url).path.lower().endswith(_CONTAINER_ENDINGS)


def _unreadable(path: Path, error: av.FFmpegError) -> NotMedia:
    size = path.stat().st_size
    if isinstance(error, av.InvalidDataError | av.EOFError):
        said = "no video that FFmpeg can read; it may be cut off before its index (moov), or of another kind"
    elif isinstance(error, av.ArgumentError):
        said = "a kind of file that is not opened as a video"
    else:
        said = error.strerror or str(error)
    return NotMedia(
        f"{path} ({size:,} bytes): {said}", hint="try to play it; if it was cut off, record or copy it again"
    )


def _names_near(path: Path) -> str:
    import difflib

    folder = path.parent
    if not folder.is_dir():
        return f"the folder {folder} does not exist either"
    try:
        names = [entry.name for entry in folder.iterdir()]
    except OSError:
        names = []
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"did you mean {folder / near[0]}?" if near else f"check the name; looked in {folder.absolute()}"
