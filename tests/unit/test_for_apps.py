"""What an app may set in a session, and what is the owner's: keys that nobody thought of are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from livefuse.config import Config, make_config
from livefuse.daemon.for_apps import check_for_app
from livefuse.errors import NotAllowed
from livefuse.sections import Section

NOW = make_config(
    {
        "source": "rtsp://camera.lan/1",
        "sinks": ["/srv/out.mp4"],
        "privacy": {"mode": "open", "slate": "/srv/slate.png"},
        "track": {"like": "/srv/me.jpg"},
        "identity": {"photo": "/srv/face.jpg", "consent": "self", "by": "me"},
    }
)
ADDRESSES = ("rtmp://live.example/app/${KEY}", "/srv/other.mp4")

ALLOWED: list[dict[str, Any]] = [
    {"swap": {"seam": 0.9, "model": "hyperswap_1a_256"}},
    {"mask": {"occlusion": ["estimate", "xseg_1"], "areas": ["mouth"]}},
    {"overlay": {"enabled": True}},
    {"overlay": {"badge": True}},
    {"privacy": {"mode": "closed", "cover": "slate"}},
    {"privacy": {"slate": "", "mode": "open"}},  # open it is already
    {"identity": {"photo": "Mona Lisa"}},
    {"identity": {"photo": "0123456789abcdef", "consent": None, "by": "", "face": None}},
    {"identity": {"photo": "synthetic:7", "consent": "synthetic"}},
    {"identity": {"photo": ""}},
    {"source": "camera:0"},
    {"source": "camera:1?video_size=1280x720&framerate=30"},
    {"source": "webrtc:"},
    {"source": "synthetic:640x360@15"},
    {"source": "/srv/other.mp4"},
    {"sinks": ["vcam:", "null:", "pipewire:?size=1280x720", "vcam:/dev/video10"]},
    {"sinks": ["/srv/out.mp4", "rtmp://live.example/app/${KEY}"]},
    {"sinks": []},
    {"live": {"deadline_ms": 50.0}},
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"source": "/etc/passwd"}, "source"),
    ({"source": "file:/etc/passwd"}, "source"),
    ({"source": "http://169.254.169.254/"}, "source"),
    ({"source": "rtsp://other.lan/1"}, "source"),
    ({"source": "camera:0?video_size=${LIVEFUSE_TOKEN}"}, "source"),
    ({"source": "camera:../../etc/passwd"}, "source"),
    ({"source": "camera:0\n"}, "source"),
    ({"sinks": ["/tmp/x.mp4"]}, "sinks"),
    ({"sinks": ["vcam:", "x.mp4"]}, "sinks"),
    ({"sinks": ["rtmp://evil.example/a/b"]}, "sinks"),
    ({"sinks": ["vcam:/etc/passwd"]}, "sinks"),
    ({"sinks": ["vcam:/dev/video0/../sda"]}, "sinks"),
    ({"privacy": {"slate": "/etc/passwd"}}, "privacy.slate"),
    ({"track": {"like": "/srv/other.jpg"}}, "track.like"),
    ({"track": {"like": "other.jpg"}}, "track.like"),
    ({"identity": {"photo": "/srv/other.jpg"}}, "identity.photo"),
    ({"identity": {"photo": "photo.jpg"}}, "identity.photo"),
    ({"identity": {"photo": "Mona Lisa", "consent": "licence"}}, "identity.consent"),
    ({"identity": {"photo": "Mona Lisa", "by": "somebody"}}, "identity.by"),
    ({"overlay": {"badge": False}}, "overlay.badge"),
    ({"cast": [{"photo": "/srv/a.jpg", "like": "/srv/b.jpg"}]}, "cast"),
    ({"stats": "/tmp/x.json"}, "stats"),
    ({"runtime": {"providers": ["tensorrt:trt_engine_cache_path=/tmp"]}}, "runtime.providers"),
    ({"auto_pull": False}, "auto_pull"),
    ({"swap": {"model": "../../evil.onnx"}}, "swap.model"),
    ({"enhance": {"model": "/srv/evil.onnx"}}, "enhance.model"),
    ({"mask": {"occlusion": ["estimate", "${LIVEFUSE_TOKEN}"]}}, "mask.occlusion"),
    ({"output": {"codec": "a/b"}}, "output.codec"),
    ({"a_key_of_tomorrow": 1}, "a_key_of_tomorrow"),
    ({"tomorrow": {"key": 1}}, "tomorrow.key"),
]


@pytest.mark.parametrize("change", ALLOWED, ids=str)
def test_an_app_may(change: dict[str, Any]) -> None:
    check_for_app(change, NOW, ADDRESSES)


@pytest.mark.parametrize(("change", "key"), REFUSED, ids=str)
def test_an_app_may_not(change: dict[str, Any], key: str) -> None:
    with pytest.raises(NotAllowed) as refused:
        check_for_app(change, NOW, ADDRESSES)
    assert refused.value.message == f"an app may not set this: {key}"


def test_all_keys_are_named_and_what_is_so_already_is_not(tmp_path: Path) -> None:
    whole = NOW.model_dump()
    check_for_app(whole, NOW, ())
    with pytest.raises(NotAllowed, match=r"cast, privacy\.mode, sinks, source"):
        check_for_app({"source": "/a", "sinks": ["/b.mp4"], "privacy": {"mode": "open"}, "cast": [1]}, None, ())


def test_a_file_that_is_called_like_a_source_or_a_face_is_none_of_an_apps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "camera:0").touch()
    (tmp_path / "Mona Lisa").touch()
    for change in ({"source": "camera:0"}, {"identity": {"photo": "Mona Lisa"}}):
        with pytest.raises(NotAllowed):
            check_for_app(change, NOW, ADDRESSES)


def strings(model: type[Section], prefix: str = "") -> list[str]:
    """Every key of a configuration that may hold free text."""
    found = []
    for name, info in model.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            found += strings(inner, f"{name}.")
        elif "str" in str(inner):
            found.append(prefix + name)
    return found


@pytest.mark.parametrize("key", strings(Config))
@pytest.mark.parametrize("value", ["/etc/passwd", "../x", "${HOME}", "http://a/b", "~/x", "C:\\x", "x\ny"])
def test_no_text_of_an_app_becomes_a_path_an_address_or_a_variable(key: str, value: str) -> None:
    section, _, name = key.rpartition(".")
    known = getattr(Config(), section) if section else Config()
    said = (value,) if isinstance(getattr(known, name), tuple) else value
    with pytest.raises(NotAllowed):
        check_for_app({section: {name: said}} if section else {key: said}, Config(), ())
