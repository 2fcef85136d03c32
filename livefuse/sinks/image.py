"""Pictures: one PNG, JPEG or WebP, or a numbered sequence of them.

A single picture appears under its name at `close`; a sequence's pictures (`shot_%05d.png`) each when it is whole.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import cv2
import numpy as np

from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.errors import SinkUnwritable
from livefuse.frame import F32, U8, HostFrame
from livefuse.sinks.base import StreamInfo
from livefuse.sinks.faults import file_fault
from livefuse.sinks.mark import marked_image
from livefuse.sinks.url import IMAGE_SUFFIXES, SinkUrl

_NUMBER = re.compile(r"%0?\d*d")
_QUALITY = 95
_MOST_PX = {".webp": 16383, ".jpg": 65500, ".jpeg": 65500}
_AS_IT_IS: F32 = np.eye(2, 3, dtype=np.float32)


class ImageSink:
    """Writes the frames as pictures, in RGB at the frame's own size."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.name = f"image:{self.path.name}"
        self.frames = 0
        self._lane, self._backend = Lane(0), CpuBackend()
        self._part: Path | None = None

    @classmethod
    def from_url(cls, url: SinkUrl) -> ImageSink:
        return cls(url.address)

    @property
    def is_sequence(self) -> bool:
        return _NUMBER.search(self.path.name) is not None

    def open(self, info: StreamInfo) -> None:
        self.frames = 0
        if self.path.suffix.lower() not in IMAGE_SUFFIXES:
            works = ", ".join(IMAGE_SUFFIXES)
            raise SinkUnwritable(f"{self.path}: `{self.path.suffix}` names no picture", hint=f"use one of {works}")
        if self.path.is_dir():
            raise SinkUnwritable(f"{self.path} is a folder", hint="name a file in it")
        most = _MOST_PX.get(self.path.suffix.lower())
        if most is not None and max(info.width, info.height) > most:
            size = f"{info.width}x{info.height}"
            raise SinkUnwritable(f"{self.path} cannot hold {size} px, {most} a side at most", hint="use .png")
        part = self._part_of(self.path)
        try:
            part.open("wb").close()  # finds out now, not after the work, that nothing can be written here
            part.unlink()
        except OSError as error:
            raise file_fault(error, self.path) from error

    def write(self, frame: HostFrame) -> None:
        if self.frames and not self.is_sequence:
            self.abort()
            hint = f"name it {self.path.stem}_%05d{self.path.suffix} to write every frame, or choose a video file"
            raise SinkUnwritable(f"{self.path} holds one picture and a second one came", hint=hint)
        target = self.path.with_name(self.path.name % (self.frames + 1)) if self.is_sequence else self.path
        self._write_part(target, self._encoded(frame))
        if self.is_sequence:
            self._finish(target)
        self.frames += 1

    def close(self) -> None:
        if self._part is not None:
            self._finish(self.path)

    def abort(self) -> None:
        part, self._part = self._part, None
        if part is not None:
            with contextlib.suppress(OSError):  # it may be gone with its folder
                part.unlink()

    def _encoded(self, frame: HostFrame) -> bytes:
        rgb: U8
        if frame.format == "rgb24":
            rgb = frame.planes[0]
        else:
            rgb = self._lane.buffer("rgb", (frame.height, frame.width, 3))
            picture = Picture(frame.planes, frame.format, frame.width, frame.height, frame.colour)
            self._backend.warp(self._lane, picture, _AS_IT_IS, rgb)
        suffix = self.path.suffix.lower()
        quality = {".webp": [cv2.IMWRITE_WEBP_QUALITY, _QUALITY], ".png": []}.get(
            suffix, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        )
        done, data = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), quality)
        if not done:
            raise SinkUnwritable(f"{self.path}: OpenCV cannot encode {suffix}", hint="use .png")
        return marked_image(data.tobytes(), suffix)

    def _write_part(self, target: Path, data: bytes) -> None:
        self._part = self._part_of(target)
        try:
            self._part.write_bytes(data)
        except OSError as error:
            self.abort()
            raise file_fault(error, target) from error

    def _finish(self, target: Path) -> None:
        try:
            if self._part is not None:
                self._part.replace(target)
                self._part = None
        except OSError as error:
            self.abort()
            raise file_fault(error, target) from error

    @staticmethod
    def _part_of(target: Path) -> Path:
        return target.with_name(f".{target.name}.livefuse-part")
