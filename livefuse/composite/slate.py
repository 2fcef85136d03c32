"""The slate: what leaves in place of a picture that must not, or that is not there."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from livefuse.composite.canvas import Canvas
from livefuse.composite.text import REGULAR, shortened
from livefuse.device.colour import to_yuv_map
from livefuse.errors import BadValue
from livefuse.frame import U8, Colour, HostFrame, PixelFormat

_GROUND, _BRIGHT, _QUIET = (20, 23, 30), (232, 236, 242), (140, 150, 168)
_RINGS = ((92, 158, 255), (77, 208, 182))
_LIGHT = 350


def slate(
    format: PixelFormat,  # noqa: A002
    height: int,
    width: int,
    colour: Colour,
    text: str = "camera paused",
    picture: str | Path | None = None,
) -> HostFrame:
    """A plain frame with the wordmark and one line of text, or the user's picture, whole and centred.

    Raises: BadValue when the picture cannot be read.
    """
    rgb = _plain(height, width, text) if picture is None else _letterboxed(_read(Path(picture)), height, width)
    return _frame(rgb, format, colour)


def _plain(height: int, width: int, text: str) -> U8:
    canvas = Canvas(height, width, _GROUND)
    size_px = max(4, round(min(height / 9, width / 9)))
    middle, radius = width / 2, size_px * 0.5
    for side, ink in zip((-0.36, 0.36), _RINGS, strict=True):
        canvas.ring(middle + side * size_px, height / 2 - 1.3 * size_px, radius, size_px / 12, ink)
    canvas.text("livefuse", middle, height / 2 + 0.35 * size_px, size_px, _BRIGHT, _LIGHT, align="centre")
    small = max(4, round(size_px * 0.36))
    line = shortened(text, small, round(width * 0.9))
    canvas.text(line, middle, height / 2 + 1.15 * size_px, small, _QUIET, REGULAR, align="centre")
    return canvas.flattened()


def _read(path: Path) -> U8:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise BadValue(
            f"cannot read the slate picture {path}: {error.strerror}", hint="check `privacy.slate`"
        ) from error
    image = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if image is None:
        raise BadValue(f"the slate {path} is not a picture", hint="give a PNG, JPEG or WebP as `privacy.slate`")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)


def _letterboxed(image: U8, height: int, width: int) -> U8:
    scale = min(width / image.shape[1], height / image.shape[0])
    w, h = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    flag = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    out = np.empty((height, width, 3), np.uint8)
    out[...] = _GROUND
    x, y = (width - w) // 2, (height - h) // 2
    out[y : y + h, x : x + w] = cv2.resize(image, (w, h), interpolation=flag)
    return out


def _frame(rgb: U8, format: PixelFormat, colour: Colour) -> HostFrame:  # noqa: A002
    height, width = rgb.shape[:2]
    if format == "rgb24":
        return HostFrame((rgb,), format, width, height, colour=colour)
    yuv = cv2.transform(rgb, to_yuv_map(colour))
    even = cv2.copyMakeBorder(yuv, 0, height & 1, 0, width & 1, cv2.BORDER_REPLICATE)
    half = cv2.resize(even, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
    y, u, v = (np.ascontiguousarray(part) for part in (yuv[..., 0], half[..., 1], half[..., 2]))
    planes = (y, np.ascontiguousarray(half[..., 1:])) if format == "nv12" else (y, u, v)
    return HostFrame(planes, format, width, height, colour=colour)
