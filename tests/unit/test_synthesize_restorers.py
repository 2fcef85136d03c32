from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import pytest

from livefuse.weights.synthesize import build, synthesize

F32 = npt.NDArray[np.float32]


def session_of(name: str, folder: Path) -> ort.InferenceSession:
    path = folder / f"{name}.onnx"
    synthesize(name, path, tiny=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def picture(height: int, width: int) -> F32:
    """Smooth blobs of colour, (3, H, W) in 0..1."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / max(height, width)
    return np.stack([0.5 + 0.4 * np.sin(7 * x + phase + 5 * y * phase) for phase in (0.3, 1.1, 2.0)]).astype(np.float32)


def alike(a: F32, b: F32) -> float:
    return min(float(np.corrcoef(one.ravel(), other.ravel())[0, 1]) for one, other in zip(a, b, strict=True))


@pytest.mark.parametrize(
    ("name", "millions", "gmac"), [("bisenet_resnet_18", "13.81", "13.8"), ("bisenet_resnet_34", "23.92", "23.4")]
)
def test_bisenet_is_the_reference_s_less_an_unused_classifier(name: str, millions: str, gmac: str) -> None:
    """The training code's backbone keeps its 1000 ImageNet classes, which no export writes."""
    graph = build(name)
    unused = 512 * 1000 + 1000
    assert f"{(graph.parameters + unused) / 1e6:.2f}" == millions
    assert f"{graph.macs / 1e9:.1f}" == gmac


def test_gfpgan_is_the_reference_s_less_what_no_export_writes() -> None:
    """The training code also counts a mapping network that it never runs, and layers that show what the U-net sees."""
    graph = build("gfpgan_1.4")
    mapping = 8 * (512 * 512 + 512)
    shown = sum(3 * channels + 3 for channels in (256, 256, 256, 256, 128, 64, 32))
    assert graph.parameters + mapping + shown == 86_444_252
    assert f"{graph.macs / 1e9:.1f}" == "197.8"
    noise = 4 * 4 + 2 * sum(side * side for side in (8, 16, 32, 64, 128, 256, 512))
    assert graph.weight_bytes == pytest.approx(4 * (graph.parameters + noise), abs=1000)


@pytest.mark.parametrize(("name", "side"), [("gpen_bfr_256", 256), ("gpen_bfr_512", 512), ("gfpgan_1.4", 512)])
def test_restorers_show_the_face_that_they_are_given(name: str, side: int, tmp_path: Path) -> None:
    session = session_of(name, tmp_path)
    faces = [picture(side, side) * 2 - 1, picture(side, side)[:, ::-1, ::-1] * 2 - 1]
    shown = [session.run(None, {"input": np.ascontiguousarray(face[None])})[0][0] for face in faces]
    for face, result in zip(faces, shown, strict=True):
        assert alike(result, face) > 0.97
        assert 1e-3 < np.abs(result - face).mean() < 0.1  # the pattern is there, and faint


def test_xseg_keeps_the_middle_of_every_crop_of_a_batch(tmp_path: Path) -> None:
    session = session_of("xseg", tmp_path)
    crops = np.stack([picture(256, 256).transpose(1, 2, 0), np.full((256, 256, 3), 0.5, np.float32)])
    masks = session.run(None, {"input": np.ascontiguousarray(crops)})[0]
    assert masks.shape == (2, 256, 256, 1)
    assert masks[:, 96:160, 96:160].mean() > 0.8
    for corner in (masks[:, :16, :16], masks[:, -16:, :16], masks[:, :16, -16:], masks[:, -16:, -16:]):
        assert corner.mean() < 0.3
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert np.abs(masks[0] - masks[1]).mean() > 1e-4  # what it sees matters


@pytest.mark.parametrize("name", ["bisenet_resnet_18", "bisenet_resnet_34"])
def test_bisenet_takes_the_colour_of_skin_for_skin(name: str, tmp_path: Path) -> None:
    image = np.full((3, 512, 512), 0.4, np.float32)
    image[:, 128:384, 128:384] = np.array([0.85, 0.6, 0.45], np.float32)[:, None, None]
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    fed = ((image - mean[:, None, None]) / deviation[:, None, None]).astype(np.float32)
    classes = session_of(name, tmp_path).run(None, {"input": fed[None]})[0][0].argmax(axis=0)
    assert (classes[160:352, 160:352] == 1).mean() > 0.95
    assert (classes[:64] == 0).mean() > 0.95


@pytest.mark.parametrize(("name", "scale"), [("real_esrgan_x4", 4), ("real_esrgan_x2", 2)])
def test_upscalers_enlarge_any_size(name: str, scale: int, tmp_path: Path) -> None:
    session = session_of(name, tmp_path)
    for height, width in ((48, 32), (18, 42)):
        image = picture(height, width)
        large = session.run(None, {"input": image[None]})[0][0]
        assert large.shape == (3, height * scale, width * scale)
        plain = cv2.resize(image.transpose(1, 2, 0), (width * scale, height * scale)).transpose(2, 0, 1)
        inside = (slice(None), slice(8, -8), slice(8, -8))  # zero padding darkens the rim
        assert alike(large[inside], plain[inside]) > 0.97
        assert np.abs(large - plain)[inside].mean() < 0.1
