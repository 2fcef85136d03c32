"""The generic swapper, its identity sources and the DFM module, on engines that do what a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pytest

from livefuse.align.cut import Face
from livefuse.composite.profiles import make_profile
from livefuse.config import ProfileConfig
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.errors import RecipeInvalid
from livefuse.frame import F32, U8, Crop
from livefuse.runtime.base import Feeds, Outputs
from livefuse.swap.identity import Identity, Quality, Shot
from livefuse.swap.neural.boost import explode, implode
from livefuse.swap.neural.dfm import DfmSwapper, sharpened, soft_mask
from livefuse.swap.neural.source import EmbeddingSource, ImageSource
from livefuse.swap.neural.swapper import NeuralSwapper, named
from livefuse.weights.recipe import Recipe, Tensor, load_recipe
from tests.unit.engines import FunctionEngine
from tests.unit.photos import picture_of
from tests.unit.swap_faces import CONSENT, identity

BACKEND = CpuBackend()
POINTS = np.array([[-30, -30], [30, -30], [0, 5], [-25, 35], [25, 35]], np.float32)


class Recogniser:
    """Gives each photo, told apart by its first pixel, the row it is told."""

    def __init__(self, rows: Mapping[int, F32]) -> None:
        self._rows = rows
        self.asked = 0

    def raw(self, lane: Lane, picture: Picture, points: F32) -> F32:
        self.asked += 1
        return self._rows[int(picture.planes[0][0, 0, 0])][None]


def swapper_of(
    recipe: Recipe, engine: FunctionEngine, source: Callable[[Identity], F32], profile: str = "insightface"
) -> Any:
    return NeuralSwapper(recipe, engine, source, make_profile(ProfileConfig(name=profile), BACKEND))  # type: ignore[arg-type]


def unit_source(one: Identity) -> F32:
    return np.full((1, 512), float(int(one.photo_sha256, 16)), np.float32)


def shapes(recipe: Recipe, batch: int | str) -> dict[str, tuple[int | str, ...]]:
    return {tensor.name: (batch, *tensor.shape[1:]) for tensor in recipe.inputs}


def echo(recipe: Recipe) -> Callable[[Feeds], Outputs]:
    """The picture that went in comes out."""
    image, face = named(recipe.inputs, "image"), named(recipe.outputs, "face")
    return lambda feeds: {face: np.array(feeds[image])}


def crops_of(swapper: Any, lane: Lane, roles: Sequence[int] = (0,)) -> list[Crop]:
    rng = np.random.default_rng(0)
    picture = picture_of(rng.integers(0, 255, (480, 640, 3)).astype(np.uint8))
    crops = []
    for i, role in enumerate(roles):
        points = POINTS + np.array([150 + 120 * i, 200], np.float32)
        face = Face(i + 1, points, np.empty((0, 2), np.float32), role)
        crops.append(swapper.cut(lane, picture, face, i))
    return crops


@pytest.mark.parametrize("name", ["inswapper_128", "hyperswap_1a_256", "simswap_256", "ghost_1_256", "uniface_256"])
def test_a_network_that_changes_nothing_gives_the_crop_back(name: str) -> None:
    """Normalisation in and denormalisation out are each other's inverse, but for simswap, whose output is plain."""
    recipe, lane = load_recipe(name), Lane(0)
    engine = FunctionEngine(shapes(recipe, 1), echo(recipe))
    swapper = swapper_of(recipe, engine, unit_source)
    (crop,) = crops_of(swapper, lane)
    before = crop.image.copy()
    swapper(lane, [crop], [identity(7)], 0)
    assert crop.swapped
    assert crop.image.shape == (recipe.crop_px, recipe.crop_px, 3)
    expected = before.astype(np.float32)
    if name == "simswap_256":
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        expected = np.clip((before / 255 - mean) / std * 255, 0, 255)
    assert np.abs(crop.image - expected).max() <= 1.01


def test_the_network_sees_what_its_recipe_says() -> None:
    recipe, lane = load_recipe("hyperswap_1a_256"), Lane(0)
    engine = FunctionEngine(shapes(recipe, 1), echo(recipe))
    swapper = swapper_of(recipe, engine, unit_source)
    (crop,) = crops_of(swapper, lane)
    seen = crop.image.astype(np.float32).transpose(2, 0, 1)[None]
    swapper(lane, [crop], [identity(7)], 0)
    np.testing.assert_allclose(engine.fed[0]["target"], (seen / 255 - 0.5) / 0.5, atol=1e-6)
    assert (engine.fed[0]["source"] == 7).all()


@pytest.mark.parametrize(("batch", "runs"), [(1, 3), ("batch", 1)])
def test_all_faces_in_one_run_where_the_model_takes_them(batch: int | str, runs: int) -> None:
    recipe, lane = load_recipe("inswapper_128"), Lane(0)
    engine = FunctionEngine(shapes(recipe, batch), echo(recipe))
    swapper = swapper_of(recipe, engine, unit_source)
    crops = crops_of(swapper, lane, roles=(0, 1, 0))
    swapper(lane, crops, [identity(7), identity(3)], 0)
    assert len(engine.fed) == runs
    fed = np.concatenate([one["source"][:, 0] for one in engine.fed])
    assert fed.tolist() == [7, 3, 7], "each face wears the identity of its role"
    assert all(crop.swapped for crop in crops)


def test_a_role_without_identity_is_left_alone() -> None:
    recipe, lane = load_recipe("inswapper_128"), Lane(0)
    engine = FunctionEngine(shapes(recipe, 1), echo(recipe))
    swapper = swapper_of(recipe, engine, unit_source)
    crops = crops_of(swapper, lane, roles=(0, 1, 5))
    swapper(lane, crops, [None, identity(3)], 0)
    assert [crop.swapped for crop in crops] == [False, True, False]
    assert len(engine.fed) == 1


def test_an_identity_s_source_is_computed_once() -> None:
    recipe, lane, asked = load_recipe("inswapper_128"), Lane(0), []

    def source(one: Identity) -> F32:
        asked.append(one)
        return unit_source(one)

    swapper = swapper_of(recipe, FunctionEngine(shapes(recipe, 1), echo(recipe)), source)
    ann, bob = identity(7), identity(3)
    swapper.prepare(ann)
    for _ in range(3):
        swapper(lane, crops_of(swapper, lane), [ann], 0)
    swapper(lane, crops_of(swapper, lane), [bob], 0)
    assert asked == [ann, bob]


def test_imploded_pictures_are_the_reference_s_and_come_back() -> None:
    k, size = 3, 8
    image = np.random.default_rng(0).integers(0, 255, (k * size, k * size, 3)).astype(np.uint8)
    parts = np.empty((k * k, size, size, 3), np.uint8)
    implode(image, k, parts)
    want = image.reshape(size, k, size, k, 3).transpose(1, 3, 0, 2, 4).reshape(k * k, size, size, 3)
    np.testing.assert_array_equal(parts, want)
    planes = np.empty((3, k * size, k * size), np.float32)
    explode(list(parts.astype(np.float32).transpose(0, 3, 1, 2)), k, planes)
    np.testing.assert_array_equal(planes.transpose(1, 2, 0), image)


@pytest.mark.parametrize(("batch", "runs"), [(1, 8), ("batch", 1)])
def test_boost_swaps_larger_faces_in_one_run_where_the_model_takes_it(batch: int | str, runs: int) -> None:
    recipe, lane = load_recipe("hyperswap_1a_256"), Lane(0)
    mask = recipe.output("mask")
    assert mask is not None
    give = echo(recipe)
    engine = FunctionEngine(
        shapes(recipe, batch), lambda feeds: dict(give(feeds)) | {mask: np.ones_like(feeds["target"][:, :1])}
    )
    profile = make_profile(ProfileConfig(name="insightface"), BACKEND)
    swapper = NeuralSwapper(recipe, engine, unit_source, profile, boost=2)  # type: ignore[arg-type]
    crops = crops_of(swapper, lane, roles=(0, 1))
    before = [crop.image.copy() for crop in crops]
    assert before[0].shape == (512, 512, 3)
    swapper(lane, crops, [identity(7), identity(3)], 0)
    assert len(engine.fed) == runs
    fed = np.concatenate([one["source"][:, 0] for one in engine.fed])
    assert fed.tolist() == [7] * 4 + [3] * 4
    for crop, was in zip(crops, before, strict=True):
        assert np.abs(crop.image.astype(int) - was).max() <= 1


@pytest.mark.parametrize(("profile", "counts"), [("livefuse", True), ("facefusion", False)])
def test_the_model_s_own_mask_counts_where_the_profile_takes_it(profile: str, counts: bool) -> None:
    recipe, lane = load_recipe("hyperswap_1a_256"), Lane(0)
    face, mask = named(recipe.outputs, "face"), recipe.output("mask")
    assert mask is not None
    half = np.ones((1, 1, 256, 256), np.float32)
    half[..., :128] = 0
    engine = FunctionEngine(shapes(recipe, 1), lambda feeds: {face: np.zeros((1, 3, 256, 256), np.float32), mask: half})
    swapper = swapper_of(recipe, engine, unit_source, profile)
    (crop,) = crops_of(swapper, lane)
    swapper(lane, [crop], [identity(7)], 0)
    assert crop.mask is not None
    assert crop.mask[100:156, 160:200].min() > 0
    assert (crop.mask[100:156, 60:120].max() == 0) == counts


def test_a_recipe_with_two_inputs_and_no_roles_is_refused() -> None:
    tensors = (Tensor(name="a", shape=(1,)), Tensor(name="b", shape=(1,)))
    with pytest.raises(RecipeInvalid, match="which of a, b is the image"):
        named(tensors, "image")


def person(*firsts: int) -> Identity:
    """One shot for each number, which is its picture's first pixel."""
    base = identity(7)
    shots = []
    for first in firsts:
        image: U8 = base.image.copy()
        image[0, 0] = first
        shots.append(Shot(image, base.landmarks, base.points, f"{first:064x}", "photo", Quality(1, 1, 1, 100)))
    return Identity("p", base.image, base.landmarks, base.points, CONSENT, "0" * 64, tuple(shots))


ROWS = {n: np.random.default_rng(n).normal(size=512).astype(np.float32) * (n + 1) for n in range(3)}
EMAP = np.random.default_rng(9).normal(size=(512, 512)).astype(np.float32)


def embedding(name: str, **settings: Any) -> F32:
    source = EmbeddingSource(load_recipe(name), Recogniser(ROWS), BACKEND, **settings)  # type: ignore[arg-type]
    return source(person(0, 1, 2))


def test_photos_are_averaged_as_the_recogniser_gave_them() -> None:
    mean = np.mean([ROWS[0], ROWS[1], ROWS[2]], axis=0)
    np.testing.assert_allclose(embedding("hyperswap_1a_256")[0], mean / np.linalg.norm(mean), atol=1e-6)


def test_the_two_ways_to_scale_a_mapped_embedding() -> None:
    """insightface: unit, map, unit. facefusion: map, divided by the embedding's length, as it is."""
    mean = np.mean([ROWS[0], ROWS[1], ROWS[2]], axis=0).astype(np.float64)
    ours = embedding("inswapper_128", emap=EMAP, latent="insightface")
    mapped = (mean / np.linalg.norm(mean)) @ EMAP
    np.testing.assert_allclose(ours[0], mapped / np.linalg.norm(mapped), atol=1e-5)
    theirs = embedding("inswapper_128", emap=EMAP, latent="facefusion")
    np.testing.assert_allclose(theirs[0], mapped, rtol=1e-4, atol=1e-4)
    assert abs(float(np.linalg.norm(theirs)) - 1) > 1


def test_a_converter_gets_the_raw_embedding_and_ghost_its_raw_answer() -> None:
    seen: list[F32] = []

    def convert(lane: Lane, raw: F32) -> F32:
        seen.append(raw)
        return raw * np.float32(3)

    mean = np.mean([ROWS[0], ROWS[1], ROWS[2]], axis=0)
    ghost = embedding("ghost_1_256", converter=convert)
    np.testing.assert_allclose(seen[0][0], mean, rtol=1e-5)
    np.testing.assert_allclose(ghost[0], mean * 3, rtol=1e-5)
    assert np.linalg.norm(embedding("simswap_256", converter=convert)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("name", "side"), [("blendswap_256", 112), ("uniface_256", 256)])
def test_models_that_look_at_the_photo_get_it_aligned(name: str, side: int) -> None:
    recipe = load_recipe(name)
    fed = ImageSource(recipe, BACKEND)(identity(7))
    assert fed.shape == (1, 3, side, side)
    assert 0 <= fed.min() < 0.2
    assert 0.5 < fed.max() <= 1
    mouth = fed[0, :, int(side * 0.75), side // 2]
    assert fed[0].std() > 0.05, mouth


def dfm(compute: Callable[[Feeds], Outputs], *, morph: bool = False) -> tuple[DfmSwapper, FunctionEngine]:
    recipe = load_recipe("dfm")
    if morph:
        extra = Tensor(name="morph_value:0", shape=(1,), role="morph")
        recipe = recipe.model_copy(update={"inputs": (*recipe.inputs, extra)})
    engine = FunctionEngine({tensor.name: tensor.shape for tensor in recipe.inputs}, compute)
    return DfmSwapper(recipe, engine, make_profile(ProfileConfig(), BACKEND), morph=0.75), engine


def dfm_outputs(feeds: Feeds) -> Outputs:
    ones = np.ones((1, 224, 224, 1), np.float32)
    inner = np.zeros_like(ones)
    inner[:, 40:200, 40:180] = 1
    return {
        "out_face_mask:0": ones,
        "out_celeb_face:0": np.array(feeds["in_face:0"]),
        "out_celeb_face_mask:0": inner,
    }


def test_dfm_sees_sharpened_bgr_and_morphs() -> None:
    lane = Lane(0)
    swapper, engine = dfm(dfm_outputs, morph=True)
    (crop,) = crops_of(swapper, lane)
    blurred = cv2.GaussianBlur(crop.image, (0, 0), 2).astype(np.float64)
    sharp = np.clip(np.round(1.75 * crop.image - 0.75 * blurred), 0, 255)
    swapper(lane, [crop], [identity(7)], 0)
    assert np.abs(engine.fed[0]["in_face:0"][0] * 255 - sharp[..., ::-1]).max() <= 1.01
    assert engine.fed[0]["morph_value:0"] == np.float32(0.75)


def test_dfm_covers_what_both_masks_say_and_takes_the_target_s_colours() -> None:
    lane = Lane(0)

    def bluish(feeds: Feeds) -> Outputs:
        out = dfm_outputs(feeds)
        out["out_celeb_face:0"] = np.clip(out["out_celeb_face:0"] * (1.0, 0.9, 0.9), 0, 1).astype(np.float32)
        return out

    swapper, _ = dfm(bluish)
    (crop,) = crops_of(swapper, lane)
    swapper(lane, [crop], [identity(7)], 0)
    assert crop.swapped
    assert crop.mask is not None
    assert crop.mask[110, 110] > 200
    assert crop.mask[:18].max() == 0, "above the celebrity's mask"
    assert crop.mask[:, 206:].max() == 0


def test_soft_mask_by_hand() -> None:
    square = np.zeros((64, 64), np.float32)
    square[16:48, 16:48] = 1
    soft = soft_mask([square, np.ones((64, 64), np.float32) * 2])
    eroded = np.zeros((64, 64), np.float32)
    eroded[18:46, 18:46] = 1  # twice by one pixel
    np.testing.assert_allclose(soft, cv2.GaussianBlur(eroded, (0, 0), 6.25), atol=1e-6)


def test_sharpening_leaves_flat_areas_alone() -> None:
    flat = np.full((32, 32, 3), (10, 100, 200), np.uint8)
    out = np.empty((32, 32, 3), np.float32)
    sharpened(flat, out)
    np.testing.assert_allclose(out * 255, np.broadcast_to((200, 100, 10), out.shape), atol=1e-3)
