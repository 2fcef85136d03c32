"""The measures of `bench quality` on constructed cases whose values are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from livefuse.bench.quality import metrics
from livefuse.bench.quality.colour_difference import ciede2000, lab_of
from livefuse.bench.quality.motion import followed, motion_of
from livefuse.bench.quality.regions import depth_of, swapped_region
from livefuse.bench.quality.window import MOST_PX, window_of
from livefuse.frame import U8
from tests.unit.quality_scenes import disc, face_landmarks, texture

# Sharma, Wu, Dalal 2005, table 1: L a b of both colours and their difference.
SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425
50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -1.1848 -84.8006 50 0 -82.7485 1.0000
50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669
50 -1 2 50 0 0 2.3669
50 2.4900 -0.0010 50 -2.4900 0.0009 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0010 7.1792
50 2.4900 -0.0010 50 -2.4900 0.0011 7.2195
50 2.4900 -0.0010 50 -2.4900 0.0012 7.2195
50 -0.0010 2.4900 50 0.0009 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0010 -2.4900 4.8045
50 -0.0010 2.4900 50 0.0011 -2.4900 4.7461
50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030
50 2.5 0 58 24 15 19.4535
50 2.5 0 50 3.1736 0.5854 1.0000
50 2.5 0 50 3.2972 0 1.0000
50 2.5 0 50 1.8634 0.5757 1.0000
50 2.5 0 50 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""


def test_ciede2000_gives_the_values_that_its_authors_published() -> None:
    rows = np.array([line.split() for line in SHARMA.strip().splitlines()], np.float64)
    assert len(rows) == 34
    np.testing.assert_allclose(ciede2000(rows[:, :3], rows[:, 3:6]), rows[:, 6], atol=5e-5)
    np.testing.assert_allclose(ciede2000(rows[:, 3:6], rows[:, :3]), rows[:, 6], atol=5e-5)


def test_lab_is_that_of_srgb_under_d65() -> None:
    # Worked by hand from IEC 61966-2-1: pure red is X 0.4124, Y 0.2126, Z 0.0193 of white 0.9505, 1, 1.089.
    lab = lab_of(np.array([[[255, 0, 0], [255, 255, 255], [119, 119, 119]]], np.uint8))[0]
    known = np.array([[53.24, 80.09, 67.20], [100, 0, 0], [50.03, 0, 0]])
    np.testing.assert_allclose(lab, known, atol=0.05)


def test_motion_is_found_and_followed_back() -> None:
    wide = texture(140, 160)
    before, now = wide[10:130, 10:130], wide[10:130, 7:127]  # the picture moves 3 px to the right
    motion = motion_of(now, before)
    middle = (slice(20, 100), slice(20, 100))
    np.testing.assert_allclose(motion.to_before[middle].mean(axis=(0, 1)), [-3, 0], atol=0.1)
    assert motion.seen[middle].mean() > 0.98
    assert not motion.seen[:, :2].any()  # what came in from outside was not seen before
    newly = metrics.warped_difference(metrics.grey_of(now), metrics.grey_of(before), motion)
    plain = metrics.grey_of(now) - metrics.grey_of(before)
    assert np.abs(newly[middle]).mean() < 0.1 * np.abs(plain[middle]).mean()


def test_what_was_hidden_before_is_not_seen() -> None:
    ground, thing = texture(128, 128, seed=2), texture(128, 128, seed=3)
    before, now = ground.copy(), ground.copy()
    before[40:90, 30:70], now[40:90, 38:78] = thing[40:90, 30:70], thing[40:90, 30:70]
    seen = motion_of(now, before).seen
    assert seen[45:85, 31:37].mean() < 0.3  # uncovered: the thing was there
    assert seen[45:85, 45:70].mean() > 0.9


def test_moving_by_nothing_changes_nothing() -> None:
    grey = metrics.grey_of(texture(40, 50))
    np.testing.assert_array_equal(followed(grey, np.zeros((40, 50, 2), np.float16)), grey)


def test_a_region_is_what_changed_without_specks_and_with_its_holes() -> None:
    original = texture(200, 220)
    swapped = original.copy()
    face = disc((200, 220), 60)
    swapped[face] += 30
    swapped[disc((200, 220), 12)] = original[disc((200, 220), 12)]  # a mouth that is kept
    swapped[5:8, 5:8] += 30
    region = swapped_region(original, swapped, unit_px=50)
    assert region is not None
    inside = region.depth > 0
    assert (inside ^ face).mean() < 0.003
    assert inside[100, 110]
    assert region.depth.max() == pytest.approx(60, abs=1)
    edge, inner = region.edge, region.inner
    assert not (edge & inner).any()
    assert edge[100, 110 + 58]
    assert edge[100, 110 + 61]
    assert not edge[100, 110 + 63]  # 0.03 units are 1.5 px
    assert inner[100, 110 + 50]  # 0.15 units are 7.5 px


def test_nothing_swapped_is_no_region() -> None:
    original = texture(100, 100)
    assert swapped_region(original, original, 30) is None
    faint = original.copy()
    faint[disc((100, 100), 40)] += 2
    assert swapped_region(original, faint, 30) is None
    blink = original.copy()
    blink[40:46, 40:52] += 40
    assert swapped_region(original, blink, 30) is None


def test_depth_changes_sign_between_pixels() -> None:
    depth = depth_of(np.repeat((np.arange(8) >= 4)[None], 8, axis=0))
    np.testing.assert_allclose(depth[4], [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5], atol=0.1)
    assert np.isposinf(depth_of(np.ones((3, 3), np.bool_))).all()
    assert np.isneginf(depth_of(np.zeros((3, 3), np.bool_))).all()


def uniform(colour: tuple[int, int, int], shape: tuple[int, int] = (200, 200)) -> U8:
    return np.full((*shape, 3), colour, np.uint8)


def test_a_colour_step_at_the_seam_is_its_difference() -> None:
    skin, paint = (200, 150, 130), (180, 150, 140)
    original = uniform(skin)
    swapped = original.copy()
    swapped[disc((200, 200), 60)] = paint
    region = swapped_region(original, swapped, 50)
    assert region is not None
    everywhere = np.ones((200, 200), np.bool_)
    labs = [lab_of(uniform(colour, (1, 1)))[0, 0] for colour in (skin, paint)]
    ours, own = metrics.seam_differences(swapped, original, region, everywhere)
    assert ours == pytest.approx(float(ciede2000(labs[0], labs[1])), abs=0.01)
    assert ours > 5
    assert own == pytest.approx(0, abs=1e-9)


def test_a_seam_counts_by_sectors_and_where_the_original_has_no_edge() -> None:
    original = uniform((200, 150, 130))
    face = disc((200, 200), 60)
    left = np.indices((200, 200))[1] < 100
    swapped = original.copy()
    swapped[face & left], swapped[face & ~left] = (220, 150, 130), (180, 150, 130)  # right on average
    region = swapped_region(original, swapped, 50)
    assert region is not None
    everywhere = np.ones((200, 200), np.bool_)
    assert metrics.seam_differences(swapped, original, region, everywhere)[0] > 4
    original[~face & left] = swapped[~face & left] = (20, 20, 60)  # a wall behind the left cheek
    right_only = metrics.seam_differences(swapped, original, region, everywhere)
    step = ciede2000(*(lab_of(uniform(c, (1, 1)))[0, 0] for c in ((200, 150, 130), (180, 150, 130))))
    assert right_only[0] == pytest.approx(float(step), abs=0.2)
    assert right_only[1] < 0.2
    original[~face] = swapped[~face] = (20, 20, 60)
    assert np.isnan(metrics.seam_differences(swapped, original, region, everywhere)).all()


def test_sharpness_falls_with_blur() -> None:
    sharp, everywhere = texture(80, 80, grain=0.7), np.ones((80, 80), np.bool_)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 2)
    ours, own = (metrics.sharpness(metrics.grey_of(one), everywhere) for one in (blurred, sharp))
    assert ours < 0.1 * own
    # A chequerboard of 0 and 10: the Laplacian is +-40 at every pixel, its variance 1600.
    board = (np.indices((40, 40)).sum(axis=0) % 2 * 10).astype(np.float32)
    inner = np.zeros((40, 40), np.bool_)
    inner[2:-2, 2:-2] = True
    assert metrics.sharpness(board, inner) == pytest.approx(1600, rel=1e-6)
    assert np.isnan(metrics.sharpness(board, np.zeros((40, 40), np.bool_)))


def test_pixels_outside_the_box_are_counted_on_every_side() -> None:
    original = texture(60, 80)
    swapped = original.copy()
    swapped[20:40, 30:50] += 50  # inside
    assert metrics.outside_change(original, swapped, (30, 20, 50, 40)) == (0, 60 * 80 - 400, 0.0)
    for y, x in ((5, 40), (55, 40), (30, 10), (30, 70)):
        swapped[y, x, 1] += 2
    changed, pixels, squares = metrics.outside_change(original, swapped, (30, 20, 50, 40))
    assert (changed, pixels, squares) == (4, 4400, 16.0)
    # 16 over 13200 values: 10 log10(65025 * 13200 / 16)
    assert metrics.psnr_db(squares, 3 * pixels) == pytest.approx(77.2956, abs=1e-3)
    assert metrics.psnr_db(0, 5) == float("inf")


def test_a_shift_of_the_landmarks_is_its_part_of_the_eye_distance() -> None:
    target = face_landmarks()
    eyes_px = float(np.hypot(*(target[45] - target[36])))
    assert metrics.landmark_error(target, target) == 0
    assert metrics.landmark_error(target + np.array((3, 4)), target) == pytest.approx(100 * 5 / eyes_px, rel=1e-5)
    one = target.copy()
    one[10, 0] += 6.6
    assert metrics.landmark_error(one, target) == pytest.approx(100 * 0.1 / eyes_px, rel=1e-4)


def test_openness_of_mouth_and_eyes() -> None:
    landmarks = np.zeros((66, 2), np.float32)
    landmarks[58], landmarks[62] = (0, 0), (40, 0)
    landmarks[[59, 60, 61]], landmarks[[65, 64, 63]] = [[10, -3], [20, -5], [30, -3]], [[10, 3], [20, 5], [30, 3]]
    assert metrics.mouth_openness(landmarks) == pytest.approx((6 + 10 + 6) / 3 / 40)
    landmarks[36:42] = [[0, 0], [5, -2], [15, -2], [20, 0], [15, 2], [5, 2]]
    landmarks[42:48] = [[50, 0], [55, -4], [65, -4], [70, 0], [65, 4], [55, 4]]
    assert metrics.eye_openness(landmarks) == pytest.approx((0.2 + 0.4) / 2)


def test_correlation_over_what_is_known() -> None:
    target = [0.1, 0.2, 0.3, float("nan"), 0.2]
    assert metrics.correlation([0.2, 0.4, 0.6, 0.9, 0.4], target) == pytest.approx(1)
    assert metrics.correlation([0.6, 0.4, 0.2, 0.9, 0.4], target) == pytest.approx(-1)
    assert metrics.correlation([0.3, 0.3, 0.3, 0.3, 0.3], target) == 0  # the swapped mouth stays shut
    assert np.isnan(metrics.correlation(target, [0.1, 0.1, 0.101, 0.1, 0.1]))  # nothing to follow
    assert np.isnan(metrics.correlation([0.1, 0.2], [0.1, 0.9]))
    pursed = 0.05 + 0.006 * np.sin(np.arange(60))  # lips that hardly part, ten times the landmarks' noise
    assert metrics.correlation(0.1 - pursed, pursed) == pytest.approx(-1)  # a swap that does the opposite is told


def test_likeness_is_a_cosine_of_any_length() -> None:
    one = np.array([3, 4, 0], np.float32)
    assert metrics.likeness(one, one * 7) == pytest.approx(1)
    assert metrics.likeness(one, np.array([4, -3, 0], np.float32)) == pytest.approx(0, abs=1e-7)
    assert metrics.likeness(one, np.array([0, 5, 0], np.float32)) == pytest.approx(0.8)


def test_means_leave_out_what_is_not_known() -> None:
    assert metrics.mean([1, float("nan"), 3]) == 2
    assert np.isnan(metrics.mean([]))
    assert np.isnan(metrics.mean_where(np.ones((3, 3), np.float32), np.ones((3, 3), np.bool_)))  # 9 pixels are too few


def test_a_window_lies_in_the_frame_around_the_face() -> None:
    landmarks = face_landmarks()
    window = window_of(landmarks, 320, 240)
    x1, y1, x2, y2 = window.box
    assert 0 <= x1 < landmarks[:, 0].min()
    assert landmarks[:, 0].max() < x2 <= 320
    assert 0 <= y1 < landmarks[:, 1].min()
    assert window.cut(np.zeros((240, 320, 3), np.uint8)).shape[:2] == window.shape == (y2 - y1, x2 - x1)
    big = window_of(landmarks * 20, 6400, 4800)
    assert max(big.shape) == MOST_PX
    # Twenty times the face in a window that is as many px: the same units across.
    assert big.unit_px / big.shape[1] == pytest.approx(window.unit_px / window.shape[1], rel=0.02)
