"""The synthetic camera: the same bytes every time, truth that fits the picture, faces that real detectors find."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
import pytest

from livefuse.device.colour import to_rgb_map
from livefuse.errors import BadValue
from livefuse.frame import F32, U8, HostFrame, plane_shapes
from livefuse.source.synthetic.options import SyntheticOptions, parse_synthetic
from livefuse.source.synthetic.portrait import draw_portrait
from livefuse.source.synthetic.source import SyntheticSource
from livefuse.source.synthetic.truth import SyntheticTruth

STILL = "synthetic:480x360@30?motion=0&noise=0"
EYES, LOWER_INNER_LIP, CHIN = np.s_[36:48], 64, 8


@pytest.fixture(scope="module")
def moving() -> SyntheticSource:
    return SyntheticSource("synthetic:480x360@30?seed=2")


@pytest.fixture(scope="module")
def still() -> HostFrame:
    return SyntheticSource(STILL).frame(0)


def to_rgb(frame: HostFrame) -> U8:
    even = frame.width + frame.width % 2, frame.height + frame.height % 2
    u, v = (cv2.resize(p, even)[: frame.height, : frame.width] for p in frame.planes[1:])
    return np.asarray(cv2.transform(cv2.merge((frame.planes[0], u, v)), to_rgb_map(frame.colour)), np.uint8)


def same(a: HostFrame, b: HostFrame) -> bool:
    return all(np.array_equal(p, q) for p, q in zip(a.planes, b.planes, strict=True))


def truth(frame: HostFrame) -> SyntheticTruth:
    assert isinstance(frame.truth, SyntheticTruth)
    return frame.truth


def test_the_same_url_gives_the_same_bytes(moving: SyntheticSource) -> None:
    again = SyntheticSource(moving.info.url)
    for _ in range(7):
        last = again.read()
    assert last is not None
    assert same(last, moving.frame(6))
    assert np.array_equal(truth(last).landmarks, truth(moving.frame(6)).landmarks)


def test_frames_and_seeds_differ(moving: SyntheticSource) -> None:
    assert not same(moving.frame(0), moving.frame(1))
    other = SyntheticSource("synthetic:480x360@30?seed=3")
    assert not same(moving.frame(0), other.frame(0))


def test_a_still_face_differs_by_noise_only(still: HostFrame) -> None:
    source = SyntheticSource("synthetic:480x360@30?motion=0&noise=0.5")
    first, later = source.frame(0), source.frame(40)
    assert np.array_equal(truth(first).landmarks, truth(later).landmarks)
    assert not same(first, later)
    grain = first.planes[0].astype(np.float32) - later.planes[0]
    assert 1.0 < grain.std() < 8.0
    assert abs(grain.mean()) < 0.2
    assert same(SyntheticSource(STILL).frame(40), still)


@pytest.mark.parametrize(("width", "height"), [(321, 241), (640, 480), (16, 16), (200, 360)])
def test_any_size(width: int, height: int) -> None:
    frame = SyntheticSource(f"synthetic:{width}x{height}@25?hand=1&frames=40").frame(38)
    assert [p.shape for p in frame.planes] == list(plane_shapes("yuv420p", height, width))
    assert all(p.dtype == np.uint8 for p in frame.planes)
    assert truth(frame).occlusion().shape == (height, width)


def test_truth_has_the_promised_shapes() -> None:
    frame = SyntheticSource("synthetic:640x360@30?faces=3&identity=4,9").frame(30)
    t = truth(frame)
    assert t.boxes.shape == (3, 4)
    assert t.landmarks.shape == (3, 66, 2)
    assert t.points.shape == (3, 5, 2)
    assert t.visible.shape == (3, 66)
    assert t.landmarks.dtype == t.boxes.dtype == t.points.dtype == np.float32
    assert t.visible.dtype == np.bool_
    assert t.identities == (4, 9, 2)
    inside = (t.landmarks > 0).all() and (t.landmarks < [640, 360]).all()
    assert inside
    assert (np.diff(t.landmarks[:, 0, 0]) > 100).all()  # beside each other, from left to right
    for box, marks in zip(t.boxes, t.landmarks, strict=True):
        assert (marks >= box[:2] - 0.01).all()
        assert (marks <= box[2:] + 0.01).all()


def test_no_faces_is_an_empty_room() -> None:
    t = truth(SyntheticSource("synthetic:320x240@30?faces=0&hand=1").frame(60))
    assert t.landmarks.shape == (0, 66, 2)
    assert t.boxes.shape == (0, 4)


def test_landmarks_are_in_the_order_of_the_network(still: HostFrame) -> None:
    marks = truth(still).landmarks[0]
    left, right = marks[36:42].mean(axis=0), marks[42:48].mean(axis=0)
    assert left[0] < marks[30, 0] < right[0]
    assert marks[19, 1] < left[1] < marks[30, 1] < marks[50, 1] < marks[55, 1] < marks[CHIN, 1]
    assert marks[58, 0] == marks[48:66, 0].min()  # the corners of the mouth
    assert marks[62, 0] == marks[48:66, 0].max()
    assert marks[0, 0] < marks[36, 0]
    assert marks[16, 0] > marks[45, 0]


@pytest.mark.parametrize("index", [0, 45, 130, 190])
def test_pupils_are_drawn_where_the_truth_says(index: int) -> None:
    frame = SyntheticSource("synthetic:640x480@30?seed=1&noise=0").frame(index)
    luma = cv2.GaussianBlur(frame.planes[0], (0, 0), 1.0).astype(np.float32)
    marks = truth(frame).landmarks[0]
    for eye in (marks[36:42], marks[42:48]):
        opening = np.linalg.norm(eye[1] - eye[5])
        if opening < 5:
            continue  # blinking
        hull = np.zeros(luma.shape, np.uint8)
        cv2.fillPoly(hull, [np.round(eye).astype(np.int32)], 1)
        x, y = np.round(eye.mean(axis=0)).astype(int)
        inside, cheek = luma[hull > 0], luma[y + round(2.5 * float(opening)), x]
        assert inside.min() < 0.6 * cheek  # iris and pupil are darker than skin, the white is brighter
        assert inside.max() > 1.15 * cheek


def test_landmarks_follow_what_the_face_does(moving: SyntheticSource) -> None:
    marks = np.stack([truth(moving.frame(i)).landmarks[0] for i in range(0, 240, 6)])
    inter_ocular = np.linalg.norm(marks[:, 42:48].mean(axis=1) - marks[:, 36:42].mean(axis=1), axis=1).max()
    gap = np.linalg.norm(marks[:, LOWER_INNER_LIP] - marks[:, 60], axis=1) / inter_ocular
    assert gap.min() < 0.03  # mouth shut, and open
    assert gap.max() > 0.08
    assert np.ptp(marks[:, 30, 0]) > 0.3 * inter_ocular  # the nose swings with the head


def test_parted_lips_show_the_mouth_inside() -> None:
    source = SyntheticSource("synthetic:640x480@30?seed=2&noise=0")
    frames = [source.frame(i) for i in range(0, 240, 6)]
    gaps = [float(truth(f).landmarks[0, LOWER_INNER_LIP, 1] - truth(f).landmarks[0, 60, 1]) for f in frames]
    widest, shut = frames[int(np.argmax(gaps))], frames[int(np.argmin(gaps))]
    spread = []
    for frame in (widest, shut):
        top, bottom = truth(frame).landmarks[0, [60, LOWER_INNER_LIP]]
        x, y1, y2 = round(float(top[0])), round(float(top[1])) - 1, round(float(bottom[1])) + 2
        spread.append(float(np.ptp(frame.planes[0][y1:y2, x - 2 : x + 3].astype(np.float32))))
    assert spread[0] > spread[1] + 40  # teeth and the dark behind them


def test_a_hand_hides_landmarks_and_the_truth_says_which() -> None:
    url = "synthetic:640x480@30?motion=0&noise=0&faces=1"
    with_hand, without = SyntheticSource(url + "&hand=1"), SyntheticSource(url)
    frame = with_hand.frame(51)  # the middle of the first crossing
    t, clear = truth(frame), truth(without.frame(51))
    covered = t.occlusion()
    assert covered.max() == 255
    changed = np.abs(frame.planes[0].astype(int) - without.frame(51).planes[0]) > 2
    assert not changed[cv2.dilate(covered, np.ones((5, 5))) == 0].any()
    assert changed[covered > 200].mean() > 0.7
    hidden = clear.visible[0] & ~t.visible[0]
    assert hidden.sum() > 5
    at = np.round(t.landmarks[0][hidden]).astype(int)
    assert (covered[at[:, 1], at[:, 0]] > 127).all()
    assert truth(with_hand.frame(0)).cover is None


def test_the_end_comes_after_the_frames_asked_for() -> None:
    source = SyntheticSource("synthetic:64x48@30000/1001?frames=3")
    assert source.info.frames == 3
    assert source.info.fps == Fraction(30000, 1001)
    frames = [source.read() for _ in range(4)]
    assert [f.pts_ns for f in frames if f] == [0, 33_366_667, 66_733_333]
    assert [f.seq for f in frames if f] == [0, 1, 2]
    assert frames[3] is None


def test_a_closed_source_ends() -> None:
    source = SyntheticSource(SyntheticOptions(64, 48))
    assert source.read() is not None
    source.close()
    assert source.read() is None
    assert not source.info.live


def test_frames_do_not_share_memory(moving: SyntheticSource) -> None:
    first = moving.frame(3)
    before = first.planes[0].copy()
    first.planes[1].fill(0)
    moving.frame(4)
    assert np.array_equal(first.planes[0], before)
    assert moving.frame(3).planes[1].any()


def test_options_read_back_from_their_own_url() -> None:
    options = SyntheticOptions(320, 200, Fraction(25), 2, 7, 90, 0.5, 0.25, True, (3, 1))
    assert parse_synthetic(options.url()) == options
    assert parse_synthetic("synthetic:") == SyntheticOptions()
    assert parse_synthetic("synthetic:@29.97").fps == Fraction(2997, 100)


@pytest.mark.parametrize(
    "url",
    [
        "file:x.mp4",
        "synthetic:1280",
        "synthetic:0x720@30",
        "synthetic:99999x720@30",
        "synthetic:64x64@0",
        "synthetic:64x64@30/0",
        "synthetic:64x64@-1",
        "synthetic:64x64@30?faces=99",
        "synthetic:64x64@30?faces=one",
        "synthetic:64x64@30?motion=2",
        "synthetic:64x64@30?motion=nan",
        "synthetic:64x64@30?noise=-0.1",
        "synthetic:64x64@30?hand=2",
        "synthetic:64x64@30?seed=",
        "synthetic:64x64@30?identity=1,",
        "synthetic:64x64@30?colour=red",
        "synthetic:64x64@30?seed=1&seed=2",
    ],
)
def test_bad_urls_say_what_to_do(url: str) -> None:
    with pytest.raises(BadValue) as caught:
        parse_synthetic(url)
    assert caught.value.hint


def test_portraits_are_of_different_people() -> None:
    portraits = [draw_portrait(seed, 160) for seed in range(3)]
    faces = []
    for image, t in portraits:
        assert image.shape == (160, 160, 3)
        assert t.landmarks.shape == (1, 66, 2)
        assert t.visible.sum() > 50
        x, y = t.landmarks[0, 30].astype(int)
        faces.append(image[y - 30 : y + 30, x - 25 : x + 25].astype(np.float32))
    for i in range(3):
        assert np.abs(faces[i] - faces[i - 1]).mean() > 12
    assert np.array_equal(draw_portrait(2, 160)[0], portraits[2][0])


def test_the_package_stays_light() -> None:
    code = "import sys, livefuse.source.synthetic; sys.exit('cv2' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_faces_of_a_4k_picture() -> None:
    frame = SyntheticSource("synthetic:3840x2160@30").frame(0)
    assert frame.planes[0].shape == (2160, 3840)
    assert np.linalg.norm(np.diff(truth(frame).points[0, :2], axis=0)) > 200


def _session(model: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _best_yunet(session: ort.InferenceSession, rgb: U8) -> tuple[float, F32]:
    """Best score and its five points; the picture's sides must be multiples of 32."""
    feed = rgb[..., ::-1].astype(np.float32).transpose(2, 0, 1)[None]
    found = dict(
        zip(
            [o.name for o in session.get_outputs()],
            session.run(None, {session.get_inputs()[0].name: feed}),
            strict=True,
        )
    )
    best: tuple[float, F32] = (0.0, np.zeros((5, 2), np.float32))
    for stride in (8, 16, 32):
        score = np.sqrt(found[f"cls_{stride}"].ravel() * found[f"obj_{stride}"].ravel())
        i = int(score.argmax())
        if score[i] > best[0]:
            cell = np.array([i % (rgb.shape[1] // stride), i // (rgb.shape[1] // stride)])
            best = float(score[i]), (found[f"kps_{stride}"].reshape(-1, 5, 2)[i] + cell) * stride
    return best


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_yunet_finds_the_face_where_it_is(shared: Path, seed: int) -> None:
    session = _session(shared / "models" / "yunet_n_dynamic.onnx")
    source = SyntheticSource(f"synthetic:640x480@30?seed={seed}")
    for index in (0, 100):
        frame = source.frame(index)
        score, points = _best_yunet(session, to_rgb(frame))
        truth_points = truth(frame).points[0]
        inter_ocular = float(np.linalg.norm(truth_points[1] - truth_points[0]))
        assert score > 0.7
        assert np.linalg.norm(points - truth_points, axis=1).mean() < 0.15 * inter_ocular


def _openseeface(session: ort.InferenceSession, rgb: U8, box: F32) -> F32:
    """(66, 2) frame px, decoded as the model's contract says."""
    size = 1.25 * float(max(box[2] - box[0], box[3] - box[1]))
    k, middle = 224 / size, (box[:2] + box[2:]) / 2
    to_crop = np.array([[k, 0, 112 - k * middle[0]], [0, k, 112 - k * middle[1]]], np.float32)
    crop = cv2.warpAffine(rgb, to_crop, (224, 224), flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    feed = ((crop - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).astype(np.float32).transpose(2, 0, 1)[None]
    maps = session.run(None, {session.get_inputs()[0].name: feed})[0][0].reshape(3, 66, 784)
    hottest = maps[0].argmax(axis=1)
    off = np.clip(maps[1:, np.arange(66), hottest], 1e-7, 1 - 1e-7)
    shift = np.log(off / (1 - off)) / 16
    at = 223 * np.stack([hottest % 28 / 27 + shift[1], hottest // 28 / 27 + shift[0]], axis=1)
    return np.asarray((at - to_crop[:, 2]) / k, np.float32)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_openseeface_agrees_with_the_truth(shared: Path, seed: int) -> None:
    image, t = draw_portrait(seed, 400)
    found = _openseeface(_session(shared / "models" / "openseeface_lm_model0.onnx"), image, t.boxes[0])
    inter_ocular = float(np.linalg.norm(t.points[0, 1] - t.points[0, 0]))
    error = np.linalg.norm(found - t.landmarks[0], axis=1) / inter_ocular
    assert error.mean() < 0.065
    assert error[48:66].mean() < 0.07  # would be 0.2 if the mouth's points came in another order
