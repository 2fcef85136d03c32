"""`livefuse models add`: what a file is, whether it runs, and the recipe it gets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import typer
from typer.testing import CliRunner, Result

from livefuse.cli import models, models_own
from livefuse.errors import (
    BadValue,
    EngineFailed,
    LicenceNotAccepted,
    LivefuseError,
    ModelCorrupt,
    ModelError,
    ModelMissing,
    StoreUnwritable,
)
from livefuse.weights.add.adding import Added, add_model
from livefuse.weights.add.family import recognise
from livefuse.weights.add.inspection import Inspection, inspect
from livefuse.weights.add.trial import feed, tried
from livefuse.weights.add.writing import as_toml
from livefuse.weights.emap import emap_beside, emap_of, sidecar_of
from livefuse.weights.recipe import Recipe, Tensor, builtin_recipes, read_recipe
from livefuse.weights.store import ModelStore

pytest.importorskip("onnx")
from tests.unit.tiny_onnx import Shapes, tiny

EMAP = np.random.default_rng(3).standard_normal((512, 512)).astype(np.float32)
PHOTO, FACE, LARGE, VOLUME = (1, 3, 128, 128), (1, 3, 256, 256), (1, 3, 512, 512), (1, 32, 16, 64, 64)
MOTION_OUTPUTS = ("pitch", "yaw", "roll", "scale", "translation", "expression", "points")
MOTION = {"translation": (1, 3), "expression": (1, 21, 3), "points": (1, 21, 3)}
RECIPES = builtin_recipes()


def inswapper(path: Path, **changed: Any) -> Path:
    told: dict[str, Any] = {"extra": {"buff2fs": EMAP}} | changed
    return tiny(path, {"target": PHOTO, "source": (1, 512)}, {"output": PHOTO}, **told)


def scrfd_outputs() -> dict[str, tuple[int | str, ...]]:
    return {f"{width}_{stride}": (f"n{stride}", width) for width in (1, 4, 10) for stride in (8, 16, 32)}


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "store")


@pytest.fixture
def adding(store: ModelStore, tmp_path: Path) -> Callable[..., Added]:
    def add(file: Path, **options: Any) -> Added:
        return add_model(store, tmp_path / "recipes", file, **({"accept_licence": True} | options))

    return add


def left_in(folder: Path) -> list[str]:
    kept = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".lock", ".licence"))
    return sorted(path.name for path in kept)


@pytest.mark.parametrize(
    ("family", "inputs", "outputs", "extra"),
    [
        ("inswapper_128", {"target": PHOTO, "source": (1, 512)}, {"output": PHOTO}, {"buff2fs": EMAP}),
        ("inswapper_128", {"x": ("N", *PHOTO[1:]), "y": ("N", 512)}, {"z": ("N", *PHOTO[1:])}, {"other": EMAP}),
        ("simswap_unofficial_512", {"input": (1, 3, 512, 512), "onnx::Gemm_1": (1, 512)}, {"output": (1, 3, 512, 512)}, {}),
        ("hyperswap_1a_256", {"source": (1, 512), "target": FACE}, {"o": FACE, "m": (1, 1, 256, 256)}, {}),
        ("blendswap_256", {"target": FACE, "source": (1, 3, 112, 112)}, {"output": FACE}, {}),
        ("uniface_256", {"source": FACE, "target": FACE}, {"output": FACE}, {}),
        ("scrfd_10g", {"input.1": (1, 3, "h", "w")}, scrfd_outputs(), {}),
        ("yoloface_8n", {"images": (1, 3, 640, 640)}, {"output0": (1, 20, 8400)}, {}),
        ("landmarks_2d106", {"data": ("None", 3, 192, 192)}, {"fc1": ("None", 212)}, {}),
        ("2dfan4", {"input": FACE}, {"landmarks_xyscore": (1, 68, 3), "heatmaps": (1, 68, 64, 64)}, {}),
        ("peppa_wutz", {"input": FACE}, {"out": (1, 68, 3)}, {}),
        ("peppa_wutz", {"input": FACE}, {"out": ("batch", 204)}, {}),
        ("fan_68_5", {"input": (1, 5, 2)}, {"out": (1, 68, 2)}, {}),
        ("facemesh_468", {"input_1": (1, 192, 192, 3)}, {"conv2d_21": (1, 1, 1, 1404), "conv2d_31": (1, 1, 1, 1)}, {}),
        ("w600k_r50", {"input.1": ("N", 3, 112, 112)}, {"683": ("N", 512)}, {}),
        ("mobilefacenet", {"x": (1, 3, 112, 112)}, {"y": (1, 128)}, {}),
        ("crossface_ghost", {"input": ("N", 512)}, {"output": ("N", 512)}, {}),
        ("xseg_1", {"input": ("N", 256, 256, 3)}, {"mask": ("N", 256, 256, 1)}, {}),
        ("xseg_vm", {"x": FACE}, {"y": (1, 1, 256, 256)}, {}),
        ("occluder_vm", {"img": FACE}, {"output": (1, 1, 256, 256)}, {}),
        ("bisenet_resnet_34", {"input": ("N", 3, 512, 512)},
            {"output": ("N", 19, 512, 512), "0": ("N", 19, 512, 512), "1": ("N", 19, 512, 512)}, {}),
        ("gfpgan_1.4", {"input": LARGE}, {"output": LARGE}, {}),
        ("gpen_bfr_256", {"input": FACE}, {"output": FACE}, {}),
        ("codeformer", {"x": LARGE, "w": (1,)}, {"y": LARGE}, {}),
        ("restoreformer_plus_plus", {"input": LARGE}, {"2359": LARGE, "other": (1, 256, 16, 16)}, {}),
        ("live_portrait_feature_extractor", {"img": FACE}, {"volume": VOLUME}, {}),
        ("live_portrait_motion_extractor", {"img": FACE}, {name: MOTION.get(name, (1, 1)) for name in MOTION_OUTPUTS}, {}),
        ("live_portrait_generator", {"feature_volume": VOLUME, "source": (1, 21, 3), "target": (1, 21, 3)}, {"out": LARGE}, {}),
        ("dfm", {"in_face:0": ("N", 96, 96, 3)},
            {"out_face_mask:0": ("N", 96, 96, 1), "out_celeb_face:0": ("N", 96, 96, 3),
             "out_celeb_face_mask:0": ("N", 96, 96, 1)}, {}),
    ],
)  # fmt: skip
def test_every_family_fits_its_own_structure_and_runs(
    tmp_path: Path, family: str, inputs: Shapes, outputs: Shapes, extra: dict[str, npt.NDArray[Any]]
) -> None:
    file = tiny(tmp_path / "x.onnx", inputs, outputs, extra=extra)
    found = inspect(file)
    match = recognise(found, RECIPES, family=family)
    assert {t.name for t in match.inputs} == set(inputs)
    assert {t.name for t in match.outputs} <= set(outputs)
    recipe = match.recipe.model_copy(update={"inputs": match.inputs, "outputs": match.outputs})
    assert not tried(file, recipe, found.precision).fault
    others = [other for other in RECIPES if RECIPES[other].kind != RECIPES[family].kind]
    for other in others:
        with pytest.raises(BadValue, match=f"is no {other}"):
            recognise(found, RECIPES, family=other)


def found_as(file: Path, **changed: Any) -> Inspection:
    return replace(inspect(file), **changed)


def swapper_256(folder: Path, name: str = "x.onnx") -> Path:
    return tiny(folder / name, {"target": FACE, "source": (1, 512)}, {"output": FACE})


@pytest.mark.parametrize(
    ("parameters", "family"),
    [
        (55_051_779, "simswap_256"),
        (55_010_000, "simswap_256"),
        (128_500_000, "ghost_1_256"),
        (184_900_000, "ghost_2_256"),
        (240_200_000, "ghost_3_256"),
    ],
)
def test_the_number_of_weights_tells_families_of_one_shape_apart(tmp_path: Path, parameters: int, family: str) -> None:
    found = found_as(swapper_256(tmp_path), parameters=parameters, size_bytes=4 * parameters)
    assert recognise(found, RECIPES).recipe.name == family


@pytest.mark.parametrize(
    ("parameters", "family"), [(4_229_905, "scrfd_10g"), (3_900_000, "scrfd_10g"), (819_809, "scrfd_2.5g"), (631_413, "scrfd_500m"), (1, "scrfd_500m")]
)  # fmt: skip
def test_detectors_are_told_apart_by_their_depth(tmp_path: Path, parameters: int, family: str) -> None:
    file = tiny(tmp_path / "x.onnx", {"input.1": (1, 3, "h", "w")}, scrfd_outputs())
    found = found_as(file, parameters=parameters, size_bytes=4 * parameters)
    assert recognise(found, RECIPES).recipe.name == family


@pytest.mark.parametrize(
    ("parameters", "family"),
    [(71_005_223, "gpen_bfr_512"), (71_400_000, "gpen_bfr_512"), (73_469_507, "restoreformer_plus_plus")],
)
def test_restorers_of_nearly_one_size_are_told_apart(tmp_path: Path, parameters: int, family: str) -> None:
    file = tiny(tmp_path / "x.onnx", {"input": LARGE}, {"output": LARGE})
    found = found_as(file, parameters=parameters, size_bytes=4 * parameters)
    assert recognise(found, RECIPES).recipe.name == family


def test_occluders_are_told_apart_by_their_weights_and_gfpgan_s_versions_by_their_names(tmp_path: Path) -> None:
    mask = tiny(tmp_path / "x.onnx", {"x": FACE}, {"y": (1, 1, 256, 256)})
    for name in ("xseg_vm", "occluder_vm"):
        assert recognise(found_as(mask, parameters=RECIPES[name].parameters), RECIPES).recipe.name == name
    face = tiny(tmp_path / "y.onnx", {"input": LARGE}, {"output": LARGE})
    found = found_as(face, parameters=85_038_571)
    with pytest.raises(ModelError, match=r"gfpgan_1\.2, gfpgan_1\.3 or gfpgan_1\.4"):
        recognise(found, RECIPES)
    assert recognise(replace(found, path=Path("GFPGANv1.3.onnx")), RECIPES).recipe.name == "gfpgan_1.3"


def upscaler(path: Path, *, side: int) -> Path:
    free: Shapes = {"input": ("N", 3, "h", "w")}
    return tiny(path, free, {"output": ("N", 3, "H", "W")}, free={"N": 1, "H": side, "W": side})


@pytest.mark.parametrize(
    ("parameters", "families"),
    [
        (1_213_296, {"real_esrgan_general_x4v3"}),
        (426_288, {"span_kendata_x4"}),
        (16_697_987, {"real_esrgan_x2", "real_esrgan_x4", "ultra_sharp_x4"}),
    ],
)
def test_upscalers_by_their_weights(tmp_path: Path, parameters: int, families: set[str]) -> None:
    found = found_as(upscaler(tmp_path / "x.onnx", side=512), parameters=parameters)
    if len(families) == 1:
        assert {recognise(found, RECIPES).recipe.name} == families
        return
    with pytest.raises(ModelError, match="by their structure they are the same") as caught:
        recognise(found, RECIPES)
    assert all(name in caught.value.message for name in families)


def test_an_upscaler_is_tried_for_its_scale(tmp_path: Path, adding: Callable[..., Added]) -> None:
    fourfold = upscaler(tmp_path / "four.onnx", side=4 * 128)
    assert adding(fourfold, family="real_esrgan_x4").recipe.scale == 4
    with pytest.raises(ModelCorrupt, match="not 2 times as large: 512x512 instead of 256x256"):
        adding(fourfold, family="real_esrgan_x2")
    fixed = tiny(tmp_path / "fixed.onnx", {"input": PHOTO}, {"output": (1, 3, 512, 512)})
    assert recognise(inspect(fixed), RECIPES, family="real_esrgan_x4").recipe.name == "real_esrgan_x4"
    with pytest.raises(BadValue, match="it makes 512 pixels of 128, not 2 times as many"):
        recognise(inspect(fixed), RECIPES, family="real_esrgan_x2")
    with pytest.raises(BadValue, match="may have any size"):
        recognise(inspect(fourfold), RECIPES, family="gfpgan_1.4")


def test_a_known_hash_or_size_decides_at_once(tmp_path: Path) -> None:
    file = swapper_256(tmp_path)
    hashed = found_as(file, sha256=RECIPES["hyperswap_1b_256"].sha256)
    assert recognise(hashed, RECIPES).recipe.name == "hyperswap_1b_256"
    sized = found_as(file, size_bytes=RECIPES["hififace_unofficial_256"].bytes)
    assert recognise(sized, RECIPES).recipe.name == "hififace_unofficial_256"


def test_twins_are_named_and_the_user_is_asked(tmp_path: Path) -> None:
    shapes: Shapes = {"o": FACE, "m": (1, 1, 256, 256)}
    file = tiny(tmp_path / "mine.onnx", {"source": (1, 512), "target": FACE}, shapes)
    found = found_as(file, size_bytes=402_742_682, parameters=201_000_000)
    with pytest.raises(ModelError, match="hyperswap_1a_256, hyperswap_1b_256 or hyperswap_1c_256") as caught:
        recognise(found, RECIPES)
    assert "--family" in caught.value.hint
    assert recognise(found, RECIPES, family="hyperswap_1c").recipe.name == "hyperswap_1c_256"
    called = replace(found, path=Path("hyperswap_1b_256.onnx"))
    assert recognise(called, RECIPES).recipe.name == "hyperswap_1b_256"
    with pytest.raises(ModelError, match="simswap_256"):
        recognise(inspect(swapper_256(tmp_path)), RECIPES)


def test_inswapper_is_what_carries_a_matrix_beside_its_graph(tmp_path: Path) -> None:
    assert recognise(inspect(inswapper(tmp_path / "a.onnx")), RECIPES).recipe.name == "inswapper_128"
    half = inswapper(tmp_path / "b.onnx", dtype="float16", extra={"emap": EMAP.astype(np.float16)})
    assert recognise(inspect(half), RECIPES).recipe.name == "inswapper_128_fp16"
    with pytest.raises(ModelError, match="of no known family"):
        recognise(inspect(inswapper(tmp_path / "c.onnx", extra={})), RECIPES)
    with pytest.raises(BadValue, match="no 512x512 weight"):
        recognise(inspect(tmp_path / "c.onnx"), RECIPES, family="inswapper")


def test_what_is_unknown_is_described(tmp_path: Path) -> None:
    file = tiny(tmp_path / "x.onnx", {"a": (1, 7)}, {"b": (2, 3)})
    with pytest.raises(ModelError, match=r"a \(1, 7\) float32 -> b \(2, 3\) float32"):
        recognise(inspect(file), RECIPES)
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelCorrupt, match="no ONNX file"):
        inspect(tmp_path / "text.onnx")
    with pytest.raises(ModelMissing):
        inspect(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("extra", "name"),
    [
        ({"buff2fs": EMAP, "_ln_scale_32x32": np.ones((1,), np.float32)}, "buff2fs"),
        ({"_ln_scale_32x32": np.ones((1,), np.float32), "renamed": EMAP, "another": np.ones(2, np.float32)}, "renamed"),
        ({"half": EMAP.astype(np.float16)}, "half"),
    ],
)
def test_the_emap_is_found_by_name_then_by_shape_never_only_by_place(
    tmp_path: Path, extra: dict[str, npt.NDArray[Any]], name: str
) -> None:
    file = inswapper(tmp_path / "x.onnx", extra=extra)
    assert inspect(file).emap == name
    emap = emap_beside(file)
    assert emap.dtype == np.float32
    np.testing.assert_allclose(emap, EMAP, atol=0 if name != "half" else 5e-3)


def test_the_sidecar_is_used_until_the_model_is_newer(tmp_path: Path) -> None:
    file = inswapper(tmp_path / "x.onnx")
    sidecar = sidecar_of(file)
    emap_beside(file)
    np.save(sidecar, EMAP * 2)
    np.testing.assert_array_equal(emap_beside(file), EMAP * 2)
    stamp = sidecar.stat().st_mtime_ns
    os.utime(file, ns=(stamp + 1_000_000_000, stamp + 1_000_000_000))
    np.testing.assert_array_equal(emap_beside(file), EMAP)
    sidecar.write_bytes(b"damaged")
    np.testing.assert_array_equal(emap_beside(file), EMAP)


def test_a_file_without_emap_or_with_a_broken_one(tmp_path: Path) -> None:
    with pytest.raises(ModelCorrupt, match="no 512x512 matrix") as caught:
        emap_beside(inswapper(tmp_path / "x.onnx", extra={}))
    assert "optimisers drop it" in caught.value.hint
    with pytest.raises(ModelCorrupt, match="NaN"):
        emap_beside(inswapper(tmp_path / "y.onnx", extra={"buff2fs": EMAP * np.nan}))


def test_added_it_is_a_model_like_any_other(tmp_path: Path, store: ModelStore, adding: Callable[..., Added]) -> None:
    told: list[Any] = []
    added = adding(inswapper(tmp_path / "My swapper (2).onnx"), tell=told.append)
    assert added.recipe.name == "My_swapper_2"
    assert [type(step).__name__ for step in told] == ["Inspection", "Match", "Trial"]
    assert store.path("My_swapper_2") == added.path == tmp_path / "store" / "My_swapper_2.onnx"
    assert store.status("My_swapper_2") == "verified"
    assert added.recipe_path is not None
    recipe = read_recipe(added.recipe_path)
    assert recipe == added.recipe
    assert (recipe.family, recipe.hash_from, recipe.source.emap) == ("inswapper_128", "file", True)
    assert recipe.normalisation == RECIPES["inswapper_128"].normalisation
    np.testing.assert_array_equal(emap_of(store, recipe), EMAP)
    assert "Written by `livefuse models add` for My swapper (2).onnx" in added.recipe_path.read_text("utf-8")
    again = adding(inswapper(tmp_path / "My swapper (2).onnx"))
    assert again.recipe == added.recipe, "the same file twice is the same model"


def test_the_recipe_has_the_files_own_names_and_types(tmp_path: Path, adding: Callable[..., Added]) -> None:
    inputs: Shapes = {"input": (1, 3, 512, 512), "onnx::Gemm_1": (1, 512)}
    file = tiny(tmp_path / "vm.onnx", inputs, {"output": (1, 3, 512, 512)}, dtype="float16")
    recipe = adding(file, name="simswap_vm").recipe
    assert (recipe.input("image"), recipe.input("identity"), recipe.output("face")) == (
        "input",
        "onnx::Gemm_1",
        "output",
    )
    assert {tensor.dtype for tensor in (*recipe.inputs, *recipe.outputs)} == {"float16"}
    assert (recipe.name, recipe.file, recipe.source.converter) == ("simswap_vm", "simswap_vm.onnx", "crossface_simswap")


def test_a_dfm_has_its_own_size_and_may_morph(tmp_path: Path, adding: Callable[..., Added]) -> None:
    shapes: Shapes = {
        "out_face_mask:0": ("N", 96, 96, 1),
        "out_celeb_face:0": ("N", 96, 96, 3),
        "out_celeb_face_mask:0": ("N", 96, 96, 1),
    }
    file = tiny(tmp_path / "Somebody.dfm", {"in_face:0": ("N", 96, 96, 3), "morph_value:0": (1,)}, shapes)
    recipe = adding(file).recipe
    assert (recipe.name, recipe.file, recipe.crop_px, recipe.layout) == ("Somebody", "Somebody.dfm", 96, "nhwc")
    assert (recipe.input("image"), recipe.input("morph")) == ("in_face:0", "morph_value:0")
    assert (recipe.output("face"), recipe.output("target_mask")) == ("out_celeb_face:0", "out_face_mask:0")
    file = tiny(tmp_path / "odd.dfm", {"in_face:0": ("N", 96, 96, 3), "more:0": (1, 9)}, shapes)
    with pytest.raises(BadValue, match="more:0"):
        adding(file, family="dfm")


def test_a_file_called_like_its_family_takes_its_place(
    tmp_path: Path, store: ModelStore, adding: Callable[..., Added]
) -> None:
    added = adding(inswapper(tmp_path / "inswapper_128.onnx"))
    assert added.recipe.name == "inswapper_128"
    assert store.recipe("inswapper") == added.recipe, "also by the family's other names"
    with pytest.raises(BadValue, match="here already, with other bytes") as caught:
        adding(inswapper(tmp_path / "other" / "inswapper_128.onnx", extra={"buff2fs": EMAP * 2}))
    assert "--name" in caught.value.hint
    assert adding(tmp_path / "other" / "inswapper_128.onnx", name="second").recipe.family == "inswapper_128"


def test_the_very_bytes_of_a_recipe_need_none_of_their_own(
    tmp_path: Path, shared: Path, adding: Callable[..., Added]
) -> None:
    added = adding(shared / "models" / "yunet_n_dynamic.onnx")
    assert (added.recipe, added.recipe_path) == (RECIPES["yunet_n"], None)
    assert added.trial is not None
    assert left_in(tmp_path) == [".yunet_n_dynamic.onnx.verified", "yunet_n_dynamic.onnx"]


def test_a_licence_is_accepted_first(tmp_path: Path, store: ModelStore, adding: Callable[..., Added]) -> None:
    file = inswapper(tmp_path / "files" / "x.onnx")
    with pytest.raises(LicenceNotAccepted, match="non-commercial") as caught:
        adding(file, accept_licence=False)
    assert "--accept-licence" in caught.value.hint
    assert left_in(tmp_path) == ["x.onnx"]
    adding(file)
    store.remove("x")
    assert adding(file, accept_licence=False).recipe.name == "x", "once for this machine"


@pytest.mark.parametrize(("fill", "fault"), [(float("nan"), "holds NaN or infinity"), (0.5, "is blank")])
def test_a_model_that_gives_nothing_is_not_kept(
    tmp_path: Path, store: ModelStore, adding: Callable[..., Added], fill: float, fault: str
) -> None:
    file = inswapper(tmp_path / "files" / "x.onnx", fill=fill)
    with pytest.raises(ModelCorrupt, match=fault) as caught:
        adding(file)
    assert "--untested" in caught.value.hint
    assert left_in(tmp_path) == ["x.onnx"]
    assert "x" not in store.recipes
    assert adding(file, untested=True).trial is None


def test_nan_in_half_precision_is_explained(tmp_path: Path, adding: Callable[..., Added]) -> None:
    file = inswapper(tmp_path / "x.onnx", fill=float("inf"), dtype="float16")
    with pytest.raises(ModelCorrupt, match=r"1e-8 of its normalisation is 0.*float32"):
        adding(file)


def test_a_graph_that_the_runtime_refuses_is_not_kept(tmp_path: Path, adding: Callable[..., Added]) -> None:
    import onnx

    file = inswapper(tmp_path / "files" / "x.onnx")
    model = onnx.load(str(file))
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, str(file))
    with pytest.raises(EngineFailed, match="NoSuchOperator") as caught:
        adding(file)
    assert "--untested" in caught.value.hint
    assert left_in(tmp_path) == ["x.onnx"]


def test_nothing_stays_when_the_recipe_cannot_be_written(tmp_path: Path, store: ModelStore) -> None:
    file = inswapper(tmp_path / "files" / "x.onnx")
    (tmp_path / "recipes").write_text("in the way")
    with pytest.raises(StoreUnwritable, match="cannot be written"):
        add_model(store, tmp_path / "recipes", file, accept_licence=True)
    assert left_in(tmp_path) == ["recipes", "x.onnx"]
    assert "x" not in store.recipes


def test_an_input_type_that_cannot_be_fed(tmp_path: Path) -> None:
    import onnx

    file = inswapper(tmp_path / "x.onnx")
    model = onnx.load(str(file))
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT8
    onnx.save(model, str(file))
    with pytest.raises(ModelError, match="int8"):
        recognise(inspect(file), RECIPES, family="inswapper_128")


def test_what_a_model_is_tried_with() -> None:
    inswapper_128, ghost, fan = RECIPES["inswapper_128"], RECIPES["ghost_1_256"], RECIPES["fan_68_5"]
    face = feed(inswapper_128.inputs[0], inswapper_128)
    assert face.shape == PHOTO
    assert face.std() > 0.1
    assert 0 <= face.min() < face.max() <= 1
    assert np.linalg.norm(feed(inswapper_128.inputs[1], inswapper_128)) == pytest.approx(1)
    assert np.linalg.norm(feed(ghost.inputs[1], ghost)) == pytest.approx(20, rel=1e-5)
    assert feed(fan.inputs[0], fan).shape == (1, 5, 2)
    codeformer, esrgan, generator = (RECIPES[n] for n in ("codeformer", "real_esrgan_x4", "live_portrait_generator"))
    assert feed(codeformer.inputs[1], codeformer).tolist() == [0.5]
    assert feed(codeformer.inputs[1], codeformer).dtype == np.float64
    assert feed(esrgan.inputs[0], esrgan).shape == (1, 3, 128, 128)
    assert [feed(tensor, generator).shape for tensor in generator.inputs] == [VOLUME, (1, 21, 3), (1, 21, 3)]
    half = feed(Tensor(name="x", shape=("N", 3, 256, 256), dtype="float16", role="image"), ghost)
    assert half.dtype == np.float16
    assert half.shape == FACE


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_survives_being_written(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.toml"
    path.write_text(as_toml(RECIPES[name], 'a "comment"\n[injected]'), "utf-8")
    assert read_recipe(path) == RECIPES[name]


def test_odd_words_survive_being_written(tmp_path: Path) -> None:
    odd = 'quotes " and \\ and \n and é and 😀 and \x7f'
    recipe = Recipe.model_validate(RECIPES["yunet_n"].model_dump() | {"name": "odd", "description": odd})
    (tmp_path / "odd.toml").write_text(as_toml(recipe, "x"), "utf-8")
    assert read_recipe(tmp_path / "odd.toml").description == odd


def test_recognising_leaves_out_what_was_added_before(tmp_path: Path, adding: Callable[..., Added]) -> None:
    adding(inswapper(tmp_path / "first.onnx"))
    added = adding(inswapper(tmp_path / "second.onnx", extra={"buff2fs": EMAP * 2}))
    assert added.recipe.family == "inswapper_128"


def command(*arguments: str) -> Result:
    app = typer.Typer()
    app.command("add")(models_own.models_add)
    app.command("list")(models.models_list)
    app.command("remove")(models_own.models_remove)
    return CliRunner().invoke(app, arguments)


def test_the_command_says_what_it_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    file = inswapper(tmp_path / "mine.onnx")
    result = command("add", str(file), "--accept-licence")
    assert result.exit_code == 0, result.output
    for words in ("target (1, 3, 128, 128) float32", "identity matrix  buff2fs", "family inswapper_128", "self-test: "):
        assert words in result.stderr
    path = tmp_path / "home" / "models" / "mine.onnx"
    assert result.stdout.splitlines()[0] == f"mine: {path}"
    told = json.loads(command("add", str(file), "--json").stdout)
    assert (told["name"], told["family"], told["found"]["emap"]) == ("mine", "inswapper_128", "buff2fs")
    assert told["self_test"]["passed"]
    listed = {model["name"]: model for model in json.loads(command("list", "--json").stdout)["models"]}
    assert listed["mine"]["status"] == "verified"
    removed = json.loads(command("remove", "mine", "--json").stdout)["removed"]
    assert removed == [str(path), str(tmp_path / "home" / "config" / "recipes" / "mine.toml")]
    assert left_in(tmp_path / "home") == []
    error = command("remove", "mine").exception
    assert isinstance(error, LivefuseError)
