from __future__ import annotations

import hashlib
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from livefuse.errors import ModelMissing, RecipeInvalid
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.recipe import (
    Normalisation,
    Recipe,
    Template,
    all_recipes,
    builtin_folder,
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


def test_the_models_that_livefuse_runs_on_have_recipes() -> None:
    assert {"yunet_n", "yunet_2023mar", "openseeface_lm0", "mobilefacenet", "sinet_portrait"} <= set(BUILTIN)


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_recipe_says_where_it_comes_from_and_under_what_licence(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.urls
    assert all(url.startswith("https://") for url in (*recipe.urls, recipe.licence_url))
    assert recipe.licence
    assert not recipe.non_commercial, "the base must be free for any use"


def test_no_two_builtin_recipes_share_a_name_an_alias_or_a_file(tmp_path: Path) -> None:
    recipes = list(all_recipes(tmp_path).values())
    names = [name for recipe in recipes for name in (recipe.name, *recipe.aliases)]
    assert len(set(names)) == len(names)
    assert len({recipe.file for recipe in recipes}) == len(recipes)


@pytest.mark.parametrize("name", BUILTIN)
def test_builtin_recipe_matches_the_real_file(name: str, shared: Path) -> None:
    recipe = load_recipe(name)
    file = shared / "models" / recipe.file
    if not file.is_file():
        pytest.skip(f"{recipe.file} is not in {shared / 'models'}")
    content = file.read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (recipe.bytes, recipe.sha256)
    engine = OrtEngine(file, threads=1)
    assert dict(engine.inputs) == {tensor.name: tensor.shape for tensor in recipe.inputs}
    reported = {output.name: tuple(output.shape) for output in engine._session.get_outputs()}
    assert reported == {tensor.name: tensor.shape for tensor in recipe.outputs}
    assert {tensor.dtype for tensor in recipe.inputs + recipe.outputs} == {"float32"}


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
        ("bytes = 3", "bytes = ", "not valid TOML", ""),
    ],
)  # fmt: skip
def test_a_broken_recipe_names_its_file_and_key(tmp_path: Path, old: str, new: str, message: str, hint: str) -> None:
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(RecipeInvalid, match=message) as caught:
        read_recipe(path)
    assert str(path) in caught.value.message
    assert hint in caught.value.hint


def test_an_unreadable_recipe(tmp_path: Path) -> None:
    with pytest.raises(RecipeInvalid, match="cannot read"):
        read_recipe(tmp_path / "none.toml")


def test_every_documented_key_exists_and_the_other_way_round() -> None:
    readme = builtin_folder().parent / "README.md"
    if not readme.is_file():
        pytest.skip("recipes come from an installed package, its README is in the repository")
    text = readme.read_text("utf-8")
    table = text[text.index("## Your own recipes") :]
    for key in Recipe.model_fields:
        assert key in table, f"{key} is not documented in {readme}"
    for recipe in all_recipes().values():
        assert f"| `{recipe.name}`" in text


def test_recipes_and_alignment_agree() -> None:
    from livefuse.align import openseeface, recogniser
    from livefuse.align.templates import TEMPLATES

    assert set(get_args(Template)) == set(TEMPLATES)
    assert load_recipe("openseeface_lm0").crop_px == openseeface.SIDE_PX
    assert load_recipe("mobilefacenet").crop_px == recogniser.SIDE_PX
