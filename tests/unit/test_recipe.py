from __future__ import annotations

import hashlib
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from livefuse.doctor.models import NEEDED
from livefuse.errors import ModelMissing, RecipeInvalid
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.bind import bound
from livefuse.weights.recipe import (
    Normalisation,
    Recipe,
    Result,
    Source,
    Template,
    Tensor,
    all_recipes,
    builtin_folder,
    builtin_recipes,
    load_recipe,
    read_recipe,
)

BUILTIN = sorted(path.stem for path in builtin_folder().glob("*.toml"))
GOOD = """
name = "mine"
kind = "matte"
description = "a matte"
file = "mine.onnx"
urls = ["https://example.test/mine.onnx"]
sha256 = "{sha}"
bytes = 3
licence = "MIT"
licence_url = "https://example.test/LICENSE"
non_commercial = false
crop_px = 64
[normalisation]
order = "rgb"
[[inputs]]
name = "x"
shape = [1, 3, "height", "width"]
[[outputs]]
name = "y"
shape = [1, 1]
""".format(sha=hashlib.sha256(b"abc").hexdigest())


def written(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.toml"
    path.write_text(text, "utf-8")
    return path


OWN = {"dfm", "facemesh_468"}
"""Nobody serves these: the user adds a file."""


def test_every_model_that_people_have_has_a_recipe() -> None:
    base = {"yunet_n", "yunet_2023mar", "openseeface_lm0", "mobilefacenet", "sinet_portrait"}
    swappers = {"inswapper_128", "inswapper_128_fp16", "simswap_256", "simswap_unofficial_512", "blendswap_256", "dfm"}
    swappers |= {f"hyperswap_1{x}_256" for x in "abc"} | {f"ghost_{n}_256" for n in "123"}
    swappers |= {"uniface_256", "hififace_unofficial_256"}
    detectors = {"scrfd_500m", "scrfd_2.5g", "scrfd_10g", "yoloface_8n"}
    landmarkers = {"landmarks_2d106", "2dfan4", "fan_68_5", "peppa_wutz", "facemesh_468"}
    rest = {"w600k_r50", "w600k_mbf", "crossface_simswap", "crossface_ghost", "crossface_hififace"}
    masks = {"xseg_1", "xseg_2", "xseg_3", "xseg_vm", "occluder_vm", "bisenet_resnet_18", "bisenet_resnet_34"}
    enhancers = {f"gfpgan_1.{n}" for n in "234"} | {f"gpen_bfr_{side}" for side in (256, 512, 1024, 2048)}
    enhancers |= {"codeformer", "restoreformer_plus_plus"}
    upscalers = {"real_esrgan_x2", "real_esrgan_x4", "real_esrgan_general_x4v3", "span_kendata_x4", "ultra_sharp_x4"}
    expression = {f"live_portrait_{part}" for part in ("feature_extractor", "motion_extractor", "generator")}
    known = base | swappers | detectors | landmarkers | rest | masks | enhancers | upscalers | expression
    assert known == set(BUILTIN)


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_recipe_says_where_it_comes_from_and_under_what_licence(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.fetchable == (name not in OWN)
    assert all(url.startswith("https://") for url in (*recipe.urls, recipe.licence_url))
    assert recipe.licence
    assert not (name in NEEDED and recipe.non_commercial), "the base must be free for any use"
    assert (builtin_folder() / f"{name}.toml").read_text("utf-8").startswith("# "), "a word on what is odd about it"


@pytest.mark.parametrize("name", BUILTIN)
def test_what_a_builtin_recipe_leans_on_exists(name: str) -> None:
    recipe, recipes = load_recipe(name), all_recipes()
    for other, kind in ((recipe.source.recogniser, "recogniser"), (recipe.source.converter, "converter")):
        assert other is None or recipes[other].kind == kind
    if recipe.kind in ("detector", "landmarker"):
        assert recipe.decode, "how its outputs are read"


def test_contracts_of_the_swappers() -> None:
    recipes = all_recipes()
    contracts = {
        name: (r.template, r.crop_px, r.identity, r.source.converter, r.source.unit, r.source.emap, r.result.gain)
        for name, r in recipes.items()
        if r.kind == "swapper"
    }
    assert contracts["inswapper_128"] == ("arcface_128", 128, "embedding", None, True, True, 1.0)
    assert contracts["inswapper_128_fp16"] == contracts["inswapper_128"]
    for x in "abc":
        assert contracts[f"hyperswap_1{x}_256"] == ("arcface_128", 256, "embedding", None, True, False, 0.5)
    simswap = ("converted", "crossface_simswap", True, False, 1.0)
    assert contracts["simswap_256"] == ("arcface_112_v1", 256, *simswap)
    assert contracts["simswap_unofficial_512"] == ("arcface_112_v1", 512, *simswap)
    for n in "123":
        ghost = ("arcface_112_v1", 256, "converted", "crossface_ghost", False, False, 0.5)
        assert contracts[f"ghost_{n}_256"] == ghost
    hififace = ("mtcnn_512", 256, "converted", "crossface_hififace", True, False, 0.5)
    assert contracts["hififace_unofficial_256"] == hififace
    assert contracts["blendswap_256"][:3] == contracts["uniface_256"][:3] == ("ffhq_512", 256, "image")
    sources = [(recipes[n].source.template, recipes[n].source.crop_px) for n in ("blendswap_256", "uniface_256")]
    assert sources == [("arcface_112_v2", 112), ("ffhq_512", 256)]
    dfm = recipes["dfm"]
    assert (dfm.template, dfm.layout, dfm.identity, dfm.result.order) == ("dfl_whole_face", "nhwc", "none", "bgr")


def test_contracts_of_the_masks() -> None:
    recipes = all_recipes()
    contracts = {
        name: (r.crop_px, r.layout, r.normalisation.order if r.normalisation else "", r.decode, r.outputs[0].shape[1:])
        for name, r in recipes.items()
        if r.kind in ("occluder", "parser")
    }
    assert {contracts[f"xseg_{n}"] for n in "123"} == {(256, "nhwc", "bgr", None, (256, 256, 1))}
    assert contracts["xseg_vm"] == (256, "nchw", "rgb", None, (1, 256, 256))
    assert contracts["occluder_vm"] == (256, "nchw", "rgb", "logits", (1, 256, 256))
    assert {contracts[f"bisenet_resnet_{n}"] for n in (18, 34)} == {(512, "nchw", "rgb", None, (19, 512, 512))}
    free = {name for name in contracts if not isinstance(recipes[name].inputs[0].shape[0], int)}
    assert free == {"xseg_1", "xseg_2", "xseg_3", "bisenet_resnet_18", "bisenet_resnet_34"}, "those that take a batch"


def test_contracts_of_the_enhancers() -> None:
    enhancers = {name: r for name, r in all_recipes().items() if r.kind == "enhancer"}
    for name, r in enhancers.items():
        assert (r.result.gain, r.result.offset, r.result.order) == (0.5, 0.5, "rgb")
        assert r.template == ("arcface_128" if name == "gpen_bfr_256" else "ffhq_512")
        assert r.inputs[0].shape == r.outputs[0].shape == (1, 3, r.crop_px, r.crop_px)
    sides = {name: r.crop_px for name, r in enhancers.items() if r.crop_px != 512}
    assert sides == {"gpen_bfr_256": 256, "gpen_bfr_1024": 1024, "gpen_bfr_2048": 2048}
    codeformer = enhancers["codeformer"]
    assert (codeformer.input("fidelity"), codeformer.inputs[1].dtype, codeformer.inputs[1].shape) == (
        *("weight", "float64"),
        (1,),
    )


def test_contracts_of_the_upscalers() -> None:
    contracts = {name: (r.scale, r.tile) for name, r in all_recipes().items() if r.kind == "upscaler"}
    assert contracts == {
        "real_esrgan_x2": (2, (256, 16, 8)),
        "real_esrgan_x4": (4, (256, 16, 8)),
        "real_esrgan_general_x4v3": (4, (256, 16, 8)),
        "span_kendata_x4": (4, (128, 8, 4)),
        "ultra_sharp_x4": (4, (128, 8, 4)),
    }


def test_live_portrait_s_networks_fit_together() -> None:
    recipes = all_recipes()
    feature, motion, generator = (
        recipes[f"live_portrait_{part}"] for part in ("feature_extractor", "motion_extractor", "generator")
    )
    assert feature.outputs[0].shape == generator.inputs[0].shape == (1, 32, 16, 64, 64)
    assert [t.role for t in generator.inputs] == ["volume", "driving", "own"]
    assert [t.name for t in generator.inputs] == ["feature_volume", "source", "target"]
    roles = ["pitch", "yaw", "roll", "scale", "translation", "expression", "keypoints"]
    assert [t.role for t in motion.outputs] == roles
    assert motion.output("keypoints") == "#6"
    assert generator.outputs[0].shape == (1, 3, 512, 512)
    assert feature.normalisation == motion.normalisation
    assert {r.template for r in (feature, motion, generator)} == {"arcface_128"}


@pytest.mark.parametrize(
    ("name", "black", "white"),
    [
        ("inswapper_128", 0.0, 1.0),
        ("bisenet_resnet_34", -0.485 / 0.229, (1 - 0.485) / 0.229),
        ("gfpgan_1.4", -1.0, 1.0),
        ("occluder_vm", 0.0, 1.0),
        ("real_esrgan_x4", 0.0, 1.0),
        ("live_portrait_motion_extractor", 0.0, 1.0),
        ("hyperswap_1a_256", -1.0, 1.0),
        ("simswap_256", -0.485 / 0.229, (1 - 0.485) / 0.229),
        ("scrfd_10g", -127.5 / 128, 127.5 / 128),
        ("w600k_r50", -1.0, 1.0),
        ("landmarks_2d106", 0.0, 255.0),
        ("2dfan4", 0.0, 1.0),
    ],
)
def test_what_becomes_of_black_and_white(name: str, black: float, white: float) -> None:
    normalisation = load_recipe(name).normalisation
    assert normalisation is not None
    assert normalisation.order == "rgb", "as it was trained"
    gain, offset = normalisation.affine()
    assert (offset[0], 255 * gain[0] + offset[0]) == pytest.approx((black, white))


def test_no_two_builtin_recipes_share_a_name_an_alias_or_a_file(tmp_path: Path) -> None:
    recipes = list(all_recipes(tmp_path).values())
    names = [name for recipe in recipes for name in (recipe.name, *recipe.aliases)]
    assert len(set(names)) == len(names)
    assert len({recipe.file for recipe in recipes}) == len(recipes)


AT_HAND = ("mobilefacenet", "openseeface_lm0", "sinet_portrait", "yunet_2023mar", "yunet_n")


@pytest.mark.parametrize("name", AT_HAND)
def test_builtin_recipe_matches_the_real_file(name: str, shared: Path) -> None:
    recipe = load_recipe(name)
    file = shared / "models" / recipe.file
    assert recipe.hash_from == "file"
    content = file.read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (recipe.bytes, recipe.sha256)
    engine = OrtEngine(file, threads=1)
    assert dict(engine.inputs) == {tensor.name: tensor.shape for tensor in recipe.inputs}
    reported = {output.name: tuple(output.shape) for output in engine._session.get_outputs()}
    assert reported == {tensor.name: tensor.shape for tensor in recipe.outputs}
    assert {tensor.dtype for tensor in recipe.inputs + recipe.outputs} == {"float32"}


def test_only_hashes_of_files_that_were_at_hand_are_called_our_own() -> None:
    assert {name for name, recipe in builtin_recipes().items() if recipe.hash_from == "file"} == set(AT_HAND)


def test_alias_leads_to_its_recipe() -> None:
    assert load_recipe("yunet") == load_recipe("yunet_n")
    assert load_recipe("openseeface").name == "openseeface_lm0"


def test_unknown_name_gives_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="'yunett'") as caught:
        load_recipe("yunett")
    assert "`yunet`" in caught.value.hint
    with pytest.raises(ModelMissing) as caught:
        load_recipe("%%%%")
    assert "mobilefacenet" in caught.value.hint


def test_affine_is_the_normalisation_in_one_step() -> None:
    normalisation = load_recipe("sinet_portrait").normalisation
    assert normalisation is not None
    gain, offset = (np.array(part) for part in normalisation.affine())
    pixel = np.array([0.0, 128.0, 255.0])
    stated = (pixel - np.array([102.89, 111.25, 126.91])) / np.array([62.93, 62.82, 66.36]) / 255
    np.testing.assert_allclose(pixel * gain + offset, stated, atol=1e-9)
    assert Normalisation(order="bgr").affine() == ((1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


def test_user_recipes_join_and_win_over_builtin_ones(tmp_path: Path) -> None:
    written(tmp_path, GOOD)
    written(tmp_path, GOOD.replace('"mine"', '"yunet_n"'), "yunet_n")
    recipes = all_recipes(tmp_path)
    assert recipes["mine"].inputs[0].shape == (1, 3, "height", "width")
    assert recipes["yunet_n"].kind == "matte"
    assert "mobilefacenet" in recipes


def test_user_recipes_are_looked_for_in_the_config_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    folder = tmp_path / "config" / "recipes"
    folder.mkdir(parents=True)
    written(folder, GOOD)
    assert load_recipe("mine").file == "mine.onnx"


def test_recipes_are_frozen(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, GOOD))
    with pytest.raises(ValueError, match="frozen"):
        recipe.bytes = 4  # type: ignore[misc]


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ('kind = "matte"', 'kind = "mate"', "kind = 'mate'", ""),
        ("bytes = 3", "byte = 3", "unknown key `byte`", "`bytes`"),
        ("bytes = 3", "bytes = 3\nlicense = 1", "unknown key `license`", "`licence`"),
        ('order = "rgb"', 'oder = "rgb"', "unknown key `normalisation.oder`", "`order`"),
        ('order = "rgb"', 'order = "rgb"\nscal = 2.0', "unknown key `normalisation.scal`", "`scale`"),
        ('name = "x"', 'name = "x"\nshap = 1', "unknown key `inputs.0.shap`", "`shape`"),
        ('licence = "MIT"\n', "", "`licence` is missing", ""),
        ("https://example.test/mine", "http://example.test/mine", "https:// address", ""),
        ("https://example.test/mine", "file:///etc/mine", "https:// address", ""),
        ('file = "mine.onnx"', 'file = "../mine.onnx"', "file = '../mine.onnx'", ""),
        ('name = "mine"', 'name = "other"', "name = 'other'", "'mine'"),
        ('kind = "matte"', 'kind = "swapper"', "needs `template` and `crop_px`", ""),
        ('kind = "matte"', 'kind = "swapper"\ntemplate = "arcface_128"', 'role = "image"', ""),
        ("sha256 = ", "# ", '`hash_from` must say "unknown"', ""),
        ("bytes = 3", 'hash_from = "unknown"', "yet there is a `sha256`", ""),
        ('[normalisation]\norder = "rgb"', "", r"needs a table \[normalisation\]", ""),
        ('name = "y"', 'name = "y"\nshape = [1]\n[[outputs]]\nname = "y"', "two outputs have the name 'y'", ""),
        ("bytes = 3", "bytes = ", "not valid TOML", ""),
    ],
)  # fmt: skip
def test_a_broken_recipe_names_its_file_and_key(tmp_path: Path, old: str, new: str, message: str, hint: str) -> None:
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(RecipeInvalid, match=message) as caught:
        read_recipe(path)
    assert str(path) in caught.value.message
    assert hint in caught.value.hint


SWAPPER = (
    GOOD.replace('kind = "matte"', 'kind = "swapper"\ntemplate = "arcface_128"\nidentity = "embedding"')
    .replace('name = "x"', 'name = "x"\nrole = "image"')
    .replace('name = "y"', 'name = "y"\nrole = "face"')
    .replace(
        "[[outputs]]",
        '[[inputs]]\nname = "z"\nrole = "identity"\nshape = [1, 512]\n[source]\nrecogniser = "w600k_r50"\n[[outputs]]',
    )
)


def test_a_swapper_says_which_tensor_is_which(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, SWAPPER))
    assert (recipe.input("image"), recipe.input("identity"), recipe.output("face")) == ("x", "z", "y")
    assert recipe.output("mask") is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('recogniser = "w600k_r50"', "", "needs `source.recogniser`"),
        ("recogniser =", 'converter = "c"\nrecogniser =', "belong together"),
        ('identity = "embedding"', 'identity = "converted"', "belong together"),
        ('identity = "embedding"', 'identity = "image"', "needs `source.template` and `source.crop_px`"),
        ('identity = "embedding"', 'identity = "none"\nsource.emap = true\n', "belongs to identity"),
        ('role = "identity"\n', "", "needs the `role` of each input"),
        ('role = "identity"', 'role = "image"', "two inputs have the role 'image'"),
        ('role = "identity"', 'role = "morph"', 'an input with role = "identity"'),
        ('role = "face"\n', "", 'an output with role = "face"'),
    ],
)
def test_a_swapper_that_is_not_whole(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = SWAPPER.replace(old, new, 1)
    if "source.emap" in new:
        text = text.replace("[source]", "").replace('recogniser = "w600k_r50"\n', "")
    with pytest.raises(RecipeInvalid, match=message):
        read_recipe(written(tmp_path, text))


def of_kind(kind: str, *lines: str, input_role: str = "image", output_role: str = "face") -> str:
    """GOOD as another kind, with the alignment that most kinds need."""
    told = "\n".join((f'kind = "{kind}"', 'template = "ffhq_512"', *lines))
    text = GOOD.replace('kind = "matte"', told).replace('name = "x"', f'name = "x"\nrole = "{input_role}"')
    return text.replace('name = "y"', f'name = "y"\nrole = "{output_role}"')


def test_whole_recipes_of_the_other_kinds_are_read(tmp_path: Path) -> None:
    for text in (
        of_kind("enhancer"),
        of_kind("upscaler", "scale = 4", "tile = [128, 8, 4]"),
        of_kind("occluder", 'decode = "logits"', output_role="mask"),
        of_kind("parser", output_role="mask"),
        of_kind("expression", input_role="volume"),
    ):
        assert read_recipe(written(tmp_path, text)).kind in text
    seeing_nothing = of_kind("expression", input_role="volume").replace('[normalisation]\norder = "rgb"', "")
    assert read_recipe(written(tmp_path, seeing_nothing)).normalisation is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (of_kind("enhancer").replace('template = "ffhq_512"', ""), "an enhancer needs `template` and `crop_px`"),
        (of_kind("expression").replace("crop_px = 64", ""), "an expression model needs `template` and `crop_px`"),
        (of_kind("enhancer", input_role="points"), 'an enhancer needs an input with role = "image"'),
        (of_kind("enhancer", output_role="mask"), 'an output with role = "face"'),
        (of_kind("enhancer").replace("[[outputs]]", '[[inputs]]\nname = "w"\nshape = [1]\n[[outputs]]'), "of each input"),
        (of_kind("enhancer").replace('[normalisation]\norder = "rgb"', ""), r"an enhancer needs a table \[normalisation\]"),
        (of_kind("enhancer", "scale = 2"), "`scale` and `tile` belong to an upscaler, not to an enhancer"),
        (of_kind("upscaler"), "an upscaler needs `scale`"),
        (of_kind("upscaler", "scale = 4", output_role="mask"), 'an upscaler needs an input with role = "image" and'),
        (of_kind("upscaler", "scale = 4", "tile = [16, 8, 8]"), r"`tile` = \[16, 8, 8\]"),
        (of_kind("upscaler", "scale = 4", "tile = [16, -1, 2]"), "none below 0"),
        (of_kind("upscaler", "scale = 9"), "scale = 9"),
        (of_kind("occluder", output_role="mask").replace("crop_px = 64", ""), "an occluder needs `crop_px`"),
        (of_kind("parser", output_role="mask").replace("crop_px = 64", ""), "a parser needs `crop_px`"),
        (GOOD.replace("crop_px = 64", ""), "a matte needs `crop_px`"),
        (of_kind("occluder"), 'an occluder needs an input with role = "image" and an output with role = "mask"'),
        (of_kind("parser", 'decode = "logits"', output_role="mask"), "belongs to an occluder, not to a parser"),
        (of_kind("expression").replace('role = "face"', ""), "an expression model needs the `role` of each output"),
        (of_kind("expression").replace('role = "image"', ""), "an expression model needs the `role` of each input"),
        (of_kind("expression").replace('[normalisation]\norder = "rgb"', ""), "an expression model needs a table"),
    ],
)  # fmt: skip
def test_other_kinds_that_are_not_whole(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeInvalid, match=message):
        read_recipe(written(tmp_path, text))


def test_bound_finds_what_an_exporter_renamed() -> None:
    recipe = load_recipe("simswap_unofficial_512")
    found = bound(recipe, {"onnx::Gemm_1": (1, 512), "input": ("N", 3, 512, 512)}, ["output"])
    assert (found.input("image"), found.input("identity"), found.output("face")) == ("input", "onnx::Gemm_1", "output")
    assert bound(recipe, {"source": (1, 512), "target": (1, 3, 512, 512)}, ["o", "m"]).output("face") == "o"
    scrfd = load_recipe("scrfd_10g")
    same = bound(scrfd, {"input": ("?", 3, "?", "?")}, [t.name for t in reversed(scrfd.outputs)])
    assert [t.name for t in same.outputs] == [t.name for t in scrfd.outputs], "the file's names, in the recipe's order"


def test_bound_refuses_to_guess() -> None:
    recipe = load_recipe("uniface_256")
    with pytest.raises(RecipeInvalid, match="clearly 'target'"):
        bound(recipe, {"a": (1, 3, 256, 256), "b": (1, 3, 256, 256)}, ["o"])
    with pytest.raises(RecipeInvalid, match="has 1 outputs"):
        bound(load_recipe("2dfan4"), {"input": (1, 3, 256, 256)}, ["points"])


def test_an_unreadable_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeInvalid, match="cannot read"):
        read_recipe(tmp_path / "none.toml")


def test_every_documented_key_exists_and_the_other_way_round() -> None:
    readme = builtin_folder().parent / "README.md"
    if not readme.is_file():
        pytest.skip("recipes come from an installed package, its README is in the repository")
    text = readme.read_text("utf-8")
    table = text[text.index("## Your own recipes") :]
    for key in (*Recipe.model_fields, *Tensor.model_fields, *Source.model_fields, *Result.model_fields):
        assert f"`{key}`" in table or f"[{key}]" in table, f"{key} is not documented in {readme}"
    for recipe in all_recipes().values():
        assert f"| `{recipe.name}`" in text


def test_recipes_and_alignment_agree() -> None:
    from livefuse.align import facemesh, fan, openseeface
    from livefuse.align.templates import TEMPLATES

    assert set(get_args(Template)) == set(TEMPLATES)
    sides = {"openseeface_lm0": openseeface.SIDE_PX, "facemesh_468": facemesh.SIDE_PX}
    sides |= {"2dfan4": fan.SIDE_PX, "peppa_wutz": fan.SIDE_PX}
    assert {name: load_recipe(name).crop_px for name in sides} == sides
