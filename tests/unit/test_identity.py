from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from livefuse.config import IdentityConfig
from livefuse.errors import IdentityError, NoConsent, NoFace, SeveralFaces
from livefuse.swap import consent
from livefuse.swap.identity import load_identity
from tests.unit.identity_sources import SquareFinder


def picture(path: Path, *squares: tuple[int, int, int], size: tuple[int, int] = (400, 600)) -> IdentityConfig:
    image = np.zeros((*size, 3), np.uint8)
    for x, y, side in squares:
        image[y : y + side, x : x + side] = 255
    cv2.imwrite(str(path), image)
    return IdentityConfig(photo=str(path), consent="public-domain", by="test")


def test_face_is_scaled_to_working_size(tmp_path: Path) -> None:
    loaded = load_identity(picture(tmp_path / "one.png", (200, 150, 120)), SquareFinder(), tmp_path / "ids")
    side = int((loaded.image[:, loaded.image.shape[1] // 2, 1] > 128).sum())
    assert 400 <= side <= 700
    white = loaded.image[round(float(loaded.landmarks[0, 1])), round(float(loaded.landmarks[0, 0]))]
    assert white.min() > 200, "landmarks belong to the scaled image"
    assert loaded.name == "one"


def test_record_is_stored_under_the_photo_s_digest(tmp_path: Path) -> None:
    wanted = picture(tmp_path / "one.png", (200, 150, 120))
    loaded = load_identity(wanted, SquareFinder(), tmp_path / "ids")
    digest = hashlib.sha256((tmp_path / "one.png").read_bytes()).hexdigest()
    assert loaded.photo_sha256 == digest
    home = tmp_path / "ids" / digest[:16]
    assert consent.read_record(home) == loaded.consent
    assert (home / "photo.png").read_bytes() == (tmp_path / "one.png").read_bytes()


def test_no_ground_no_identity_and_nothing_stored(tmp_path: Path) -> None:
    wanted = picture(tmp_path / "one.png", (200, 150, 120)).model_copy(update={"consent": None})
    finder = SquareFinder()
    with pytest.raises(NoConsent):
        load_identity(wanted, finder, tmp_path / "ids")
    assert not finder.shapes, "the face was looked at before anybody answered for it"
    assert not (tmp_path / "ids").exists()


def test_no_face(tmp_path: Path) -> None:
    with pytest.raises(NoFace):
        load_identity(picture(tmp_path / "none.png"), SquareFinder(), tmp_path / "ids")
    assert not (tmp_path / "ids").exists(), "a photo that cannot be used leaves no record"


def test_tiny_face(tmp_path: Path) -> None:
    with pytest.raises(NoFace, match="20 px"):
        load_identity(picture(tmp_path / "tiny.png", (200, 150, 20)), SquareFinder(), tmp_path / "ids")


def test_clearly_larger_face_wins(tmp_path: Path) -> None:
    wanted = picture(tmp_path / "two.png", (20, 20, 60), (300, 150, 150))
    loaded = load_identity(wanted, SquareFinder(), tmp_path / "ids")
    assert (loaded.image[..., 1] > 128).mean() > 0.1


def test_several_like_faces_ask_for_an_index(tmp_path: Path) -> None:
    wanted = picture(tmp_path / "two.png", (20, 120, 100), (350, 120, 110))
    with pytest.raises(SeveralFaces, match="--face-index"):
        load_identity(wanted, SquareFinder(), tmp_path / "ids")
    right = load_identity(wanted.model_copy(update={"face": 1}), SquareFinder(), tmp_path / "ids")
    left = load_identity(wanted.model_copy(update={"face": 0}), SquareFinder(), tmp_path / "ids")
    assert left.landmarks[0, 0] < right.landmarks[0, 0], "the left one has less picture to its left"


def test_index_beyond_the_faces(tmp_path: Path) -> None:
    wanted = picture(tmp_path / "one.png", (200, 150, 120)).model_copy(update={"face": 3})
    with pytest.raises(NoFace, match="face 3"):
        load_identity(wanted, SquareFinder(), tmp_path / "ids")


def test_large_photo_is_searched_small(tmp_path: Path) -> None:
    finder = SquareFinder()
    wanted = picture(tmp_path / "large.png", (3000, 1500, 1200), size=(4320, 7680))
    loaded = load_identity(wanted, finder, tmp_path / "ids")
    assert max(max(shape) for shape in finder.shapes) <= 1700
    assert max(loaded.image.shape) <= 1700


@pytest.mark.parametrize("photo", ["", "no/such/photo.png", "synthetic:", "synthetic:cat", "x" * 5000, "a\0b"])
def test_photo_that_is_none(tmp_path: Path, photo: str) -> None:
    with pytest.raises(IdentityError):
        load_identity(IdentityConfig(photo=photo, consent="self"), SquareFinder(), tmp_path)


def test_synthetic_identity_needs_no_finder_and_no_ground(tmp_path: Path) -> None:
    finder = SquareFinder()
    loaded = load_identity(IdentityConfig(photo="synthetic:7", by="test"), finder, tmp_path)
    again = load_identity(IdentityConfig(photo="synthetic:7", by="test"), finder, tmp_path)
    assert loaded.consent.ground == "synthetic"
    assert loaded.photo_sha256 == again.photo_sha256
    assert loaded.landmarks.shape == (66, 2)
    assert not finder.shapes
    assert (tmp_path / loaded.photo_sha256[:16] / "photo.png").exists()
