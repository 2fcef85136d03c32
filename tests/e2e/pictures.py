"""Pictures that a browser shows, compared with what the pipeline makes of the same frames without a daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from livefuse.api import FrameSwapper
from livefuse.config import make_config
from livefuse.frame import U8, HostFrame
from livefuse.source.synthetic.blocks import read_blocks
from livefuse.source.synthetic.source import SyntheticSource
from tests.e2e.browser import shown_picture
from tests.e2e.serving import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

SOURCE = "synthetic:640x480@30?blocks=1"
CONFIG = f"""
source = "{SOURCE}"
[identity]
photo = "synthetic:7"
consent = "synthetic"
[privacy]
mode = "closed"
"""
SMALL = CONFIG.replace(SOURCE, "synthetic:320x240@15")
BADGE = (slice(0, 40), slice(530, 640))
SHIRT = (slice(400, 480), slice(160, 480))
_WARM_UP_FRAMES = 12  # what the followed face remembers
_SETTINGS: dict[str, Any] = {"identity.consent": "synthetic", "privacy.mode": "closed"}

Region = tuple[slice, slice]


def swapper(photo: str) -> FrameSwapper:
    """The pipeline as CONFIG sets it up."""
    return FrameSwapper(make_config({}, _SETTINGS | {"identity.photo": photo}, origin="test"))


class Offline:
    """Any frame of a synthetic source as it was before and after.

    How steady a live face is depends on which frames a busy machine left out: pictures are alike, not the same.
    """

    def __init__(self, photo: str = "synthetic:7", source: str = SOURCE) -> None:
        self._source = SyntheticSource(source)
        self._swapper = swapper(photo)

    def frame(self, number: int) -> tuple[U8, U8, Region]:
        """Without the swap, with it, and where the middle of the face is."""
        for index in range(max(0, number - _WARM_UP_FRAMES), number + 1):
            frame = self._source.frame(index)
            real = _rgb(frame)
            swapped = self._swapper(real, t_ns=frame.pts_ns)
        assert frame.truth is not None
        x1, y1, x2, y2 = frame.truth.boxes[0].astype(int)
        inset_x, inset_y = (x2 - x1) // 6, (y2 - y1) // 5
        return real, swapped.copy(), (slice(y1 + inset_y, y2 - inset_y), slice(x1 + inset_x, x2 - inset_x))


def _rgb(frame: HostFrame) -> U8:
    i420 = np.concatenate([plane.reshape(-1) for plane in frame.planes]).reshape(-1, frame.width)
    return np.asarray(cv2.cvtColor(i420, cv2.COLOR_YUV2RGB_I420), np.uint8)


def luma(picture: U8) -> U8:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), np.uint8)


def apart(one: U8, other: U8) -> float:
    """Mean distance of luma: codecs and browsers differ more in how they treat colour."""
    return float(np.abs(luma(one).astype(np.float32) - luma(other)).mean())


def numbered_picture(page: Page) -> tuple[int, U8]:
    """A picture whose frame number can be read: slates have none."""

    def one() -> tuple[int, U8] | None:
        picture = shown_picture(page)
        stamp = read_blocks(luma(picture))
        return (stamp.id, picture) if stamp else None

    found: tuple[int, U8] = until(one, "a picture with a number")
    return found
