"""LivePortrait's motion by hand, and the stage around its three networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from livefuse.align.templates import TEMPLATES
from livefuse.config import make_config
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.engines import Engines
from livefuse.enhance.expression.limits import HIGHEST, LOWEST
from livefuse.enhance.expression.make import make_expression
from livefuse.enhance.expression.points import Motion, degrees, read_motion, restored, rotation
from livefuse.enhance.expression.stage import ExpressionRestorer, Part, Portrait
from livefuse.errors import BadValue, RecipeInvalid
from livefuse.frame import Crop, HostFrame
from livefuse.weights.recipe import Recipe, load_recipe
from livefuse.weights.store import ModelStore
from tests.unit.engines import FunctionEngine

STILL = np.zeros((21, 3), np.float32)


def motion(expression: npt.NDArray[Any] = STILL, **given: Any) -> Motion:
    values: dict[str, Any] = {"pitch": 0.0, "yaw": 0.0, "roll": 0.0, "scale": 1.0, "shift": np.zeros(3, np.float32)}
    return Motion(**(values | given), expression=expression.astype(np.float32), keypoints=given.get("points", STILL))


def test_a_turn_about_each_axis() -> None:
    assert rotation(90, 0, 0) @ [0, 1, 0] == pytest.approx([0, 0, 1], abs=1e-6)
    assert rotation(0, 90, 0) @ [0, 0, 1] == pytest.approx([1, 0, 0], abs=1e-6)
    assert rotation(0, 0, 90) @ [1, 0, 0] == pytest.approx([0, 1, 0], abs=1e-6)


def test_x_turns_first_and_z_last() -> None:
    # y -> z by pitch, z -> x by yaw, x -> y by roll
    assert rotation(90, 90, 90) @ [0, 1, 0] == pytest.approx([0, 1, 0], abs=1e-6)
    # another order would leave it at z
    assert rotation(90, 90, 0) @ [0, 1, 0] == pytest.approx([1, 0, 0], abs=1e-6)


def test_points_are_turned_then_moved_then_scaled_then_shifted() -> None:
    keypoints = np.tile(np.array([0.1, 0.2, 0.3], np.float32), (21, 1))
    expression = np.full((21, 3), 0.01, np.float32)
    face = Motion(0, 0, 90, 2.0, np.array([0.5, 0.0, -0.5], np.float32), expression, keypoints)
    # (0.1, 0.2, 0.3) about z by 90° is (-0.2, 0.1, 0.3)
    expected = [2 * (-0.2 + 0.01) + 0.5, 2 * (0.1 + 0.01), 2 * (0.3 + 0.01) - 0.5]
    assert face.points(expression).shape == (1, 21, 3)
    assert np.abs(face.points(expression)[0] - expected).max() < 1e-6


def test_angles_come_in_degrees_or_as_bins() -> None:
    assert degrees(np.array([12.5], np.float32)) == 12.5
    bins = np.full(66, -50.0, np.float32)
    bins[40] = 50.0
    assert degrees(bins) == pytest.approx(40 * 3 - 97.5, abs=1e-4)
    bins[41] = 50.0
    assert degrees(bins) == pytest.approx(40.5 * 3 - 97.5, abs=1e-4)


def test_an_amount_of_eighty_takes_96_percent_of_the_targets_expression() -> None:
    target, swap = np.full((21, 3), 1e-6), np.full((21, 3), -1e-6)
    driving, own = restored(motion(target), motion(swap), 80, ("upper-face", "lower-face"))
    assert driving[0, 14] == pytest.approx([0.96e-6 - 0.04e-6] * 3, rel=1e-3)
    assert own[0, 14] == pytest.approx([-1e-6] * 3, rel=1e-3)


@pytest.mark.parametrize(
    ("areas", "taken"),
    [
        (("upper-face", "lower-face"), {1, 2, 6, 10, 11, 12, 13, 15, 16, 3, 7, 14, 17, 18, 19, 20}),
        (("upper-face",), {1, 2, 6, 10, 11, 12, 13, 15, 16}),
        (("lower-face",), {3, 7, 14, 17, 18, 19, 20}),
        ((), set()),
    ],
)
def test_areas_say_which_points_may_follow(areas: tuple[str, ...], taken: set[int]) -> None:
    target, swap = np.full((21, 3), 2e-6), np.full((21, 3), 1e-6)
    driving, _ = restored(motion(target), motion(swap), 100, areas)
    assert {i for i in range(21) if driving[0, i, 0] > 1.1e-6} == taken


def test_an_expression_stays_within_its_limits() -> None:
    driving, _ = restored(motion(np.full((21, 3), 9.0)), motion(), 100, ("upper-face", "lower-face"))
    assert driving[0, 19] == pytest.approx(HIGHEST[19], abs=1e-6)
    driving, _ = restored(motion(np.full((21, 3), -9.0)), motion(), 100, ("upper-face", "lower-face"))
    assert driving[0, 19] == pytest.approx(LOWEST[19], abs=1e-6)
    assert (LOWEST < HIGHEST).all()


SIDE = 512


def part(name: str, answer: Any) -> Part:
    recipe = load_recipe(name)
    named = {tensor.name: tensor.shape for tensor in recipe.inputs}
    return Part(recipe, FunctionEngine(named, answer))


class Rig:
    """The stage with networks that can be asked what they saw. The generator paints the face in one colour."""

    def __init__(self, *, amount: float = 80.0, box: bool = False, colour: float = 1.0) -> None:
        self.motion = part("live_portrait_motion_extractor", self._moves)
        self.features = part("live_portrait_feature_extractor", lambda feeds: {"#0": np.full((1, 32, 16, 64, 64), 7.0)})
        generator = load_recipe("live_portrait_generator")
        self.generator = part(generator.name, lambda feeds: {"#0": np.full((1, 3, SIDE, SIDE), colour)})
        self.backend = CpuBackend()
        self.stage = ExpressionRestorer(
            Portrait(self.features, self.motion, self.generator),
            self.backend,
            amount=amount,
            areas=("upper-face", "lower-face"),
            box=box,
        )
        self.frame = np.full((600, 600, 3), 40, np.uint8)
        self.lane = Lane(0)

    @staticmethod
    def _moves(feeds: Any) -> dict[str, npt.NDArray[Any]]:
        """A face's expression is its brightness, far below the limits."""
        level = float(np.median(feeds["input"])) * 1e-6
        one = np.zeros((1, 1), np.float32)
        return {
            "#0": one, "#1": one, "#2": one, "#3": one + 1, "#4": np.zeros((1, 3), np.float32),
            "#5": np.full((1, 21, 3), level, np.float32), "#6": np.zeros((1, 21, 3), np.float32),
        }  # fmt: skip

    def crop(self, opacity: int = 255) -> Crop:
        """A swapped face of brightness 200 in the middle of the frame."""
        to_crop = np.array([[1, 0, -44], [0, 1, -44]], np.float32)
        points = (TEMPLATES["arcface_128"] * SIDE).astype(np.float32)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[60:-60, 60:-60] = opacity
        return Crop(
            1,
            np.full((SIDE, SIDE, 3), 200, np.uint8),
            to_crop,
            points,
            np.empty((0, 2), np.float32),
            mask,
            swapped=True,
        )

    def run(self, crop: Crop) -> Crop:
        picture = self.backend.upload(self.lane, HostFrame.of_rgb(self.frame))

        def paste(lane: Lane, picture: Any, crop: Crop) -> None:
            assert crop.mask is not None
            self.backend.paste(lane, picture, crop.image, crop.mask, crop.to_crop)

        (out,) = self.stage(self.lane, picture, [crop], paste, 0)
        return out


def fed(one: Part) -> list[dict[str, npt.NDArray[Any]]]:
    assert isinstance(one.engine, FunctionEngine)
    return one.engine.fed


def test_the_target_moves_the_swap_and_the_swap_gives_the_looks() -> None:
    rig = Rig()
    rig.run(rig.crop())
    seen = [float(np.median(feeds["input"])) for feeds in fed(rig.motion)]
    assert seen == pytest.approx([40 / 255, 200 / 255], abs=1e-3)
    assert float(np.median(fed(rig.features)[0]["input"])) == pytest.approx(200 / 255, abs=1e-3)
    (feeds,) = fed(rig.generator)
    assert feeds["feature_volume"].max() == 7.0
    own, wanted = 200e-6 / 255, 40e-6 / 255
    assert feeds["target"][0, 14, 0] == pytest.approx(own, rel=1e-2)
    assert feeds["source"][0, 14, 0] == pytest.approx(0.96 * wanted + 0.04 * own, rel=1e-2)
    assert feeds["source"][0, 0, 0] == pytest.approx(own, rel=1e-2)


def test_the_new_face_stands_where_the_swap_stood() -> None:
    rig = Rig()
    out = rig.run(rig.crop())
    assert out.whole
    assert out.mask is not None
    assert out.image[256, 256].tolist() == [255, 255, 255]
    assert int(out.mask[256, 256]) == 255
    assert int(out.mask[5, 5]) == 0
    picture = rig.backend.upload(rig.lane, HostFrame.of_rgb(rig.frame))
    rig.backend.paste(rig.lane, picture, out.image, out.mask, out.to_crop)
    assert picture.planes[0][300, 300].tolist() == [255, 255, 255]
    assert picture.planes[0][20, 20].tolist() == [40, 40, 40]


def test_through_facefusions_box() -> None:
    rig = Rig(box=True)
    out = rig.run(rig.crop())
    assert out.image[256, 256].min() >= 254  # truncated, as FaceFusion does
    # two standard deviations beyond the box's edge 2.3 % of it are left, and the blur's mirror at the border doubles them
    assert out.image[0, 256].tolist() == pytest.approx([40 + 2 * 0.0228 * 215] * 3, abs=1.5)
    assert out.mask is not None
    assert int(out.mask[256, 50]) > 0


def test_a_swap_that_is_seen_through_stays_as_it_is() -> None:
    rig = Rig()
    crop = rig.crop(opacity=200)
    assert rig.run(crop) is crop
    assert fed(rig.generator) == []


def test_an_amount_of_none_runs_nothing() -> None:
    rig = Rig(amount=0)
    crop = rig.crop()
    assert rig.run(crop) is crop
    assert fed(rig.motion) == []


def test_motion_is_read_by_roles() -> None:
    recipe = load_recipe("live_portrait_motion_extractor")
    values = {
        tensor.name: np.full([int(axis) for axis in tensor.shape], i + 1.0, np.float32)
        for i, tensor in enumerate(recipe.outputs)
    }
    found = read_motion(values, recipe)
    assert (found.pitch, found.yaw, found.roll, found.scale) == (1, 2, 3, 4)
    assert found.shift.tolist() == [5, 5, 5]
    assert float(found.expression[0, 0]) == 6
    assert float(found.keypoints[0, 0]) == 7


def engines_at(folder: Path) -> Engines:
    return Engines(make_config({}), ModelStore(folder))


def test_without_a_model_there_is_no_stage(tmp_path: Path) -> None:
    assert make_expression(make_config({}), engines_at(tmp_path), CpuBackend()) is None


@pytest.mark.parametrize(
    ("model", "error"), [("inswapper_128", BadValue), ("live_portrait_motion_extractor", RecipeInvalid)]
)
def test_a_model_that_makes_no_face_of_motion_is_refused(tmp_path: Path, model: str, error: type[Exception]) -> None:
    config = make_config({}, {"expression.model": model})
    with pytest.raises(error):
        make_expression(config, engines_at(tmp_path), CpuBackend())


def test_the_recipes_name_each_other() -> None:
    generator: Recipe = load_recipe("live_portrait_generator")
    kinds = {load_recipe(name).kind for name in generator.partners}
    assert kinds == {"expression"}
    assert len(generator.partners) == 2
