"""Containers are limited to what their URL claims: reference attacks, with real files."""

from __future__ import annotations

import http.server
import socket
from pathlib import Path

import av
import pytest

from livefuse.errors import NotMedia, SourceDenied, SourceForbidden, SourceLost, SourceNotFound
from livefuse.source import open_source
from livefuse.source.container import network_options
from livefuse.source.sniff import HEAD_BYTES, is_text, script_in
from livefuse.source.url import parse
from tests.unit.source_clips import send, web_server, write_clip

SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n"


def evil(folder: Path, name: str, text: str) -> Path:
    write_clip(folder / "private.mp4")
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ffconcat version 1.0\nfile private.mp4\n", "an ffconcat script"),
        ("\n\n  FFCONCAT version 1.0\nfile private.mp4\n", "an ffconcat script"),
        ("\ufeffffconcat version 1.0\nfile private.mp4\n", "an ffconcat script"),
        ("# my list\nfile 'private.mp4'\n", "a concat script"),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nprivate.mp4\n#EXT-X-ENDLIST\n", "an HLS playlist"),
        (SDP, "an SDP description"),
        ("<?xml version='1.0'?>\n<MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>", "a DASH manifest"),
    ],
)
def test_scripts_named_like_a_video_are_refused(tmp_path: Path, text: str, found: str) -> None:
    path = evil(tmp_path, "evil.mp4", text)
    with pytest.raises(SourceForbidden, match=found):
        open_source(str(path))


def test_the_attack_is_real(tmp_path: Path) -> None:
    """Without our limits FFmpeg follows the script, whatever its name: should that change, so may the limits."""
    path = evil(tmp_path, "evil.mp4", "ffconcat version 1.0\nfile private.mp4\n")
    with av.open(str(path)) as container:
        assert container.format.name == "concat"
        assert len(list(container.decode(video=0))) == 6


def test_the_demuxer_is_limited_even_if_the_sniffer_sees_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = evil(tmp_path, "evil.mp4", "ffconcat version 1.0\nfile private.mp4\n")
    monkeypatch.setattr("livefuse.source.container.script_in", lambda head: None)
    monkeypatch.setattr("livefuse.source.container.is_text", lambda head: False)
    with pytest.raises(NotMedia, match="not opened as a video"):
        open_source(str(path))


def test_only_playlists_called_playlists_are_played(tmp_path: Path) -> None:
    playlist = hls(tmp_path)
    assert open_source(str(playlist)).info.width == 64
    renamed = playlist.rename(tmp_path / "live.ts")
    with pytest.raises(SourceForbidden):
        open_source(str(renamed))
    other = evil(tmp_path, "list.m3u8", "ffconcat version 1.0\nfile private.mp4\n")
    with pytest.raises(SourceForbidden, match="ffconcat"):
        open_source(str(other))


def test_a_playlist_cannot_read_text_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("hunter2\n" * 500)
    path = evil(tmp_path, "list.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{secret}\n#EXT-X-ENDLIST\n")
    with pytest.raises(NotMedia):
        open_source(str(path))


@pytest.mark.parametrize("url", ["concat:a.ts|b.ts", "subfile:a.mp4", "data:video/mp4;base64,AAAA", "pipe:0"])
def test_ffmpegs_other_protocols_are_no_sources(url: str) -> None:
    with pytest.raises(Exception, match="unknown source scheme"):
        open_source(url)


@pytest.mark.parametrize("scheme", ["http", "https", "rtsp", "rtmp", "srt", "udp"])
def test_no_network_source_may_reach_a_file(scheme: str) -> None:
    options = network_options(parse(f"{scheme}://host:1/live.m3u8"))
    allowed = options["protocol_whitelist"].split(",")
    assert not {"file", "concat", "data", "subfile", "pipe", "fd"} & set(allowed)
    assert "concat" not in options["format_whitelist"].split(",")
    assert ("hls" in options["format_whitelist"].split(",")) == (scheme in ("http", "https"))


def test_playlists_behind_http_must_not_claim_to_be_a_video() -> None:
    assert "hls" not in network_options(parse("http://host/a.mp4?x=.m3u8"))["format_whitelist"].split(",")
    assert "hls" in network_options(parse("http://host/live"))["format_whitelist"].split(",")


def test_a_playlist_served_as_mp4_is_refused(tmp_path: Path) -> None:
    body = hls(tmp_path).read_bytes()
    with (
        web_server(lambda get: send(get, body, "application/vnd.apple.mpegurl")) as address,
        pytest.raises(SourceForbidden, match="playlist"),
    ):
        open_source(f"{address}/evil.mp4", open_ms=3000)


def test_a_playlist_from_the_network_cannot_name_local_files(tmp_path: Path) -> None:
    segment = write_clip(tmp_path / "private.ts", container="mpegts")
    body = f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{segment}\n#EXT-X-ENDLIST\n".encode()
    with (
        web_server(lambda get: send(get, body, "application/vnd.apple.mpegurl")) as address,
        pytest.raises((SourceLost, NotMedia, SourceForbidden, SourceNotFound)),
    ):
        open_source(f"{address}/live.m3u8", open_ms=3000)


def test_http_cannot_redirect_to_another_protocol() -> None:
    with socket.socket() as inside:
        inside.bind(("127.0.0.1", 0))
        inside.listen()
        inside.settimeout(0.05)

        def redirect(get: http.server.BaseHTTPRequestHandler) -> None:
            get.send_response(302)
            get.send_header("Location", f"rtmp://127.0.0.1:{inside.getsockname()[1]}/x/y")
            get.send_header("Content-Length", "0")
            get.end_headers()

        with web_server(redirect) as address, pytest.raises((SourceForbidden, SourceLost, NotMedia)):
            open_source(f"{address}/a.mp4", open_ms=1000)
        with pytest.raises(TimeoutError):
            inside.accept()  # nobody even tried


def test_a_rare_codec_is_not_decoded_from_the_network(tmp_path: Path) -> None:
    body = write_clip(tmp_path / "a.avi", "ffv1").read_bytes()
    with web_server(lambda get: send(get, body)) as address, pytest.raises(SourceForbidden, match="ffv1"):
        open_source(f"{address}/a.avi", open_ms=3000)


@pytest.mark.parametrize(("status", "kind"), [(404, SourceNotFound), (401, SourceDenied), (500, SourceLost)])
def test_http_answers_that_are_errors(status: int, kind: type[Exception]) -> None:
    with web_server(lambda get: get.send_error(status)) as address, pytest.raises(kind):
        open_source(f"{address}/a.mp4", open_ms=3000)


def hls(folder: Path) -> Path:
    """A playlist with segments, as a server would have it."""
    path = folder / "live.m3u8"
    options = {"hls_time": "0.2", "hls_playlist_type": "vod", "hls_segment_filename": str(folder / "part%d.ts")}
    return write_clip(path, container="hls", ticks=range(24), options=options)


def test_text_is_told_from_binary() -> None:
    assert is_text(b"hello\nworld")
    cut_in_a_letter = ("a" + "ä" * HEAD_BYTES).encode()[:HEAD_BYTES]
    assert is_text(cut_in_a_letter)
    assert not is_text(cut_in_a_letter[:-3] + b"\xff" * 2)
    assert not is_text(b"YUV4MPEG2 W64 H48 F30:1\n")
    assert not is_text(b"\x00\x00\x00\x18ftypmp42")
    assert script_in(b"\x00\x00\x00\x18ftypmp42") is None
