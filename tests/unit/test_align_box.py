"""The detector's box from five points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livefuse.align.box import Boxes, boxes_of, frame_boxes
from livefuse.align.templates import transform_points
from livefuse.detect.yunet import YuNet
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from tests.unit.photos import clip_pictures, engine, photo

FACE = np.array([[-20, -20], [20, -20], [0, 0], [-16, 20], [16, 20]], np.float32)


def test_the_box_turns_and_grows_with_the_points() -> None:
    upright = boxes_of(FACE[None])
    np.testing.assert_allclose(upright.centre, [[0, -0.18 * 40]], atol=1e-5)
    assert upright.side == pytest.approx([2.72 * 40])
    quarter = np.array([[0, -1], [1, 0]], np.float32)  # clockwise on the screen: up becomes right
    turned = boxes_of((2 * FACE @ quarter.T + (300, 200))[None])
    np.testing.assert_allclose(turned.centre, [[300 + 2 * 0.18 * 40, 200]], atol=1e-4)
    assert turned.side == pytest.approx(2 * upright.side)


def test_a_turned_head_keeps_its_size_and_lies_behind_its_nose() -> None:
    narrow = FACE * np.array([0.3, 1], np.float32)
    narrow[2, 0] = 9
    turned, frontal = boxes_of(narrow[None]), boxes_of(FACE[None])
    assert turned.side == pytest.approx(frontal.side)
    np.testing.assert_allclose(turned.centre - frontal.centre, [[-1.33 * 9, 0]], atol=1e-4)


def test_frames_follow_facefusions_and_insightfaces_formulas() -> None:
    x1, y1, x2, y2 = 100.0, 60.0, 180.0, 200.0
    boxes = Boxes(np.array([[(x1 + x2) / 2, (y1 + y2) / 2]]), np.array([max(x2 - x1, y2 - y1)]))
    scale = 195 / 140
    fan = [[scale, 0, (256 - (x1 + x2) * scale) / 2], [0, scale, (256 - (y1 + y2) * scale) / 2]]
    np.testing.assert_allclose(frame_boxes(boxes, 256, 195.0)[0], fan, atol=1e-4)
    (upright,) = frame_boxes(boxes, 256, 195.0, np.array([0.5]))
    np.testing.assert_allclose(transform_points(upright, boxes.centre), [[128, 128]], atol=1e-3)
    eye_line = transform_points(upright, np.array([[0, 0], [np.cos(0.5), np.sin(0.5)]]))
    np.testing.assert_allclose(eye_line[1] - eye_line[0], [scale, 0], atol=1e-4)


def test_boxes_are_about_the_detectors(shared: Path) -> None:
    detector = YuNet(engine(shared, "yunet_n_dynamic.onnx"), CpuBackend(), size_px=640)
    pictures = [photo(shared, name) for name in ("astronaut.png", "mona_lisa.jpg", "pearl_earring.jpg")]
    for picture in pictures + clip_pictures(shared, "talking_head.mp4", (0, 100)):
        faces = detector(Lane(0), picture)
        box, ours = faces.boxes[0], boxes_of(faces.points[:1])
        side = float(max(box[2:] - box[:2]))
        assert ours.side[0] == pytest.approx(side, rel=0.15)
        assert np.linalg.norm(ours.centre[0] - (box[:2] + box[2:]) / 2) < 0.06 * side
