"""Sink URLs: what they open, and what is said about those that cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from livefuse.config import OutputConfig
from livefuse.errors import BadValue, SinkUnwritable
from livefuse.sinks import open_sink
from livefuse.sinks.base import Sink
from livefuse.sinks.url import bits_per_second, parse_sink_url, unused
from tests.unit.sink_clips import info_of, moving, steady


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("null:", "NullSink", "null"),
        ("null:?sleep_ms=5", "NullSink", "null"),
        ("out.mp4", "FileSink", "file:out.mp4"),
        ("file:a/b.mkv?crf=20&preset=fast", "FileSink", "file:b.mkv"),
        ("C:\\clips\\out.mov", "FileSink", None),
        ("face.PNG", "ImageSink", "image:face.PNG"),
        ("shot_%05d.jpg", "ImageSink", "image:shot_%05d.jpg"),
        ("rtmp://live.example/app/key", "StreamSink", "rtmp:live.example"),
        ("rtsp://host:8554/x?rtsp_transport=udp", "StreamSink", "rtsp:host"),
        ("udp://127.0.0.1:5000?ttl=2", "StreamSink", "udp:127.0.0.1"),
        ("vcam:", "VirtualCameraSink", "vcam"),
        ("vcam:/dev/video10?size=640x480", "VirtualCameraSink", "vcam:video10"),
    ],
)
def test_url_opens_the_sink_it_names(url: str, kind: str, name: str | None) -> None:
    sink: Sink = open_sink(url, OutputConfig())
    assert type(sink).__name__ == kind
    assert name is None or sink.name == name


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("rtmpp://host/app/key", BadValue, "rtmp"),
        ("out.mp44", SinkUnwritable, ".mp4"),
        ("out", SinkUnwritable, ".mkv"),
        ("out.mp4?crv=20", BadValue, "crf"),
        ("out.mp4?crf=good", BadValue, "number"),
        ("null:?sleep_ms=soon", BadValue, "milliseconds"),
        ("udp://host:1?b=fast", BadValue, "4M"),
        ("udp://", BadValue, "HOST"),
        ("vcam:?size=big", BadValue, "1280x720"),
        ("vcam:?size=641x480", BadValue, "odd"),
    ],
)
def test_what_cannot_be_opened_is_explained(url: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        open_sink(url, OutputConfig())


def test_errors_do_not_show_stream_keys() -> None:
    with pytest.raises(BadValue) as caught:
        open_sink("rtmp://me:pass@host/app/sesame?crf=x", OutputConfig())
    assert "sesame" not in str(caught.value)
    assert "pass" not in str(caught.value)


def test_a_question_mark_may_be_part_of_a_name() -> None:
    assert parse_sink_url("who?.mp4").address == "who?.mp4"
    assert parse_sink_url("who.mp4?crf=20").options == {"crf": "20"}


def test_protocol_options_stay_in_the_address_and_ours_leave_it() -> None:
    url = parse_sink_url("udp://host:5000?ttl=2&b=2M&g=30")
    assert url.address == "udp://host:5000?ttl=2"
    assert url.options == {"b": "2M", "g": "30"}


def test_variables_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_KEY", "k1")
    assert parse_sink_url("rtmp://host/app/${STREAM_KEY}").address == "rtmp://host/app/k1"


@pytest.mark.parametrize(("text", "bits"), [("4M", 4_000_000), ("2500k", 2_500_000), ("1.5M", 1_500_000), ("9", 9)])
def test_bit_rates(text: str, bits: int) -> None:
    assert bits_per_second(text) == bits


def test_null_sink_counts_frames_and_starts_over() -> None:
    from livefuse.sinks.null import NullSink

    sink, info = NullSink(), info_of()
    for count in (3, 2):
        sink.open(info)
        for frame in moving(info, steady(count)):
            sink.write(frame)
        sink.close()
        assert sink.frames == count


def test_the_door_is_light(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = "import sys, livefuse.sinks; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"av", "cv2", "numpy"} & set(done.stdout.split())


def test_a_file_that_is_there_gets_a_number(tmp_path: Path) -> None:
    file = tmp_path / "out.mp4"
    assert unused(f"{file}?crf=20") == f"{file}?crf=20"
    file.touch()
    assert unused(f"{file}?crf=20&preset=fast") == f"file:{tmp_path}/out-2.mp4?crf=20&preset=fast"
    (tmp_path / "out-2.mp4").touch()
    assert parse_sink_url(unused(str(file))).address == str(tmp_path / "out-3.mp4")
    assert unused("udp://127.0.0.1:5000") == "udp://127.0.0.1:5000"
    frames = str(tmp_path / "frames-%05d.png")
    assert unused(frames) == frames
