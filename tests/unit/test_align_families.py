"""Landmark networks of every family: what they are fed, and the way from their outputs to frame px."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from livefuse.align.facemesh import decode as decode_facemesh
from livefuse.align.fan import read_fan, read_peppa
from livefuse.align.framing import frame_points
from livefuse.align.landmarks_106 import decode as decode_106
from livefuse.align.make import fixed_axes, make_landmarker
from livefuse.align.network import NO_CONFIDENCE_GIVEN, Family, NetworkLandmarker, apart, to_frame
from livefuse.align.templates import TEMPLATES, five_points, similarity_from_points, transform_points
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import EngineFailed, RecipeInvalid
from livefuse.frame import F32
from livefuse.runtime.base import Feeds
from livefuse.runtime.blob import Blob
from livefuse.weights.recipe import load_recipe
from tests.unit.engines import FunctionEngine, brightest
from tests.unit.photos import picture_of

Answer = Callable[[npt.NDArray[np.float64]], dict[str, npt.NDArray[Any]]]
ANGLE = 0.3
TURN = np.array([[np.cos(ANGLE), -np.sin(ANGLE)], [np.sin(ANGLE), np.cos(ANGLE)]])
POINTS = (np.array([[-20, -20], [20, -20], [0, 0], [-16, 20], [16, 20]]) @ TURN.T + (150, 120)).astype(np.float32)
DOT = (165, 131)


def fan_answer(xy: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[Any]]:
    placed = np.zeros((1, 68, 3), np.float32)
    placed[..., :2] = xy / 4
    heat = np.zeros((1, 68, 64, 64), np.float32)
    heat[..., 5, 5] = 0.72
    return {"landmarks_xyscore": placed, "heatmaps": heat}


def peppa_answer(xy: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[Any]]:
    return {"output": np.tile(np.append(xy / 4, 0.76), 68)[None].astype(np.float32)}


FAMILIES: dict[str, tuple[tuple[int, ...], Answer, float]] = {
    "2dfan4": ((1, 3, 256, 256), fan_answer, 0.8),
    "peppa_wutz": ((1, 3, 256, 256), peppa_answer, 0.8),
    "landmarks_2d106": (
        (1, 3, 192, 192),
        lambda xy: {"fc1": np.tile(xy / 96 - 1, 106)[None].astype(np.float32)},
        NO_CONFIDENCE_GIVEN,
    ),
    "facemesh_468": (
        (1, 192, 192, 3),
        lambda xy: {"out": np.tile(np.append(xy, 7), 468).reshape(1, 1, 1, 1404).astype(np.float32)},
        NO_CONFIDENCE_GIVEN,
    ),
}


def dotted() -> npt.NDArray[np.uint8]:
    """Grey with one bright dot: a network that points at the dot must point at it in the frame."""
    rgb = np.full((240, 320, 3), 40, np.uint8)
    rgb[DOT[1] - 2 : DOT[1] + 3, DOT[0] - 2 : DOT[0] + 3] = 250
    return rgb


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_network_points_at_in_its_crop_is_found_in_the_frame(name: str) -> None:
    shape, answer, sure = FAMILIES[name]
    engine = FunctionEngine({"in": shape}, lambda feeds: answer(brightest(feeds["in"][0])))
    landmarker = make_landmarker(load_recipe(name), engine, CpuBackend())
    picture, lane = picture_of(dotted()), Lane(0)
    landmarks, confidence = landmarker(lane, picture, POINTS[None])
    assert landmarks.shape == (1, 66, 2)
    np.testing.assert_allclose(landmarks[0], np.tile(DOT, (66, 1)), atol=0.15)
    np.testing.assert_allclose(confidence, sure, rtol=1e-5)
    assert engine.fed[0]["in"].shape == shape
    # followed: the same from landmarks of the frame before, two at a time, one of them new
    known = _landmarks_of(POINTS)
    again, _ = landmarker.begin(lane, picture, np.stack((known, known)))()
    np.testing.assert_allclose(again, np.tile(DOT, (2, 66, 1)), atol=0.15)
    unknown = np.full_like(known, np.nan)
    mixed, _ = landmarker(lane, picture, np.stack((POINTS, POINTS + 4)), np.stack((unknown, known)))
    np.testing.assert_allclose(mixed, np.tile(DOT, (2, 66, 1)), atol=0.15)
    none, empty = landmarker(lane, picture, np.empty((0, 5, 2), np.float32))
    assert none.shape == (0, 66, 2)
    assert empty.shape == (0, 66)


def _landmarks_of(points: F32) -> F32:
    """66 landmarks whose five points are these."""
    made = np.repeat(points.mean(axis=0)[None], 66, axis=0)
    made[36:42], made[42:48], made[30], made[58], made[62] = points
    np.testing.assert_allclose(five_points(made), points, rtol=1e-6)
    return made


@pytest.mark.parametrize(("name", "low", "high"), [("landmarks_2d106", 40, 250), ("2dfan4", 40 / 255, 250 / 255)])
def test_networks_get_the_range_that_their_recipes_say(name: str, low: float, high: float) -> None:
    shape, answer, _ = FAMILIES[name]
    engine = FunctionEngine({"in": shape}, lambda feeds: answer(brightest(feeds["in"][0])))
    make_landmarker(load_recipe(name), engine, CpuBackend())(Lane(0), picture_of(dotted()), POINTS[None])
    fed = engine.fed[0]["in"]
    assert fed.min() == pytest.approx(low, rel=0.01)
    assert fed.max() == pytest.approx(high, rel=0.01)


def test_five_points_are_guessed_to_68_under_the_ffhq_template() -> None:
    offsets = np.random.default_rng(4).uniform(-0.2, 0.2, (68, 2)).astype(np.float32)

    def answer(feeds: Feeds) -> dict[str, npt.NDArray[Any]]:
        return {"out": (feeds["input"].mean(axis=1, keepdims=True) + offsets).astype(np.float32)}

    engine = FunctionEngine({"input": (1, 5, 2)}, answer)
    landmarker = make_landmarker(load_recipe("fan_68_5"), engine, CpuBackend())
    picture = picture_of(dotted())
    landmarks, confidence = landmarker(Lane(0), picture, np.stack((POINTS, 2 * POINTS)))
    fed = np.concatenate([feed["input"] for feed in engine.fed])
    assert np.abs(fed - TEMPLATES["ffhq_512"]).max() < 0.1
    (matrix,) = similarity_from_points(POINTS[None], TEMPLATES["ffhq_512"])
    inside = transform_points(matrix, landmarks[0])
    np.testing.assert_allclose(inside[30], fed[0].mean(axis=0) + offsets[30], atol=1e-4)
    np.testing.assert_allclose(inside[48], fed[0].mean(axis=0) + offsets[49], atol=1e-4)
    np.testing.assert_allclose(landmarks[1], 2 * landmarks[0], rtol=1e-3)
    assert confidence.shape == (2, 66)
    assert landmarker.looks_ahead is False


@pytest.mark.parametrize(
    ("read", "outputs"),
    [
        (read_fan, {"a": np.zeros((1, 68, 3), np.float32)}),
        (read_peppa, {"a": np.zeros((1, 200), np.float32)}),
        (lambda outputs: decode_106(outputs["a"]), {"a": np.zeros((1, 3309), np.float32)}),
        (lambda outputs: decode_facemesh(outputs["a"]), {"a": np.zeros((1, 478 * 3), np.float32)}),
    ],
)
def test_outputs_of_another_model_are_named(read: Callable[..., object], outputs: dict[str, F32]) -> None:
    with pytest.raises(EngineFailed, match="expected"):
        read(outputs)


def test_a_recipe_of_another_kind_is_refused_and_dynamic_batches_are_fixed() -> None:
    engine = FunctionEngine({"in": (1, 3, 8, 8)}, lambda feeds: {})
    with pytest.raises(RecipeInvalid, match="no landmarker"):
        make_landmarker(load_recipe("scrfd_10g"), engine, CpuBackend())
    assert fixed_axes(load_recipe("openseeface_lm0")) == {"batch_size": 1}
    assert fixed_axes(load_recipe("2dfan4")) == {}


@pytest.mark.parametrize(("off", "looks"), [(0.02, 1), (0.05, 2)])
def test_a_new_face_is_looked_at_again_where_its_landmarks_frame_it_differently(off: float, looks: int) -> None:
    engine = FunctionEngine({"x": (1, 3, 64, 64)}, lambda feeds: {"y": np.zeros(1, np.float32)})
    placed = iter(np.full((66, 2), 10.0 * n, np.float32) for n in range(1, 4))

    def framed_again(landmarks: F32, side_px: int) -> F32:
        crops = frame_points(POINTS[None], side_px)
        crops[:, :, 2] += side_px * off / np.sqrt(2)
        return crops

    family = Family(64, frame_points, framed_again, lambda _: (next(placed), np.ones(66, np.float32)), second_look=True)
    landmarker = NetworkLandmarker(engine, CpuBackend(), Blob(None), family)
    picture = picture_of(np.zeros((240, 320, 3), np.uint8))
    landmarks, _ = landmarker(Lane(0), picture, POINTS[None])
    assert len(engine.fed) == looks
    crop = (frame_points if looks == 1 else lambda points, side: framed_again(points, side))(POINTS[None], 64)
    np.testing.assert_allclose(transform_points(crop[0], landmarks[0]), np.full((66, 2), 10.0 * looks), atol=1e-3)


def test_framings_are_compared_by_the_crop_s_corners() -> None:
    crops = frame_points(POINTS[None], 224)
    moved, larger = crops.copy(), crops.copy()
    moved[:, :, 2] += 224 * 0.1
    np.testing.assert_allclose(apart(crops, moved, 224), 0.1 * np.sqrt(2), rtol=1e-4)
    larger[:, :, :2] *= 1.1
    corners = np.array([[0, 0], [224, 0], [0, 224], [224, 224]], np.float32)
    back = to_frame(crops, corners[None])[0]
    by_hand = np.linalg.norm(transform_points(larger[0], back) - corners, axis=1).mean() / 224
    np.testing.assert_allclose(apart(crops, larger, 224)[0], by_hand, rtol=1e-4)
