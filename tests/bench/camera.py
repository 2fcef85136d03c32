"""What the virtual camera costs and how late it is: `python -m tests.bench.camera [--seconds 10] [--size 1280x720]`.

PipeWire: a session of its own, GStreamer as the program that looks; each picture carries its number and the wall clock of
its writing, which are read back where the program gets them. v4l2: the whole way of a frame into a device that copies it as
the kernel would. Then YUYV made by us and by GStreamer's videoconvert.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from livefuse.doctor.virtualcam import LinuxMachine
from livefuse.frame import U8, Colour, HostFrame, blank_frame
from livefuse.sinks.letterbox import LetterboxFitter, Packing
from livefuse.sinks.pipewire import PipeWireCamera
from livefuse.sinks.steady import FPS, TEST_S, SteadyCamera
from livefuse.sinks.virtualcam import LoopbackCamera
from livefuse.source.synthetic.blocks import TIME_BITS, Stamp, read_blocks
from tests.e2e.pipewire import PipeWireSession, lacking

_SETTLE_S = 1.5
_WRITES = 300


class CopyingKernel:
    """A device that takes every picture into memory of its own."""

    def __init__(self) -> None:
        self._memory = np.zeros(1, np.uint8)

    def open(self, path: str) -> int:
        return 0

    def ioctl(self, fd: int, code: int, buffer: bytearray) -> None:
        if len(buffer) == 104:  # VIDIOC_QUERYCAP: it is an output
            buffer[84:88] = b"\2\0\0\0"

    def write(self, fd: int, data: U8) -> int:
        if self._memory.size != data.size:
            self._memory = np.zeros(data.size, np.uint8)
        np.copyto(self._memory, data)
        return data.nbytes

    def has_event(self, fd: int) -> bool:
        return False

    def close(self, fd: int) -> None: ...


class Reader(threading.Thread):
    """Reads luma corners of YUYV pictures from a pipe."""

    def __init__(self, process: subprocess.Popen[bytes], width: int, height: int) -> None:
        super().__init__(daemon=True)
        self.stamps: list[tuple[Stamp, int]] = []
        self.pictures = 0
        self._process, self._width, self._height = process, width, height

    def run(self) -> None:
        assert self._process.stdout is not None
        size = self._width * self._height * 2
        while len(data := self._process.stdout.read(size)) == size:
            now_us = time.time_ns() // 1000
            self.pictures += 1
            luma = np.frombuffer(data, np.uint8).reshape(self._height, self._width, 2)[..., 0]
            if (stamp := read_blocks(luma)) is not None:
                self.stamps.append((stamp, now_us))


def pipewire(folder: Path, width: int, height: int, seconds: float) -> None:
    if why := lacking():
        print(f"PipeWire: {why}")
        return
    folder.chmod(0o700)
    session = PipeWireSession(folder)
    try:
        session.start()
        _look(session, width, height, seconds)
    finally:
        session.stop()


def _look(session: PipeWireSession, width: int, height: int, seconds: float) -> None:
    device = PipeWireCamera(LinuxMachine(environ=session.environ))
    camera = SteadyCamera([device], (width, height))
    camera.start()
    command = (
        "gst-launch-1.0 -q pipewiresrc target-object=livefuse ! "
        f"video/x-raw,format=YUY2,width={width},height={height} ! fdsink sync=false"
    )
    process = subprocess.Popen(command.split(), env=session.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    reader = Reader(process, width, height)
    reader.start()
    _feed(camera, width, height, _SETTLE_S)
    reader.stamps.clear()
    ours_s, child_s, began_s = _own_cpu_s(), _cpu_s(device.pid), time.monotonic()
    written = camera.frames
    _feed(camera, width, height, seconds)
    took_s = time.monotonic() - began_s
    stamps = list(reader.stamps)
    cpu = (_own_cpu_s() - ours_s) / took_s, (_cpu_s(device.pid) - child_s) / took_s
    written = camera.frames - written
    process.terminate()
    process.wait()
    camera.close()
    late_ms = [(at - stamp.time_us) % (1 << TIME_BITS) / 1e3 for stamp, at in stamps]
    ids = [stamp.id for stamp, _ in stamps]
    fps = (len(stamps) - 1) / ((stamps[-1][1] - stamps[0][1]) / 1e6)
    p50, p95, p99 = np.percentile(late_ms, (50, 95, 99))
    lost = ids[-1] - ids[0] + 1 - len(set(ids))
    print(f"PipeWire {width}x{height}: {written / took_s:.1f} fps written, {fps:.1f} read back, {lost} lost")
    print(f"  written to read: p50 {p50:.1f} ms, p95 {p95:.1f} ms, p99 {p99:.1f} ms")
    print(f"  CPU: {cpu[1] * 100:.1f} % the camera's process, {cpu[0] * 100:.1f} % here (feeding and reading back too)")


def _feed(camera: SteadyCamera, width: int, height: int, seconds: float) -> None:
    """Frames at the camera's rate, as a session hands them over."""
    frames = scene(width, height)
    camera.mark(TEST_S)
    began_s = time.monotonic()
    for i in range(round(seconds * FPS)):
        if i % (5 * FPS) == 0:
            camera.mark(TEST_S)
        camera.show(frames[i % len(frames)])
        time.sleep(max(0.0, began_s + (i + 1) / FPS - time.monotonic()))


def scene(width: int, height: int) -> list[HostFrame]:
    frames = [blank_frame("yuv420p", height, width) for _ in range(4)]
    for i, frame in enumerate(frames):
        frame.planes[0][...] = (np.indices(frame.planes[0].shape).sum(axis=0) + 40 * i) % 200
    return frames


def loopback(width: int, height: int) -> None:
    frames = scene(width, height)
    for packing in ("yuv420p", "yuyv422"):
        device = LoopbackCamera("/dev/video10", kernel=CopyingKernel())
        device.open((width, height), packing, FPS, Colour())
        fitter = LetterboxFitter(width, height, packing)
        took = np.array([_written_ns(device, fitter, frames[i % len(frames)]) for i in range(_WRITES)])
        p50, p95 = np.percentile(took, (50, 95))
        print(f"v4l2 {width}x{height} {packing}: {p50:,.0f} ns a frame (p95 {p95:,.0f} ns), fitted, packed and copied")
        device.close()


def _written_ns(device: LoopbackCamera, fitter: LetterboxFitter, frame: HostFrame) -> int:
    began = time.perf_counter_ns()
    device.write(fitter.fit(frame))
    return time.perf_counter_ns() - began


def conversion(width: int, height: int) -> None:
    """CPU time of a picture's way from I420 to YUYV."""
    packing: Packing = "yuyv422"
    fitter, frame = LetterboxFitter(width, height, packing), scene(width, height)[0]
    fitter.fit(frame)
    began_s = time.process_time()
    for _ in range(_WRITES):
        fitter.packed()
    print(f"I420 to YUYV: {(time.process_time() - began_s) / _WRITES * 1e3:.2f} ms of CPU a picture here")
    if not lacking():
        alone, converted = (
            _gstreamer_s(width, height, ""),
            _gstreamer_s(width, height, "! videoconvert ! video/x-raw,format=YUY2"),
        )
        print(f"  {(converted - alone) / _WRITES * 1e3:.2f} ms in GStreamer's videoconvert")


def _gstreamer_s(width: int, height: int, rest: str) -> float:
    caps = f"video/x-raw,format=I420,width={width},height={height},framerate=30/1"
    command = f"gst-launch-1.0 -q videotestsrc pattern=black num-buffers={_WRITES} ! {caps} {rest} ! fakesink"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command.split(), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _own_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--size", default="1280x720")
    asked = parser.parse_args()
    width, height = (int(part) for part in asked.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="pw") as folder:
        pipewire(Path(folder), width, height, asked.seconds)
    loopback(width, height)
    conversion(width, height)


if __name__ == "__main__":
    main()
