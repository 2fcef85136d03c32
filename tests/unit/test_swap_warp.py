from __future__ import annotations

import cv2
import numpy as np
import pytest

from livefuse.device.base import Lane
from livefuse.errors import DegenerateFace
from livefuse.frame import F32
from livefuse.swap.mesh import mask, topology, warp
from livefuse.swap.mesh.frontal import symmetric
from livefuse.swap.mesh.profile import FrontalFit, is_profile
from tests.unit.swap_faces import crop, mouth_open, portrait, turned

SIZE = (280, 330)
INNER = np.s_[3:-3, 3:-3]  # the last half cell is flat


def lattice_of(target: F32, photo: F32) -> warp.Lattice:
    frame = topology.face_frame(target)
    centres = (topology.control_points(target, frame) - frame.origin) / np.float32(frame.unit_px)
    points, cells = warp.lattice_points(SIZE)
    values = topology.control_points(photo, topology.face_frame(photo))
    coefficients = warp.Spline(topology.stiffness()).fit(centres, values)
    field = warp.evaluate(coefficients, centres, np.asarray((points - frame.origin) / frame.unit_px, np.float32))
    return warp.Lattice(field.reshape(*cells, 2), SIZE)


def inside(target: F32, lattice: warp.Lattice) -> np.ndarray:
    """Cells of the lattice within the face, without the mouth's interior, which stays the target's."""
    gh, gw = warp.jacobian(lattice).area.shape
    cx, cy = lattice.cell_px
    points = np.stack(np.meshgrid((np.arange(gw) + 0.5) * cx, (np.arange(gh) + 0.5) * cy), -1).reshape(-1, 2)
    face = mask.inside(mask.face_contour(target, topology.face_frame(target)), (SIZE[1], SIZE[0]))
    mouth = mask.inside(target[topology.INNER_LIPS], (SIZE[1], SIZE[0]))
    face[cv2.dilate(mouth, np.ones((9, 9), np.uint8)) > 0] = 0
    xs, ys = np.round(points).astype(int).T
    return (face[ys.clip(0, SIZE[1] - 1), xs.clip(0, SIZE[0] - 1)] > 0).reshape(gh, gw)


def test_a_face_on_itself_is_the_identity() -> None:
    target = crop(3).landmarks
    full = warp.enlarge(Lane(0), lattice_of(target, target))
    ys, xs = np.mgrid[: SIZE[1], : SIZE[0]]
    assert np.abs(full - np.stack((xs, ys), -1))[INNER].max() < 0.05


def test_scaled_and_rotated_face_gives_a_similarity() -> None:
    target = crop(3).landmarks
    turn = np.array([[0.8, -0.6], [0.6, 0.8]], np.float32) * 1.7
    lattice = lattice_of(target, np.asarray(target @ turn.T + (40, 90), np.float32))
    full = warp.enlarge(Lane(0), lattice)
    ys, xs = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float32)
    assert np.abs(full - (np.stack((xs, ys), -1) @ turn.T + (40, 90)))[INNER].max() < 0.1
    found = warp.jacobian(lattice)
    assert found.area == pytest.approx(1.7**2, rel=0.02)
    assert found.shear.max() < 0.1


@pytest.mark.parametrize("squeeze", [0.8, 0.55, 0.4])
@pytest.mark.parametrize("gap", [0.0, 0.35])
def test_no_fold_inside_turned_and_open_faces(squeeze: float, gap: float) -> None:
    target = mouth_open(turned(crop(3).landmarks, squeeze), gap)
    lattice = lattice_of(target, portrait(1)[1])
    area = warp.jacobian(lattice).area[inside(target, lattice)]
    assert area.min() > 0.05 * np.median(area)


def test_map_is_smooth() -> None:
    target = crop(3).landmarks
    full = warp.enlarge(Lane(0), lattice_of(target, portrait(1)[1]))
    bends = [np.abs(np.diff(full, 2, axis=axis)) for axis in (0, 1)]
    assert max(np.percentile(bend, 99.5) for bend in bends) < 0.25, "a crease: the map's slope jumps"
    assert max(bend.max() for bend in bends) < 1.5


def test_landmark_noise_moves_the_map_no_more_than_itself() -> None:
    target, photo = crop(3).landmarks, portrait(1)[1]
    noisy = target + np.random.default_rng(5).normal(0, 0.5, target.shape).astype(np.float32)
    inner = np.s_[warp.PAD : -warp.PAD, warp.PAD : -warp.PAD]
    difference = lattice_of(noisy, photo).padded[inner] - lattice_of(target, photo).padded[inner]
    scale = topology.face_frame(photo).unit_px / topology.face_frame(target).unit_px
    assert np.abs(difference[inside(target, lattice_of(target, photo))]).mean() < 0.6 * scale


def test_folded_and_smeared_places_fade_out() -> None:
    gh, gw = 20 + 2 * warp.PAD, 16 + 2 * warp.PAD
    ys, xs = np.mgrid[:gh, :gw].astype(np.float32) * 8
    whole = warp.Lattice(np.stack((xs, ys), -1), (128, 160))
    assert mask.soundness(warp.jacobian(whole), 1.0) is None
    folded = warp.Lattice(np.stack((np.where(xs > 80, 160 - xs, xs), ys), -1), (128, 160))  # back from column 8
    sound = mask.soundness(warp.jacobian(folded), 1.0)
    assert sound is not None
    assert sound[:, :6].min() == 1
    assert sound[:, 11:].max() == 0
    smeared = warp.Lattice(np.stack((np.where(xs > 80, 80 + (xs - 80) / 30, xs), ys), -1), (128, 160))
    sound = mask.soundness(warp.jacobian(smeared), 1.0)
    assert sound is not None
    assert sound[:, 12:].max() < 0.05


def test_mirror_pairs_are_an_involution() -> None:
    assert (topology.MIRROR[topology.MIRROR] == np.arange(len(topology.MIRROR))).all()


def test_symmetric_layout_is_symmetric() -> None:
    landmarks = turned(portrait(1)[1], 0.6)
    layout = symmetric(landmarks, topology.face_frame(landmarks))
    assert np.allclose(layout[topology.MIRROR[:66]] * (-1, 1), layout, atol=1e-5)


def test_three_quarter_views_fit_and_garbage_does_not() -> None:
    landmarks = portrait(1)[1]
    frame = topology.face_frame(landmarks)
    fit = FrontalFit(symmetric(landmarks, frame))
    assert fit.residual(landmarks) < 0.05
    assert not is_profile(fit.residual(turned(landmarks, 0.4)), was_profile=False)
    assert not is_profile(fit.residual(mouth_open(landmarks, 0.4)), was_profile=False)
    shuffled = landmarks[np.random.default_rng(1).permutation(66)]
    assert is_profile(fit.residual(shuffled), was_profile=False)
    assert is_profile(0.28, was_profile=True)
    assert not is_profile(0.28, was_profile=False)


@pytest.mark.parametrize("landmarks", [np.zeros((66, 2), np.float32), np.full((66, 2), np.nan, np.float32)])
def test_degenerate_landmarks(landmarks: F32) -> None:
    with pytest.raises(DegenerateFace):
        topology.face_frame(landmarks)


def far_jaw_hidden(landmarks: F32) -> F32:
    """A head turned so far that its jaw on image-left lies behind the cheek."""
    frame = topology.face_frame(landmarks)
    hidden = landmarks.copy()
    inwards = (landmarks[36] - landmarks[0]) @ frame.right * np.linspace(1.6, 0.2, 8, dtype=np.float32)
    hidden[0:8] += inwards[:, None] * frame.right
    return hidden


def test_a_jaw_that_is_seen_stays_where_it_is() -> None:
    target = crop(3).landmarks
    assert topology.with_visible_jaw(target, topology.face_frame(target)) is target


def test_a_hidden_jaw_moves_out_to_the_outline() -> None:
    hidden = far_jaw_hidden(crop(3).landmarks)
    frame = topology.face_frame(hidden)
    seen = topology.with_visible_jaw(hidden, frame)
    across = (seen - frame.origin) @ frame.right
    down = -(seen - frame.origin) @ frame.up
    outline = np.interp(down[:5], down[[17, 36, 58]], across[[17, 36, 58]])
    assert (across[:5] < outline).all(), "outside of brow, eye and mouth"
    assert ((hidden - frame.origin) @ frame.right)[:4].min() > outline.min(), "where it was not before"
    np.testing.assert_allclose((seen - hidden) @ frame.up, 0, atol=1e-3)
    np.testing.assert_array_equal(seen[8:], hidden[8:])
    lattice = lattice_of(hidden, crop(3).landmarks)
    assert warp.jacobian(lattice).area[inside(hidden, lattice)].min() > 0


def test_a_looser_spline_does_not_fold() -> None:
    target, rng = crop(3).landmarks, np.random.default_rng(5)
    frame = topology.face_frame(target)
    wild = topology.control_points(target, frame) / frame.unit_px
    crossed = wild[rng.permutation(len(wild))]
    points, cells = warp.lattice_points(SIZE)
    at = np.asarray(points / frame.unit_px, np.float32)

    def worst(looseness: float) -> float:
        field = warp.evaluate(
            warp.Spline(topology.stiffness()).fit(wild, wild * 0.7 + crossed * 0.3, looseness), wild, at
        )
        area = warp.jacobian(warp.Lattice(field.reshape(*cells, 2), SIZE)).area
        return float(area.min() / np.median(area))

    assert worst(1) < 0 < worst(2000)
