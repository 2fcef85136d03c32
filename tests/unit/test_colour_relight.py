from __future__ import annotations

import numpy as np
import pytest

from livefuse.align.cut import Face
from livefuse.align.templates import five_points
from livefuse.composite.colour import lattice, skin
from livefuse.config import SwapConfig
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, U8, HostFrame
from livefuse.swap.mesh.swapper import MeshSwapper
from tests.unit import swap_faces
from tests.unit.colour_scenes import SIDE, changed, face, mask, points, stage

ACROSS, DOWN = (axis.astype(np.float32)[..., None] / SIDE - 0.5 for axis in np.mgrid[:SIDE, :SIDE][::-1])


def light(kind: str) -> F32:
    """Factors (SIDE, SIDE, 3): a multiplicative low-frequency gradient."""
    if kind == "side":
        return np.asarray(np.exp(1.2 * ACROSS) * np.ones(3), np.float32)
    if kind == "coloured":
        return np.asarray(np.exp(ACROSS * (0.8, 0.0, -0.8) + DOWN * (0.3, 0.2, 0.0)), np.float32)
    return np.asarray((0.8 + 0.4 * np.cos(3 * ACROSS) * np.cos(3 * DOWN)) * np.ones(3), np.float32)


@pytest.mark.parametrize("kind", ["side", "coloured", "bowl"])
def test_recovers_a_gradient_of_light(kind: str) -> None:
    """Within 3 % on average inside the mask, of factors that reach from 0.55 to 1.8."""
    swapped = face(120)
    crop = changed(stage("relight"), swapped * light(kind), swapped, fine=True)
    assert crop.fine is not None
    inside = mask() > 200
    apart = np.abs(crop.fine[inside] / swapped[inside] / light(kind)[inside] - 1)
    assert apart.mean() < 0.03
    assert np.percentile(apart, 95) < 0.08


def test_features_stay_the_identitys() -> None:
    """A pattern finer than light survives: no less than 95 % of its contrast, and none of the target's is taken over."""
    pattern = np.where((np.mgrid[:SIDE, :SIDE][0] // 4) % 2, 1.12, 0.88)[..., None]
    plain = np.full((SIDE, SIDE, 3), 120, np.float32)
    inside = mask() > 200
    kept = changed(stage("relight"), plain, plain * pattern, fine=True).fine
    taken = changed(stage("relight"), plain * pattern, plain, fine=True).fine
    assert kept is not None
    assert taken is not None
    assert kept[inside].std() > 0.95 * 120 * 0.12
    assert taken[inside].std() < 0.05 * 120 * 0.12


def test_gain_is_bounded() -> None:
    swapped = face(60)
    crop = changed(stage("relight"), np.full_like(swapped, 254), swapped, fine=True)
    assert crop.fine is not None
    assert (crop.fine / swapped).max() < 3.5
    dark = changed(stage("relight"), np.zeros_like(swapped), face(200), fine=True)
    assert dark.fine is not None
    assert (dark.fine / face(200)).min() > 0.09


def test_dark_hair_inside_the_mask_is_no_shadow() -> None:
    """Hair over the forehead of the target: the skin below it keeps its brightness within 5 %."""
    target = face(130, seed=2)
    target[: round(0.24 * SIDE)] = 25
    swapped = face(130, seed=2)
    crop = changed(stage("relight"), target, swapped)
    part = np.s_[round(0.3 * SIDE) : round(0.8 * SIDE), round(0.2 * SIDE) : round(0.8 * SIDE)]
    assert np.abs(crop.image[part].mean() / swapped[part].mean() - 1) < 0.05


def test_plane_ignores_what_covers_part_of_the_face() -> None:
    swapped = np.full((lattice.FIELD_CELLS, lattice.FIELD_CELLS, 3), 120, np.float32)
    target = swapped * 0.9
    target[10:] = (20, 60, 200)
    weight = np.ones(swapped.shape[:2], np.float32)
    plane = skin.plane_of(target, swapped, weight, None)
    # with the 8 levels that are added to both sides: log((108 + 8) / (120 + 8))
    assert plane.field()[2, 8] == pytest.approx(np.full(3, np.log(116 / 128)), abs=0.02)
    assert plane.trust[12, 8] < 0.05 < 0.9 < plane.trust[2, 8]


def test_features_and_what_is_not_swapped_count_little() -> None:
    weight = skin.bare(lattice.sampled(mask(), template()), template().cells_of(points()))
    for x, y in template().cells_of(points())[[0, 1]]:
        assert weight[round(float(y)), round(float(x))] < 0.3
    assert weight[18, 9] > 0.8  # a cheek
    assert weight[0].max() < 0.01


def template() -> lattice.Place:
    return lattice.Place(np.array([[4, 0, 1.5], [0, 4, 1.5]], np.float32), 4.0)


@pytest.mark.parametrize("side", [112, 128, 224, 400, 512])
def test_lattice_samples_where_it_says(side: int) -> None:
    """On a ramp, each cell's value is the ramp's at the cell's centre."""
    image = np.ascontiguousarray(np.broadcast_to(np.linspace(10, 240, side)[None, :, None], (side, side, 3)))
    crop = swap_faces.crop(1)
    crop.image = np.rint(image).astype(np.uint8)
    place = lattice.of_template(crop)
    seen = lattice.sampled(crop.image, place)
    centres = place.to_crop[0, 0] * np.arange(lattice.CELLS) + place.to_crop[0, 2]
    wanted = 10 + 230 * centres / (side - 1)
    assert seen.shape == (lattice.CELLS, lattice.CELLS, 3)
    assert np.abs(seen[10, 1:-1, 0] - wanted[1:-1]).max() < 2


def test_lattice_of_a_face_turns_with_it() -> None:
    crop = swap_faces.crop(1)
    place = lattice.of_face(crop)
    eyes = place.cells_of(five_points(crop.landmarks))[:2]
    assert eyes.mean(axis=0) == pytest.approx([0.5 * 32 - 0.5, 0.403 * 32 - 0.5], abs=0.05)
    assert eyes[0, 1] == pytest.approx(float(eyes[1, 1]), abs=0.01)


def test_follows_side_light_on_a_crop_of_the_frame() -> None:
    """The mesh swapper without its own light, whose crops are not templates: side light is followed, and what its mask
    hides stays the target's."""
    backend, lane = CpuBackend(), Lane(0)
    image, landmarks = swap_faces.portrait(3)
    across = (np.arange(image.shape[1]) - landmarks[30, 0]) / 60
    shade = np.exp(0.5 * np.tanh(across) - 0.3)[None, :, None]
    picture = backend.upload(lane, HostFrame.of_rgb((image * shade).clip(0, 255).astype(np.uint8)))
    swapper = MeshSwapper(SwapConfig(colour=0.0), backend)
    crop = swapper.cut(lane, picture, Face(1, five_points(landmarks), landmarks), 0)
    before, colour = crop.image.copy(), stage("relight", model="mesh")
    colour.begin(lane, [crop])
    swapper(lane, [crop], [swap_faces.identity(1)], 0)
    plain = crop.image.copy()
    colour(lane, [crop], 0)
    assert crop.mask is not None
    left, right = ((crop.landmarks[[i, j]].mean(axis=0) + crop.landmarks[30]) / 2 for i, j in ((2, 3), (14, 13)))

    def balance(picture: U8) -> float:
        sides = [picture[int(y) - 6 : int(y) + 6, int(x) - 6 : int(x) + 6].mean() for x, y in (left, right)]
        return float(np.log(sides[0] / sides[1]))

    assert abs(balance(crop.image) - balance(before)) < 0.12
    assert abs(balance(plain) - balance(before)) > 0.25
    assert (crop.image[crop.mask == 0] == before[crop.mask == 0]).all()
