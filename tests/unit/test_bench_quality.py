"""`livefuse bench quality`: swaps of constructed clips whose figures are known, its variants, its sheet, the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from livefuse.bench.quality.clips import ClipFrame, clips_of
from livefuse.bench.quality.compare import Compared, Result, shown
from livefuse.bench.quality.figures import Figures, Outside, summed_up
from livefuse.bench.quality.measure import Measure, Watched
from livefuse.bench.quality.original import Target, look_at
from livefuse.bench.quality.sheet import draw_sheet, write_sheet
from livefuse.bench.quality.variants import PLAIN, Variant, chosen_variants
from livefuse.cli.bench_quality import quality
from livefuse.errors import BadValue, EmptySource, NoConsent, NoFace, SinkUnwritable, UnknownKey
from livefuse.frame import F32, U8
from livefuse.source.synthetic.truth import Cover, SyntheticTruth, truth_of
from livefuse.swap.mesh.mask import face_contour, inside
from livefuse.swap.mesh.topology import face_frame
from livefuse.weights.recipe import all_recipes
from livefuse.weights.store import ModelStore
from tests.unit.test_bench_quality_metrics import face_landmarks, texture

WIDTH, HEIGHT, FRAMES = 320, 240, 6
LANDMARKS = face_landmarks()
UNIT_PX = face_frame(LANDMARKS).unit_px
EXPECTED = 2 / np.sqrt(np.pi)  # mean |a - b| of two normal values of spread 1


def face_mask(grow_px: float = 0.0) -> np.ndarray:
    contour = face_contour(LANDMARKS, face_frame(LANDMARKS))
    middle = contour.mean(axis=0)
    away = contour - middle
    contour = middle + away * (1 + grow_px / np.linalg.norm(away, axis=1, keepdims=True))
    return np.asarray(inside(contour.astype(np.float32), (HEIGHT, WIDTH)) > 127)


class FixedJudges:
    """Everybody's landmarks are `LANDMARKS`, moved by `shift` once a picture is not the original; embeddings are the
    face's mean colour."""

    def __init__(self, shift: tuple[float, float] = (0, 0)) -> None:
        self.shift, self.original = shift, texture(HEIGHT, WIDTH, seed=5)

    def restart(self) -> None: ...

    def find(self, rgb: U8, t_ns: int) -> F32 | None:
        return LANDMARKS[:5] if rgb.any() else None

    def place(self, rgb: U8, points: F32, framing: F32 | None) -> F32 | None:
        moved = np.zeros(2) if np.array_equal(rgb, self.original) else np.array(self.shift)
        return np.asarray(LANDMARKS + moved, np.float32)

    def embed(self, rgb: U8, points: F32) -> F32:
        colour = rgb[face_mask()].mean(axis=0) - 128
        return np.asarray(colour, np.float32)


def still_clip(picture: U8, frames: int = FRAMES, truth: SyntheticTruth | None = None) -> list[ClipFrame]:
    return [ClipFrame(picture, i * 33_000_000, truth) for i in range(frames)]


def watched(
    clip: Sequence[ClipFrame],
    change: Callable[[int, U8], U8],
    judges: FixedJudges | None = None,
    identity: F32 | None = None,
) -> Watched:
    judges = judges or FixedJudges()
    turn = iter(range(len(clip)))

    def swap(frame: U8, *, t_ns: int | None = None) -> U8:
        return change(next(turn), frame.copy())

    return Measure(clip, look_at(clip, judges), judges, identity)(swap)


@pytest.fixture
def picture() -> U8:
    return FixedJudges().original


def test_a_clip_that_is_not_changed_has_no_flicker_and_nothing_swapped(picture: U8) -> None:
    figures = watched(still_clip(picture), lambda _, rgb: rgb, FixedJudges((5, 0))).figures
    assert (figures.frames, figures.faces, figures.swapped) == (FRAMES, FRAMES, 0)
    assert figures.own == pytest.approx(1)
    assert figures.landmark_error_percent == 0
    assert figures.outside_changed == 0
    assert figures.outside_psnr_db == float("inf")
    assert np.isnan([figures.flicker, figures.edge_flicker, figures.seam, figures.identity, figures.hand]).all()
    told = figures.as_dict()
    assert told["flicker"] is None
    assert told["outside_psnr_db"] is None
    json.dumps(told, allow_nan=False)


def test_a_steady_swap_of_a_still_clip_does_not_flicker(picture: U8) -> None:
    def change(_: int, rgb: U8) -> U8:
        rgb[face_mask()] += 25
        return rgb

    figures = watched(still_clip(picture), change).figures
    assert figures.swapped == 1
    assert figures.flicker == figures.edge_flicker == figures.pulse == 0
    assert figures.sharpness == pytest.approx(1, abs=0.01)
    assert figures.outside_changed == 0


@pytest.mark.parametrize("of_whole_face", [True, False], ids=["one brightness a frame", "one a pixel"])
def test_brightness_noise_is_flicker_of_its_spread(picture: U8, of_whole_face: bool) -> None:
    rng, sigma, face = np.random.default_rng(3), 6.0, face_mask()
    drawn = np.rint(rng.standard_normal(30) * sigma)
    steps = float(np.abs(np.diff(drawn)).mean())
    assert steps == pytest.approx(EXPECTED * sigma, rel=0.3)

    def change(index: int, rgb: U8) -> U8:
        size = 1 if of_whole_face else int(face.sum())
        noise = drawn[index] if of_whole_face else np.rint(rng.standard_normal((size, 1)) * sigma)
        rgb[face] = np.clip(rgb[face] + 30.0 + noise, 0, 255)
        return rgb

    frames = 30 if of_whole_face else 6
    figures = watched(still_clip(picture, frames), change).figures
    expected = steps if of_whole_face else EXPECTED * sigma
    assert figures.flicker == pytest.approx(expected, rel=0.02)
    assert figures.pulse == pytest.approx(steps if of_whole_face else 0, abs=0.25)
    assert 0.3 * expected < figures.edge_flicker < expected  # part of the edge lies outside of what was swapped


def test_motion_of_the_face_is_not_flicker() -> None:
    wide = texture(HEIGHT, WIDTH + 60, seed=5)
    clip = [ClipFrame(np.ascontiguousarray(wide[:, 2 * i : 2 * i + WIDTH]), i, None) for i in range(8)]

    def change(_: int, rgb: U8) -> U8:
        rgb[face_mask()] += 25
        return rgb

    figures = watched(clip, change).figures
    moved = np.abs(clip[1].rgb.astype(int) - clip[0].rgb).mean()
    assert moved > 8
    assert abs(figures.flicker) < 0.02 * moved


def test_an_outline_that_trembles_flickers_at_the_edge_only(picture: U8) -> None:
    def change(index: int, rgb: U8) -> U8:
        rgb[face_mask(grow_px=4 if index % 2 else 0)] += 40
        return rgb

    figures = watched(still_clip(picture), change).figures
    assert figures.flicker == 0
    band_px = 0.18 * UNIT_PX  # a ring of 4 px that changes by 40 levels in each frame, in a band of 0.18 units
    assert figures.edge_flicker == pytest.approx(40 * 4 / band_px, rel=0.2)


def test_landmarks_that_shift_are_an_error_of_that_part_of_the_eye_distance(picture: U8) -> None:
    def change(_: int, rgb: U8) -> U8:
        rgb[face_mask()] += 25
        return rgb

    figures = watched(still_clip(picture), change, FixedJudges((0.0, 2.0))).figures
    eyes_px = float(np.linalg.norm(LANDMARKS[45] - LANDMARKS[36]))
    assert figures.landmark_error_percent == pytest.approx(200 / eyes_px, rel=1e-3)
    assert figures.mouth_difference == pytest.approx(0, abs=1e-6)


def test_identity_is_the_likeness_to_who_is_put_on(picture: U8) -> None:
    def change(_: int, rgb: U8) -> U8:
        rgb[face_mask()] = (228, 128, 128)
        return rgb

    red, green = np.array([9, 0, 0], np.float32), np.array([0, 9, 0], np.float32)
    assert watched(still_clip(picture), change, identity=red).figures.identity == pytest.approx(1)
    other = watched(still_clip(picture), change, identity=green).figures
    assert other.identity == pytest.approx(0, abs=1e-6)
    assert other.own < 0.9


def hand_truth() -> SyntheticTruth:
    """A hand before the left half of the face and beyond."""
    x2 = round(float(LANDMARKS[30, 0]))
    cover = Cover(0, 0, np.full((HEIGHT, x2), 255, np.uint8))
    facing = np.ones((1, 66), np.bool_)
    return truth_of(WIDTH, HEIGHT, LANDMARKS[None], facing, (0,), cover)


def test_what_a_swap_does_to_a_hand_is_told_and_kept_out_of_the_rest(picture: U8) -> None:
    truth, face = hand_truth(), face_mask()
    left = np.indices((HEIGHT, WIDTH))[1] < truth.cover.alpha.shape[1]  # type: ignore[union-attr]
    painted = [30, 48, 33, 41, 36, 45]

    def change(index: int, rgb: U8) -> U8:
        rgb[face & left] += np.uint8(painted[index])  # the hand is painted over, differently each time
        rgb[face & ~left] += 20
        return rgb

    figures = watched(still_clip(picture, truth=truth), change, FixedJudges((9, 9))).figures
    assert figures.hand == pytest.approx(np.mean(painted), rel=1e-5)
    assert figures.flicker == 0
    assert np.isnan([figures.landmark_error_percent, figures.own]).all()  # the hand's, not the face's
    kept = watched(still_clip(picture, truth=truth), lambda _, rgb: np.where((face & ~left)[..., None], rgb + 20, rgb))
    assert kept.figures.hand == 0


def test_frames_without_a_face_are_left_out(picture: U8) -> None:
    clip = still_clip(picture, 4)
    clip[1] = ClipFrame(np.zeros_like(picture), 1, None)
    figures = watched(clip, lambda _, rgb: rgb).figures
    assert (figures.frames, figures.faces) == (4, 3)
    targets = look_at(clip, FixedJudges())
    assert targets[1] is None
    assert shown(targets, 2) == [2, 3] or len(shown(targets, 2)) == 2
    with pytest.raises(NoFace, match="4 frames"):
        shown(look_at([clip[1]] * 4, FixedJudges()), 2)


def test_what_changes_outside_of_the_face_is_told(picture: U8) -> None:
    def change(_: int, rgb: U8) -> U8:
        rgb[face_mask()] += 25
        rgb[0, :10] ^= 1
        return rgb

    figures = watched(still_clip(picture), change).figures
    x1, y1, x2, y2 = look_at(still_clip(picture, 1), FixedJudges())[0].window.box  # type: ignore[union-attr]
    pixels = WIDTH * HEIGHT - (x2 - x1) * (y2 - y1)
    assert figures.outside_changed == pytest.approx(10 / pixels)
    assert figures.outside_psnr_db == pytest.approx(10 * np.log10(255**2 * pixels / 10))


def test_times_are_those_after_the_warm_up() -> None:
    figures = summed_up([], [900.0, 800.0, 700.0, *range(1, 101)], Outside())
    assert figures.ms_p50 == pytest.approx(50.5)
    assert figures.ms_p95 == pytest.approx(95.05)
    assert figures.fps == pytest.approx(1000 / 50.5)
    assert np.isnan(figures.outside_changed)


def test_half_of_the_frames_shown_are_of_the_passing_hand() -> None:
    target = look_at(still_clip(texture(HEIGHT, WIDTH), 1), FixedJudges())[0]
    assert target is not None
    targets: list[Target | None] = [replace(target, index=i, covered=0.3 if 20 <= i < 30 else 0.0) for i in range(60)]
    chosen = shown(targets, 4)
    assert len(chosen) == 4
    assert sum(20 <= i < 30 for i in chosen) == 2
    assert shown(targets[:20], 4) == [2, 7, 12, 17]
    assert shown(targets[:3], 4) == [0, 1, 2]


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
    assert lines[1].split()[:3] == ["VARIANT", "IDENTITY", "OWN"]
    cells = lines[2].split()
    assert cells[:3] == ["mine", f"{figures['identity']:.3f}", f"{figures['own']:.3f}"]
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


def test_every_figure_is_in_the_record() -> None:
    told = summed_up([], [5.0] * 9, Outside()).as_dict()
    assert set(told) == set(Figures.__dataclass_fields__) | {"fps"}
    assert told["fps"] == pytest.approx(200)
