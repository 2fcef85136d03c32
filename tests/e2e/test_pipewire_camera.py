"""The camera on PipeWire, for real: a session of its own, and GStreamer as the call app."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from livefuse.doctor.virtualcam import LinuxMachine
from livefuse.errors import SinkLost, VirtualCameraMissing
from livefuse.frame import Colour, HostFrame, blank_frame
from livefuse.sinks.pipewire import PipeWireCamera
from livefuse.sinks.steady import SteadyCamera
from livefuse.source.synthetic.blocks import read_blocks
from tests.e2e.pictures import SMALL
from tests.e2e.pipewire import PipeWireSession, pipewire
from tests.e2e.serving import Daemon, until

__all__ = ["pipewire"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

WIDTH, HEIGHT = 640, 360
CAMERA = "/sessions/live/camera"
SECRET = "LIVEFUSE_SERVE__TOKEN"


@pytest.fixture
def device(pipewire: PipeWireSession) -> PipeWireCamera:
    return PipeWireCamera(LinuxMachine(environ=pipewire.environ | {SECRET: "s3cr3t"}))


@pytest.fixture
def camera(device: PipeWireCamera) -> Iterator[SteadyCamera]:
    camera = SteadyCamera([device], (WIDTH, HEIGHT))
    camera.start()
    yield camera
    camera.close()


def grey(level: int) -> HostFrame:
    frame = blank_frame("yuv420p", HEIGHT, WIDTH)
    frame.planes[0].fill(level)
    return frame


def test_an_app_finds_it_by_name_and_gets_its_pictures_at_its_size(
    pipewire: PipeWireSession, camera: SteadyCamera
) -> None:
    (found,) = pipewire.cameras()
    assert (found["node.name"], found["node.description"], found["media.role"]) == ("livefuse", "livefuse", "Camera")
    assert camera.readers() == 0
    with pipewire.looking(WIDTH, HEIGHT) as look:
        until(lambda: look.pictures, "the slate, while nothing runs")
        assert camera.readers() == 1
        began = time.monotonic()
        while not any((picture == 90).all() for picture in look.pictures) and time.monotonic() - began < 10:
            camera.show(grey(90))
            time.sleep(0.03)
        assert (look.pictures[-1] == 90).all()
        camera.rest("paused")
        until(lambda: len(np.unique(look.pictures[-1])) > 4, "the slate")
    until(lambda: camera.readers() == 0, "nobody looks")
    with pipewire.looking(WIDTH, HEIGHT) as look:
        until(lambda: look.pictures, "it outlives the app that looked")
    assert len(pipewire.cameras()) == 1


def test_two_apps_look_at_once_and_read_the_marks(pipewire: PipeWireSession, camera: SteadyCamera) -> None:
    with pipewire.looking(WIDTH, HEIGHT) as one, pipewire.looking(WIDTH, HEIGHT) as other:
        until(lambda: one.pictures and other.pictures, "pictures for both")
        camera.mark(10)
        for look in (one, other):
            until(lambda look=look: read_blocks(look.pictures[-1]), "marks")  # type: ignore[misc]


def test_a_node_that_dies_is_back_and_the_session_hears_nothing(
    pipewire: PipeWireSession, camera: SteadyCamera, device: PipeWireCamera
) -> None:
    dead = device.pid
    os.kill(dead, signal.SIGKILL)
    until(lambda: camera.state == "on" and device.pid not in (0, dead), "another node")
    camera.show(grey(90))
    until(lambda: len(pipewire.cameras()) == 1, "the camera is listed again")
    assert not Path(f"/proc/{dead}").exists(), "it was reaped"


def test_its_process_is_told_nothing_of_ours(pipewire: PipeWireSession) -> None:
    device = PipeWireCamera(LinuxMachine(environ=pipewire.environ | {SECRET: "s3cr3t"}))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        ours = os.fstat(listener.fileno()).st_ino
        device.open((WIDTH, HEIGHT), "yuyv422", 30, Colour())
        told = Path(f"/proc/{device.pid}/environ").read_bytes() + Path(f"/proc/{device.pid}/cmdline").read_bytes()
        held = {str(entry.readlink()) for entry in Path(f"/proc/{device.pid}/fd").iterdir()}
        device.close()
    assert b"XDG_RUNTIME_DIR" in told
    assert b"s3cr3t" not in told
    assert f"socket:[{ours}]" not in held


def test_closing_it_takes_it_from_the_apps(pipewire: PipeWireSession, device: PipeWireCamera) -> None:
    camera = SteadyCamera([device], (WIDTH, HEIGHT))
    camera.start()
    pid = device.pid
    camera.close()
    until(lambda: not pipewire.cameras(), "no camera is listed")
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(SinkLost):
        device.write(np.zeros(4, np.uint8))


def test_no_camera_outlives_a_livefuse_that_is_killed(pipewire: PipeWireSession) -> None:
    code = (
        "import time; from livefuse.sinks.virtualcam import camera_of; c = camera_of('pipewire:'); c.start();"
        "print(c.devices[0].pid, flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=pipewire.environ, stdout=subprocess.PIPE)
    assert process.stdout is not None
    node = int(process.stdout.readline())
    assert Path(f"/proc/{node}").exists()
    process.kill()
    process.wait()
    process.stdout.close()
    until(lambda: not _runs(node), "its process ends")
    until(lambda: not pipewire.cameras(), "and no stale camera is listed")


def test_a_call_goes_on_while_its_session_restarts_and_stops(
    pipewire: PipeWireSession, shared: Path, tmp_path: Path
) -> None:
    environ = pipewire.environ | {
        "LIVEFUSE_HOME": str(tmp_path / "home"),
        "LIVEFUSE_MODEL_MIRROR": str(shared / "models"),
    }
    daemon = Daemon(tmp_path, environ, SMALL).start()
    try:
        told = daemon.api("PUT", CAMERA, json={"url": "pipewire:", "size": f"{WIDTH}x{HEIGHT}"})
        assert (told["state"], told["devices"]) == ("on", [{"kind": "pipewire", "where": "livefuse"}])
        with pipewire.looking(WIDTH, HEIGHT) as look:
            until(lambda: daemon.api("GET", CAMERA)["readers"] == 1, "the app is seen")
            until(lambda: daemon.api("GET", CAMERA)["shown"] > 3, "frames of the session")
            serial = pipewire.cameras()[0]["object.serial"]
            for act in ("restart", "stop"):
                daemon.api("POST", f"/sessions/live/{act}")
                seen = len(look.pictures)
                until(lambda seen=seen: len(look.pictures) > seen + 3, f"pictures after {act}")  # type: ignore[misc]
            assert [found["object.serial"] for found in pipewire.cameras()] == [serial], (
                "it was the same camera all along"
            )
        daemon.api("DELETE", CAMERA)
        until(lambda: not pipewire.cameras(), "it is gone")
        daemon.api("PUT", CAMERA, json={"url": "pipewire:"})
    finally:
        daemon.stop()
    until(lambda: not pipewire.cameras(), "it ends with the daemon")


def _runs(pid: int) -> bool:
    """Whether it does more than to wait for whoever inherits it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_without_a_session_it_says_what_starts_one(tmp_path: Path) -> None:
    nowhere = PipeWireCamera(LinuxMachine(environ={"XDG_RUNTIME_DIR": str(tmp_path)}))
    with pytest.raises(VirtualCameraMissing):
        nowhere.open((WIDTH, HEIGHT), "yuyv422", 30, Colour())


def test_a_session_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "pipewire-0").touch()
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/libpipewire-0.3.so.0").touch()
    machine = LinuxMachine(tmp_path, environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    for says in ("error no PipeWire session answers", ""):
        mute = PipeWireCamera(machine, command=[sys.executable, "-c", f"print({says!r})"])
        with pytest.raises(SinkLost, match="PipeWire gives no camera"):
            mute.open((WIDTH, HEIGHT), "yuyv422", 30, Colour())
        assert mute.pid == 0
