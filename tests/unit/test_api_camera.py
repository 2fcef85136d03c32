"""The virtual camera over HTTP: it is the channel's, whether a session runs or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from livefuse.config import make_config
from livefuse.daemon import camera_report, cameras
from livefuse.daemon.camera_report import lacks
from livefuse.daemon.channel import Channel
from livefuse.daemon_config import WebRtcConfig
from livefuse.doctor.virtualcam import MODPROBE, START_PIPEWIRE, LinuxMachine
from livefuse.errors import VirtualCameraMissing
from livefuse.frame import blank_frame
from livefuse.sinks import virtualcam
from livefuse.sinks.steady import SteadyCamera
from livefuse.sinks.url import parse_sink_url
from tests.unit.api_calls import Api, fake_api
from tests.unit.sink_clips import info_of
from tests.unit.test_steady_camera import FakeDevice, until

CAMERA = "/api/sessions/live/camera"


class Shop:
    """Makes cameras of fake devices."""

    def __init__(self) -> None:
        self.devices: list[FakeDevice] = []
        self.missing = False

    def __call__(self, url: str, machine: LinuxMachine | None = None) -> SteadyCamera:
        device = FakeDevice()
        device.kind, device.missing, device.looking = "pipewire", self.missing, 0
        self.devices.append(device)
        size = parse_sink_url(url).options.get("size", "1280x720").split("x")
        return SteadyCamera([device], (int(size[0]), int(size[1])))


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    shop = Shop()
    monkeypatch.setattr(virtualcam, "camera_of", shop)
    monkeypatch.setattr(camera_report, "lacks", lambda machine=None: (None, ""))
    return shop


@pytest.fixture
def api(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    with fake_api(tmp_path) as made:
        channel = Channel("live", make_config({"sinks": ["null:", "out.mp4"]}), WebRtcConfig(audio=False))
        made.daemon.channels["live"] = channel
        yield made
        channel.cameras.close()


def of(api: Api) -> dict[str, Any]:
    told: dict[str, Any] = api("GET", CAMERA).json()
    return told


def test_it_is_started_seen_and_stopped_without_a_session(api: Api, shop: Shop) -> None:
    assert of(api)["state"] == "off"
    told = api("PUT", CAMERA, json={}).json()
    assert (told["state"], told["label"], told["size"], told["readers"]) == ("on", "livefuse", "1280x720", 0)
    assert told["devices"] == [{"kind": "pipewire", "where": "fake:0"}]
    assert "OBS (PipeWire source)" in told["apps"]
    assert api.daemon.channels["live"].config.sinks[-1] == "vcam:"
    shop.devices[0].looking = 1
    assert of(api)["readers"] == 1
    until(lambda: of(api)["frames"] > 1, "slates are written")
    assert api("DELETE", CAMERA).status_code == 204
    assert of(api)["state"] == "off"
    assert shop.devices[0].closed == 1
    assert "vcam:" not in api.daemon.channels["live"].config.sinks
    assert "out.mp4" in api.daemon.channels["live"].config.sinks
    api.refused("DELETE", CAMERA, 404, "LF0901")


def test_asked_twice_there_is_one_and_another_size_takes_its_place(api: Api, shop: Shop) -> None:
    for _ in range(2):
        api("PUT", CAMERA, json={"url": "pipewire:"})
    assert len(shop.devices) == 1
    assert api("PUT", CAMERA, json={"url": "pipewire:", "size": "640x480"}).json()["size"] == "640x480"
    assert [(device.opened, device.closed) for device in shop.devices] == [(1, 1), (1, 0)]


def test_what_is_missing_is_told_and_the_one_before_stays(api: Api, shop: Shop) -> None:
    api("PUT", CAMERA, json={})
    shop.missing = True
    problem = api.refused("PUT", CAMERA, 409, "LF0304", json={"size": "640x480"})
    assert problem["hint"] == "sudo modprobe it"
    assert "vcam:" in api.daemon.channels["live"].config.sinks
    told = of(api)
    assert (told["state"], told["error"], told["fix"]) == ("lost", "no such camera", "sudo modprobe it")
    shop.devices[-1].missing = False
    until(lambda: of(api)["state"] == "on", "it is there as soon as its device is")


@pytest.mark.parametrize(
    "body", [{"url": "rtmp://a/b"}, {"size": "641x480"}, {"size": "3840x2160"}, {"url": "vcam:?x=1"}]
)
def test_wishes_that_make_no_sense_start_nothing(api: Api, shop: Shop, body: dict[str, str]) -> None:
    assert api("PUT", CAMERA, json=body).status_code in (400, 422)
    assert of(api)["state"] == "off"


def test_a_test_marks_this_camera_s_pictures_for_a_while(api: Api) -> None:
    api.refused("POST", f"{CAMERA}/test", 404, "LF0901", json={})
    api("PUT", CAMERA, json={})
    assert 0 < api("POST", f"{CAMERA}/test", json={"seconds": 5}).json()["test_s"] <= 5
    assert api("POST", f"{CAMERA}/test", json={"seconds": 60}).status_code == 422


def test_the_command_that_is_missing_is_one(tmp_path: Path) -> None:
    user = LinuxMachine(tmp_path, "6.1", {"XDG_RUNTIME_DIR": str(tmp_path / "run")})
    finding, _ = lacks(user)
    assert finding is not None
    assert finding.fix.endswith(MODPROBE)
    (tmp_path / "usr/lib64").mkdir(parents=True)
    (tmp_path / "usr/lib64/libpipewire-0.3.so.0").touch()
    finding, _ = lacks(user)
    assert finding is not None
    assert finding.fix == START_PIPEWIRE  # no kernel modules here: a container
    (tmp_path / "run").mkdir()
    (tmp_path / "run/pipewire-0").touch()
    finding, more = lacks(user)
    assert finding is None
    assert more.endswith(MODPROBE)  # for Zoom and Discord


def test_cameras_follow_the_sinks(shop: Shop) -> None:
    kept = cameras.Cameras()
    kept.follow(["vcam:", "null:", "pipewire:"])
    assert [device.opened for device in shop.devices] == [1, 1]
    sink = kept.sink("vcam:")
    sink.close()
    assert sink.camera.state == "on"
    kept.follow(["pipewire:"])
    assert sink.camera.state == "off"
    kept.close()
    assert [device.closed for device in shop.devices] == [1, 1]
    shop.missing = True
    with pytest.raises(VirtualCameraMissing):
        kept.open("vcam:")
    sink = kept.sink("vcam:")
    sink.open(info_of(64, 48))  # a session runs without its camera
    sink.write(blank_frame("yuv420p", 48, 64))
    assert sink.camera.state == "lost"
    shop.devices[-1].missing = False
    until(lambda: sink.camera.state == "on", "the camera comes later")
    kept.close()
