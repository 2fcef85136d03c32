"""A PipeWire session of its own, in a temporary folder, and GStreamer as a program that looks at its cameras."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from livefuse.frame import U8
from tests.e2e.serving import until

NEEDED = ("pipewire", "wireplumber", "dbus-daemon", "pw-dump", "gst-launch-1.0")
_READ_S = 20.0


@dataclass
class Look:
    """What a program got: luma planes, and when (monotonic seconds)."""

    pictures: list[U8] = field(default_factory=list)
    instants_s: list[float] = field(default_factory=list)

    @property
    def fps(self) -> float:
        return (len(self.instants_s) - 1) / (self.instants_s[-1] - self.instants_s[0])


class PipeWireSession:
    """`environ` is what programs need to be in it."""

    def __init__(self, folder: Path) -> None:
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith(("PIPEWIRE_", "DBUS_", "WAYLAND_"))}
        self.environ |= {"XDG_RUNTIME_DIR": str(folder), "HOME": str(folder), "XDG_STATE_HOME": str(folder / "state")}
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def start(self) -> PipeWireSession:
        bus = self._folder / "bus"
        self._run("dbus-daemon", "--session", "--nofork", "--nopidfile", f"--address=unix:path={bus}")
        until(bus.exists, "a message bus")
        self.environ["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={bus}"
        self._run("pipewire")
        until((self._folder / "pipewire-0").exists, "PipeWire's socket")
        self._run("wireplumber")
        until(lambda: any("WirePlumber" in str(one) for one in self._dump()), "a session manager")
        return self

    def cameras(self) -> list[dict[str, Any]]:
        """The properties of all cameras that there are."""
        nodes = [one for one in self._dump() if one["type"].endswith(":Node")]
        properties = [(one.get("info") or {}).get("props") or {} for one in nodes]
        return [found for found in properties if found.get("media.class") == "Video/Source"]

    @contextmanager
    def looking(self, width: int, height: int, most: int = 10_000) -> Iterator[Look]:
        """A program that looks at our camera meanwhile."""
        command = (
            f"gst-launch-1.0 -q pipewiresrc target-object=livefuse num-buffers={most} ! "
            f"video/x-raw,format=YUY2,width={width},height={height} ! fdsink"
        )
        process = self._run(*command.split(), stdout=subprocess.PIPE)
        look = Look()
        reading = threading.Thread(target=_read, args=(process, look, width, height), daemon=True)
        reading.start()
        try:
            yield look
        finally:
            process.terminate()
            process.wait(_READ_S)
            reading.join(_READ_S)

    def stop(self) -> None:
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _dump(self) -> list[dict[str, Any]]:
        told = subprocess.run(["pw-dump"], env=self.environ, capture_output=True, timeout=10, check=False).stdout
        try:
            found: list[dict[str, Any]] = json.loads(told)
        except json.JSONDecodeError:  # not up yet
            return []
        return found

    def _run(self, *command: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, env=self.environ, stdout=stdout, stderr=subprocess.DEVNULL)
        self._running.append(process)
        return process


def _read(process: subprocess.Popen[bytes], look: Look, width: int, height: int) -> None:
    assert process.stdout is not None
    while len(data := process.stdout.read(width * height * 2)) == width * height * 2:
        look.instants_s.append(time.monotonic())
        look.pictures.append(np.frombuffer(data, np.uint8).reshape(height, width, 2)[..., 0].copy())
    process.stdout.close()


def lacking() -> str:
    """Why there can be no session here."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    found = subprocess.run(["gst-inspect-1.0", "pipewiresrc"], capture_output=True, check=False).returncode
    return "GStreamer's pipewire plug-in (gstreamer1.0-pipewire) is not installed" if found else ""


@pytest.fixture(scope="module")
def pipewire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipeWireSession]:
    """One session for the tests of a file. Skips where its programs are missing."""
    if why := lacking():
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("pw")
    folder.chmod(0o700)
    session = PipeWireSession(folder)
    try:
        yield session.start()
    finally:
        session.stop()
