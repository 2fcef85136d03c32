"""Recognisers and converters by recipe: batches, scale, sampling."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livefuse.align.converter import Converter
from livefuse.align.recogniser import Recogniser, unit
from livefuse.align.templates import TEMPLATES, similarity_from_points
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import RecipeInvalid
from livefuse.runtime.base import Feeds
from livefuse.weights.recipe import load_recipe
from tests.unit.engines import Arrays, FunctionEngine
from tests.unit.photos import picture_of

POINTS = np.array([[60, 70], [130, 75], [95, 110], [70, 150], [120, 152]], np.float32)


def means(feeds: Feeds) -> Arrays:
    """Three numbers a face: its mean colour, not of length 1."""
    return {"683": feeds["input.1"].mean(axis=(2, 3)) * 20}


@pytest.mark.parametrize(("batch", "runs"), [("N", 1), (1, 2)])
def test_faces_run_together_where_the_graph_allows(batch: int | str, runs: int) -> None:
    engine = FunctionEngine({"input.1": (batch, 3, 112, 112)}, means)
    recogniser = Recogniser(engine, CpuBackend(), load_recipe("w600k_r50"))
    rgb = np.full((240, 240, 3), (255, 128, 0), np.uint8)
    raw = recogniser.raw(Lane(0), picture_of(rgb), np.stack((POINTS, POINTS + 5)))
    assert len(engine.fed) == runs
    np.testing.assert_allclose(raw, np.tile([20, 20 * 0.5 / 127.5, -20], (2, 1)), atol=1e-4)
    embedded = recogniser.embed(Lane(0), picture_of(rgb), POINTS[None])
    np.testing.assert_allclose(embedded, unit(raw[:1]), atol=1e-6)
    assert recogniser.raw(Lane(0), picture_of(rgb), POINTS[:0].reshape(0, 5, 2)).shape == (0, 512)


def test_insightfaces_sampling_is_a_plain_warp_with_black_outside() -> None:
    rgb = np.random.default_rng(8).integers(0, 256, (300, 300, 3), np.uint8)
    points = POINTS * 2 - 60  # the crop shrinks more than twofold and reaches over the edge
    engine = FunctionEngine({"input.1": ("N", 3, 112, 112)}, means)
    Recogniser(engine, CpuBackend(), load_recipe("w600k_r50"), sample="insightface").raw(
        Lane(0), picture_of(rgb), points[None]
    )
    (matrix,) = similarity_from_points(points[None], TEMPLATES["arcface_112_v2"] * 112)
    wanted = cv2.warpAffine(rgb, matrix, (112, 112), borderValue=0)
    np.testing.assert_allclose(engine.fed[0]["input.1"][0], (wanted.transpose(2, 0, 1) - 127.5) / 127.5, atol=1e-6)


def test_a_recipe_of_another_kind_is_refused() -> None:
    engine = FunctionEngine({"input.1": ("N", 3, 112, 112)}, means)
    with pytest.raises(RecipeInvalid, match="not a recogniser"):
        Recogniser(engine, CpuBackend(), load_recipe("scrfd_10g"))


@pytest.mark.parametrize(("batch", "runs"), [("N", 1), (1, 3)])
def test_a_converter_gives_one_row_a_row_and_keeps_their_scale(batch: int | str, runs: int) -> None:
    engine = FunctionEngine({"input": (batch, 512)}, lambda feeds: {"output": feeds["input"] * 2 + 1})
    raw = np.random.default_rng(1).normal(0, 5, (3, 512)).astype(np.float32)
    np.testing.assert_allclose(Converter(engine)(Lane(0), raw), raw * 2 + 1, rtol=1e-6)
    assert len(engine.fed) == runs
    assert Converter(engine)(Lane(0), raw[:0]).shape == (0, 512)
