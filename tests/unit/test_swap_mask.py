from __future__ import annotations

import numpy as np
import pytest

from livefuse.device.base import Lane
from livefuse.swap.mesh import lips, mask, retouch, topology
from livefuse.swap.mesh.frontal import frontal
from livefuse.swap.mesh.prepared import LEVELS, prepare
from tests.unit.swap_faces import identity, mouth_open, portrait

SHAPE = (512, 512)


@pytest.mark.parametrize("seam", [0.0, 0.5, 1.0])
def test_opacity_stays_inside_and_covers_the_features(seam: float) -> None:
    landmarks = portrait(1)[1]
    frame = topology.face_frame(landmarks)
    opacity = mask.draw_opacity(SHAPE, landmarks, frame, seam)
    outside = mask.inside(mask.face_contour(landmarks, frame), SHAPE) == 0
    assert opacity[outside].max() == 0
    for point in landmarks[[*range(18, 26), *range(27, 66)]]:
        assert opacity[round(float(point[1])), round(float(point[0]))] > 200


def test_opacity_ends_over_the_brows() -> None:
    landmarks = portrait(1)[1]
    frame = topology.face_frame(landmarks)
    opacity = mask.draw_opacity(SHAPE, landmarks, frame, 0.5)
    x, y = landmarks[17:27].mean(0) + 0.5 * frame.unit_px * frame.up
    assert opacity[round(float(y)), round(float(x))] == 0


def test_wider_seam_is_softer() -> None:
    landmarks = portrait(1)[1]
    frame = topology.face_frame(landmarks)
    partial = [
        int(((opacity > 5) & (opacity < 250)).sum())
        for opacity in (mask.draw_opacity(SHAPE, landmarks, frame, seam) for seam in (0.0, 0.5, 1.0))
    ]
    assert partial[0] < partial[1] < partial[2]


def test_mouth_gap_and_how_much_is_kept() -> None:
    landmarks = portrait(1)[1].copy()
    landmarks[topology.INNER_LOWER] = landmarks[topology.INNER_UPPER][::-1]
    assert mask.mouth_gap(landmarks) == 0
    assert mask.mouth_kept(0.0) == 0
    assert mask.mouth_kept(mask.mouth_gap(mouth_open(landmarks, 0.3))) == 1


def test_keep_takes_out_a_contour_with_a_soft_edge() -> None:
    opacity = np.full((100, 100), 255, np.uint8)
    square = np.array([[30, 30], [70, 30], [70, 70], [30, 70]], np.float32)
    mask.keep(Lane(0), opacity, square, 1.0, 4.0)
    assert opacity[50, 50] == 0
    assert 60 < opacity[50, 30] < 200
    assert opacity[10, 10] == 255
    half = np.full((100, 100), 255, np.uint8)
    mask.keep(Lane(0), half, square, 0.5, 4.0)
    assert abs(int(half[50, 50]) - 127) <= 1


def test_keep_outside_the_picture_does_nothing() -> None:
    opacity = np.full((50, 50), 255, np.uint8)
    far = np.array([[200, 200], [220, 200], [220, 220]], np.float32)
    mask.keep(Lane(0), opacity, far, 1.0, 3.0)
    assert opacity.min() == 255


def test_open_mouth_of_a_photo_is_shut() -> None:
    image, landmarks = portrait(1)
    opened = mouth_open(landmarks, 0.15)
    frame = topology.face_frame(opened)
    shut, closed = lips.shut(image, opened, frame)
    assert mask.mouth_gap(opened) > mask.MOUTH_SHUT
    assert mask.mouth_gap(closed) < 0.01
    brows = int(opened[27, 1])
    assert np.abs(shut[:brows].astype(int) - image[:brows]).mean() < 1, "only the mouth moves"
    again, same = lips.shut(shut, closed, frame)
    assert again is shut
    assert same is closed


def test_hair_over_the_forehead_becomes_skin() -> None:
    image, landmarks = portrait(1)
    view = frontal(image, landmarks, multiple=16)
    frame = view.frame
    top = int(view.landmarks[17:27, 1].min() - 0.12 * frame.unit_px)
    fringed = view.image.copy()
    fringed[:top] = (20, 14, 10)
    likelihood = retouch.skin_likelihood(fringed, view.landmarks, frame)
    bald = retouch.without_hair(fringed, likelihood, view.landmarks, frame)
    x, y = (int(v) for v in view.landmarks[27])
    skin = view.image[int(view.landmarks[28, 1]), x].astype(int)
    forehead = bald[top - int(0.15 * frame.unit_px), x].astype(int)
    assert np.abs(forehead - skin).max() < 60
    assert forehead.mean() > 60 > fringed[top - 5, x].mean()
    assert y > top


def test_side_light_of_a_photo_is_evened_out() -> None:
    image, landmarks = portrait(1)
    view = frontal(image, landmarks, multiple=16)
    ramp = np.linspace(0.6, 1.25, view.image.shape[1])[None, :, None]
    lit = np.clip(view.image * ramp, 0, 255).astype(np.uint8)
    even = retouch.evenly_lit(lit, view.landmarks, view.frame)

    def imbalance(picture: np.ndarray) -> float:
        places = view.landmarks[[2, 14]].astype(int) + np.array([[25, 0], [-25, 0]])
        left, right = (picture[y, x] for x, y in places)
        return abs(float(left.mean()) - float(right.mean())) / float(left.mean() + right.mean())

    assert imbalance(even) < 0.5 * imbalance(lit)


def test_prepared_levels_halve_and_keep_their_place() -> None:
    prepared = prepare(identity(1), 0.5, shut_mouth=True)
    assert len(prepared.levels) == LEVELS
    for finer, coarser in zip(prepared.levels, prepared.levels[1:], strict=False):
        assert finer.shape[0] == 2 * coarser.shape[0]
        assert finer.shape[1] == 2 * coarser.shape[1]
    assert prepared.skin.max() > 250
