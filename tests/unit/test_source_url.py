from __future__ import annotations

from pathlib import Path

import pytest

from livefuse.errors import BadValue
from livefuse.source.url import expand, masked, parse


@pytest.mark.parametrize(
    ("url", "kind", "target"),
    [
        ("clip.mp4", "file", "clip.mp4"),
        ("C:\\clips\\a.mp4", "file", "C:\\clips\\a.mp4"),
        ("file:a%20b.mp4", "file", "a%20b.mp4"),
        ("file:///tmp/a%20b.mp4", "file", "/tmp/a b.mp4"),
        ("file://localhost/tmp/a.mp4", "file", "/tmp/a.mp4"),
        ("file://clip.mp4", "file", "clip.mp4"),
        ("camera:0", "camera", "0"),
        ("camera:HD%20Webcam", "camera", "HD Webcam"),
        ("camera:HD Webcam", "camera", "HD Webcam"),
        ("v4l2:/dev/video0", "device", "/dev/video0"),
        ("HTTP://host/a.m3u8", "network", "HTTP://host/a.m3u8"),
        ("synthetic:1280x720@30", "synthetic", "synthetic:1280x720@30"),
    ],
)
def test_every_kind_of_source_is_recognised(url: str, kind: str, target: str) -> None:
    location = parse(url, {})
    assert (location.kind, location.target) == (kind, target)


def test_a_file_whose_name_looks_like_a_scheme_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("take:2.mp4").write_bytes(b"x")
    assert parse("take:2.mp4").kind == "file"
    with pytest.raises(BadValue, match="unknown source scheme `take:`"):
        parse("take:3.mp4")


def test_camera_options_are_ffmpegs_and_checked() -> None:
    location = parse("v4l2:/dev/video2?video_size=1280x720&framerate=30000/1001&input_format=mjpeg", {})
    assert location.target == "/dev/video2"
    assert location.options == {"video_size": "1280x720", "framerate": "30000/1001", "input_format": "mjpeg"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "empty"),
        ("camera:", "names no camera"),
        ("camera:0?video_sise=1x1", "unknown camera option `video_sise`.*\n.*`video_size`"),
        ("camera:0?video_size=big", "video_size='big'"),
        ("camera:0?framerate=", "framerate=''"),
        ("rstp://host/a", "unknown source scheme `rstp:`.*\n.*`rtsp`"),
        ("concat:a.mp4|b.mp4", "unknown source scheme"),
        ("rtsp://host/a?rtsp_transport=tpc", "rtsp_transport='tpc'.*\n.*`tcp`"),
        ("rtsp:///a", "names no host"),
        ("http://host:notaport/", "not a valid URL"),
    ],
)
def test_nonsense_is_refused_with_the_nearest_known_word(url: str, message: str) -> None:
    with pytest.raises(BadValue, match=message):
        parse(url, {})


def test_only_our_options_leave_a_network_query() -> None:
    location = parse("rtsp://host/cam?channel=1&rtsp_transport=udp&sub=%2F", {})
    assert location.target == "rtsp://host/cam?channel=1&sub=%2F"
    assert location.options == {"rtsp_transport": "udp"}
    kept = "http://host/a.mp4?rtsp_transport=udp&token=x"
    assert parse(kept, {}).target == kept


def test_environment_fills_in() -> None:
    environ = {"CAM_PASSWORD": "hunter2", "EMPTY": ""}
    assert expand("rtsp://me:${CAM_PASSWORD}@h/${PATH_:live}${EMPTY:x}", environ) == "rtsp://me:hunter2@h/live"
    with pytest.raises(BadValue, match=r"\$\{NOT_THERE\} is not set"):
        expand("rtsp://${NOT_THERE}/", environ)


def test_what_is_shown_keeps_no_secret_from_the_environment() -> None:
    location = parse("rtsp://me:${CAM_PASSWORD}@host/live", {"CAM_PASSWORD": "hunter2"})
    assert "hunter2" in location.target
    assert location.shown == "rtsp://me:***@host/live"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://me:pa:ss@host:554/a?x=1", "rtsp://me:***@host:554/a?x=1"),
        ("https://TOKEN@host/a", "https://***@host/a"),
        ("http://host/a?token=abc&n=2&sigNATURE=q", "http://host/a?token=***&n=2&sigNATURE=***"),
        ("srt://host:9000?passphrase=long&mode=caller", "srt://host:9000?passphrase=***&mode=caller"),
        ("rtmp://host/live2/abcd-efgh", "rtmp://host/live2/***"),
        ("rtmp://host/live", "rtmp://host/live"),
        ("rtsp://host/user=admin&password=x&channel=1", "rtsp://host/user=admin&password=***&channel=1"),
        ("udp://@239.0.0.1:1234", "udp://239.0.0.1:1234"),
        ("http://[broken/?token=x", "http://***"),
        ("clip.mp4", "clip.mp4"),
        ("camera:0", "camera:0"),
    ],
)
def test_masking(url: str, shown: str) -> None:
    assert masked(url) == shown
