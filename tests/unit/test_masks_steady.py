"""Masks over time: trembling edges are held, what really comes and goes is not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from livefuse.composite.masks.steady import Steady
from livefuse.frame import F32, U8

FRAME_NS = 33_333_333
SIDE = 64


def half(edge: float) -> U8:
    """Visible right of `edge`, px."""
    row = np.clip(np.arange(SIDE) + 1 - edge, 0, 1) * 255
    return np.repeat(np.round(row)[None].astype(np.uint8), SIDE, axis=0)


def followed(steady: Steady, masks: Sequence[U8 | None], fps: float = 30) -> list[F32]:
    out = []
    for i, mask in enumerate(masks):
        seen = steady.follow(mask, round(i * 1e9 / fps))
        out.append(np.full((SIDE, SIDE), 255, np.float32) if seen is None else seen.copy())
    return out


def flicker(masks: list[F32]) -> float:
    """Mean change from frame to frame, after the first ten."""
    return float(np.mean([np.abs(b - a).mean() for a, b in pairwise(masks[10:])]))


def trembling(frames: int = 80) -> list[U8 | None]:
    edges = 32 + np.random.default_rng(4).normal(0, 0.6, frames)  # 1 % of the face
    return [half(edge) for edge in edges]


def test_a_trembling_edge_flickers_less() -> None:
    raw = flicker(followed(Steady(0), trembling()))
    default, most = (flicker(followed(Steady(amount), trembling())) for amount in (0.5, 1.0))
    assert raw > 2.5  # of 255, over the whole square
    assert default < 0.45 * raw
    assert most < 0.15 * raw


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_a_real_jump_passes_within_two_frames(amount: float) -> None:
    hand = np.full((SIDE, SIDE), 255, np.uint8)
    hand[20:50, 10:40] = 0
    visible = np.full((SIDE, SIDE), 255, np.uint8)
    for before, after in ((visible, hand), (hand, visible)):
        left = np.abs(followed(Steady(amount), [before] * 5 + [after] * 2)[-1] - after)
        assert left.mean() < 0.1
        assert np.count_nonzero(left > 5) <= 16  # at the four corners
        assert left.max() < 50


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_a_moving_hand_is_not_left_behind(amount: float) -> None:
    """Its edge crosses the face in a second, 2 px a frame; the steadied edge is never 2.5 px behind: 1 mm a cm of face."""
    edges = np.arange(4, 60, 2.0)
    masks = followed(Steady(amount), [half(edge) for edge in edges])
    behind = [edge - float((255 - mask[30]).sum()) / 255 for edge, mask in zip(edges, masks, strict=True)]
    assert max(behind) < 2.5


def test_nothing_trails_behind_a_hand() -> None:
    """A bar of 8 px crosses at 2 px a frame: where it was two frames ago all is visible again."""
    bars = []
    for frame in range(26):
        bar = np.full((SIDE, SIDE), 255, np.uint8)
        bar[:, 2 * frame : 2 * frame + 8] = 0
        bars.append(bar)
    last = followed(Steady(0.5), bars)[-1][30]
    assert last[:46].min() > 235
    assert last[50:54].max() < 2
    assert last[54:58].max() < 70


def test_fingers_a_sixteenth_of_the_face_wide_are_followed() -> None:
    fingers = np.full((SIDE, SIDE), 255, np.uint8)
    fingers[10:40, 8:56:8], fingers[10:40, 9:57:8], fingers[10:40, 10:58:8], fingers[10:40, 11:59:8] = 0, 0, 0, 0
    seen = followed(Steady(0.5), [np.full((SIDE, SIDE), 255, np.uint8)] * 3 + [fingers] * 2)[-1]
    assert np.abs(seen - fingers)[14:36, 12:52].max() < 20


def test_the_same_time_steadies_alike_at_any_frame_rate() -> None:
    """An edge that shifts by 2 px and stays: after 200 ms it is equally far, whether that took 6 frames or 12."""
    slow = followed(Steady(0.8), [half(30)] + [half(32)] * 6, 30)[-1]
    fast = followed(Steady(0.8), [half(30)] + [half(32)] * 12, 60)[-1]
    shifts = [float((255 - mask[30]).sum()) / 255 - 30 for mask in (slow, fast)]
    assert shifts[0] == pytest.approx(shifts[1], abs=0.1)
    assert 0.3 < shifts[0] < 2


def test_off_follows_at_once_and_nothing_hidden_is_none() -> None:
    steady = Steady(0)
    assert steady.follow(None, 0) is None
    seen = steady.follow(half(20), FRAME_NS)
    assert seen is not None
    assert np.array_equal(seen, half(20))
    assert steady.follow(None, 2 * FRAME_NS) is None
    steady = Steady(0.5)
    assert steady.follow(None, 0) is None
    assert steady.follow(half(1), FRAME_NS) is not None
    for frame in range(2, 60):
        last = steady.follow(None, frame * FRAME_NS)
    assert last is None  # gone, and costs nothing any more
