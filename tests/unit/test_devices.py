"""Cameras, against a driver that answers ioctls as the kernel would."""

from __future__ import annotations

import errno
import os
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import pytest

from livefuse.errors import BadValue, SourceDenied, SourceNotFound
from livefuse.source import camera as camera_module
from livefuse.source import devices, v4l2
from livefuse.source.camera import camera_input, choose_mode, find_camera
from livefuse.source.devices import Camera, CameraMode, linux_cameras, platform_cameras, video_nodes
from livefuse.source.url import parse

Size = tuple[int, int]
T = TypeVar("T")


@dataclass
class Node:
    """A video node: `offered` maps a four-character code to sizes and the intervals each has."""

    driver: str = "uvcvideo"
    card: str = "HD Webcam"
    caps: int = v4l2.CAP_CAPTURE
    offered: dict[str, dict[Size, list[Size]]] = field(default_factory=dict)
    stepwise: tuple[int, ...] = ()
    refuses: OSError | None = None


class FakeDriver:
    """Lays its answers out by hand, byte by byte as in linux/videodev2.h, not with the code under test."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        self.nodes = nodes
        self.opened: dict[int, Node] = {}

    def open(self, path: str) -> int:
        node = self.nodes.get(path)
        if node is None:
            raise FileNotFoundError(path)
        if node.refuses:
            raise node.refuses
        fd = len(self.opened) + 100
        self.opened[fd] = node
        return fd

    def close(self, fd: int) -> None:
        del self.opened[fd]

    def ioctl(self, fd: int, request: int, argument: bytearray) -> None:
        node = self.opened[fd]
        if request == 0x80685600:
            struct.pack_into("=16s32s", argument, 0, node.driver.encode(), node.card.encode())
            struct.pack_into("=2I", argument, 84, 0x80000000 | v4l2.CAP_CAPTURE | v4l2.CAP_OUTPUT, node.caps)
            return
        index = struct.unpack_from("=I", argument)[0]
        if request == 0xC0405602:
            struct.pack_into("=4s", argument, 44, self._at(list(node.offered), index).encode())
        elif request == 0xC02C564A:
            self._size(node, index, argument)
        elif request == 0xC034564B:
            code, width, height = struct.unpack_from("=4s2I", argument, 4)
            interval = self._at(node.offered[code.decode()].get((width, height), [(1, 30)]), index)
            struct.pack_into("=3I", argument, 16, 1, *interval)
        else:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl")

    def _size(self, node: Node, index: int, argument: bytearray) -> None:
        if node.stepwise:
            self._at([0], index)
            struct.pack_into("=7I", argument, 8, 3, *node.stepwise)
            return
        code = argument[4:8].decode()
        struct.pack_into("=3I", argument, 8, 1, *self._at(list(node.offered[code]), index))

    @staticmethod
    def _at(values: Sequence[T], index: int) -> T:
        if index >= len(values):
            raise OSError(errno.EINVAL, "Invalid argument")
        return values[index]


WEBCAM = Node(
    offered={
        "MJPG": {(1920, 1080): [(1, 30)], (1280, 720): [(1, 30), (1, 60)], (640, 480): [(1, 30)]},
        "YUYV": {(1280, 720): [(1, 10)], (640, 480): [(1, 30), (1, 15)]},
    }
)
LOOPBACK = Node("v4l2 loopback", "livefuse", v4l2.CAP_OUTPUT)
LOOPBACK_IN_USE = Node("v4l2 loopback", "OBS", v4l2.CAP_CAPTURE, {"YU12": {(1280, 720): [(1, 30)]}})
METADATA = Node(caps=0x00800000)


def listed(tmp_path: Path, **nodes: Node) -> list[Camera]:
    driver = FakeDriver({f"/dev/{name}": node for name, node in nodes.items()})
    cameras = linux_cameras([Path("/dev") / name for name in nodes], driver, tmp_path)
    assert not driver.opened  # every node was closed again
    return cameras


def test_a_webcam_with_all_it_offers(tmp_path: Path) -> None:
    [camera] = listed(tmp_path, video0=WEBCAM, video1=METADATA)
    assert (camera.name, camera.url, camera.path) == ("HD Webcam", "v4l2:/dev/video0", "/dev/video0")
    assert (camera.note, camera.is_virtual, camera.writable) == ("", False, False)
    assert CameraMode("mjpeg", 1280, 720, (Fraction(60), Fraction(30))) in camera.modes
    assert camera.formats == [
        ("mjpeg", [(1920, 1080), (1280, 720), (640, 480)], [Fraction(60), Fraction(30)]),
        ("yuyv422", [(1280, 720), (640, 480)], [Fraction(30), Fraction(15), Fraction(10)]),
    ]


def test_request_codes_are_the_kernels() -> None:
    assert v4l2.QUERYCAP == 0x80685600
    assert (v4l2.ENUM_FMT, v4l2.ENUM_FRAMESIZES, v4l2.ENUM_FRAMEINTERVALS) == (0xC0405602, 0xC02C564A, 0xC034564B)


def test_a_range_of_sizes_becomes_the_usual_ones(tmp_path: Path) -> None:
    node = Node(offered={"NV12": {}}, stepwise=(2, 1920, 2, 2, 1080, 2))
    [camera] = listed(tmp_path, video0=node)
    sizes = {(mode.width, mode.height) for mode in camera.modes}
    assert sizes == {(640, 360), (640, 480), (960, 540), (1280, 720), (1920, 1080)}
    assert camera.modes[0].rates == (Fraction(30),)


def test_loopbacks_are_virtual_and_come_last(tmp_path: Path) -> None:
    cameras = listed(tmp_path, video0=LOOPBACK, video1=LOOPBACK_IN_USE, video2=WEBCAM)
    assert [camera.path for camera in cameras] == ["/dev/video2", "/dev/video0", "/dev/video1"]
    assert [(c.is_virtual, c.captures, c.writable) for c in cameras[1:]] == [(True, False, True), (True, True, False)]


def test_what_stands_in_the_way_is_said(tmp_path: Path) -> None:
    denied, broken = PermissionError(13, "Permission denied"), OSError(5, "Input/output error")
    cameras = listed(tmp_path, video0=Node(refuses=denied), video1=Node(refuses=broken))
    assert "group `video`" in cameras[0].note
    assert "Input/output error" in cameras[1].note
    assert listed(tmp_path) == []


def test_a_node_that_is_no_camera_or_has_gone_is_left_out(tmp_path: Path) -> None:
    class Deaf(FakeDriver):
        def ioctl(self, fd: int, request: int, argument: bytearray) -> None:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl")

    nodes = [Path("/dev/video0"), Path("/dev/video9")]
    assert linux_cameras(nodes, Deaf({"/dev/video0": WEBCAM}), tmp_path) == []


def test_who_holds_a_camera(tmp_path: Path) -> None:
    for number, name in [("4242", "zoom"), (str(os.getpid()), "pytest")]:
        (tmp_path / number / "fd").mkdir(parents=True)
        (tmp_path / number / "fd" / "7").symlink_to("/dev/video0")
        (tmp_path / number / "comm").write_text(f"{name}\n")
    [camera] = listed(tmp_path, video0=WEBCAM)
    assert camera.note == "in use by zoom (process 4242)"


def test_the_real_driver_says_no_to_what_is_no_camera() -> None:
    assert linux_cameras([Path("/dev/null")]) == []


def test_nodes_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ["video10", "video2", "videoX", "vbi0"]:
        (tmp_path / name).touch()
    assert [node.name for node in video_nodes(tmp_path)] == ["video2", "video10"]


def test_only_what_gives_pictures_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cameras = listed(tmp_path, video0=LOOPBACK_IN_USE, video1=LOOPBACK, video2=WEBCAM)
    monkeypatch.setattr(devices, "_all_cameras", lambda: cameras)
    assert [camera.name for camera in devices.list_cameras()] == ["HD Webcam", "OBS"]
    writable = {camera.name: camera.writable for camera in cameras}
    assert writable == {"HD Webcam": False, "OBS": False, "livefuse": True}, "a free loopback takes pictures"


def test_other_systems_ask_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    import av

    @dataclass
    class Device:
        name: str
        description: str
        media_types: list[str]

    answers = [Device("0", "FaceTime HD", ["video"]), Device("1", "Microphone", ["audio"])]
    monkeypatch.setattr(av, "enumerate_input_devices", lambda api: answers, raising=False)
    [camera] = platform_cameras("avfoundation")
    assert (camera.name, camera.url) == ("FaceTime HD", "avfoundation:0")
    monkeypatch.delattr(av, "enumerate_input_devices")
    assert platform_cameras("avfoundation") == []


@pytest.mark.skipif(sys.platform == "win32", reason="DirectShow exists there")
def test_an_input_that_this_ffmpeg_lacks_lists_nothing() -> None:
    assert platform_cameras("dshow") == []


CAMERAS = [
    Camera(name, f"v4l2:/dev/video{i}", f"/dev/video{i}") for i, name in enumerate(["HD Webcam", "HD Cam", "C920"])
]


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("0", "/dev/video0"),
        ("2", "/dev/video2"),
        ("hd cam", "/dev/video1"),
        ("920", "/dev/video2"),
        ("webc", "/dev/video0"),
    ],
)
def test_cameras_by_number_name_or_part_of_it(target: str, path: str) -> None:
    assert find_camera(target, CAMERAS).path == path


@pytest.mark.parametrize(("target", "said"), [("7", "no camera `7`"), ("hd", "2 cameras"), ("Logi", "no camera")])
def test_an_unknown_camera_lists_those_that_exist(target: str, said: str) -> None:
    with pytest.raises(SourceNotFound, match=said) as caught:
        find_camera(target, CAMERAS)
    assert "camera:2 (C920)" in caught.value.hint
    with pytest.raises(SourceNotFound, match="has no camera"):
        find_camera("0", [])


def mode(pixel_format: str, width: int, height: int, *rates: int) -> CameraMode:
    return CameraMode(pixel_format, width, height, tuple(Fraction(rate) for rate in rates))


USB2 = [mode("yuyv422", 640, 480, 30), mode("yuyv422", 1280, 720, 10), mode("mjpeg", 1280, 720, 60, 30)]


@pytest.mark.parametrize(
    ("modes", "wanted", "chosen"),
    [
        pytest.param(USB2, {}, ("mjpeg", "1280x720", "30"), id="compressed where only that is fast enough"),
        pytest.param(USB2, {"video_size": "640x480"}, ("yuyv422", "640x480", "30"), id="raw where it is fast enough"),
        pytest.param(USB2, {"framerate": "10"}, ("yuyv422", "1280x720", "10"), id="raw if the rate wanted is low"),
        pytest.param(USB2, {"input_format": "yuyv422"}, ("yuyv422", None, None), id="the user's format is not changed"),
        pytest.param(
            USB2, {"video_size": "320x240"}, (None, "320x240", None), id="a size not offered is left to FFmpeg"
        ),
        pytest.param([], {}, (None, None, None), id="nothing known, nothing asked for"),
        pytest.param([mode("nv12", 1920, 1080, 25)], {}, ("nv12", "1920x1080", "25"), id="only large, only slower"),
        pytest.param(
            [mode("Z16", 640, 480, 90), mode("gray", 640, 480, 30)], {}, ("gray", "640x480", "30"), id="no depth"
        ),
    ],
)
def test_the_mode_that_gives_the_rate(
    modes: list[CameraMode], wanted: dict[str, str], chosen: tuple[str | None, ...]
) -> None:
    options = choose_mode(modes, wanted)
    assert (options.get("input_format"), options.get("video_size"), options.get("framerate")) == chosen


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(BadValue, match="framerate='0/1'"):
        choose_mode(USB2, {"framerate": "0/1"})


def test_what_ffmpeg_gets_on_each_system(monkeypatch: pytest.MonkeyPatch) -> None:
    webcam = Camera("HD Webcam", "v4l2:/dev/video0", "/dev/video0", tuple(USB2))
    monkeypatch.setattr(camera_module, "list_cameras", lambda: [webcam])
    target, api, options = camera_input(parse("camera:0"), "linux")
    assert (target, api) == ("/dev/video0", "v4l2")
    assert options == {"fflags": "nobuffer", "video_size": "1280x720", "framerate": "30", "input_format": "mjpeg"}
    plain = Camera("Integrated", "dshow:Integrated", "Integrated")
    monkeypatch.setattr(camera_module, "list_cameras", lambda: [plain])
    target, api, options = camera_input(parse("camera:integ?input_format=mjpeg"), "win32")
    assert (target, api, options["vcodec"]) == ("video=Integrated", "dshow", "mjpeg")
    target, api, options = camera_input(parse("avfoundation:0?input_format=nv12"), "darwin")
    assert (target, api) == ("0", "avfoundation")
    assert (options["framerate"], options["pixel_format"]) == ("30", "nv12")


def test_devices_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadValue, match="not for this system"):
        camera_input(parse("dshow:Integrated"), "linux")
    monkeypatch.setattr(camera_module, "list_cameras", lambda: CAMERAS)
    with pytest.raises(SourceNotFound, match="no such camera: /dev/video77") as caught:
        camera_input(parse("v4l2:/dev/video77"), "linux")
    assert "camera:0 (HD Webcam)" in caught.value.hint
    node = tmp_path / "video0"
    node.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SourceDenied, match="no permission"):
        camera_input(parse(f"v4l2:{node}"), "linux")
    denied = Camera("video0", "v4l2:/dev/video0", "/dev/video0", note="no permission: add yourself")
    monkeypatch.setattr(camera_module, "list_cameras", lambda: [denied])
    with pytest.raises(SourceDenied):
        camera_input(parse("camera:0"), "linux")
