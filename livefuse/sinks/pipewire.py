"""A camera on PipeWire, which needs no root: the pictures go to `pipewire_node`, a process of its own."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from livefuse.doctor.virtualcam import LinuxMachine, pipewire_lack
from livefuse.errors import SinkLost, VirtualCameraMissing
from livefuse.frame import U8, Colour
from livefuse.sinks.letterbox import Packing

LABEL = "livefuse"
_KEPT = ("XDG_RUNTIME_DIR", "PIPEWIRE_RUNTIME_DIR", "PIPEWIRE_REMOTE", "HOME", "LANG")
_READY_S, _STUCK_S, _END_S = 5.0, 2.0, 1.0
_PIPE_BYTES = 1 << 20  # the most that Linux gives a user; a picture then takes two turns instead of thirty
_F_SETPIPE_SZ = 1031


class PipeWireCamera:
    """Takes YUYV only: Chromium shows nothing of I420 or NV12 from PipeWire."""

    kind = "pipewire"

    def __init__(self, machine: LinuxMachine | None = None, *, command: Sequence[str] = ()) -> None:
        self.where = LABEL
        self._machine = machine or LinuxMachine()
        self._command = list(command) or [sys.executable, "-I", "-S", str(Path(__file__).with_name("pipewire_node.py"))]
        self._process: subprocess.Popen[bytes] | None = None
        self._readers = 0
        self._said = ""
        self._answered = threading.Event()

    @property
    def pid(self) -> int:
        """Of the process that holds the camera; 0 while there is none."""
        return self._process.pid if self._process else 0

    def open(self, size: tuple[int, int], packing: Packing, fps: int, colour: Colour) -> None:
        """Raises: VirtualCameraMissing, SinkLost."""
        if lack := pipewire_lack(self._machine):
            raise VirtualCameraMissing(lack.detail, hint=lack.fix)
        self._readers, self._said = 0, ""
        self._answered.clear()
        arguments = [str(size[0]), str(size[1]), str(fps), LABEL, str(os.getpid())]
        self._process = process = subprocess.Popen(
            [*self._command, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            env=_environment(self._machine.environ), cwd="/", start_new_session=True,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        os.set_blocking(process.stdin.fileno(), False)
        _enlarge(process.stdin)
        threading.Thread(target=self._listen, args=(process.stdout,), name="livefuse-pipewire", daemon=True).start()
        if not self._answered.wait(_READY_S) or not self._said.startswith("ready"):
            said = self._said.removeprefix("error ") or "no answer"
            self.close()
            raise SinkLost(f"PipeWire gives no camera: {said}", hint="systemctl --user restart pipewire wireplumber")

    def write(self, picture: U8) -> None:
        """Raises: SinkLost."""
        if self._process is None or self._process.stdin is None:
            raise SinkLost("the PipeWire camera is not open", hint="open it first")
        fd, rest = self._process.stdin.fileno(), memoryview(picture.reshape(-1).data)
        while len(rest):
            try:
                rest = rest[os.write(fd, rest) :]
            except BlockingIOError as error:
                if not select.select([], [fd], [], _STUCK_S)[1]:
                    raise SinkLost("the PipeWire camera takes no pictures", hint="it is opened again") from error
            except OSError as error:
                why = self._said.removeprefix("error ") if self._said.startswith("error") else error.strerror
                raise SinkLost(f"the PipeWire camera ended: {why}", hint="it is opened again") from error

    def readers(self) -> int | None:
        """1 for at least one program, 0 for none."""
        return self._readers

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _listen(self, replies: IO[bytes]) -> None:
        """What the process says, until it ends."""
        with replies:
            for line in replies:
                words = line.decode("utf-8", "replace").strip()
                if words.startswith("readers "):
                    self._readers = int(words.removeprefix("readers "))
                    continue
                self._said = words
                self._answered.set()
        self._answered.set()


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Nothing of ours: no token, no address."""
    return {name: environ[name] for name in _KEPT if name in environ}


def _enlarge(pipe: IO[bytes]) -> None:
    if sys.platform.startswith("linux"):
        import fcntl

        with contextlib.suppress(OSError):  # it is refused where the user has many pipes
            fcntl.fcntl(pipe.fileno(), _F_SETPIPE_SZ, _PIPE_BYTES)
