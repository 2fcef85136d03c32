"""SCRFD: outputs known by width and length, anchors on their cell's first pixel, and the way back to frame px."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from livefuse.detect.boxes import box_iou, nms
from livefuse.detect.make import make_detector
from livefuse.detect.scrfd import decode
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import EngineFailed, RecipeInvalid
from livefuse.runtime.base import Feeds
from livefuse.weights.recipe import load_recipe
from tests.unit.engines import FunctionEngine
from tests.unit.photos import picture_of

Tensors = dict[str, npt.NDArray[Any]]


def tensors(height: int, width: int, anchors: int = 2) -> Tensors:
    """Nothing found; named as exports name them, in file order."""
    counts = [(height // s) * (width // s) * anchors for s in (8, 16, 32)]
    shapes = [(n, depth) for depth in (1, 4, 10) for n in counts]
    return {str(448 + i): np.zeros(shape, np.float32) for i, shape in enumerate(shapes)}


def place(made: Tensors, level: int, row: int, score: float) -> None:
    names = list(made)
    made[names[level]][row] = score
    made[names[3 + level]][row] = [1.0, 2.0, 3.0, 4.0]
    made[names[6 + level]][row] = np.arange(10) / 10


def test_a_face_is_decoded_from_its_anchor() -> None:
    outputs = tensors(64, 96)
    cell = 2 * (96 // 16) + 3  # row 2, column 3 of stride 16
    place(outputs, 1, 2 * cell + 1, 0.75)
    boxes, scores, points = decode(outputs, (64, 96), 0.5)
    assert scores.tolist() == [0.75]
    np.testing.assert_allclose(boxes, [[48 - 16, 32 - 32, 48 + 48, 32 + 64]])
    np.testing.assert_allclose(points[0, 4], [48 + 0.8 * 16, 32 + 0.9 * 16], rtol=1e-6)


def test_names_order_of_widths_and_a_batch_axis_do_not_matter() -> None:
    outputs = tensors(64, 96)
    place(outputs, 0, 5, 0.9)
    place(outputs, 2, 3, 0.6)
    wanted = decode(outputs, (64, 96), 0.5)
    assert len(wanted[0]) == 2
    names = list(outputs)
    shuffled = {f"x{i}": outputs[names[i]][None] for i in (8, 4, 0, 1, 7, 5, 2, 3, 6)}
    for ours, theirs in zip(decode(shuffled, (64, 96), 0.5), wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_one_anchor_per_cell_is_seen_from_the_length() -> None:
    outputs = tensors(64, 96, anchors=1)
    place(outputs, 2, 4, 0.9)  # row 1, column 1 of stride 32
    boxes, _, _ = decode(outputs, (64, 96), 0.5)
    np.testing.assert_allclose(boxes[0, :2], [32 - 32, 32 - 64])


def test_outputs_of_another_model_are_named() -> None:
    outputs = tensors(64, 96)
    del outputs["456"]
    with pytest.raises(EngineFailed, match="2 outputs are 10 wide"):
        decode(outputs, (64, 96), 0.5)
    outputs = tensors(64, 96)
    place(outputs, 0, 5, 0.9)
    with pytest.raises(EngineFailed, match="192 anchors"):
        decode(outputs, (64, 128), 0.5)


def test_suppression_counts_pixels_as_its_authors_do() -> None:
    boxes = np.array([[0, 0, 9, 9], [0, 4, 9, 13]], np.float32)  # IoU 5/13 by edges, 6/14 by pixels
    np.testing.assert_allclose(box_iou(boxes, boxes)[0, 1], 5 / 13, rtol=1e-6)
    scores = np.array([0.9, 0.8], np.float32)
    assert len(nms(boxes, scores, 0.4, 9)) == 2
    assert len(nms(boxes, scores, 0.4, 9, pixel=1.0)) == 1


def dot_answer(feeds: Feeds) -> Tensors:
    """A face whose box starts at the first cell of stride 8 that is red."""
    blob = feeds["input.1"]
    outputs = tensors(*blob.shape[2:])
    cells = blob[0, 0, ::8, ::8]
    place(outputs, 0, 2 * int(cells.argmax()), 0.9)
    return outputs


def test_a_detector_by_recipe_finds_in_frame_px_what_the_network_finds_in_its_own() -> None:
    engine = FunctionEngine({"input.1": (1, 3, "h", "w")}, dot_answer)
    detector = make_detector(load_recipe("scrfd_10g"), engine, CpuBackend(), size_px=320, threshold=0.5, max_faces=4)
    rgb = np.zeros((720, 1280, 3), np.uint8)
    rgb[160:192, 320:352] = (255, 0, 64)  # network cell (5, 10) at a quarter
    faces = detector(Lane(0), picture_of(rgb))
    assert engine.fed[0]["input.1"].shape == (1, 3, 192, 320)
    red, green = engine.fed[0]["input.1"][0, :2, 44, 84]
    assert red == pytest.approx(127.5 / 128)
    assert green == pytest.approx(-127.5 / 128)
    np.testing.assert_allclose(faces.boxes, [[(80 - 8) * 4, (40 - 16) * 4, (80 + 24) * 4, (40 + 32) * 4]])
    np.testing.assert_allclose(faces.points[0, 0], [80 * 4, (40 + 0.8) * 4], rtol=1e-5)


def test_a_recipe_of_another_kind_is_refused() -> None:
    engine = FunctionEngine({"input": (1, 3, "h", "w")}, dot_answer)
    with pytest.raises(RecipeInvalid, match="no detector"):
        make_detector(load_recipe("w600k_r50"), engine, CpuBackend(), size_px=320, threshold=0.5, max_faces=4)
