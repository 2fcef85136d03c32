"""What a device does: the leaf operations on pictures, the only code that is written once per backend.

A picture stays in its own pixel format. Stages look at regions and reduced copies of it in RGB, and `paste` and `draw`
write back only the pixels they cover, so what lies outside a face leaves bit-exact and costs nothing, at any resolution.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from livefuse.frame import F32, U8, Colour, HostFrame, PixelFormat


class Letterbox(NamedTuple):
    """Maps frame px to network px: `net = frame * scale` (top-left letterbox, padding right and below)."""

    scale: float


@dataclass(slots=True)
class Picture:
    """A frame on the device: lane-owned planes in the frame's own pixel format (shapes as in HostFrame).

    `truth` is the frame's own: what is known of a synthetic picture, None for any other.
    """

    planes: tuple[U8, ...]
    format: PixelFormat
    width: int
    height: int
    colour: Colour
    truth: Any = None


class Lane:
    """Everything one frame in flight needs, at fixed addresses: named buffers that are made once and reused."""

    def __init__(self, index: int) -> None:
        self.index = index
        self._flat: dict[str, npt.NDArray[Any]] = {}
        self._views: dict[str, tuple[tuple[int, ...], npt.DTypeLike, npt.NDArray[Any]]] = {}
        self._work: deque[Callable[[], None]] = deque()

    def buffer(self, name: str, shape: tuple[int, ...], dtype: npt.DTypeLike = np.uint8) -> npt.NDArray[Any]:
        """A C-contiguous array of `shape` over this lane's memory of that name; its contents are whatever was left there.

        The memory grows to the largest shape seen (by half again, so that a growing face does not reallocate every
        frame) and then stays.
        """
        held = self._views.get(name)
        if held is not None and held[0] == shape and held[1] == dtype:
            return held[2]
        size = math.prod(shape)
        flat = self._flat.get(name)
        if flat is None or flat.size < size or flat.dtype != np.dtype(dtype):
            flat = np.empty(size if flat is None else size * 3 // 2, dtype)
            self._flat[name] = flat
        view = flat[:size].reshape(shape)
        self._views[name] = (shape, dtype, view)
        return view

    def enqueue(self, work: Callable[[], None]) -> None:
        """Add work that runs after all that was enqueued before. On the CPU it runs in `finish`: the last stages of a frame
        while the networks of the next one are running."""
        self._work.append(work)

    def finish(self) -> None:
        """Return when everything enqueued has completed."""
        while self._work:
            self._work.popleft()()

    @property
    def nbytes(self) -> int:
        return sum(flat.nbytes for flat in self._flat.values())


class Backend(Protocol):
    """Operations are enqueued on a lane and complete in order; the CPU completes them at once.

    Affine matrices named `to_crop` are (2, 3) float32 and carry frame px to crop px.
    """

    name: str

    def upload(self, lane: Lane, frame: HostFrame) -> Picture:
        """Copy a frame's planes into the lane: the one copy in."""
        ...

    def download(self, lane: Lane, picture: Picture, out: tuple[U8, ...]) -> None:
        """Copy the picture's planes into `out`, arrays of the same shapes: the one copy out."""
        ...

    def letterbox(self, lane: Lane, picture: Picture, out: U8) -> Letterbox:
        """Shrink the whole picture into `out` (h, w, 3) uint8 RGB, top-left, the rest black; never enlarges. Pixels are
        area averages, beyond fivefold of four samples each. Edges of a box map by the scale alone, pixel centres by `net + 0.5 = (frame + 0.5) * scale`."""
        ...

    def warp(self, lane: Lane, picture: Picture, to_crop: F32, out: U8) -> None:
        """Sample the picture into `out` (h, w, 3) uint8 RGB: bilinear, edges replicated, area-averaged when shrinking
        more than twofold. An integer shift is an exact read of the region."""
        ...

    def paste(self, lane: Lane, picture: Picture, image: U8, mask: U8, to_crop: F32) -> None:
        """Blend `image` (h, w, 3) RGB over the picture with opacity `mask` (h, w) 0..255 through the inverse of
        `to_crop`. A luma or RGB pixel under mask 0 keeps its value exactly, and so does a chroma sample whose four
        pixels all are; where the mask is 255 and `to_crop` an integer shift, RGB pixels become the image's exactly.
        Chroma takes the mean colour of its 2x2 pixels with their mean opacity."""
        ...

    def draw(self, lane: Lane, picture: Picture, rgba: U8, x: int, y: int) -> None:
        """Blend a (h, w, 4) RGBA bitmap, not premultiplied, over the picture with its top-left at (x, y), clipped to
        the picture. A read-only array is converted once and must stay as it is; a writeable one each time. Colours
        under alpha 0 should continue those beside them: chroma averages over them."""
        ...

    def cover(self, lane: Lane, picture: Picture, box: tuple[int, int, int, int] | None, cells: int) -> None:
        """Make a region (x1, y1, x2, y2; None: everything) unrecognisable: averaged to `cells` values along its longer
        side, fewer if one would be under 8 px, and smoothly enlarged again. Irreversible: the averages are all that
        is left."""
        ...
