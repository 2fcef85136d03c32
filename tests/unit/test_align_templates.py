"""Similarity transforms onto templates."""

from __future__ import annotations

import numpy as np
import pytest

from livefuse.align.templates import TEMPLATES, five_points, similarity_from_points, transform_points
from livefuse.errors import DegenerateFace


def turned(
    points: np.ndarray[tuple[int, ...], np.dtype[np.float32]], angle: float, scale: float
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return scale * points @ rotation.T + (40, -7)


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_recovers_any_similarity_exactly(name: str) -> None:
    template = TEMPLATES[name] * 128
    faces = np.stack([turned(template, angle, scale) for angle, scale in ((0, 1), (0.4, 3), (-2.5, 0.5), (3.1, 12))])
    for to_crop, face in zip(similarity_from_points(faces, template), faces, strict=True):
        np.testing.assert_allclose(transform_points(to_crop, face), template, atol=2e-3)


def test_is_least_squares_and_never_a_reflection() -> None:
    rng = np.random.default_rng(2)
    template = TEMPLATES["arcface_112_v2"] * 112
    face = turned(template, 0.3, 2.0) + rng.normal(size=(5, 2)) * 4
    (best,) = similarity_from_points(face[None], template)

    def error(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
        return float(((transform_points(matrix, face) - template) ** 2).sum())

    for index in np.ndindex(2, 3):
        partner = (1 - index[0], 1 - index[1]) if index[1] < 2 else None
        for step in (1e-3, -1e-3):
            other = best.copy()
            other[index] += step
            if partner is not None:  # stay a similarity: [[a, -b], [b, a]]
                other[partner] += step if index[0] == index[1] else -step
            assert error(other) >= error(best) - 1e-3
    (mirrored,) = similarity_from_points((face * [-1, 1])[None], template)
    assert np.linalg.det(mirrored[:, :2]) > 0


def test_known_template() -> None:
    np.testing.assert_allclose(TEMPLATES["arcface_112_v2"][0] * 112, [38.2946, 51.6963], atol=1e-4)
    with pytest.raises(ValueError, match="read-only"):
        TEMPLATES["arcface_112_v2"][0] = 0


@pytest.mark.parametrize("bad", [np.full((5, 2), 10.0), np.full((5, 2), np.nan)])
def test_refuses_a_degenerate_face_and_says_which(bad: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    template = TEMPLATES["ffhq_512"] * 512
    with pytest.raises(DegenerateFace, match="face 1"):
        similarity_from_points(np.stack((template.astype(np.float64), bad)), template)


def test_five_points_of_66_landmarks() -> None:
    landmarks = np.zeros((2, 66, 2), np.float32)
    landmarks[:, 36:42], landmarks[:, 42:48] = (10, 20), (30, 21)
    landmarks[:, 30], landmarks[:, 58], landmarks[:, 62] = (20, 30), (13, 40), (27, 41)
    np.testing.assert_allclose(five_points(landmarks)[1], [(10, 20), (30, 21), (20, 30), (13, 40), (27, 41)])
