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


@pytest.mark.parametrize("name", ["codeformer", "restoreformer_plus_plus"])
def test_restorers_by_codes_have_the_reference_s_parameters(name: str) -> None:
    """Of RestoreFormer++ the reference has the file's size alone: 73.6 M with what the graph takes."""
    assert round(build(name).parameters / 1e6, 1) == {"codeformer": 94.1, "restoreformer_plus_plus": 73.5}[name]


def test_codeformer_is_as_faithful_as_its_weight_says(tmp_path: Path) -> None:
    session = session_of("codeformer", tmp_path)
    face = picture(512, 512) * 2 - 1
    shown = [session.run(None, {"input": face[None], "weight": np.array([share])})[0][0] for share in (0.0, 0.2, 1.0)]
    close = [alike(result, face) for result in shown]
    assert abs(close[0]) < 0.3, "at 0 there are only the codes"
    assert close[0] < close[1] < close[2]
    assert close[2] > 0.97


def test_restoreformer_shows_what_its_codes_hold(tmp_path: Path) -> None:
    session = session_of("restoreformer_plus_plus", tmp_path)
    faces = [picture(512, 512) * 2 - 1, picture(512, 512)[:, ::-1, ::-1] * 2 - 1]
    shown = [session.run(None, {"input": np.ascontiguousarray(face[None])})[0][0] for face in faces]
    for face, result in zip(faces, shown, strict=True):
        assert alike(result, face) > 0.85


def test_live_portrait_moves_the_picture_with_its_points(tmp_path: Path) -> None:
    feature, motion, generator = (
        session_of(f"live_portrait_{part}", tmp_path) for part in ("feature_extractor", "motion_extractor", "generator")
    )
    image = np.full((1, 3, 256, 256), 0.2, np.float32)
    image[:, :, 144:176, 112:144] = 0.9  # centre: half of the width, at 160 of 256
    found = {
        out.name: value for out, value in zip(motion.get_outputs(), motion.run(None, {"input": image}), strict=True)
    }
    assert all(abs(float(found[angle].item())) < 20 for angle in ("pitch", "yaw", "roll"))
    own = found["motion_points"]
    assert 0.1 < np.abs(own[..., :2]).max() < 1
    volume = feature.run(None, {"input": image})[0]

    def centre(driving: F32) -> tuple[float, float]:
        bright = generator.run(None, {"feature_volume": volume, "source": driving, "target": own})[0][0].mean(axis=0)
        rows, columns = np.nonzero(bright > 0.5)
        return float(rows.mean()) / 2, float(columns.mean()) / 2

    assert centre(own) == pytest.approx((160, 128), abs=4)
    moved = own.copy()
    moved[..., 1] += 0.125  # an eighth of half the height: 16 pixels of 256
    assert centre(moved) == pytest.approx((174, 128), abs=6)


def test_the_occluder_takes_the_colour_of_skin_for_face(tmp_path: Path) -> None:
    image = np.full((1, 3, 256, 256), 0.4, np.float32)
    image[:, :, 64:192, 64:192] = np.array([0.85, 0.6, 0.45], np.float32)[:, None, None]
    image[:, :, 110:150, 64:192] = np.array([0.2, 0.3, 0.7], np.float32)[:, None, None]  # a blue bar before it
    logits = session_of("occluder_vm", tmp_path).run(None, {"img": image})[0][0, 0]
    assert (logits[72:100, 72:184] > 0).mean() > 0.98
    assert (logits[118:142, 72:184] > 0).mean() < 0.05
    assert (logits[:48] > 0).mean() < 0.02


def test_visomaster_s_xseg_keeps_the_middle_too(tmp_path: Path) -> None:
    mask = session_of("xseg_vm", tmp_path).run(None, {"in_face:0": picture(256, 256)[None]})[0]
    assert mask.shape == (1, 1, 256, 256)
    assert mask[..., 96:160, 96:160].mean() > 0.8
    assert mask[..., :16, :16].mean() < 0.3


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
    image[:, 200:312, 200:312] = np.array([0.75, 0.4, 0.4], np.float32)[:, None, None]
    image[:, :120] = 0.08
    fed = ((image - mean[:, None, None]) / deviation[:, None, None]).astype(np.float32)
    classes = session_of(name, tmp_path).run(None, {"input": fed[None]})[0][0].argmax(axis=0)
    assert (classes[224:288, 224:288] == 12).mean() > 0.95, "redder than skin: a lip"
    assert (classes[:88] == 17).mean() > 0.95, "dark: hair"


@pytest.mark.parametrize(
    ("name", "scale"),
    [("real_esrgan_x4", 4), ("real_esrgan_x2", 2), ("real_esrgan_general_x4v3", 4), ("span_kendata_x4", 4)],
)
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
