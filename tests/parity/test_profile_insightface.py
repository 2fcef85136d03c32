"""The `insightface` profile against the package itself: its own `INSwapper.get` around a network that gives a fixed face."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from livefuse.composite.profiles.insightface import InsightFace, eroded
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, U8, HostFrame
from tests.parity import reference
from tests.unit.profile_faces import FixedSession, cut_crop, frontal, inswapper

SIDE = 128


# the package calls what scikit-image has since deprecated
pytestmark = pytest.mark.filterwarnings("ignore:`estimate` is deprecated:FutureWarning")


@pytest.fixture(autouse=True)
def _package() -> None:
    pytest.importorskip("insightface")


def fixed_face() -> F32:
    """What a network may give: smooth, and out of range here and there."""
    noise = reference.smooth_noise(np.random.default_rng(5), SIDE, SIDE, 3, cell_px=9)
    return np.asarray(noise * 1.3 - 0.15, np.float32)


def theirs(bgr: U8, points: F32) -> tuple[U8, FixedSession]:
    session = FixedSession(fixed_face())
    face = SimpleNamespace(kps=points, normed_embedding=np.ones(512, np.float32))
    return np.asarray(inswapper(session).get(bgr, face, face), np.uint8), session


def ours(rgb: U8, points: F32) -> tuple[U8, U8]:
    """The composite and the crop as it was cut."""
    backend, lane = CpuBackend(), Lane(0)
    profile = InsightFace(backend)
    picture = backend.upload(lane, HostFrame((rgb,), "rgb24", rgb.shape[1], rgb.shape[0]))
    crop = cut_crop(profile, lane, picture, points, SIDE)
    cut = crop.image.copy()
    profile.finish(lane, crop, fixed_face(), None)
    profile.paste(lane, picture, crop)
    return picture.planes[0], cut


def assert_the_same(got: U8, want: U8, share: float) -> None:
    """At most 1 of 255 apart, and that on no more than a share of the values."""
    apart = np.abs(got.astype(int) - want)
    assert apart.max() <= 1
    assert (apart > 0).mean() <= share


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("astronaut.png", frontal((225, 120), 45, 3)),
        ("mona_lisa.jpg", frontal((230, 230), 70, -12)),
        ("pearl_earring.jpg", frontal((100, 90), 60)),
        ("donna_velata.jpg", frontal((10, 60), 40, 25)),  # half outside
        ("astronaut.png", frontal((500, 500), 80, 170)),  # a corner, upside down
        ("astronaut.png", frontal((256, 256), 400, 4)),  # larger than the frame
        ("astronaut.png", frontal((256, 256), 9)),  # a few pixels
    ],
)
def test_composite_is_the_packages_own(shared: Path, name: str, points: F32) -> None:
    bgr = np.asarray(cv2.imread(str(shared / "media" / name)), np.uint8)
    want, session = theirs(bgr, points)
    got, cut = ours(np.ascontiguousarray(bgr[..., ::-1]), points)
    network_saw = np.rint(session.seen[0][0].transpose(1, 2, 0) * 255)
    assert_the_same(cut, network_saw.astype(np.uint8), 2e-3)
    assert_the_same(got[..., ::-1], want, 2e-4)
    assert not np.array_equal(want, bgr)


@pytest.mark.parametrize("size", [(121, 97), (64, 201)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    bgr = (255 * reference.smooth_noise(np.random.default_rng(3), *size, 3)).astype(np.uint8)
    points = frontal((size[1] / 2, size[0] / 2), 24, 8)
    want, _ = theirs(bgr, points)
    got, _ = ours(np.ascontiguousarray(bgr[..., ::-1]), points)
    assert_the_same(got[..., ::-1], want, 1e-3)


@pytest.mark.parametrize("side", [10, 11, 12, 37, 64])
def test_erosion_is_opencvs(side: int) -> None:
    image = reference.smooth_noise(np.random.default_rng(side), 90, 70, 1, cell_px=8)[..., 0].astype(np.float32)
    assert np.array_equal(eroded(image, side), cv2.erode(image, np.ones((side, side), np.uint8)))


def test_a_models_own_mask_lowers_the_square() -> None:
    """The package has none; a model that brings one keeps what it leaves out."""
    rgb = np.full((200, 200, 3), 90, np.uint8)
    backend, lane = CpuBackend(), Lane(0)
    profile = InsightFace(backend)
    picture = backend.upload(lane, HostFrame((rgb,), "rgb24", 200, 200))
    crop = cut_crop(profile, lane, picture, frontal((100, 90), 40), SIDE)
    own = np.zeros((SIDE, SIDE), np.float32)
    own[:, 64:] = 1
    profile.finish(lane, crop, np.ones((SIDE, SIDE, 3), np.float32), own)
    profile.paste(lane, picture, crop)
    assert (picture.planes[0][:, :96] == 90).all()
    assert (picture.planes[0][90, 105:120] > 250).all()
