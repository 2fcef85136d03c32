"""The region that a landmark-driven swapper works on."""

from __future__ import annotations

import numpy as np
import pytest

from livefuse.align.region import face_region
from livefuse.align.templates import transform_points
from livefuse.frame import F32


def face(x: float, y: float, size: float) -> F32:
    """Jaw from temple to chin, brows on top, the rest inside."""
    points = np.zeros((66, 2))
    angle = np.linspace(np.pi, 0, 17)
    points[:17] = np.stack((np.cos(angle) * 0.5, np.sin(angle) * 0.6), axis=1)
    points[17:27] = np.stack((np.linspace(-0.4, 0.4, 10), np.full(10, -0.3)), axis=1)
    return (points * size + (x, y)).astype(np.float32)


def test_holds_face_forehead_and_margin_at_the_frames_own_resolution() -> None:
    landmarks = face(641.3, 360.7, 200)
    to_crop, (h, w) = face_region(landmarks, 1280, 720)
    np.testing.assert_array_equal(to_crop[:, :2], np.eye(2))
    assert (to_crop[:, 2] == np.round(to_crop[:, 2])).all()
    inside = transform_points(to_crop, landmarks)
    assert inside.min() > 20
    assert (inside.max(axis=0) < (w - 20, h - 20)).all()
    brow, chin = inside[17:27, 1].mean(), inside[8, 1]
    assert brow > 0.6 * (chin - brow)


@pytest.mark.parametrize("x", [-40, 0, 33.3, 640, 1279, 1320])
@pytest.mark.parametrize("y", [-40, 1, 360, 719, 800])
@pytest.mark.parametrize("size", [3, 41, 260, 1500])
@pytest.mark.parametrize("frame", [(1280, 720), (1279, 719)])
def test_stays_on_the_even_grid_inside_the_frame(x: float, y: float, size: float, frame: tuple[int, int]) -> None:
    to_crop, (h, w) = face_region(face(x, y, size), *frame)
    assert h % 2 == w % 2 == 0
    assert min(h, w) >= 2
    assert max(h, w) <= 768
    scale = float(to_crop[0, 0])
    corners = (np.array([[0, 0], [w, h]]) - 0.5 - to_crop[:, 2]) / scale + 0.5  # pixel edges in the frame
    assert (corners[0] > -1e-3).all()
    assert (corners[1] < np.array(frame) + 1e-3).all()
    origin = np.round(corners[0])
    np.testing.assert_allclose(corners[0], origin, atol=2e-3)
    assert (origin % 2 == 0).all()


def test_a_face_larger_than_the_limit_is_shrunk_uniformly() -> None:
    landmarks = face(1920, 1080, 1400)
    to_crop, (h, w) = face_region(landmarks, 3840, 2160, max_px=512)
    assert max(h, w) <= 512
    assert max(h, w) >= 510
    assert to_crop[0, 0] == to_crop[1, 1] < 1
    assert to_crop[0, 1] == to_crop[1, 0] == 0
    inside = transform_points(to_crop, landmarks)
    assert (inside > 0).all()
    assert (inside < (w, h)).all()
    # the first crop pixel averages the first frame pixels: their centre, not their corner, maps to 0
    x1 = (0 - to_crop[0, 2]) / to_crop[0, 0]
    assert (x1 - (0.5 / to_crop[0, 0] - 0.5)) % 2 == pytest.approx(0, abs=1e-2)


def test_a_lying_face_has_its_forehead_on_its_own_side() -> None:
    upright = face(0, 0, 200)
    lying = (upright @ np.array([[0, 1], [-1, 0]], np.float32) + (640, 360)).astype(np.float32)  # turned a quarter
    to_crop, (_, w) = face_region(lying, 1280, 720)
    inside = transform_points(to_crop, lying)
    brow, chin = inside[17:27, 0].mean(), inside[8, 0]
    room = w - brow if brow > chin else brow
    assert room > 0.6 * abs(chin - brow)
