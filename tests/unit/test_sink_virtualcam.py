"""The virtual camera: what the kernel is told, and what picture it gets."""

from __future__ import annotations

import errno
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from livefuse.device.colour import to_yuv_map
from livefuse.doctor.virtualcam import LinuxMachine
from livefuse.errors import SinkLost, SinkUnwritable, VirtualCameraMissing
from livefuse.frame import U8, Colour, HostFrame, PixelFormat, blank_frame
from livefuse.sinks import v4l2
from livefuse.sinks.letterbox import LetterboxFitter, Packing
from livefuse.sinks.steady import SteadyCamera
from livefuse.sinks.virtualcam import LoopbackCamera, ObsCamera, VirtualCameraSink, best_devices, find_loopback
from tests.unit.sink_clips import info_of

NAMES = {
    v4l2.VIDIOC_QUERYCAP: "QUERYCAP",
    v4l2.VIDIOC_S_CTRL: "S_CTRL",
    v4l2.VIDIOC_S_FMT: "S_FMT",
    v4l2.VIDIOC_S_PARM: "S_PARM",
    v4l2.VIDIOC_SUBSCRIBE_EVENT: "SUBSCRIBE",
    v4l2.VIDIOC_DQEVENT: "DQEVENT",
}
SETUP = ["open", "QUERYCAP", "S_CTRL", "S_FMT", "S_PARM", "S_CTRL", "SUBSCRIBE"]
SIZE, BT601 = (64, 48), Colour()


class FakeKernel:
    """A loopback device that remembers what it was told."""

    def __init__(self, capabilities: int = 0x8520_0002, fails: dict[str, int] | None = None) -> None:
        self.calls: list[str] = []
        self.buffers: dict[str, list[bytes]] = {}
        self.pictures: list[bytes] = []
        self.capabilities, self.fails = capabilities, fails or {}
        self.held: tuple[int, int] | None = None
        self.takes: int | None = None
        self.usage: list[int] = []

    def open(self, path: str) -> int:
        self._call("open")
        return 7

    def ioctl(self, fd: int, code: int, buffer: bytearray) -> None:
        assert fd == 7
        name = NAMES[code]
        assert len(buffer) == (code >> 16) & 0x3FFF
        self.buffers.setdefault(name, []).append(bytes(buffer))
        self._call(name)
        if name == "QUERYCAP":
            buffer[16:28] = b"livefuse cam"
            struct.pack_into("<II", buffer, 84, 0x8000_0003 | self.capabilities, self.capabilities & 0xFFFF)
        if name == "S_FMT" and self.held:
            struct.pack_into("<II", buffer, 8, *self.held)
        if name == "DQEVENT":
            struct.pack_into("<I4xI", buffer, 0, v4l2.CLIENT_USAGE, self.usage.pop(0))

    def write(self, fd: int, data: U8) -> int:
        self._call("write")
        self.pictures.append(data.tobytes())
        return data.nbytes if self.takes is None else self.takes

    def has_event(self, fd: int) -> bool:
        return bool(self.usage)

    def close(self, fd: int) -> None:
        self._call("close")

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            raise OSError(self.fails[name], "no")


def opened(kernel: FakeKernel, packing: Packing = "yuv420p", colour: Colour = BT601) -> LoopbackCamera:
    camera = LoopbackCamera("/dev/video10", kernel=kernel)
    camera.open(SIZE, packing, 30, colour)
    return camera


def fitted(packing: Packing = "yuv420p") -> U8:
    return LetterboxFitter(*SIZE, packing).fit(blank_frame("yuv420p", 48, 64))


def test_codes_are_those_of_the_kernel() -> None:
    """linux/videodev2.h, 64-bit: computed with a C compiler."""
    assert (v4l2.VIDIOC_QUERYCAP, v4l2.VIDIOC_S_FMT) == (0x80685600, 0xC0D05605)
    assert (v4l2.VIDIOC_S_PARM, v4l2.VIDIOC_S_CTRL) == (0xC0CC5616, 0xC008561C)
    assert v4l2.FORMAT_BYTES == 208


def test_the_event_is_that_of_v4l2loopback() -> None:
    """v4l2loopback.c 0.13 and later; linux/videodev2.h for the sizes."""
    assert v4l2.CLIENT_USAGE == 0x10E0_0001
    assert (v4l2.VIDIOC_DQEVENT, v4l2.VIDIOC_SUBSCRIBE_EVENT) == (0x80885659, 0x4020565A)


def test_the_device_is_told_format_and_rate_once_and_then_gets_pictures() -> None:
    kernel = FakeKernel()
    camera = opened(kernel, colour=Colour("bt709", False, 1, 1, 1))
    for _ in range(3):
        camera.write(fitted())
    camera.close()
    assert kernel.calls == [*SETUP, "write", "write", "write", "close"]
    fmt = kernel.buffers["S_FMT"][0]
    assert struct.unpack_from("<I", fmt, 0) == (2,)  # V4L2_BUF_TYPE_VIDEO_OUTPUT
    fourcc = int.from_bytes(b"YU12", "little")
    assert struct.unpack_from("<6I", fmt, 8) == (64, 48, fourcc, 1, 64, 64 * 48 * 3 // 2)
    assert struct.unpack_from("<6I", fmt, 32) == (3, 0xFEEDCAFE, 0, 2, 2, 0)  # REC709, magic, -, YCbCr 709, limited
    assert struct.unpack_from("<I", kernel.buffers["S_PARM"][0], 0) == (2,)
    assert struct.unpack_from("<II", kernel.buffers["S_PARM"][0], 12) == (1, 30)
    assert [struct.unpack("<Ii", b) for b in kernel.buffers["S_CTRL"]] == [(0x98F900, 0), (0x98F900, 1)]
    assert struct.unpack_from("<III", kernel.buffers["SUBSCRIBE"][0]) == (v4l2.CLIENT_USAGE, 0, 1)
    assert [len(p) for p in kernel.pictures] == [64 * 48 * 3 // 2] * 3


def test_yuyv_has_two_bytes_a_pixel() -> None:
    kernel = FakeKernel()
    camera = opened(kernel, "yuyv422")
    frame = gradient("yuv420p", 48, 64)
    camera.write(LetterboxFitter(64, 48, "yuyv422").fit(frame))
    fields = struct.unpack_from("<6I", kernel.buffers["S_FMT"][0], 8)
    assert fields[2:] == (int.from_bytes(b"YUYV", "little"), 1, 128, 64 * 48 * 2)
    picture = np.frombuffer(kernel.pictures[0], np.uint8).reshape(48, 32, 4)
    np.testing.assert_array_equal(picture[..., 0::2].reshape(48, 64), frame.planes[0])
    np.testing.assert_array_equal(picture[::2, :, 1], frame.planes[1])
    np.testing.assert_array_equal(picture[1::2, :, 1], frame.planes[1])
    np.testing.assert_array_equal(picture[1::2, :, 3], frame.planes[2])


def test_who_captures_is_known_from_the_driver_s_events() -> None:
    kernel = FakeKernel()
    camera = opened(kernel)
    assert camera.readers() == 0
    kernel.usage = [0, 1]
    assert camera.readers() == 1
    assert camera.readers() == 1
    kernel.usage = [0]
    assert camera.readers() == 0


def test_a_driver_that_does_not_tell_who_captures_is_asked_both_ways_and_left_alone() -> None:
    kernel = FakeKernel(fails={"SUBSCRIBE": errno.EINVAL})
    camera = opened(kernel)
    events = [struct.unpack_from("<I", request)[0] for request in kernel.buffers["SUBSCRIBE"]]
    assert events == [v4l2.CLIENT_USAGE, v4l2.CLIENT_USAGE_BEFORE]
    kernel.usage = [1]
    assert camera.readers() is None
    assert "DQEVENT" not in kernel.calls


@pytest.mark.parametrize(
    ("fails", "error", "says"),
    [
        ({"open": errno.ENOENT}, VirtualCameraMissing, "livefuse doctor"),
        ({"open": errno.EACCES}, SinkUnwritable, "group `video`"),
        ({"QUERYCAP": errno.ENOTTY}, SinkUnwritable, "no video device"),
        ({"S_FMT": errno.EBUSY}, SinkUnwritable, "another program feeds it"),
    ],
)
def test_what_goes_wrong_at_open_is_explained(fails: dict[str, int], error: type[Exception], says: str) -> None:
    kernel = FakeKernel(fails=fails)
    with pytest.raises(error, match=says):
        opened(kernel)
    assert kernel.calls[-1] == "open" if "open" in fails else kernel.calls[-1] == "close"


def test_a_real_camera_is_not_written_to() -> None:
    with pytest.raises(SinkUnwritable, match=r"livefuse cam.*is a camera"):
        opened(FakeKernel(capabilities=0x8000_0001))


def test_a_device_that_somebody_holds_at_another_size() -> None:
    kernel = FakeKernel()
    kernel.held = (640, 480)
    with pytest.raises(SinkUnwritable, match=r"held at 640x480 YU12"):
        opened(kernel)
    assert kernel.calls[-1] == "close"


def test_other_drivers_lack_keep_format_and_rate_and_work() -> None:
    kernel = FakeKernel(fails={"S_CTRL": errno.EINVAL, "S_PARM": errno.ENOTTY, "SUBSCRIBE": errno.ENOTTY})
    opened(kernel).write(fitted())
    assert len(kernel.pictures) == 1


def test_a_removed_device_is_lost() -> None:
    kernel = FakeKernel()
    camera = opened(kernel)
    kernel.fails = {"write": errno.ENODEV}
    with pytest.raises(SinkLost):
        camera.write(fitted())
    kernel.fails, kernel.takes = {}, 10
    with pytest.raises(SinkLost, match="took 10 of"):
        camera.write(fitted())


def gradient(format_: PixelFormat, height: int, width: int) -> HostFrame:
    frame = blank_frame(format_, height, width)
    for k, plane in enumerate(frame.planes):
        y, x = np.indices(plane.shape[:2])
        plane[...] = (40 + 30 * k + (x * 100 // plane.shape[1]) + (y * 60 // plane.shape[0])).reshape(
            (*plane.shape[:2], *(1,) * (plane.ndim - 2))
        )
    return frame


def i420(flat: U8, height: int, width: int) -> tuple[U8, U8, U8]:
    luma, quarter = height * width, height * width // 4
    half = (height // 2, width // 2)
    y, u, v = flat[:luma], flat[luma : luma + quarter], flat[luma + quarter :]
    return y.reshape(height, width), u.reshape(half), v.reshape(half)


@pytest.mark.parametrize("format_", ["yuv420p", "nv12"])
def test_a_frame_that_fits_is_copied_exactly(format_: PixelFormat) -> None:
    frame = gradient(format_, 48, 64)
    y, u, v = i420(LetterboxFitter(64, 48, "yuv420p").fit(frame), 48, 64)
    np.testing.assert_array_equal(y, frame.planes[0])
    chroma = [frame.planes[1][..., 0], frame.planes[1][..., 1]] if format_ == "nv12" else frame.planes[1:]
    np.testing.assert_array_equal(u, chroma[0])
    np.testing.assert_array_equal(v, chroma[1])


@pytest.mark.parametrize("format_", ["yuv420p", "nv12", "rgb24"])
@pytest.mark.parametrize(
    ("size", "box"),
    [((64, 64), (8, 0, 48, 48)), ((128, 48), (0, 12, 64, 24)), ((33, 17), (0, 8, 64, 32)), ((16, 48), (24, 0, 16, 48))],
)
def test_other_shapes_are_scaled_between_black_bars(
    format_: PixelFormat, size: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    frame = blank_frame(format_, size[1], size[0])
    for plane, value in zip(frame.planes, (200, 90, 160), strict=False):
        plane.fill(value)
    y, u, v = i420(LetterboxFitter(64, 48, "yuv420p").fit(frame), 48, 64)
    inside = np.zeros((48, 64), bool)
    left, top, width, height = box
    inside[top : top + height, left : left + width] = True
    wanted = 188 if format_ == "rgb24" else 200  # grey 200 in limited range: 16 + 200 * 219 / 255
    assert np.abs(y[inside].astype(int) - wanted).max() <= 1
    assert (y[~inside] == 16).all()
    assert (u[~inside[::2, ::2]] == 128).all()
    assert (v[~inside[::2, ::2]] == 128).all()


def test_bars_are_painted_anew_when_the_shape_changes() -> None:
    fitter = LetterboxFitter(64, 48, "yuv420p")
    wide, tall = blank_frame("yuv420p", 24, 64), blank_frame("yuv420p", 48, 16)
    for frame in (wide, tall):
        frame.planes[0].fill(220)
    fitter.fit(wide)
    y, _, _ = i420(fitter.fit(tall), 48, 64)
    assert (y == 220).sum() == 48 * 16
    assert (y[:, :24] == 16).all()


def test_full_range_black_is_zero() -> None:
    frame = blank_frame("yuv420p", 48, 16, Colour(full_range=True))
    assert i420(LetterboxFitter(64, 48, "yuv420p").fit(frame), 48, 64)[0].max() == 0


@pytest.mark.parametrize("given", [Colour("bt709", False), Colour("bt601", True), Colour("bt709", True)])
def test_other_colours_are_told_in_the_camera_s_numbers(given: Colour) -> None:
    """Against the same picture made in the camera's own colour."""
    rgb = np.zeros((48, 64, 3), np.uint8)
    for k, colour in enumerate([(220, 170, 140), (30, 60, 200), (250, 250, 250), (12, 9, 4)]):
        rgb[:, 16 * k : 16 * k + 16] = colour
    fitter = LetterboxFitter(64, 48, "yuv420p", Colour())
    wanted = [plane.copy() for plane in i420(fitter.fit(HostFrame.of_rgb(rgb)), 48, 64)]
    yuv = cv2.transform(rgb, to_yuv_map(given))
    half = yuv[::2, ::2]
    planes = (yuv[..., 0].copy(), half[..., 1].copy(), half[..., 2].copy())
    got = i420(fitter.fit(HostFrame(planes, "yuv420p", 64, 48, colour=given)), 48, 64)
    for ours, theirs in zip(got, wanted, strict=True):
        inner = np.ones(ours.shape[1], bool)  # chroma blends where two of the colours meet
        inner[[k * ours.shape[1] // 4 + d for k in (1, 2, 3) for d in (-2, -1, 0, 1)]] = False
        assert np.abs(ours.astype(int) - theirs)[:, inner].max() <= 2


def loopbacks(root: Path, **names: str) -> LinuxMachine:
    for node, name in names.items():
        folder = root / "sys/devices/virtual/video4linux" / node
        folder.mkdir(parents=True)
        (folder / "name").write_text(name + "\n")
        (folder / "max_openers").touch()
    return LinuxMachine(root, "6.1", {})


def test_the_camera_labelled_livefuse_is_found_and_that_of_obs_left_alone(tmp_path: Path) -> None:
    assert find_loopback(loopbacks(tmp_path / "a", video2="OBS Virtual Camera", video10="livefuse")).endswith("video10")
    assert find_loopback(loopbacks(tmp_path / "b", video2="OBS Virtual Camera", video3="Dummy")).endswith("video3")
    with pytest.raises(VirtualCameraMissing, match="several"):
        find_loopback(loopbacks(tmp_path / "c", video2="Dummy", video3="Dummy too"))
    with pytest.raises(VirtualCameraMissing, match="no virtual camera"):
        find_loopback(loopbacks(tmp_path / "d", video2="OBS Virtual Camera"))


def test_a_machine_without_one_is_told_the_commands(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text("ID=ubuntu\n")
    with pytest.raises(VirtualCameraMissing) as caught:
        find_loopback(LinuxMachine(tmp_path, "6.1", {}))
    assert "sudo apt install v4l2loopback-dkms" in caught.value.hint
    assert "sudo modprobe v4l2loopback" in caught.value.hint
    assert "exclusive_caps=1" in caught.value.hint
    assert "card_label=livefuse" in caught.value.hint


class FakeObs:
    """The part of pyvirtualcam that is used."""

    def __init__(self, fails: bool = False, **arguments: Any) -> None:
        if fails:
            raise RuntimeError("virtual camera output could not be started")
        self.arguments, self.sent, self.closed = arguments, 0, False

    def send(self, picture: U8) -> None:
        self.sent += picture.nbytes

    def close(self) -> None:
        self.closed = True


def test_elsewhere_pyvirtualcam_gets_i420() -> None:
    made: list[FakeObs] = []

    def camera(**arguments: Any) -> FakeObs:
        made.append(FakeObs(**arguments))
        return made[-1]

    module = SimpleNamespace(Camera=camera, PixelFormat=SimpleNamespace(I420="I420"))
    obs = ObsCamera("", {"pyvirtualcam": module})
    obs.open(SIZE, "yuv420p", 30, Colour())
    obs.write(LetterboxFitter(64, 48, "yuv420p").fit(blank_frame("yuv420p", 48, 64)))
    obs.close()
    assert made[0].arguments == {"width": 64, "height": 48, "fps": 30.0, "fmt": "I420", "device": None}
    assert (made[0].sent, made[0].closed) == (64 * 48 * 3 // 2, True)


def test_without_obs_or_its_module_the_way_to_it_is_named() -> None:
    module = SimpleNamespace(Camera=lambda **a: FakeObs(True, **a), PixelFormat=SimpleNamespace(I420="I420"))
    with pytest.raises(VirtualCameraMissing, match="OBS Studio"):
        ObsCamera("", {"pyvirtualcam": module}).open(SIZE, "yuv420p", 30, Colour())
    with pytest.raises(SinkUnwritable, match=r"livefuse\[vcam\]"):
        ObsCamera().open(SIZE, "yuv420p", 30, Colour())


def test_of_a_session_the_camera_takes_frames_and_its_end_closes_it() -> None:
    kernel = FakeKernel()
    sink = VirtualCameraSink(SteadyCamera([LoopbackCamera("/dev/video10", kernel=kernel)], SIZE, "yuv420p"))
    sink.open(info_of(64, 48))
    assert sink.camera.state == "on"
    sink.write(blank_frame("yuv420p", 48, 64))
    assert sink.readers() == 0
    sink.close()
    assert sink.camera.state == "off"
    assert kernel.calls[-1] == "close"


def test_a_kept_camera_outlives_its_session() -> None:
    kernel = FakeKernel()
    camera = SteadyCamera([LoopbackCamera("/dev/video10", kernel=kernel)], SIZE, "yuv420p")
    camera.start()
    for _ in range(2):
        sink = VirtualCameraSink(camera, kept=True)
        sink.open(info_of(64, 48))
        sink.write(blank_frame("yuv420p", 48, 64))
        sink.abort()
    assert camera.state == "on"
    camera.close()
    assert kernel.calls.count("open") == kernel.calls.count("close") == 1


def test_vcam_is_all_that_the_system_has(tmp_path: Path) -> None:
    def kinds(machine: LinuxMachine) -> list[str]:
        return [device.kind for device in best_devices(machine)]

    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert kinds(LinuxMachine(tmp_path, "6.1", environ)) == ["v4l2", "pipewire"]  # either may come later
    (tmp_path / "usr/lib64").mkdir(parents=True)
    (tmp_path / "usr/lib64/libpipewire-0.3.so.0").touch()
    (tmp_path / "pipewire-0").touch()
    assert kinds(LinuxMachine(tmp_path, "6.1", environ)) == ["pipewire"]
    loopbacks(tmp_path, video10="livefuse")
    assert kinds(LinuxMachine(tmp_path, "6.1", environ)) == ["pipewire", "v4l2"]
    assert kinds(LinuxMachine(tmp_path, "6.1", {})) == ["v4l2"]
