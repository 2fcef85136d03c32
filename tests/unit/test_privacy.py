"""The privacy guard: every way in which a face may be missing, and what may leave then."""

from __future__ import annotations

import numpy as np
import pytest

from livefuse.composite.privacy import Verdict, decide
from livefuse.composite.stage import Composite, reaches
from livefuse.config import PrivacyConfig
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.frame import Crop, Faces, HostFrame

CLOSED, OPEN = PrivacyConfig(mode="closed"), PrivacyConfig(mode="open")


def faces(*chosen: bool, first_id: int = 1) -> Faces:
    n = len(chosen)
    boxes = np.array([[100 * i, 50, 100 * i + 60, 130] for i in range(n)], np.float32).reshape(n, 4)
    found = Faces.of(boxes, np.ones(n), np.zeros((n, 5, 2)))
    found.ids = np.arange(first_id, first_id + n, dtype=np.int64)
    found.chosen = np.array(chosen, np.bool_)
    return found


def crop(track: int, *, opacity: int = 255, swapped: bool = True) -> Crop:
    blank = np.zeros((8, 8, 3), np.uint8)
    points = np.zeros((66, 2), np.float32)
    mask = np.full((8, 8), opacity, np.uint8)
    return Crop(track, blank, np.eye(2, 3, dtype=np.float32), points[:5], points, mask, swapped)


def test_a_swapped_face_passes() -> None:
    decision = decide(CLOSED, faces(True), [crop(1)], failed=False)
    assert (decision.verdict, decision.whole, decision.boxes) == (Verdict.SWAPPED, False, ())


@pytest.mark.parametrize(
    ("found", "crops", "failed"),
    [
        (faces(), [], False),
        (faces(True), [], False),
        (faces(True), [crop(1, swapped=False)], False),
        (faces(True), [crop(1)], True),
        (faces(False), [], False),
    ],
    ids=["nobody found", "no crop", "not swapped", "a stage failed", "not chosen"],
)
def test_closed_covers_everything_without_a_swap(found: Faces, crops: list[Crop], failed: bool) -> None:
    decision = decide(CLOSED, found, crops, failed=failed)
    assert decision.verdict is Verdict.COVERED
    assert decision.whole


def test_closed_covers_a_face_that_a_mask_takes_almost_whole() -> None:
    """A mask that says that nearly all of the face is hidden is more likely wrong, and would show the real one."""
    crops = [crop(1)]
    crops[0].hidden = 0.9
    assert len(decide(CLOSED, faces(True), crops, failed=False).boxes) == 1
    crops[0].hidden = 0.7  # a hand
    assert decide(CLOSED, faces(True), crops, failed=False).boxes == ()


def test_closed_covers_bystanders_by_the_whole_head() -> None:
    decision = decide(CLOSED, faces(True, False), [crop(1)], failed=False)
    assert decision.verdict is Verdict.SWAPPED
    assert not decision.whole
    ((x1, y1, x2, y2),) = decision.boxes
    assert x1 < 100
    assert y1 < 50
    assert x2 > 160
    assert y2 > 130


def test_closed_covers_a_chosen_face_that_got_no_crop_beside_one_that_did() -> None:
    decision = decide(CLOSED, faces(True, True), [crop(1)], failed=False)
    assert decision.verdict is Verdict.COVERED
    assert len(decision.boxes) == 1
    assert not decision.whole


def test_closed_covers_the_face_under_a_swap_that_is_still_fading_in() -> None:
    decision = decide(CLOSED, faces(True), [crop(1, opacity=100)], failed=False)
    assert len(decision.boxes) == 1


def test_closed_covers_untracked_detections() -> None:
    assert len(decide(CLOSED, faces(True, False, first_id=-1), [crop(-1)], failed=False).boxes) == 2


@pytest.mark.parametrize("found", [faces(), faces(True), faces(False)])
def test_open_never_covers(found: Faces) -> None:
    decision = decide(OPEN, found, [], failed=True)
    assert decision.verdict is Verdict.PASSED
    assert not decision.whole
    assert not decision.boxes


def test_a_paste_that_reaches_over_a_bystander_does_not_bring_the_face_back() -> None:
    """FaceFusion's crops are as wide as a box, and show what was beside the face before anybody was covered."""
    backend, lane = CpuBackend(), Lane(0)
    scene = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    picture = backend.upload(lane, HostFrame.of_rgb(scene))
    near = faces(True, False)
    wide = Crop(
        1, scene[20:200, :180].copy(), np.array([[1, 0, 0], [0, 1, -20]], np.float32), np.zeros((5, 2), np.float32),
        np.zeros((0, 2), np.float32), np.full((180, 180), 255, np.uint8), swapped=True,
    )  # fmt: skip

    def paste(lane: Lane, picture: Picture, crop: Crop) -> None:
        assert crop.mask is not None
        backend.paste(lane, picture, crop.image, crop.mask, crop.to_crop)

    Composite(backend, CLOSED)(lane, picture, near, [wide], paste, failed=False)
    eyes = np.s_[70:110, 110:150]  # of the bystander
    assert picture.planes[0][eyes].std() < 0.3 * scene[eyes].std()
    assert (picture.planes[0][70:110, 10:60] == scene[70:110, 10:60]).all()
    assert reaches(wide, (170, 0, 200, 50))
    assert not reaches(wide, (190, 0, 220, 50))
