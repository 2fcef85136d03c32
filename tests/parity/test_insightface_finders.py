"""What finds and tells faces, beside the `insightface` package on the same graphs and the same real pictures.

The graphs have random weights: they amplify every difference in what they are fed, more than trained ones do.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from livefuse.align.box import Boxes, frame_boxes
from livefuse.align.landmarks_106 import BOX_PX, LANDMARKS_106
from livefuse.align.layouts import FROM_68, FROM_106
from livefuse.align.network import NetworkLandmarker
from livefuse.align.recogniser import Recogniser, Sample, unit
from livefuse.align.templates import TEMPLATES, similarity_from_points, transform_points
from livefuse.detect.make import make_detector
from livefuse.detect.view import Resize
from livefuse.detect.yunet import YuNet
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, U8, Faces
from livefuse.runtime.blob import Blob
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.recipe import load_recipe
from livefuse.weights.synthesize import synthesize
from tests.unit.photos import clip_pictures, engine, photo, picture_of

pytest.importorskip("insightface", reason="the extra [parity] is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning")

PHOTOS = ("astronaut.png", "mona_lisa.jpg", "donna_velata.jpg", "pearl_earring.jpg")
CLIPS = ("street_1080p", "talking_head")  # much reduced, and enlarged
GRAPHS = {
    "scrfd_10g": True,
    "scrfd_500m": False,
    "w600k_r50": True,
    "landmarks_2d106": False,
}  # with thin channels or not
KEPT = 60  # candidates that the threshold lets through


@pytest.fixture(scope="module")
def pictures(shared: Path) -> dict[str, Picture]:
    found = {name: photo(shared, name) for name in PHOTOS}
    clips = {clip: clip_pictures(shared, f"{clip}.mp4", (40,))[0] for clip in CLIPS}
    return found | clips


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The large ones with all their layers but thin channels."""
    folder = tmp_path_factory.mktemp("graphs")
    for seed, (name, tiny) in enumerate(GRAPHS.items()):
        synthesize(load_recipe(name).synthesis or name, folder / f"{name}.onnx", seed=seed, tiny=tiny)
    return folder


def bgr_of(picture: Picture) -> U8:
    return np.ascontiguousarray(picture.planes[0][..., ::-1])


def points_of(shared: Path, picture: Picture) -> F32:
    """Five points of the most certain face. Shapes: -> (1, 5, 2)."""
    detector = YuNet(engine(shared, "yunet_n_dynamic.onnx"), CpuBackend(), size_px=640)
    return detector(Lane(0), picture).points[:1]


def theirs(path: Path, picture: Picture, size_px: int) -> tuple[Faces, float]:
    """insightface's faces, and a threshold in a gap between scores that lets `KEPT` candidates through."""
    from insightface.model_zoo.scrfd import SCRFD

    detector = SCRFD(str(path))
    detector.prepare(-1, input_size=(size_px, size_px), nms_thresh=0.4)
    bgr = bgr_of(picture)
    candidates, _ = detector._detect_candidates(bgr, (size_px, size_px), -1.0)
    best = candidates[: 4 * KEPT, 4]
    gap = KEPT + int(np.argmax(best[KEPT:-1] - best[KEPT + 1 :]))
    assert best[gap] - best[gap + 1] > 1e-4  # else the same candidates could fall on either side
    threshold = float(best[gap] + best[gap + 1]) / 2
    found, points = detector.detect(bgr, det_thresh=threshold)
    return Faces.of(found[:, :4], found[:, 4], points), threshold


def ours(path: Path, picture: Picture, size_px: int, threshold: float, resize: Resize) -> Faces:
    detector = make_detector(
        load_recipe(path.stem), OrtEngine(path), CpuBackend(), size_px=size_px, threshold=threshold, max_faces=500,
        resize=resize,
    )  # fmt: skip
    return detector(Lane(0), picture)


def assert_same_faces(mine: Faces, other: Faces) -> None:
    assert len(mine) == len(other) > 1
    order, theirs_order = (np.argsort(-faces.scores, kind="stable") for faces in (mine, other))
    np.testing.assert_allclose(mine.scores[order], other.scores[theirs_order], atol=1e-4)
    np.testing.assert_allclose(mine.boxes[order], other.boxes[theirs_order], atol=0.01)
    np.testing.assert_allclose(mine.points[order], other.points[theirs_order], atol=0.01)


# The astronaut's hard edges drive 200 random scores to exactly 1: there is no order to compare.
@pytest.mark.parametrize("name", [*PHOTOS[1:], *CLIPS])
@pytest.mark.parametrize("model", ["scrfd_10g", "scrfd_500m"])
def test_scrfd_finds_the_same_boxes_and_points(
    model: str, name: str, graphs: Path, pictures: dict[str, Picture]
) -> None:
    path, picture = graphs / f"{model}.onnx", pictures[name]
    other, threshold = theirs(path, picture, 640)
    assert_same_faces(ours(path, picture, 640, threshold, "insightface"), other)


def test_our_own_view_is_the_same_where_nothing_is_resized(graphs: Path, pictures: dict[str, Picture]) -> None:
    path = graphs / "scrfd_10g.onnx"
    part = picture_of(np.ascontiguousarray(pictures["mona_lisa.jpg"].planes[0][100:740, 40:680]))
    other, threshold = theirs(path, part, 640)
    assert_same_faces(ours(path, part, 640, threshold, "area"), other)


@pytest.mark.parametrize("size_px", [112, 128, 256, 512])
def test_alignment_matrices_agree_at_the_crops_corners(
    size_px: int, shared: Path, pictures: dict[str, Picture]
) -> None:
    from insightface.utils.face_align import estimate_norm

    template = TEMPLATES["arcface_112_v2" if size_px % 112 == 0 else "arcface_128"] * size_px
    corners = np.array([[0, 0], [size_px, 0], [0, size_px], [size_px, size_px]], np.float64)
    for picture in pictures.values():
        points = points_of(shared, picture)
        matrix = np.vstack((estimate_norm(points[0], size_px), [0, 0, 1]))
        in_frame = corners @ np.linalg.inv(matrix)[:2, :2].T + np.linalg.inv(matrix)[:2, 2]
        (mine,) = similarity_from_points(points, template)
        np.testing.assert_allclose(transform_points(mine, in_frame), corners, atol=1e-3)


def arcface(path: Path, picture: Picture, points: F32) -> F32:
    from insightface.app.common import Face
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    return np.asarray(ArcFaceONNX(str(path)).get(bgr_of(picture), Face(kps=points)), np.float32)


@pytest.mark.parametrize(
    ("name", "sample"), [*((name, "insightface") for name in [*PHOTOS, *CLIPS]), ("astronaut.png", "area")]
)
def test_embeddings_are_the_same(
    name: str, sample: Sample, graphs: Path, shared: Path, pictures: dict[str, Picture]
) -> None:
    path, picture = graphs / "w600k_r50.onnx", pictures[name]
    points = points_of(shared, picture)
    recogniser = Recogniser(OrtEngine(path), CpuBackend(), load_recipe("w600k_r50"), sample=sample)
    mine, other = recogniser.raw(Lane(0), picture, points)[0], arcface(path, picture, points[0])
    assert np.linalg.norm(mine) == pytest.approx(np.linalg.norm(other), rel=1e-2)
    likeness = float(unit(mine[None])[0] @ unit(other[None])[0])
    assert likeness > 0.9999


def test_embeddings_of_a_batch_are_those_of_its_faces(graphs: Path, shared: Path, pictures: dict[str, Picture]) -> None:
    picture = pictures["street_1080p"]
    points = YuNet(engine(shared, "yunet_n_dynamic.onnx"), CpuBackend(), size_px=640)(Lane(0), picture).points[:3]
    assert len(points) == 3
    recogniser = Recogniser(
        OrtEngine(graphs / "w600k_r50.onnx"), CpuBackend(), load_recipe("w600k_r50"), sample="insightface"
    )
    mine = recogniser.embed(Lane(0), picture, points)
    other = unit(np.stack([arcface(graphs / "w600k_r50.onnx", picture, one) for one in points]))
    assert (mine * other).sum(axis=1).min() > 0.9999
    assert (mine @ mine.T)[0, 1] < 0.9999  # and they are not all alike


@pytest.mark.parametrize("name", ["astronaut.png", "street_1080p"])  # a crop that shrinks over twofold is averaged
def test_landmarks_of_the_same_box_are_the_same(
    name: str, graphs: Path, shared: Path, pictures: dict[str, Picture]
) -> None:
    from insightface.app.common import Face
    from insightface.model_zoo.landmark import Landmark

    path, picture = graphs / "landmarks_2d106.onnx", pictures[name]
    box = YuNet(engine(shared, "yunet_n_dynamic.onnx"), CpuBackend(), size_px=640)(Lane(0), picture).boxes[0]
    network = Landmark(str(path))
    network.input_mean, network.input_std = 0.0, 1.0  # what it sets when it knows the file by its first node's name
    other = network.get(bgr_of(picture), Face(bbox=box))
    mine = _landmarks_in(box, path, picture)
    assert other.std(axis=0).min() > 1  # they do lie apart
    np.testing.assert_allclose(mine, other[FROM_106][FROM_68], atol=0.05)


def _landmarks_in(box: npt.NDArray[Any], path: Path, picture: Picture) -> F32:
    given = Boxes((box[None, :2] + box[None, 2:]) / 2.0, (box[2:] - box[:2]).max()[None].astype(np.float64))
    family = LANDMARKS_106._replace(frame_points=lambda points, side_px: frame_boxes(given, side_px, BOX_PX))
    landmarker = NetworkLandmarker(
        OrtEngine(path), CpuBackend(), Blob(load_recipe("landmarks_2d106").normalisation), family
    )
    landmarks, _ = landmarker(Lane(0), picture, np.zeros((1, 5, 2), np.float32))
    return landmarks[0]
