"""The null backend: pictures go in and out untouched and everything else costs nothing, so that tests run whole sessions."""

from __future__ import annotations

from collections import Counter

from livefuse.device.base import Lane, Letterbox, Picture
from livefuse.device.planes import copy_in, copy_out
from livefuse.frame import F32, U8, HostFrame


class NullBackend:
    """Reads are black, writes are dropped, and `calls` counts each operation by its name."""

    name = "null"

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def upload(self, lane: Lane, frame: HostFrame) -> Picture:
        self.calls["upload"] += 1
        return copy_in(lane, frame)

    def download(self, lane: Lane, picture: Picture, out: tuple[U8, ...]) -> None:
        self.calls["download"] += 1
        copy_out(picture, out)

    def letterbox(self, lane: Lane, picture: Picture, out: U8) -> Letterbox:
        self.calls["letterbox"] += 1
        out.fill(0)
        return Letterbox(min(out.shape[1] / picture.width, out.shape[0] / picture.height, 1.0))

    def warp(self, lane: Lane, picture: Picture, to_crop: F32, out: U8) -> None:
        self.calls["warp"] += 1
        out.fill(0)

    def paste(self, lane: Lane, picture: Picture, image: U8, mask: U8, to_crop: F32) -> None:
        self.calls["paste"] += 1

    def draw(self, lane: Lane, picture: Picture, rgba: U8, x: int, y: int) -> None:
        self.calls["draw"] += 1

    def cover(self, lane: Lane, picture: Picture, box: tuple[int, int, int, int] | None, cells: int) -> None:
        self.calls["cover"] += 1
