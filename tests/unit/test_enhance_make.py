"""From settings to the stage, and what a network is fed."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from livefuse.align.cut import RegionCut
from livefuse.config import make_config
from livefuse.device.base import Lane
from livefuse.engines import Engines
from livefuse.enhance.facefusion import FaceFusionGround
from livefuse.enhance.ground import Plain
from livefuse.enhance.make import make_enhancers
from livefuse.enhance.network import Network, read_face
from livefuse.enhance.restorer import Restorer
from livefuse.errors import BadValue, ModelMissing, RecipeInvalid
from livefuse.paths import Paths
from livefuse.weights.recipe import Recipe, Result, load_recipe
from livefuse.weights.store import ModelStore
from tests.synthetic_models import install
from tests.unit.engines import FunctionEngine
from tests.unit.enhance_faces import BACKEND, copied, cut_swapped, engine_of, recipe_of, run, talking


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Engines:
    paths = Paths.default({"LIVEFUSE_HOME": str(tmp_path_factory.mktemp("home"))})
    install(paths, "gpen_bfr_256")
    return Engines(make_config({}, {"auto_pull": False}), ModelStore.default(paths))


def stage_of(engines: Engines, wait: Any = True, **settings: Any) -> Restorer:
    named = {"enhance.model": "gpen_bfr_256", **{key.replace("__", "."): value for key, value in settings.items()}}
    (stage,) = make_enhancers(make_config({}, named), engines, BACKEND, wait=wait)
    assert isinstance(stage, Restorer)
    return stage


def test_no_model_is_no_stage(engines: Engines) -> None:
    assert make_enhancers(make_config({}, {}), engines, BACKEND, wait=True) == ()


def test_settings_arrive(engines: Engines) -> None:
    stage = stage_of(engines, enhance__every=5, enhance__blend=0.3)
    assert stage.every == 5
    assert stage._blend == 0.3


@pytest.mark.parametrize(
    ("said", "default", "waits"), [(None, True, True), (None, False, False), (True, False, True), (False, True, False)]
)
def test_wait_is_what_is_said_or_the_default(engines: Engines, said: bool | None, default: bool, waits: bool) -> None:
    assert stage_of(engines, default, enhance__wait=said)._wait is waits


@pytest.mark.parametrize(
    ("settings", "ground", "own"),
    [
        ({}, Plain, True),
        ({"swap.model": "inswapper_128"}, Plain, True),
        ({"swap.model": "inswapper_128", "profile.name": "insightface"}, Plain, False),
        ({"swap.model": "inswapper_128", "profile.name": "facefusion"}, FaceFusionGround, None),
        ({"profile.name": "facefusion"}, Plain, True),  # the mesh knows no profiles
        ({"enhance.mask": "box"}, Plain, False),
    ],
)
def test_profile_and_mask_choose_the_ground(
    engines: Engines, settings: dict[str, str], ground: type, own: bool | None
) -> None:
    stage = stage_of(engines, **{key.replace(".", "__"): value for key, value in settings.items()})
    assert type(stage._ground) is ground
    if isinstance(stage._ground, Plain):
        assert stage._ground._own is own


def test_a_synthesized_model_runs(engines: Engines) -> None:
    stage = stage_of(engines, enhance__every=2)
    for i, (picture, landmarks) in enumerate(talking(24)[:3]):
        crop = cut_swapped(RegionCut(BACKEND), picture, landmarks[0])
        before = copied(crop)
        (out,) = run(stage, picture, [crop], i)
        assert out.mask is not None
        changed = np.abs(out.image.astype(int) - before.image)[out.mask > 200].mean()
        assert 0.3 < changed < 40  # of random weights, GPEN adds a faint pattern


def test_another_kind_of_model_is_refused_by_name(engines: Engines) -> None:
    with pytest.raises(BadValue, match=r"enhance\.model = 'yunet' is a detector, not an enhancer"):
        stage_of(engines, enhance__model="yunet")
    with pytest.raises(ModelMissing, match="no recipe is called 'gpfgan'"):
        stage_of(engines, enhance__model="gpfgan")


def test_a_recipe_without_a_place_for_the_face_is_refused() -> None:
    with pytest.raises(RecipeInvalid, match="needs `template`"):
        Network(recipe_of(template=None), engine_of(lambda x: x), 0.5)
    twins = tuple(load_recipe("codeformer").inputs[0].model_copy(update={"name": name, "role": None}) for name in "ab")
    with pytest.raises(RecipeInvalid, match="which of a, b is the picture"):
        Network(recipe_of(inputs=twins), engine_of(lambda x: x), 0.5)


def a_network(recipe: Recipe, side: int, fidelity: float, batch: int | str = 1) -> tuple[Network, FunctionEngine]:
    """Names as the recipe has them; the picture comes back as it went in."""
    inputs: dict[str, tuple[int | str, ...]] = {
        tensor.name: (batch, 3, side, side) if tensor.role == "image" else (1,) for tensor in recipe.inputs
    }
    engine = FunctionEngine(inputs, lambda feeds: {recipe.outputs[0].name: feeds[recipe.inputs[0].name]})
    return Network(recipe.model_copy(update={"crop_px": side}), engine, fidelity), engine


@pytest.mark.parametrize(
    ("name", "template", "side"),
    [
        ("gfpgan_1.4", "ffhq_512", 512),
        ("codeformer", "ffhq_512", 512),
        ("gpen_bfr_256", "arcface_128", 256),
        ("gpen_bfr_512", "ffhq_512", 512),
        ("restoreformer_plus_plus", "ffhq_512", 512),
    ],
)
def test_what_each_recipe_feeds_is_the_references(name: str, template: str, side: int) -> None:
    """(x / 255 - .5) / .5, red first: 0 is -1, 255 is 1, 51 is -.6; and back to 0, 255 and 51."""
    recipe = load_recipe(name)
    assert (recipe.template, recipe.crop_px) == (template, side)
    network, engine = a_network(recipe, 4, 0.7)
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0], image[0, 1, 1], image[0, 1, 2] = 51, 255, 102
    (one,) = network.submit(Lane(0), [image])
    fed = engine.fed[0]["input" if "input" in engine.fed[0] else recipe.inputs[0].name]
    assert fed[0, :, 0, 1] == pytest.approx([-0.6, 1.0, -0.2], abs=1e-6)
    assert fed[0, :, 3, 3] == pytest.approx([-0.6, -1.0, -1.0], abs=1e-6)
    assert np.rint(one.read()).astype(np.uint8)[0, 1].tolist() == [51, 255, 102]


def test_fidelity_goes_in_as_a_double() -> None:
    network, engine = a_network(load_recipe("codeformer"), 4, 0.7)
    network.submit(Lane(0), [np.zeros((4, 4, 3), np.uint8)])
    assert engine.fed[0]["weight"].dtype == np.float64
    assert engine.fed[0]["weight"].tolist() == [0.7]


def test_answers_are_clipped_and_not_rounded() -> None:
    """-2 is below black; 3 above white; 0.25 is 0.625 * 255 = 159.375."""
    planes = np.stack([np.full((2, 2), value, np.float32) for value in (-2, 3, 0.25)])
    assert read_face(planes, Result(gain=0.5, offset=0.5))[0, 0].tolist() == [0.0, 255.0, 159.375]
    assert read_face(planes, Result(gain=0.5, offset=0.5, order="bgr"))[0, 0].tolist() == [159.375, 255.0, 0.0]


def test_the_package_is_light() -> None:
    code = (
        "import sys, livefuse.enhance; sys.exit(any(name in sys.modules for name in ('cv2', 'numpy', 'onnxruntime')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
