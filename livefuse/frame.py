"""What travels through livefuse: frames on the host, faces found in them, crops cut from them.

Coordinates are pixels with (x, y) order and the centre of the first pixel at (0, 0), as OpenCV samples; shapes are
(H, W). Images inside are RGB uint8; a frame keeps its camera's or decoder's pixel format until a region of it is needed.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

U8: TypeAlias = npt.NDArray[np.uint8]
F32: TypeAlias = npt.NDArray[np.float32]
I64: TypeAlias = npt.NDArray[np.int64]

PixelFormat: TypeAlias = Literal["yuv420p", "nv12", "rgb24"]
Matrix: TypeAlias = Literal["bt601", "bt709", "bt2020"]

SLATE_SCENE = -1
"""The `scene` of slates that stand for pictures held back: what encodes them begins anew, and nothing of those shines through."""


@dataclass(frozen=True, slots=True)
class Colour:
    """How YUV numbers mean light; tags are the H.273 code points, passed on untouched so that outputs carry them.

    Source: ITU-T H.273 (2021), tables 2-4. 2 is "unspecified" in each.
    """

    matrix: Matrix = "bt601"
    full_range: bool = False
    primaries_tag: int = 2
    transfer_tag: int = 2
    matrix_tag: int = 2


@dataclass(frozen=True, slots=True)
class HostFrame:
    """One picture in host memory.

    Shapes: yuv420p: Y (H, W), U and V (ceil H/2, ceil W/2); nv12: Y (H, W), UV (ceil H/2, ceil W/2, 2);
    rgb24: one (H, W, 3). All uint8; rows may be padded (strided views), columns may not.
    `pts_ns` is the capture clock's time since the source opened; `scheduled_ns` is the monotonic instant at which the
    picture was due from the camera, from which latency counts. `truth` is known for synthetic pictures only. `scene` is
    another number where a picture has nothing to do with the one before: somebody else sends now.
    """

    planes: tuple[U8, ...]
    format: PixelFormat
    width: int
    height: int
    pts_ns: int = 0
    duration_ns: int = 0
    seq: int = 0
    scheduled_ns: int = 0
    colour: Colour = Colour()
    truth: Any = field(default=None, compare=False)
    scene: int = 0

    def stamped(self, *, seq: int, scheduled_ns: int) -> HostFrame:
        """The same picture with its place in the session's order and its capture instant."""
        return replace(self, seq=seq, scheduled_ns=scheduled_ns)

    @classmethod
    def of_rgb(cls, rgb: U8) -> HostFrame:
        """A picture by itself, without a place in time. Shapes: rgb (H, W, 3)."""
        return cls((rgb,), "rgb24", rgb.shape[1], rgb.shape[0])

    def __repr__(self) -> str:
        return f"HostFrame({self.format} {self.width}x{self.height} #{self.seq} pts {self.pts_ns / 1e9:.3f} s)"


def plane_shapes(format: PixelFormat, height: int, width: int) -> tuple[tuple[int, ...], ...]:  # noqa: A002
    """Array shapes of a frame's planes; odd sizes round chroma up, as FFmpeg does."""
    if format == "rgb24":
        return ((height, width, 3),)
    chroma = ((height + 1) // 2, (width + 1) // 2)
    if format == "nv12":
        return (height, width), (*chroma, 2)
    return (height, width), chroma, chroma


def blank_frame(format: PixelFormat, height: int, width: int, colour: Colour = Colour()) -> HostFrame:  # noqa: A002
    """A black frame that owns its planes."""
    shapes = plane_shapes(format, height, width)
    planes = [np.empty(shape, np.uint8) for shape in shapes]
    planes[0].fill(0 if format == "rgb24" or colour.full_range else 16)
    for chroma in planes[1:]:
        chroma.fill(128)
    return HostFrame(tuple(planes), format, width, height, colour=colour)


@dataclass(slots=True)
class Faces:
    """Faces in one frame, in frame px.

    Shapes: boxes (N, 4) float32 x1 y1 x2 y2; scores (N,); points (N, 5, 2) image-left eye, image-right eye, nose,
    image-left and image-right mouth corner; ids (N,) int64, stable over frames; chosen (N,) bool, the faces to swap;
    age (N,) int64, frames since the track began; missed (N,) int64, frames since the detector last saw it;
    roles (N,) int64, which identity of the cast a face wears (0 where there is one identity).
    """

    boxes: F32
    scores: F32
    points: F32
    ids: I64
    chosen: npt.NDArray[np.bool_]
    age: I64
    missed: I64
    roles: I64

    def __len__(self) -> int:
        return len(self.boxes)

    @classmethod
    def none(cls) -> Faces:
        return cls.of(np.empty((0, 4)), np.empty(0), np.empty((0, 5, 2)))

    @classmethod
    def of(cls, boxes: npt.ArrayLike, scores: npt.ArrayLike, points: npt.ArrayLike) -> Faces:
        """Detections as they come from a detector: not tracked (id -1), none chosen."""
        b, s, p = (np.asarray(a, np.float32) for a in (boxes, scores, points))
        n = len(b)
        zeros = np.zeros(n, np.int64)
        return cls(b, s, p, np.full(n, -1, np.int64), np.zeros(n, np.bool_), zeros, zeros.copy(), zeros.copy())


@dataclass(slots=True)
class Crop:
    """One face cut out of a frame: what the swappers and enhancers change.

    Shapes: image (h, w, 3) uint8 RGB in lane memory; to_crop (2, 3) float32, frame px -> crop px; points (5, 2) and
    landmarks (66, 2; no rows where no landmarker runs) in crop px; mask (h, w) uint8, opacity with which the crop is
    pasted, None until a swapper sets it. `swapped` is True once a swapper has replaced the face; the privacy guard reads
    it. `fine` and `weight` are the swapped image as float32 0..255 and the mask as float32 0..1 where a profile works with
    them; `role` says which identity is worn. `visible` says how much of the face nothing hides (255: all), at a
    resolution of its own, None where all of it may be swapped; `hidden` is the part of the swap that it took away. `whole` is True once a later stage has put the face into
    a crop of its own, which is then pasted by its mask alone.
    """

    track: int
    image: U8
    to_crop: F32
    points: F32
    landmarks: F32
    mask: U8 | None = None
    swapped: bool = False
    fine: F32 | None = None
    role: int = 0
    weight: F32 | None = None
    visible: U8 | None = None
    hidden: float = 0.0
    whole: bool = False


Crops: TypeAlias = list[Crop]
