"""`livefuse bench quality`: its variants, its clips, its sheet, the command."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from livefuse.bench.quality.clips import clips_of
from livefuse.bench.quality.compare import Compared, Result
from livefuse.bench.quality.figures import Outside, summed_up
from livefuse.bench.quality.sheet import draw_sheet, write_sheet
from livefuse.bench.quality.variants import PLAIN, Variant, chosen_variants
from livefuse.cli.bench_quality import quality
from livefuse.errors import BadValue, EmptySource, NoConsent, SinkUnwritable, UnknownKey
from livefuse.frame import U8
from livefuse.weights.recipe import all_recipes
from livefuse.weights.store import ModelStore


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models", recipes=all_recipes(tmp_path / "none"))


def test_the_usual_variants_differ_from_the_default_in_one_stage(store: ModelStore) -> None:
    variants = {one.name: one for one in chosen_variants([], "mesh", store)}
    assert list(variants)[:2] == ["plain", "default"]
    assert variants["plain"].settings == PLAIN
    assert not variants["default"].settings
    assert all(
        len(one.settings) == 1
        for name, one in variants.items()
        if name not in ("plain", "default", "enhancer", "boost-2")
    )
    assert {"lab", "histogram", "relight", "no-occlusion", "no-steady-edges", "no-smoothing", "no-seam-tint"} <= set(
        variants
    )
    assert "resolution" in variants["boost-2"].skipped
    assert "by itself" in variants["no-seam-tint"].skipped
    assert "no enhancer" in variants["enhancer"].skipped
    assert not {one.name: one for one in chosen_variants([], "inswapper_128", store)}["boost-2"].skipped


def test_an_enhancer_is_tried_where_one_is_at_hand(store: ModelStore) -> None:
    recipe = store.recipe("yunet_n").model_copy(
        update={"name": "sharp", "kind": "enhancer", "bytes": None, "file": "s.onnx"}
    )
    store.recipes["sharp"] = recipe
    assert chosen_variants(["enhancer"], "mesh", store)[0].skipped
    store.folder.mkdir()
    (store.folder / "s.onnx").write_bytes(b"x")
    found = chosen_variants(["enhancer"], "mesh", store)[0]
    assert (found.skipped, found.settings["enhance.model"]) == ("", "sharp")


def test_variants_of_ones_own_are_configuration_keys(store: ModelStore) -> None:
    word = 'mine=mask.occlusion=["estimate", "xseg_1"],swap.seam=0.2,track.smooth=false,colour.method=lab'
    mine, plain = chosen_variants([word, "plain"], "mesh", store)
    assert mine.settings == {
        "mask.occlusion": ["estimate", "xseg_1"],
        "swap.seam": 0.2,
        "track.smooth": False,
        "colour.method": "lab",
    }
    assert mine.shown == 'mask.occlusion=["estimate", "xseg_1"], swap.seam=0.2, track.smooth=false, colour.method=lab'
    assert plain.settings == PLAIN
    for words, error, said in (
        (["nobody"], BadValue, "known: plain, default"),
        (["mine="], BadValue, "NAME=section.key=value"),
        (["mine=lab"], BadValue, "says no value"),
        (["mine=colour.metod=lab"], UnknownKey, "colour.metod"),
        (["mine=colour.method=purple"], BadValue, "purple"),
        (["plain", "plain"], BadValue, "two variants"),
    ):
        with pytest.raises(error, match=said):
            chosen_variants(words, "mesh", store)


def test_a_sheet_has_a_row_for_each_variant_under_the_original(tmp_path: Path) -> None:
    figures = summed_up([], [1.0] * 10, Outside())
    compared = Compared()
    for clip, columns in (("one.mp4", 2), ("two.mp4", 1)):
        compared.originals[clip] = {i: np.full((200, 180, 3), 40, np.uint8) for i in range(columns)}
        for name, level in (("plain", 60), ("default", 90)):
            pictures = {i: np.full((200, 180, 3), level, np.uint8) for i in range(columns)}
            compared.results.append(Result(clip, Variant(name, {"swap.seam": 0.5}), figures, pictures=pictures))
        compared.results.append(Result(clip, Variant("boost-2"), None, "no"))
    plain, twice = draw_sheet(compared), draw_sheet(compared, differences=True)
    assert [levels_down(plain), levels_down(twice)] == [
        [40, 60, 90],
        [40, 60, 80, 90, 200],
    ]  # 4 x (60 - 40), 4 x (90 - 40)
    assert plain.shape[1] == twice.shape[1] > 3 * 184
    write_sheet(plain, tmp_path / "sheet.png")
    read = cv2.cvtColor(cv2.imread(str(tmp_path / "sheet.png")), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(read, plain)
    with pytest.raises(SinkUnwritable, match="is a PNG"):
        write_sheet(plain, tmp_path / "sheet.jpg")
    with pytest.raises(SinkUnwritable, match="no such folder"):
        write_sheet(plain, tmp_path / "none" / "sheet.png")


def levels_down(sheet: U8) -> list[int]:
    """The greys of the last column's tiles, from top to bottom."""
    column = sheet[:, -60, 0].astype(int)
    runs = [int(column[0])]
    for i in range(1, len(column) - 20):
        if column[i] != runs[-1] and (column[i : i + 20] == column[i]).all():
            runs.append(int(column[i]))
    return [level for level in runs if level < 240]


def test_clips_are_read_up_to_their_frames_and_again(tmp_path: Path) -> None:
    (clip,) = clips_of(["synthetic:64x48@30?hand=1"] * 2, 3)
    twice = [[frame.rgb for frame in clip] for _ in range(2)]
    assert len(twice[0]) == 3
    np.testing.assert_array_equal(twice[0], twice[1])
    assert next(iter(clip)).truth is not None
    assert clip.name == "synthetic:64x48@30?hand=1"
    with pytest.raises(EmptySource):
        list(clips_of(["synthetic:64x48@30"], 0)[0])
    files = [str(tmp_path / name) for name in ("a/b.mp4", "c/b.mp4", "d.mp4")]
    assert [one.name for one in clips_of(files, 3)] == [*files[:2], "d.mp4"]


app = typer.Typer()
app.command()(quality)


@pytest.fixture
def models(tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LIVEFUSE_MODEL_MIRROR", str(shared / "models"))
    return tmp_path


def test_the_command_measures_the_mesh_swapper_the_same_each_time(models: Path) -> None:
    words = ["synthetic:320x240@30", "--frames", "5", "--variant", "mine=mask.occlusion=[]", "--variant", "boost-2"]
    first = CliRunner().invoke(app, [*words, "--json", "--sheet", str(models / "s.png"), "--columns", "2"])
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    mine, boost = told["results"]
    assert mine["settings"] == {"mask.occlusion": []}
    assert boost["figures"] is None
    assert "resolution" in boost["skipped"]
    figures = mine["figures"]
    assert (figures["faces"], figures["swapped"], figures["outside_changed"]) == (5, 1, 0)
    assert figures["identity"] > figures["own"] - 0.3
    assert figures["landmark_error_percent"] < 8
    assert cv2.imread(str(models / "s.png")) is not None
    lines = CliRunner().invoke(app, words).stdout.splitlines()
    assert lines[0] == "synthetic:320x240@30: 5 of 5 frames with a face"
    assert lines[1].split()[:3] == ["VARIANT", "IDENTITY", "(ORIGINAL)"]
    cells = lines[2].split()
    assert cells[:3] == ["mine", f"{figures['identity']:.3f}", f"{figures['identity_original']:.3f}"]
    flicker = [f"{figures[name]:+.2f}" for name in ("flicker", "pulse", "edge_flicker")]
    assert cells[cells.index(flicker[0]) :][:3] == flicker
    assert "boost-2: skipped" in lines[-1]


@pytest.mark.usefixtures("models")
def test_a_model_that_is_not_here_is_skipped_and_with_all_skipped_the_command_fails() -> None:
    clip = ["synthetic:320x240@30", "--frames", "2", "--set", "auto_pull=false"]
    words = [*clip, "--variant", "learned=swap.model=inswapper_128,track.smooth=false"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1, result.output
    assert "learned: skipped" in result.stdout
    assert "inswapper_128.onnx" in result.stdout
    assert "IDENTITY" not in result.stdout


def test_a_photo_without_consent_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--face", str(tmp_path / "somebody.jpg")])
    assert isinstance(result.exception, NoConsent)


@pytest.mark.usefixtures("models")
def test_a_sheet_that_cannot_be_written_is_refused_before_the_work() -> None:
    result = CliRunner().invoke(app, ["no.mp4", "--sheet", "sheet.jpg"])
    assert isinstance(result.exception, SinkUnwritable)
