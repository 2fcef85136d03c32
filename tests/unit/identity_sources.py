"""What identity tests share: photos with a square for a face, and what finds and recognises them without a model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from livefuse.align.templates import TEMPLATES
from livefuse.config import IdentityConfig
from livefuse.frame import F32, U8
from livefuse.swap.identity import Embed, Shot

Found = tuple[F32, F32, F32]
INSIDE = (TEMPLATES["arcface_112_v2"] - 0.5) * 0.7 + 0.5  # an aligned crop shows nothing but the square
SELF = IdentityConfig(consent="self", by="Ada")


class SquareFinder:
    """Takes every bright square for a face, as a detector would at any scale, and remembers what it was shown."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, rgb: U8) -> Sequence[Found]:
        self.shapes.append(rgb.shape)
        count, _, stats, _ = cv2.connectedComponentsWithStats((rgb[..., 1] > 128).astype(np.uint8))
        found = []
        for x, y, w, h in stats[1:count, :4]:
            corner, side = np.array([x, y], np.float32), np.array([w, h], np.float32)
            box = np.concatenate([corner, corner + side])
            landmarks = np.tile(corner + side / 2, (66, 1)).astype(np.float32)
            found.append((box, corner + side * INSIDE, landmarks))
        return found


def square_photo(path: Path, *squares: tuple[int, int, int], colour: int = 0, blurred: bool = False) -> Path:
    """A photo with squares (x, y, side) for faces, rich in detail unless blurred; `colour` tells photos apart."""
    image = np.zeros((400, 600, 3), np.uint8)
    rng = np.random.default_rng(3)
    for x, y, side in squares or ((200, 100, 160),):
        fine, broad = (rng.integers(0, 50, (n, n, 1)).astype(np.uint8) for n in (side // 4, 4))
        near = cv2.INTER_NEAREST
        detail = 140 + np.add(*(cv2.resize(part, (side, side), interpolation=near) for part in (fine, broad)))
        if blurred:
            detail = np.asarray(cv2.GaussianBlur(detail, (0, 0), side / 40), np.uint8)
        image[y : y + side, x : x + side] = detail[..., None]
    image[0, 0] = (colour, 0, 0)
    cv2.imwrite(str(path), image)
    return path


def embed_by(people: dict[str, int]) -> Embed:
    """Recognises people by their photos' names, whom the mapping numbers; others are number 0."""

    def embed(shots: Sequence[Shot]) -> F32:
        return np.stack([np.eye(8, dtype=np.float32)[people.get(shot.source, 0)] for shot in shots])

    return embed


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
