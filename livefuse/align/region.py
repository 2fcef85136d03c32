"""The part of a frame that a landmark-driven swapper works on."""

from __future__ import annotations

import numpy as np

from livefuse.frame import F32

_FOREHEAD = 0.6  # of the brow-to-chin height: where the hair begins on most faces
_MARGIN = 0.15


def face_region(landmarks: F32, width: int, height: int, *, max_px: int = 768) -> tuple[F32, tuple[int, int]]:
    """Face with forehead and a margin, clipped to the frame, on the chroma grid.

    Shapes: landmarks (66, 2), frame px -> to_crop (2, 3), frame px -> crop px, and the crop's (h, w): an integer shift,
    and a uniform shrinking as well when the longer side is over `max_px`. A face outside the frame gets a 2x2 corner.
    """
    x1, y1, x2, y2 = _even_box(_extent(landmarks), width, height)
    w, h = x2 - x1, y2 - y1
    scale = min(1.0, max_px / max(w, h))
    size = (h, w) if scale == 1.0 else (max(2, int(h * scale) & ~1), max(2, int(w * scale) & ~1))
    # Pixel centres: crop = (frame - origin + 0.5) * scale - 0.5
    shift = 0.5 * scale - 0.5
    to_crop = np.array([[scale, 0, shift - x1 * scale], [0, scale, shift - y1 * scale]], np.float32)
    return to_crop, size


def _extent(landmarks: F32) -> tuple[float, float, float, float]:
    """Landmarks' bounding box with the forehead, which is where the face's own axis points, and margins."""
    brow, chin = landmarks[17:27].mean(axis=0), landmarks[8]
    top = landmarks[17:27] + (brow - chin) * _FOREHEAD
    points = np.concatenate((landmarks, top))
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    mx, my = _MARGIN * (x2 - x1), _MARGIN * (y2 - y1)
    return x1 - mx, y1 - my, x2 + mx, y2 + my


def _even_box(box: tuple[float, float, float, float], width: int, height: int) -> tuple[int, int, int, int]:
    x1, x2 = _even_span(box[0], box[2], width)
    y1, y2 = _even_span(box[1], box[3], height)
    return x1, y1, x2, y2


def _even_span(low: float, high: float, limit: int) -> tuple[int, int]:
    """At least 2 px, even at both ends, inside the frame (an odd frame's last pixel is left out)."""
    even = limit & ~1
    start = int(np.clip(np.floor(low), 0, even - 2)) & ~1
    stop = int(np.clip(np.ceil(high), start + 2, even))
    return start, min(even, stop + (stop & 1))
