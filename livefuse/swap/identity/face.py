"""From a photo to a shot: which of its faces is meant, and that face at a working size with landmarks found there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.errors import NoFace, SeveralFaces
from livefuse.frame import F32, U8
from livefuse.swap.identity import FaceFinder, Shot
from livefuse.swap.identity.quality import quality_of

_FACE_PX = 550  # longer side of the face's box in the stored image: finer than any face in 1080p video
_LOOK_PX = 1600  # photos are searched at this size first; detectors miss faces that fill an 8K picture
_LEAST_FACE_PX = 40
_MARGIN = 0.7  # of the face's size, on each side
_CLEARLY_LARGER = 2.0


@dataclass(frozen=True, slots=True)
class Framing:
    """The part of a photo that a shot shows: `crop` x1 y1 x2 y2 in photo px, and the (width, height) it was scaled to."""

    crop: tuple[int, int, int, int]
    size: tuple[int, int]


def faces_in(photo: U8, find: FaceFinder, title: str) -> list[F32]:
    """Boxes of all faces, photo px, from left to right. Raises: NoFace."""
    scale = min(1.0, _LOOK_PX / max(photo.shape[:2]))
    faces = find(_resized(photo, _scaled(photo, scale)))
    if not faces:
        raise NoFace(f"{title}: no face found", hint="use a frontal, well-lit photo, the face 80 px or larger")
    boxes = [np.asarray(box, np.float32) / np.float32(scale) for box, _, _ in faces]
    return sorted(boxes, key=lambda box: float(box[0]))


def choose(boxes: Sequence[F32], index: int | None, title: str) -> F32:
    """The face asked for, counted from the left; else the largest, if it clearly is. Raises: NoFace, SeveralFaces."""
    if index is not None:
        if index >= len(boxes):
            raise NoFace(
                f"{title}: face {index} was asked for, {len(boxes)} found",
                hint=f"`identity.face` counts from the left: 0 to {len(boxes) - 1}",
            )
        return boxes[index]
    first, *others = sorted(boxes, key=area_px, reverse=True)
    if others and area_px(first) <= _CLEARLY_LARGER * area_px(others[0]):
        raise SeveralFaces(
            f"{title}: {len(boxes)} faces, none clearly the main one",
            hint=f"choose one from the left with `--face-index N` or `identity.face`: 0 to {len(boxes) - 1}",
        )
    return first


def area_px(box: F32) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


def size_px(box: F32) -> float:
    """The longer side."""
    return float(max(box[2] - box[0], box[3] - box[1]))


def around(box: F32, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The face with a margin, x1 y1 x2 y2, clipped to a picture of that shape."""
    margin = _MARGIN * size_px(box)
    x1, y1 = (max(0, int(v - margin)) for v in box[:2])
    return x1, y1, min(shape[1], int(box[2] + margin) + 1), min(shape[0], int(box[3] + margin) + 1)


def shot_of(photo: U8, box: F32, find: FaceFinder, *, source: str, time_s: float | None = None) -> tuple[Shot, Framing]:
    """The photo around a face at working size; its digest is left empty. Raises: NoFace, DegenerateFace."""
    size, title = size_px(box), source
    if size < _LEAST_FACE_PX:
        raise NoFace(f"{title}: the face is only {size:.0f} px large", hint="use a photo of 80 px or more")
    crop = around(box, photo.shape)
    scale = _FACE_PX / size
    framing = Framing(crop, _scaled(photo[crop[1] : crop[3], crop[0] : crop[2]], scale))
    image = cut(photo, framing)
    again = find(image)
    if not again:
        raise NoFace(f"{title}: the face was lost when looked at closely", hint="use a sharper photo")
    centre = ((box[:2] + box[2:]) / 2 - np.array(crop[:2], np.float32)) * np.float32(scale)
    nearest = min(again, key=lambda face: float(np.hypot(*((face[0][:2] + face[0][2:]) / 2 - centre))))
    points, landmarks = np.asarray(nearest[1], np.float32), np.asarray(nearest[2], np.float32)
    return Shot(image, landmarks, points, "", source, quality_of(image, points, size), time_s), framing


def cut(photo: U8, framing: Framing) -> U8:
    """The framed part of a photo: the same pixels each time."""
    x1, y1, x2, y2 = framing.crop
    return _resized(photo[y1:y2, x1:x2], framing.size)


def _scaled(image: U8, scale: float) -> tuple[int, int]:
    return max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))


def _resized(image: U8, size: tuple[int, int]) -> U8:
    if size == image.shape[1::-1]:
        return np.ascontiguousarray(image)
    method = cv2.INTER_AREA if size[0] < image.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)
