"""A camera that never goes away: what it writes while frames come, stop coming, or never came, and when devices go."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from livefuse.errors import BadValue, SinkLost, VirtualCameraMissing
from livefuse.frame import U8, Colour, HostFrame, blank_frame
from livefuse.sinks import steady
from livefuse.sinks.letterbox import Packing
from livefuse.sinks.steady import SteadyCamera
from livefuse.source.synthetic.blocks import read_blocks

W, H = 160, 120


class FakeDevice:
    """Remembers the luma of what it was given."""

    kind, where = "fake", "fake:0"

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.pictures: list[U8] = []
        self.missing = self.broken = False
        self.looking: int | None = None
        self.threads: set[str] = set()

    def open(self, size: tuple[int, int], packing: Packing, fps: int, colour: Colour) -> None:
        if self.missing:
            raise VirtualCameraMissing("no such camera", hint="sudo modprobe it")
        self.opened += 1

    def write(self, picture: U8) -> None:
        if self.broken:
            raise SinkLost("the device is gone", hint="plug it in")
        self.threads.add(threading.current_thread().name)
        self.pictures.append(picture[: W * H].reshape(H, W).copy())

    def readers(self) -> int | None:
        return self.looking

    def close(self) -> None:
        self.closed += 1


def until(true: Callable[[], object], what: str, seconds: float = 5.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, what
        time.sleep(0.005)


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


@pytest.fixture
def camera(device: FakeDevice, monkeypatch: pytest.MonkeyPatch) -> Iterator[SteadyCamera]:
    monkeypatch.setattr(steady, "GAP_S", 0.15)
    monkeypatch.setattr(steady, "_RETRY_FIRST_S", 0.05)
    camera = SteadyCamera([device], (W, H), "yuv420p")
    yield camera
    camera.close()


def grey(level: int) -> HostFrame:
    frame = blank_frame("yuv420p", H, W)
    frame.planes[0].fill(level)
    return frame


def shows(device: FakeDevice, level: int) -> bool:
    return bool(device.pictures) and bool((device.pictures[-1] == level).all())


def is_slate(picture: U8) -> bool:
    return len(np.unique(picture)) > 4  # letters on a plain ground


def test_before_anything_has_started_there_is_the_slate(camera: SteadyCamera, device: FakeDevice) -> None:
    camera.start()
    until(lambda: len(device.pictures) >= 3, "pictures without a session")
    assert all(is_slate(picture) for picture in device.pictures)
    assert device.threads == {"livefuse-camera"}


def test_the_newest_frame_is_shown_again_while_the_next_is_late_and_covered_once_it_is_old(
    camera: SteadyCamera, device: FakeDevice
) -> None:
    camera.start()
    camera.show(grey(90))
    camera.show(grey(120))
    until(lambda: shows(device, 120), "the newest frame")
    assert not any((picture == 90).all() for picture in device.pictures)
    until(lambda: is_slate(device.pictures[-1]), "the slate after the gap")
    repeated = sum(bool((picture == 120).all()) for picture in device.pictures)
    assert 1 <= repeated < 60
    camera.show(grey(70))
    until(lambda: shows(device, 70), "the next frame")


def test_rest_covers_at_once_and_says_why(camera: SteadyCamera, device: FakeDevice) -> None:
    camera.start()
    camera.show(grey(120))
    until(lambda: shows(device, 120), "the frame")
    camera.rest("paused")
    until(lambda: is_slate(device.pictures[-1]), "the slate")
    paused = device.pictures[-1]
    camera.rest("interrupted")
    until(lambda: (device.pictures[-1] != paused).any(), "other words")


def test_fast_sources_do_not_make_the_camera_faster(camera: SteadyCamera, device: FakeDevice) -> None:
    camera.start()
    began = time.monotonic()
    while time.monotonic() - began < 0.5:
        camera.show(grey(100))
        time.sleep(0.002)
    assert len(device.pictures) <= 0.5 * camera.fps / steady._EARLY + 4


def test_while_nobody_looks_little_is_written(camera: SteadyCamera, device: FakeDevice) -> None:
    device.looking = 0
    camera.start()
    began = time.monotonic()
    while time.monotonic() - began < 0.6:
        camera.show(grey(100))
        time.sleep(0.01)
    assert len(device.pictures) <= 6
    assert camera.readers() == 0


def test_a_device_that_goes_is_opened_again_and_the_session_hears_nothing(
    camera: SteadyCamera, device: FakeDevice
) -> None:
    camera.start()
    device.broken = True
    until(lambda: camera.state == "lost", "the device is gone")
    assert camera.error is not None
    assert "the device is gone" in camera.error.message
    camera.show(grey(120))  # raises nothing
    device.broken = False
    until(lambda: camera.state == "on" and device.opened > 1, "it is opened again")
    assert device.closed >= 1
    until(lambda: camera.error is None, "all is well")


def test_of_several_devices_one_will_do(device: FakeDevice) -> None:
    absent = FakeDevice()
    absent.missing = True
    camera = SteadyCamera([absent, device], (W, H), "yuv420p")
    camera.start()
    until(lambda: device.pictures, "pictures on the one that is there")
    assert (camera.state, camera.devices) == ("on", [device])
    assert camera.error is not None
    assert camera.error.hint == "sudo modprobe it"
    camera.close()


def test_without_any_device_it_does_not_start(camera: SteadyCamera, device: FakeDevice) -> None:
    device.missing = True
    with pytest.raises(VirtualCameraMissing):
        camera.start()
    assert camera.state == "off"
    device.missing = False
    camera.start()
    until(lambda: device.pictures, "it starts once the device is there")


def test_a_closed_camera_takes_no_frames_and_can_be_started_again(camera: SteadyCamera, device: FakeDevice) -> None:
    camera.start()
    camera.close()
    assert (camera.state, device.closed) == ("off", 1)
    with pytest.raises(SinkLost):
        camera.show(grey(1))
    camera.start()
    camera.show(grey(120))
    until(lambda: shows(device, 120), "pictures again")


def test_marked_pictures_tell_number_and_wall_clock_and_stop_by_themselves(
    camera: SteadyCamera, device: FakeDevice
) -> None:
    camera.start()
    camera.mark(0.3)
    frame = grey(120)
    camera.show(frame)
    until(lambda: read_blocks(device.pictures[-1]) if device.pictures else None, "a mark")
    stamp = read_blocks(device.pictures[-1])
    assert stamp is not None
    age_us = (time.time_ns() // 1000 - stamp.time_us) % (1 << 32)
    assert 0 <= age_us < 5_000_000
    assert (frame.planes[0] == 120).all(), "other outputs see no mark"
    until(lambda: read_blocks(device.pictures[-1]) is None, "the end of the marks")
    camera.mark(1000)
    assert camera.marked_s <= steady.TEST_S


@pytest.mark.parametrize(("size", "says"), [((641, 480), "odd"), ((3840, 2160), "above 1920x1080")])
def test_sizes_that_break_calls_are_refused(size: tuple[int, int], says: str) -> None:
    with pytest.raises(BadValue, match=says):
        SteadyCamera([], size)
