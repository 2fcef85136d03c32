"""Mask networks against their contracts, worked out with plain NumPy and OpenCV."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from livefuse.align.templates import TEMPLATES, similarity_from_points, transform_points
from livefuse.composite.masks.framing import ByPoints, WholeCrop
from livefuse.composite.masks.matte import Matte
from livefuse.composite.masks.network import MaskNetwork
from livefuse.composite.masks.occluder import Occluder
from livefuse.composite.masks.parser import CLASSES, Parser
from livefuse.composite.masks.parts import Networks
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import EngineFailed, RecipeInvalid
from livefuse.frame import F32, U8, HostFrame
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.recipe import load_recipe
from livefuse.weights.synthesize import synthesize
from tests.unit.mask_networks import aligned_crop, engine, noise, swapped, xseg
from tests.unit.swap_faces import crop as region_crop
from tests.unit.swap_faces import portrait


def drawn(picture: U8, out: U8) -> None:
    np.copyto(out, picture)


def test_xseg_gets_the_resized_crop_as_bgr_over_255() -> None:
    crop, network = aligned_crop(128), xseg(lambda image: image[..., 0] * 3 - 1)  # answers reach over 0..1
    occluder = Occluder(load_recipe("xseg_1"), network)
    lane = Lane(0)
    picture = CpuBackend().upload(lane, HostFrame.of_rgb(crop.image))
    (mask,) = occluder.begin(lane, [partial(WholeCrop().draw, lane, picture, crop)])()
    want = cv2.resize(crop.image, (256, 256))[..., ::-1].astype(np.float32) / 255
    assert np.abs(network.fed[0]["input"][0] - want).max() < 1e-7
    assert np.abs(mask - np.clip(want[..., 0] * 3 - 1, 0, 1)).max() < 1e-6


def test_the_occluders_logits_are_visible_above_zero() -> None:
    values = np.linspace(-2, 2, 256 * 256, dtype=np.float32).reshape(256, 256)
    values[0, 0] = 0
    network = engine((1, 3, 256, 256), lambda blob: np.stack([values[None] for _ in blob]), "img")
    picture = noise(256)
    (mask,) = Occluder(load_recipe("occluder_vm"), network).begin(Lane(0), [partial(drawn, picture)])()
    assert np.array_equal(mask, values > 0)
    assert np.abs(network.fed[0]["img"][0] - picture.transpose(2, 0, 1) / 255).max() < 1e-6  # RGB


@pytest.mark.parametrize(("batch", "runs"), [("batch", [3]), (1, [1, 1, 1])])
def test_faces_run_together_where_the_batch_is_free(batch: int | str, runs: list[int]) -> None:
    network = xseg(lambda image: image[..., 2], batch)
    pictures = [noise(256, seed) for seed in range(3)]
    masks = Occluder(load_recipe("xseg_2"), network).begin(Lane(0), [partial(drawn, p) for p in pictures])()
    assert [len(feeds["input"]) for feeds in network.fed] == runs
    for mask, picture in zip(masks, pictures, strict=True):
        assert np.abs(mask - picture[..., 0] / np.float32(255)).max() < 1e-6  # red is the last of BGR


def logits_of(classes: U8) -> F32:
    """(512, 512) classes -> (19, 512, 512) logits in which they are the strongest."""
    out = np.random.default_rng(5).normal(size=(19, *classes.shape)).astype(np.float32)
    np.put_along_axis(out, classes[None].astype(np.int64), 9.0, axis=0)
    return out


def test_the_parser_finds_the_chosen_classes_in_the_swapped_crop() -> None:
    classes = np.random.default_rng(2).integers(0, 19, (512, 512), dtype=np.uint8)
    network = engine(("batch", 3, 512, 512), lambda blob: np.stack([logits_of(classes) for _ in blob]))
    parser = Parser(load_recipe("bisenet_resnet_34"), network, ["skin", "nose", "lower-lip"])
    crop = swapped(aligned_crop(256))
    (mask,) = parser.begin(Lane(0), [crop], WholeCrop())()
    assert np.array_equal(mask, np.isin(classes, [1, 10, 13]))
    shown = cv2.resize(crop.image, (512, 512)).astype(np.float32) / 255
    want = (shown - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert np.abs(network.fed[0]["input"][0] - want.transpose(2, 0, 1)).max() < 1e-5


def test_a_crop_kept_in_floats_reaches_the_parser_in_floats() -> None:
    network = engine(("batch", 3, 512, 512), lambda blob: np.zeros((len(blob), 19, 512, 512), np.float32))
    crop = swapped(aligned_crop(256))
    crop.fine = crop.image.astype(np.float32) + np.float32(0.25)
    Parser(load_recipe("bisenet_resnet_34"), network, ["skin"]).begin(Lane(0), [crop], WholeCrop())()
    want = (cv2.resize(crop.fine, (512, 512)) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    assert np.abs(network.fed[0]["input"][0] - want.transpose(2, 0, 1)).max() < 1e-5


def test_class_numbers_are_celeba_masks() -> None:
    assert list(CLASSES.values()) == [1, 2, 3, 4, 5, 6, 10, 11, 12, 13]


def test_a_face_in_a_region_crop_is_looked_at_upright_on_a_template() -> None:
    """The picture is turned; what the network gets has the five points where arcface_128 has them."""
    image, _ = portrait(3)
    turn = cv2.getRotationMatrix2D((256, 256), 25, 1.0).astype(np.float32)
    crop = region_crop(3)
    points = crop.points - crop.to_crop[:, 2]  # frame px
    crop.points = transform_points(crop.to_crop, transform_points(turn, points))
    picture = CpuBackend().upload(Lane(0), HostFrame.of_rgb(cv2.warpAffine(image, turn, (512, 512))))
    out = np.empty((256, 256, 3), np.uint8)
    ByPoints(CpuBackend()).draw(Lane(0), picture, crop, out)
    (upright,) = similarity_from_points(points[None], TEMPLATES["arcface_128"] * 256 - 0.5)
    want = cv2.warpAffine(image, upright, (256, 256), borderMode=cv2.BORDER_REPLICATE)
    assert np.abs(out[40:216, 40:216].astype(int) - want[40:216, 40:216]).mean() < 2.5


def test_the_matte_comes_back_where_the_person_is() -> None:
    """A network that calls bright what is the person: the mask lies on the picture's bright half."""
    image = np.zeros((512, 512, 3), np.uint8)
    image[:, 240:] = 255
    crop = region_crop(3)
    picture = CpuBackend().upload(Lane(0), HostFrame.of_rgb(image))

    def answer(blob: F32) -> F32:
        person = (blob[:, 0] > 0).astype(np.float32)
        return np.stack((1 - person, person), axis=1)

    matte = Matte(load_recipe("sinet_portrait"), engine((1, 3, 320, 320), answer, "data"), CpuBackend())
    parts = Networks(ByPoints(CpuBackend()), matte=matte).begin(Lane(0), picture, [crop], 128)()
    person = parts[0].person
    assert person is not None
    edge = float(np.interp(0.5, person[64], np.arange(128)))
    to_crop = np.linalg.inv(np.vstack((ByPoints(CpuBackend()).to_square(crop, 128), [0, 0, 1])))
    x = (to_crop @ [edge, 64, 1])[0] - crop.to_crop[0, 2]
    assert x == pytest.approx(239.5, abs=1.0)  # frame px: half of one of the network's, which are 2 px wide


def test_the_real_matte_finds_the_person(shared: Path) -> None:
    image = cv2.cvtColor(cv2.imread(str(shared / "media" / "astronaut.png")), cv2.COLOR_BGR2RGB)
    picture = CpuBackend().upload(Lane(0), HostFrame.of_rgb(image))
    crop = region_crop(3)
    crop.to_crop = np.array([[1, 0, -160], [0, 1, -12]], np.float32)
    eyes_nose_mouth = np.array(
        [[203.4, 101.3], [246.8, 103.6], [222.8, 126.9], [199.9, 138.2], [246, 140.1]], np.float32
    )
    crop.points = transform_points(crop.to_crop, eyes_nose_mouth)
    recipe = load_recipe("sinet_portrait")
    matte = Matte(recipe, OrtEngine(shared / "models" / recipe.file), CpuBackend())
    networks = Networks(ByPoints(CpuBackend()), matte=matte)
    person = networks.begin(Lane(0), picture, [crop], 128)()[0].person
    assert person is not None
    assert person[40:120, 40:88].min() > 0.95  # the face
    assert person[75:95, :15].max() < 0.05  # the wall under the hair


@pytest.mark.parametrize("name", ["xseg_1", "bisenet_resnet_18"])
def test_a_synthesized_model_runs(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.synthesis is not None
    synthesize(recipe.synthesis, tmp_path / recipe.file, tiny=True)
    network = OrtEngine(tmp_path / recipe.file)
    crop = swapped(aligned_crop(128))
    if recipe.kind == "parser":
        (mask,) = Parser(recipe, network, ["skin"]).begin(Lane(0), [crop], WholeCrop())()
        assert mask.shape == (512, 512)
    else:
        (mask,) = Occluder(recipe, network).begin(Lane(0), [partial(drawn, noise(256))])()
        assert mask.shape == (256, 256)
    assert 0 <= mask.min() <= mask.max() <= 1


def test_wrong_models_are_named() -> None:
    crop = swapped(aligned_crop(128))
    network = engine((1, 3, 512, 512), lambda blob: np.zeros((1, 5, 512, 512), np.float32))
    with pytest.raises(EngineFailed, match=r"\(5, 512, 512\)"):
        Parser(load_recipe("bisenet_resnet_34"), network, ["nose"]).begin(Lane(0), [crop], WholeCrop())()
    sizeless = load_recipe("xseg_1").model_copy(update={"crop_px": None})
    with pytest.raises(RecipeInvalid, match="crop_px"):
        MaskNetwork(sizeless, engine(("n", "h", "w", 3), lambda blob: blob))
