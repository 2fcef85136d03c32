"""YuNet: decoding, suppression, letterbox mapping, and agreement of the fixed and the dynamic model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from livefuse.detect.boxes import box_iou, nms
from livefuse.detect.network import STRIDES
from livefuse.detect.view import network_size
from livefuse.detect.yunet import YuNet, decode
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.errors import EngineFailed
from livefuse.runtime.ort import OrtEngine
from tests.unit.photos import engine, photo, picture_of


def tensors(height: int, width: int) -> dict[str, npt.NDArray[Any]]:
    made: dict[str, npt.NDArray[Any]] = {}
    for stride in STRIDES:
        n = (height // stride) * (width // stride)
        for name, depth in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            made[f"{name}_{stride}"] = np.zeros((1, n, depth), np.float32)
    return made


def test_decode_follows_the_contract_of_the_model() -> None:
    outputs = tensors(64, 96)
    cell = 2 * (96 // 16) + 3  # row 2, column 3 of stride 16
    outputs["cls_16"][0, cell], outputs["obj_16"][0, cell] = 0.81, 1.0
    outputs["bbox_16"][0, cell] = [0.5, -0.25, np.log(2), np.log(3)]
    outputs["kps_16"][0, cell] = np.arange(10) / 10
    boxes, scores, points = decode(outputs, (64, 96), 0.6)
    assert scores == pytest.approx([0.9])
    centre, half = np.array([3.5, 1.75]) * 16, np.array([16, 24])
    np.testing.assert_allclose(boxes.reshape(2, 2), [centre - half, centre + half], rtol=1e-5)
    np.testing.assert_allclose(points[0, 4], [(3 + 0.8) * 16, (2 + 0.9) * 16], rtol=1e-5)


def test_decode_keeps_all_strides_and_nothing_below_the_threshold() -> None:
    outputs = tensors(64, 64)
    for stride, likelihood in zip(STRIDES, (0.25, 0.49, 1.0), strict=True):
        outputs[f"cls_{stride}"][0, 0], outputs[f"obj_{stride}"][0, 0] = likelihood, 1.0
    assert sorted(decode(outputs, (64, 64), 0.6)[1].tolist()) == pytest.approx([0.7, 1.0])
    assert [len(part) for part in decode(outputs, (64, 64), 1.01)] == [0, 0, 0]


def test_nms_keeps_the_best_of_overlapping_boxes_and_chains_do_not_spread() -> None:
    # b overlaps a, c overlaps b but not a: b falls to a, so c stays.
    boxes = np.array([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.9, 0.8, 0.7, 0.95], np.float32)
    assert nms(boxes, scores, 0.3, 100).tolist() == [3, 0, 2]
    assert nms(boxes, scores, 0.3, 2).tolist() == [3, 0]
    assert nms(boxes[:0], scores[:0], 0.3, 100).tolist() == []


def test_box_iou() -> None:
    a = np.array([[0, 0, 10, 10], [5, 5, 5, 5]], np.float32)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30]], np.float32)
    np.testing.assert_allclose(box_iou(a, b), [[1.0, 1 / 3, 0.0], [0.0, 0.0, 0.0]], atol=1e-6)


@pytest.mark.parametrize(
    ("width", "height", "size_px", "expected"),
    [
        (1920, 1080, 320, (192, 320)),
        (1080, 1920, 320, (320, 192)),
        (1280, 720, 640, (384, 640)),
        (640, 480, 320, (256, 320)),  # 240 rounds up
        (200, 100, 320, (128, 224)),  # a small picture is not enlarged
        (16, 16, 320, (32, 32)),
        (1280, 720, 300, (192, 320)),
    ],
)
def test_network_size(width: int, height: int, size_px: int, expected: tuple[int, int]) -> None:
    assert network_size(width, height, size_px) == expected


def test_fixed_and_dynamic_models_find_the_same_face(shared: Path) -> None:
    backend, picture = CpuBackend(), photo(shared, "astronaut.png")
    fixed = YuNet(engine(shared, "face_detection_yunet_2023mar.onnx"), backend)(Lane(0), picture)
    dynamic = YuNet(engine(shared, "yunet_n_dynamic.onnx"), backend, size_px=640)(Lane(0), picture)
    assert len(fixed) == len(dynamic) == 1
    assert box_iou(fixed.boxes, dynamic.boxes)[0, 0] > 0.8
    assert np.abs(fixed.points - dynamic.points).max() < 6


@pytest.mark.parametrize("size_px", [192, 320, 512])
def test_faces_come_back_in_frame_px_from_any_network_size(shared: Path, size_px: int) -> None:
    detector = YuNet(engine(shared, "yunet_n_dynamic.onnx"), CpuBackend(), size_px=size_px)
    faces = detector(Lane(0), photo(shared, "astronaut.png"))
    # eyes, nose and mouth corners of the portrait, read off by eye
    truth = np.array([[202, 101], [246, 103], [223, 127], [203, 140], [244, 141]])
    assert np.abs(faces.points[0] - truth).max() < 10
    assert faces.ids.tolist() == [-1]
    assert not faces.chosen.any()


def test_a_grey_picture_has_no_face_and_max_faces_keeps_the_best(shared: Path) -> None:
    model = engine(shared, "yunet_n_dynamic.onnx")
    assert len(YuNet(model, CpuBackend())(Lane(0), picture_of(np.full((240, 320, 3), 128, np.uint8)))) == 0
    face = photo(shared, "astronaut.png").planes[0][0:256, 100:356]
    pair = picture_of(np.concatenate((face, face[:, ::-1]), axis=1))
    assert len(YuNet(model, CpuBackend())(Lane(0), pair)) == 2
    assert len(YuNet(model, CpuBackend(), max_faces=1)(Lane(0), pair)) == 1


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    with pytest.raises(EngineFailed, match=r"broken\.onnx"):
        OrtEngine(tmp_path / "broken.onnx")
