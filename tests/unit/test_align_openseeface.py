"""Landmarks: decoding, framing, and real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livefuse.align.framing import frame_landmarks, frame_points, roll
from livefuse.align.network import COUNT
from livefuse.align.openseeface import CELLS, SIDE_PX, OpenSeeFace, decode
from livefuse.align.templates import five_points, transform_points
from livefuse.detect.yunet import YuNet
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32
from tests.unit.photos import engine, photo, picture_of

FRONTAL = np.array([[75, 68], [149, 68], [112, 114], [77, 143], [147, 143]], np.float32)


def oval() -> F32:
    """66 points in the places of a face, eye distance 60."""
    rng = np.random.default_rng(11)
    points = rng.uniform(-70, 70, (COUNT, 2))
    points[36:42], points[42:48] = (-30, -30), (30, -30)
    points[58], points[62] = (-22, 35), (22, 35)
    return points.astype(np.float32)


def test_decode_follows_the_contract_of_the_model() -> None:
    output = np.zeros((2, 3 * COUNT, CELLS, CELLS), np.float32)
    output[1, 5, 13, 20] = 0.9
    output[1, COUNT + 5, 13, 20] = 0.75  # row offset
    output[1, 2 * COUNT + 5, 13, 20] = 0.5  # column offset: logit 0
    landmarks, confidence = decode(output)
    assert landmarks.shape == (2, COUNT, 2)
    assert confidence[1, 5] == pytest.approx(0.9)
    np.testing.assert_allclose(landmarks[1, 5], [223 * 20 / 27, 223 * (13 / 27 + np.log(3) / 16)], rtol=1e-5)
    # an offset of 0 is clipped, not infinite
    assert landmarks[0, 0] == pytest.approx(223 * np.log(1e-7 / (1 - 1e-7)) / 16, rel=1e-4)


@pytest.mark.parametrize("angle", [0.0, 0.5, -1.2, 3.0])
def test_framing_is_upright_centred_and_scaled_whatever_the_face_does(angle: float) -> None:
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    landmarks = (3.3 * oval() @ rotation.T + (500, 300)).astype(np.float32)
    (to_crop,) = frame_landmarks(landmarks[None], SIDE_PX)
    inside = transform_points(to_crop, landmarks)
    np.testing.assert_allclose(inside.mean(axis=0), SIDE_PX / 2, atol=0.1)
    assert roll(five_points(inside)[None])[0] == pytest.approx(0, abs=1e-4)
    (unturned,) = frame_landmarks(oval()[None], SIDE_PX)
    np.testing.assert_allclose(inside, transform_points(unturned, oval()), atol=0.05)


def test_five_points_and_landmarks_frame_a_frontal_face_alike(shared: Path) -> None:
    backend, lane, picture = CpuBackend(), Lane(0), photo(shared, "astronaut.png")
    points = YuNet(engine(shared, "yunet_n_dynamic.onnx"), backend)(lane, picture).points[:1]
    landmarks, _ = OpenSeeFace(engine(shared, "openseeface_lm_model0.onnx"), backend)(lane, picture, points)
    a, b = frame_points(points, SIDE_PX)[0], frame_landmarks(landmarks, SIDE_PX)[0]
    corners = np.array([[170, 80], [280, 190]], np.float32)
    assert np.abs(transform_points(a, corners) - transform_points(b, corners)).max() < 0.08 * SIDE_PX


def test_landmarks_of_a_portrait_are_where_they_are(shared: Path) -> None:
    backend, lane, picture = CpuBackend(), Lane(0), photo(shared, "astronaut.png")
    landmarker = OpenSeeFace(engine(shared, "openseeface_lm_model0.onnx"), backend)
    points = np.array([[[202, 101], [246, 103], [223, 127], [203, 140], [244, 141]]], np.float32)
    landmarks, confidence = landmarker(lane, picture, points)
    assert np.abs(five_points(landmarks) - points).max() < 5
    np.testing.assert_allclose(landmarks[0, 8], [224, 179], atol=6)  # chin
    assert confidence.mean() > 0.75
    again, _ = landmarker(lane, picture, points, landmarks)
    assert np.abs(again - landmarks).max() < 2


def test_a_batch_equals_its_faces_one_by_one_and_nan_rows_start_from_the_points(shared: Path) -> None:
    backend, lane, picture = CpuBackend(), Lane(0), photo(shared, "astronaut.png")
    landmarker = OpenSeeFace(engine(shared, "openseeface_lm_model0.onnx"), backend)
    points = np.array([[[202, 101], [246, 103], [223, 127], [203, 140], [244, 141]]], np.float32)
    known, _ = landmarker(lane, picture, points)
    fresh, _ = landmarker(lane, picture, points + 3)
    previous = np.concatenate((known, np.full_like(known, np.nan)))
    both, confidence = landmarker(lane, picture, np.concatenate((points, points + 3)), previous)
    alone, _ = landmarker(lane, picture, points, known)
    np.testing.assert_allclose(both[0], alone[0], atol=0.05)
    np.testing.assert_allclose(both[1], fresh[0], atol=0.05)
    assert confidence.shape == (2, COUNT)


def test_a_wall_has_low_confidence_and_no_faces_no_work(shared: Path) -> None:
    backend, lane = CpuBackend(), Lane(0)
    landmarker = OpenSeeFace(engine(shared, "openseeface_lm_model0.onnx"), backend)
    grain = np.random.default_rng(0).integers(90, 110, (240, 240, 3)).astype(np.uint8)
    _, confidence = landmarker(lane, picture_of(grain), FRONTAL[None])
    assert confidence.mean() < 0.35
    landmarks, confidence = landmarker(lane, picture_of(grain), FRONTAL[:0].reshape(0, 5, 2))
    assert landmarks.shape == (0, COUNT, 2)
    assert confidence.shape == (0, COUNT)
