"""Where an enhanced face is put, and what must not come back with it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from livefuse.align.cut import RegionCut
from livefuse.composite.privacy import Verdict
from livefuse.composite.stage import Composite
from livefuse.config import PrivacyConfig
from livefuse.device.base import Lane, Picture
from livefuse.frame import F32, U8, Crop, Faces
from tests.unit.enhance_faces import BACKEND, brighter, copied, cut_swapped, engine_of, paste, picture_of, restorer, run
from tests.unit.swap_faces import portrait

GREY = 90


def a_swap(opacity: float = 1.0) -> tuple[Picture, Crop, U8]:
    """A portrait whose face is swapped for one of a single grey, and the portrait."""
    image, landmarks = portrait(5)
    picture = picture_of(image)
    crop = cut_swapped(RegionCut(BACKEND), picture, landmarks)
    assert crop.mask is not None
    cv2.copyTo(np.full_like(crop.image, GREY), crop.mask, crop.image)
    crop.mask = cv2.multiply(crop.mask, opacity)
    return picture, crop, image


def shown(picture: Picture, crops: list[Crop]) -> U8:
    """What leaves, as the composite pastes it."""
    for crop in crops:
        if crop.mask is not None:
            BACKEND.paste(Lane(3), picture, crop.image, crop.mask, crop.to_crop)
    return picture.planes[0]


def in_frame(crop: Crop, values: U8, shape: tuple[int, int]) -> U8:
    return np.asarray(cv2.warpAffine(values, cv2.invertAffineTransform(crop.to_crop), shape[::-1]), np.uint8)


@pytest.mark.parametrize("own", [True, False])
def test_a_face_mask_leaves_the_rest_of_the_frame_alone(own: bool) -> None:
    picture, crop, image = a_swap()
    assert crop.mask is not None
    mask = in_frame(crop, crop.mask, image.shape[:2])
    crops = run(restorer(engine_of(brighter), own=own), picture, [crop])
    out = shown(picture, crops)
    far = cv2.dilate(mask, np.ones((9, 9), np.uint8)) == 0
    assert np.array_equal(out[far], image[far])
    assert out[mask == 255].mean() == pytest.approx(GREY + 40, abs=3)


def test_the_seam_is_as_wide_with_all_of_the_picture_as_with_the_swap_alone() -> None:
    """Blending what is blended already would thin the face towards its edge."""
    results = []
    for own in (True, False):
        picture, crop, _ = a_swap()
        results.append(shown(picture, run(restorer(engine_of(brighter), own=own), picture, [crop])).astype(int))
        seam = in_frame(crop, crop.mask, results[0].shape[:2])  # type: ignore[arg-type]
    ramp = (seam > 60) & (seam < 200)
    assert np.abs(results[0] - results[1])[ramp].mean() < 6


def test_a_box_reaches_beyond_the_face_and_is_soft() -> None:
    picture, crop, image = a_swap()
    assert crop.mask is not None
    mask = in_frame(crop, crop.mask, image.shape[:2])
    (done,) = run(restorer(engine_of(brighter), mask="box", closed=False), picture, [crop])
    out = shown(picture, [done]).astype(int)
    around = (cv2.dilate(mask, np.ones((25, 25), np.uint8)) > 0) & (mask == 0) & (image.max(axis=2) < 210)
    assert (out - image)[around].mean() > 15
    assert done.mask is not None
    assert done.mask[0].max() < 40  # B = int(128 * .5 * .3) = 19: a band of 9 px blurred by 4.75
    assert done.mask[64, 64] == 255


def test_a_box_leaves_out_what_is_before_the_face() -> None:
    picture, crop, _ = a_swap()
    visible = np.full((16, 16), 255, np.uint8)
    visible[:, :8] = 0  # the image-left half is behind something
    crop.visible = visible
    assert crop.mask is not None
    crop.mask[:, : crop.mask.shape[1] // 2] = 0
    (done,) = run(restorer(engine_of(brighter), mask="box", closed=False), picture, [crop])
    assert done.mask is not None
    assert done.mask[64, 20:50].max() < 20
    assert done.mask[64, 80:100].min() > 230


def test_where_no_real_face_may_leave_a_box_stays_near_the_swap() -> None:
    picture, crop, image = a_swap()
    assert crop.mask is not None
    crop.mask[:, crop.mask.shape[1] // 2 :] = 0  # only half of the face is swapped
    near = cv2.dilate(in_frame(crop, crop.mask, image.shape[:2]), np.ones((101, 101), np.uint8))
    (closed,) = run(restorer(engine_of(brighter), mask="box", closed=True), picture, [copied(crop)])
    (opened,) = run(restorer(engine_of(brighter), mask="box", closed=False), picture, [copied(crop)])
    assert closed.mask is not None
    assert opened.mask is not None
    assert in_frame(closed, closed.mask, image.shape[:2])[near == 0].max() == 0
    assert in_frame(opened, opened.mask, image.shape[:2])[near == 0].max() > 200


@pytest.mark.parametrize("mask", ["face", "box"])
def test_a_swap_that_is_seen_through_brings_no_real_face_back(mask: str) -> None:
    """While a swap fades in, what is under it is covered; a crop of the whole picture would uncover it."""
    picture, crop, _ = a_swap(opacity=0.5)
    before = copied(crop)
    (done,) = run(restorer(engine_of(brighter), own=False, mask=mask), picture, [crop])  # type: ignore[arg-type]
    assert done is crop
    assert np.array_equal(done.image, before.image)
    faint_picture, faint, _ = a_swap(opacity=0.5)
    (own,) = run(restorer(engine_of(brighter)), faint_picture, [faint])
    assert own.mask is not None
    assert own.mask.max() < 130
    sure = faint.mask > 120  # type: ignore[operator]
    assert np.abs(own.image[sure].astype(int) - (GREY + 40)).mean() < 15


def test_a_neighbours_real_face_does_not_come_back_through_a_box() -> None:
    """Two swapped faces side by side: the second one's box holds the first as it was swapped."""
    image, landmarks = portrait(5)
    pair = np.ascontiguousarray(np.hstack((image[:, 100:410], image[:, 100:410])))
    picture = picture_of(pair)
    points = [landmarks - np.array([100, 0], np.float32), landmarks + np.array([210, 0], np.float32)]
    crops = [cut_swapped(RegionCut(BACKEND), picture, one, i) for i, one in enumerate(points)]
    for crop in crops:
        assert crop.mask is not None
        cv2.copyTo(np.full_like(crop.image, GREY), crop.mask, crop.image)
    mask = np.maximum(*(in_frame(crop, crop.mask, pair.shape[:2]) for crop in crops))  # type: ignore[arg-type]
    done = run(restorer(engine_of(lambda x: x), mask="box", closed=False), picture, crops)
    out = shown(picture, done)
    assert np.abs(out[mask > 250].astype(int) - GREY).max() < 12


def test_the_privacy_guard_sees_an_enhanced_face_as_swapped() -> None:
    for own, mask in ((True, "face"), (False, "face"), (True, "box")):
        picture, crop, _ = a_swap()
        crops = run(restorer(engine_of(brighter), own=own, mask=mask), picture, [crop])  # type: ignore[arg-type]
        faces = Faces.of([[100, 100, 300, 330]], [0.9], np.zeros((1, 5, 2)))
        faces.ids[:], faces.chosen[:] = 1, True
        composite = Composite(BACKEND, PrivacyConfig())
        assert composite(Lane(0), picture, faces, crops, paste, failed=False) is Verdict.SWAPPED


def test_a_crop_that_must_not_change_its_standing_is_left_alone() -> None:
    """A mask of a few solid pixels would no longer count as solid once it is sampled anew."""
    picture, crop, _ = a_swap()
    assert crop.mask is not None
    dot = np.zeros_like(crop.mask)
    dot[150, 140] = 255
    few = replace(crop, mask=dot)
    assert run(restorer(engine_of(brighter), own=False), picture, [few]) == [few]


def test_landmarks_and_points_move_with_the_crop() -> None:
    picture, crop, _ = a_swap()
    (done,) = run(restorer(engine_of(brighter), own=False), picture, [crop])

    def to_frame(one: Crop, points: F32) -> F32:
        back = cv2.invertAffineTransform(one.to_crop)
        return np.asarray(points @ back[:, :2].T + back[:, 2], np.float32)

    assert np.abs(to_frame(done, done.landmarks) - to_frame(crop, crop.landmarks)).max() < 0.05
    assert np.abs(to_frame(done, done.points) - to_frame(crop, crop.points)).max() < 0.05
    assert done.track == crop.track
    assert done.whole
