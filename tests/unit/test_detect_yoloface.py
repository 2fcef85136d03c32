"""YOLO-face: one output, a fixed square input."""

from __future__ import annotations

import numpy as np
import pytest

from livefuse.detect.make import make_detector
from livefuse.detect.yoloface import decode
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import EngineFailed
from livefuse.frame import F32
from livefuse.weights.recipe import load_recipe
from tests.unit.engines import FunctionEngine
from tests.unit.photos import picture_of


def output() -> F32:
    made = np.zeros((1, 20, 8400), np.float32)
    made[0, :5, 7] = [100, 80, 40, 60, 0.8]
    made[0, 5:, 7] = np.stack((np.arange(5) + 90, np.arange(5) + 70, np.full(5, 0.5)), axis=1).ravel()
    made[0, :5, 9] = [102, 80, 40, 60, 0.7]  # the same face again
    made[0, :5, 11] = [400, 80, 40, 60, 0.3]
    return made


def test_decode_follows_the_contract_of_the_model() -> None:
    boxes, scores, points = decode({"output0": output()}, (640, 640), 0.5)
    assert scores == pytest.approx([0.8, 0.7])
    np.testing.assert_allclose(boxes[0], [80, 50, 120, 110])
    np.testing.assert_allclose(points[0], np.stack((np.arange(5) + 90, np.arange(5) + 70), axis=1))
    assert [len(part) for part in decode({"output0": output()}, (640, 640), 0.9)] == [0, 0, 0]


def test_another_output_is_named() -> None:
    with pytest.raises(EngineFailed, match=r"\(1, 84, 8400\)"):
        decode({"output0": np.zeros((1, 84, 8400), np.float32)}, (640, 640), 0.5)


def test_a_detector_by_recipe_fills_the_square_and_keeps_one_box_a_face() -> None:
    engine = FunctionEngine({"images": (1, 3, 640, 640)}, lambda feeds: {"output0": output()})
    detector = make_detector(load_recipe("yoloface_8n"), engine, CpuBackend(), size_px=320, threshold=0.5, max_faces=4)
    rgb = np.full((720, 1280, 3), (255, 128, 0), np.uint8)
    faces = detector(Lane(0), picture_of(rgb))
    fed = engine.fed[0]["images"]
    assert fed.shape == (1, 3, 640, 640)
    assert sorted(fed[0, :, 100, 100]) == pytest.approx([0, 128 / 255, 1])
    assert not fed[0, :, 360:].any()
    assert len(faces) == 1
    np.testing.assert_allclose(faces.boxes, [[160, 100, 240, 220]])
