"""FaceFusion's masks: each worked out from the recipe with plain OpenCV, then as the stage combines them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from livefuse.composite.masks.areas import to_68
from livefuse.composite.masks.exact import Exact
from livefuse.composite.masks.framing import WholeCrop
from livefuse.composite.masks.keep import Keep
from livefuse.composite.masks.occluder import Occluder
from livefuse.composite.masks.parser import Parser
from livefuse.composite.masks.parts import Networks
from livefuse.composite.masks.stage import Masks
from livefuse.composite.profiles.facefusion import FaceFusion
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, U8, Crop, Crops, HostFrame
from livefuse.weights.recipe import load_recipe
from tests.unit.engines import FunctionEngine
from tests.unit.mask_networks import aligned_crop, as_68, engine, noise, xseg

SIDE = 256


def picture() -> Picture:
    return CpuBackend().upload(Lane(0), HostFrame.of_rgb(noise(SIDE)))


def soft(mask: F32) -> F32:
    """The contract's words: (GaussianBlur(m, (0, 0), 5).clip(.5, 1) - .5) * 2."""
    return np.asarray((cv2.GaussianBlur(mask.clip(0, 1), (0, 0), 5).clip(0.5, 1) - 0.5) * 2, np.float32)


def box() -> F32:
    """S = 256, b = .3: B = 38, A = 19, sigma 9.5."""
    mask = np.ones((SIDE, SIDE), np.float32)
    mask[:19], mask[-19:], mask[:, :19], mask[:, -19:] = 0, 0, 0, 0
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 9.5), np.float32)


def masked(networks: Networks, finish: Exact, crop: Crop, estimate: U8 | None = None) -> Crop:
    """One crop's way: begin, the swap (which shows the inverse of the target), FaceFusion's profile, the stage."""

    class Estimate:
        def begin(self, lane: Lane, picture: Picture, crops: Crops, t_ns: int) -> Callable[[], list[U8 | None]]:
            return lambda: [estimate] * len(crops)

    lane = Lane(0)
    stage = Masks(networks, None if estimate is None else Estimate(), finish)
    stage.begin(lane, picture(), [crop], 0)
    face = np.float32(1) - crop.image.astype(np.float32) / np.float32(255)
    FaceFusion(CpuBackend()).finish(lane, crop, face, None)
    stage(lane, picture(), [crop], 0)
    assert crop.weight is not None
    return crop


def diagonal(image: F32) -> F32:
    """Something with smooth and steep parts that reaches over 0..1."""
    ys, xs = np.mgrid[:256, :256].astype(np.float32) / 255
    return np.asarray(3 * (xs + ys - 0.8) + 0.2 * image[..., 0], np.float32)


def mirrored(image: F32) -> F32:
    return np.asarray(1.3 - diagonal(image)[:, ::-1], np.float32)


def test_occlusion_is_the_least_of_the_models_on_the_target() -> None:
    crop = aligned_crop(SIDE)
    target = crop.image.copy()
    occluders = tuple(Occluder(load_recipe(f"xseg_{i}"), xseg(f)) for i, f in ((1, diagonal), (3, mirrored)))
    masked(Networks(WholeCrop(), occluders), Exact(), crop)
    fed = cv2.resize(target, (256, 256))[..., ::-1].astype(np.float32) / 255
    found = [cv2.resize(f(fed).clip(0, 1).astype(np.float32), (SIDE, SIDE)) for f in (diagonal, mirrored)]
    occlusion = soft(np.minimum.reduce(found))
    assert crop.weight is not None
    assert np.abs(crop.weight - np.minimum.reduce([box(), occlusion]).clip(0, 1)).max() < 1e-5
    assert crop.visible is not None
    assert np.abs(crop.visible.astype(int) - np.round(occlusion * 255)).max() <= 1


def test_a_crop_of_128_is_enlarged_for_the_network_and_its_mask_reduced() -> None:
    crop = aligned_crop(128)
    target = crop.image.copy()
    stage = Networks(WholeCrop(), (Occluder(load_recipe("xseg_1"), xseg(diagonal)),))
    masked(stage, Exact(), crop)
    fed = cv2.resize(target, (256, 256))[..., ::-1].astype(np.float32) / 255
    occlusion = soft(cv2.resize(diagonal(fed).clip(0, 1).astype(np.float32), (128, 128)))
    band = np.ones((128, 128), np.float32)
    band[:9], band[-9:], band[:, :9], band[:, -9:] = 0, 0, 0, 0
    assert crop.weight is not None
    want = np.minimum(cv2.GaussianBlur(band, (0, 0), 4.75), occlusion)
    assert np.abs(crop.weight - want).max() < 1e-5


# The contract's numbers, iBUG-68.
POINTS = {
    "upper-face": [0, 1, 2, 31, 32, 33, 34, 35, 14, 15, 16, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17],
    "lower-face": [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 35, 34, 33, 32, 31],
    "mouth": list(range(48, 68)),
}


@pytest.mark.parametrize("area", ["upper-face", "lower-face", "mouth"])
def test_areas_are_hulls_of_whole_landmarks(area: str) -> None:
    crop = aligned_crop(SIDE)
    masked(Networks(WholeCrop()), Exact(areas=[area]), crop)  # type: ignore[list-item]
    hull = cv2.convexHull(as_68(crop.landmarks)[POINTS[area]].astype(np.int32))
    mask = cv2.fillConvexPoly(np.zeros((SIDE, SIDE), np.float32), hull, 1.0)
    assert crop.weight is not None
    assert np.array_equal(crop.weight, np.minimum(box(), soft(mask)))
    assert crop.weight.max() > 0.9


def test_our_66_landmarks_as_ibugs_68() -> None:
    landmarks = np.arange(132, dtype=np.float32).reshape(66, 2)
    assert np.array_equal(to_68(landmarks), as_68(landmarks))


def regions(chosen: Callable[[F32], F32]) -> FunctionEngine:
    """Says "nose" where `chosen` of the picture it is fed is above 0, else hair."""

    def logits(blob: F32) -> F32:
        out = np.zeros((len(blob), 19, 512, 512), np.float32)
        for one, into in zip(blob, out, strict=True):
            into[10], into[17] = chosen(one), -chosen(one)
        return out

    return engine(("batch", 3, 512, 512), logits)


def test_regions_are_found_in_the_swapped_crop() -> None:
    crop = aligned_crop(SIDE)
    crop.image[:] = np.indices((SIDE, SIDE)).sum(axis=0)[..., None] // 2
    swapped = np.clip(np.float32(1) - crop.image.astype(np.float32) / np.float32(255), 0, 1) * np.float32(255)
    parser = Parser(load_recipe("bisenet_resnet_34"), regions(lambda image: image[1]), ["nose", "mouth"])
    masked(Networks(WholeCrop(), parser=parser), Exact(), crop)
    green = (cv2.resize(swapped, (512, 512))[..., 1] / 255 - 0.456) / 0.224
    mask = soft(cv2.resize((green > 0).astype(np.float32), (SIDE, SIDE)))
    assert 0.1 < mask.mean() < 0.9
    assert crop.weight is not None
    assert np.abs(crop.weight - np.minimum(box(), mask)).max() < 1e-5


def test_all_of_them_together_are_the_least() -> None:
    crop = aligned_crop(SIDE)
    target, landmarks = crop.image.copy(), as_68(crop.landmarks)
    networks = Networks(
        WholeCrop(),
        (Occluder(load_recipe("xseg_1"), xseg(diagonal)),),
        parser=Parser(
            load_recipe("bisenet_resnet_34"), regions(lambda image: np.indices((512, 512))[0] - 130.5), ["nose"]
        ),
    )
    estimate = np.full((64, 64), 255, np.uint8)
    estimate[:, :20] = 51
    masked(networks, Exact(areas=["lower-face"]), crop, estimate)
    fed = cv2.resize(target, (256, 256))[..., ::-1].astype(np.float32) / 255
    rows = (np.indices((512, 512))[0] > 130).astype(np.float32)
    hull = cv2.convexHull(landmarks[POINTS["lower-face"]].astype(np.int32))
    masks = [
        box(),
        soft(diagonal(fed).clip(0, 1)),
        cv2.fillConvexPoly(np.zeros((SIDE, SIDE), np.float32), hull, 1.0),
        soft(cv2.resize(rows, (SIDE, SIDE))),
        cv2.resize(estimate.astype(np.float32) / 255, (SIDE, SIDE)),
    ]
    masks[2] = soft(masks[2])
    assert crop.weight is not None
    assert np.abs(crop.weight - np.minimum.reduce(masks).clip(0, 1)).max() < 1e-5
    assert crop.mask is not None
    assert np.abs(crop.mask.astype(int) - np.round(crop.weight * 255)).max() <= 1


def test_the_targets_eyes_stay() -> None:
    crop = aligned_crop(SIDE)
    masked(Networks(WholeCrop()), Exact(keep=Keep(eyes=True)), crop)
    x, y = np.round(crop.landmarks[36:42].mean(axis=0)).astype(int)
    assert crop.weight is not None
    assert crop.weight[y, x] < 0.05
    assert crop.weight[y + 60, x] == pytest.approx(box()[y + 60, x], abs=1e-6)


def test_without_masks_the_box_is_all() -> None:
    crop = masked(Networks(WholeCrop()), Exact(), aligned_crop(SIDE))
    assert crop.visible is None
    assert crop.weight is not None
    assert np.abs(crop.weight - box()).max() < 1e-6
