"""The face to put on: a photo, its landmarks and the consent to use it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from livefuse.align.templates import five_points
from livefuse.config import IdentityConfig
from livefuse.errors import IdentityError, NoFace, SeveralFaces
from livefuse.frame import F32, U8
from livefuse.swap import consent
from livefuse.swap.consent import ConsentRecord

_SYNTHETIC = "synthetic:"
_FACE_PX = 550  # longer side of the face's box in the stored image: finer than any face in 1080p video
_LOOK_PX = 1600  # photos are searched at this size first; detectors miss faces that fill an 8K picture
_LEAST_FACE_PX = 40
_CLEARLY_LARGER = 2.0


class FaceFinder(Protocol):
    """Finds every face in an RGB image."""

    def __call__(self, rgb: U8) -> Sequence[tuple[F32, F32, F32]]:
        """`(box, points, landmarks)` per face: (4,) x1 y1 x2 y2, (5, 2), (66, 2), image px."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """A face that may be put on.

    Shapes: image (h, w, 3) uint8 RGB; landmarks (66, 2) and points (5, 2) float32, px of that image.
    """

    name: str
    image: U8
    landmarks: F32
    points: F32
    consent: ConsentRecord
    photo_sha256: str


def load_identity(config: IdentityConfig, find: FaceFinder, folder: Path) -> Identity:
    """Read or draw the identity, find its face, and store photo and consent record under `folder`.

    Raises: NoConsent, NoFace, SeveralFaces, IdentityError.
    """
    if not config.photo:
        raise IdentityError("no identity was given", hint="`--face PHOTO --consent GROUND`")
    if config.photo.startswith(_SYNTHETIC):
        return _synthetic(config, folder)
    path = Path(config.photo).expanduser()
    try:
        content = path.read_bytes()
    except OSError as error:
        raise IdentityError(f"cannot read the photo {path}: {error.strerror}", hint="check the path") from error
    digest = hashlib.sha256(content).hexdigest()
    record = consent.require_ground(config, digest)
    image, landmarks, points = _face_of(_read(path), find, config)
    consent.store(folder, record, content, path.suffix.lower())
    return Identity(path.stem, image, landmarks, points, record, digest)


def _synthetic(config: IdentityConfig, folder: Path) -> Identity:
    from livefuse.source.synthetic.portrait import draw_portrait

    text = config.photo.removeprefix(_SYNTHETIC)
    if not text.isdecimal():
        raise IdentityError(f"{config.photo!r}: the seed is not a number", hint="`synthetic:7`")
    image, truth = draw_portrait(int(text), 512)
    content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes()
    digest = hashlib.sha256(content).hexdigest()
    # A drawing needs nobody's leave: its ground is known without asking.
    record = consent.require_ground(config.model_copy(update={"consent": "synthetic"}), digest)
    consent.store(folder, record, content, ".png")
    landmarks = np.asarray(truth.landmarks[0], np.float32)
    return Identity(config.photo.replace(":", "-"), image, landmarks, five_points(landmarks), record, digest)


def _read(path: Path) -> U8:
    from livefuse.source.image import read_image

    return read_image(path)


def _face_of(photo: U8, find: FaceFinder, config: IdentityConfig) -> tuple[U8, F32, F32]:
    """The photo around its face at a working size, with landmarks found at that size."""
    scale = min(1.0, _LOOK_PX / max(photo.shape[:2]))
    faces = find(_resized(photo, scale))
    if not faces:
        raise NoFace(f"{config.photo}: no face found", hint="use a frontal, well-lit photo, the face 80 px or larger")
    box = np.asarray(_choose(faces, config)[0], np.float32) / scale
    size = float(max(box[2] - box[0], box[3] - box[1]))
    if size < _LEAST_FACE_PX:
        raise NoFace(f"{config.photo}: the face is only {size:.0f} px large", hint="use a photo of 80 px or more")
    part, offset = _around(photo, box, size)
    part = _resized(part, _FACE_PX / size)
    again = find(part)
    centre = ((box[:2] + box[2:]) / 2 - offset) * (_FACE_PX / size)
    if not again:
        raise NoFace(f"{config.photo}: the face was lost when looked at closely", hint="use a sharper photo")
    nearest = min(again, key=lambda face: float(np.hypot(*((face[0][:2] + face[0][2:]) / 2 - centre))))
    return part, np.asarray(nearest[2], np.float32), np.asarray(nearest[1], np.float32)


def _choose(faces: Sequence[tuple[F32, F32, F32]], config: IdentityConfig) -> tuple[F32, F32, F32]:
    """The face asked for, counted from the left; else the largest, if it clearly is."""
    faces = sorted(faces, key=lambda face: float(face[0][0]))
    if config.face is not None:
        if config.face >= len(faces):
            raise NoFace(
                f"{config.photo}: face {config.face} was asked for, {len(faces)} found",
                hint=f"`identity.face` counts from the left: 0 to {len(faces) - 1}",
            )
        return faces[config.face]
    areas = [float((f[0][2] - f[0][0]) * (f[0][3] - f[0][1])) for f in faces]
    order = np.argsort(areas)[::-1]
    if len(faces) > 1 and areas[order[0]] <= _CLEARLY_LARGER * areas[order[1]]:
        raise SeveralFaces(
            f"{config.photo}: {len(faces)} faces, none clearly the main one",
            hint=f"choose one from the left with `--face-index N` or `identity.face`: 0 to {len(faces) - 1}",
        )
    return faces[int(order[0])]


def _around(photo: U8, box: F32, size: float) -> tuple[U8, F32]:
    """The photo for one face's size around its box, and that part's top-left corner."""
    h, w = photo.shape[:2]
    x1, y1 = (max(0, int(v - 0.7 * size)) for v in box[:2])
    x2, y2 = min(w, int(box[2] + 0.7 * size) + 1), min(h, int(box[3] + 0.7 * size) + 1)
    return photo[y1:y2, x1:x2], np.array([x1, y1], np.float32)


def _resized(image: U8, scale: float) -> U8:
    if scale == 1:
        return np.ascontiguousarray(image)
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)
