"""Still pictures: a source of one frame, and the reader of identity photos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from livefuse.errors import NotMedia, UnsupportedPicture
from livefuse.frame import U8, Colour, HostFrame
from livefuse.source.base import SourceInfo
from livefuse.source.container import head_of
from livefuse.source.picture_size import picture_size
from livefuse.source.sniff import picture_in

MOST_PX = 16384
MOST_PIXELS = 200_000_000
_MOST_BYTES = 1 << 30
_RATE = Fraction(25)


def read_image(path: str | Path) -> U8:
    """A photo as RGB, upright (its EXIF orientation applied), without transparency.

    Shapes: (H, W, 3) uint8.
    Raises: SourceNotFound, SourceDenied, NotMedia, UnsupportedPicture (the size is checked before anything is decoded).
    """
    path = Path(path)
    kind = picture_in(head_of(path))
    if kind is None:
        raise NotMedia(f"{path} is no picture that livefuse reads", hint="PNG, JPEG, WebP, BMP or TIFF")
    if path.stat().st_size > _MOST_BYTES:
        raise UnsupportedPicture(f"{path} has {path.stat().st_size:,} bytes", hint="at most 1 GiB")
    data = path.read_bytes()
    size = picture_size(data, kind)
    if size is None:
        raise NotMedia(f"{path} is called {kind} by its first bytes, but its header is broken", hint="copy it again")
    _check_size(*size, path)
    decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise NotMedia(f"{path} cannot be decoded: the {kind} is damaged or cut off", hint="copy it again")
    rgb: U8 = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, dst=decoded)
    return rgb


def _check_size(width: int, height: int, path: Path) -> None:
    if max(width, height) > MOST_PX or width * height > MOST_PIXELS:
        raise UnsupportedPicture(
            f"{path} says it is {width}x{height} px",
            hint=f"at most {MOST_PX} px a side and {MOST_PIXELS // 1_000_000} Mpx: scale it first",
        )
    if min(width, height) < 16:
        raise UnsupportedPicture(f"{path} is {width}x{height} px", hint="at least 16 px a side")


class ImageSource:
    """A still picture: one rgb24 frame, then the end."""

    info: SourceInfo

    def __init__(self, path: str | Path) -> None:
        image = read_image(path)
        height, width = image.shape[:2]
        image.flags.writeable = False
        duration_ns = round(1_000_000_000 / _RATE)
        colour = Colour()
        self._frame: HostFrame | None = HostFrame(
            (image,), "rgb24", width, height, duration_ns=duration_ns, colour=colour
        )
        self.info = SourceInfo(
            str(path), width, height, _RATE, "rgb24", colour, live=False, frames=1, duration_ns=duration_ns
        )

    def read(self) -> HostFrame | None:
        frame, self._frame = self._frame, None
        return frame

    def close(self) -> None:
        self._frame = None
