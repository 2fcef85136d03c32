"""The landmark filter: still faces lie still, moving ones are not late, blinks stay."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from livefuse.align.smooth import LandmarkFilter, Smoother, similarity_fit
from livefuse.frame import F32

FRAME_NS = 33_333_333
PLACE = np.array([600.0, 300.0])
F64 = npt.NDArray[np.float64]


def shape() -> F64:
    """66 points spread like a face of 100 px eye distance."""
    return np.random.default_rng(4).uniform(-100, 100, (66, 2))


def filtered(frames: F64, confidence: F32 | None = None) -> F64:
    sure = np.full(66, 0.8, np.float32) if confidence is None else confidence
    one = LandmarkFilter(frames[0].astype(np.float32), 0)
    rest = [one(x.astype(np.float32), sure, k * FRAME_NS) for k, x in enumerate(frames[1:], 1)]
    return np.stack([frames[0], *rest]).astype(np.float64)


def jitter(frames: F64) -> float:
    """High-frequency energy: mean square of the second difference, after the filter has settled."""
    return float((np.diff(frames, n=2, axis=0)[20:] ** 2).mean())


def lag_frames(out: F64, truth: F64) -> float:
    """Delay at which the truth fits best, in frames, to a twentieth."""
    k = np.arange(20, len(truth) - 5)
    delays = np.arange(-0.5, 4, 0.05)

    def error(delay: float) -> float:
        late = np.stack(
            [np.interp(k - delay, np.arange(len(truth)), column) for column in truth.reshape(len(truth), -1).T]
        )
        return float(((out[k].reshape(len(k), -1).T - late) ** 2).mean())

    return float(delays[int(np.argmin([error(delay) for delay in delays]))])


@pytest.mark.parametrize("noise_px", [0.3, 1.0, 2.0])
def test_jitter_of_a_still_face_is_less_than_half(noise_px: float) -> None:
    rng = np.random.default_rng(1)
    raw = shape() + PLACE + rng.normal(size=(120, 66, 2)) * noise_px
    assert jitter(filtered(raw)) < 0.5 * jitter(raw)


def test_jitter_that_all_landmarks_share_is_less_than_half_too() -> None:
    rng = np.random.default_rng(2)
    raw = shape() + PLACE + rng.normal(size=(120, 1, 2)) * 0.3
    assert jitter(filtered(raw)) < 0.5 * jitter(raw)


@pytest.mark.parametrize("amplitude_px", [15.0, 60.0, 200.0])
@pytest.mark.parametrize("period_s", [1.0, 2.0])
def test_lag_on_motion_is_less_than_a_frame(amplitude_px: float, period_s: float) -> None:
    rng = np.random.default_rng(3)
    t = np.arange(120)[:, None, None] / 30
    phase = 2 * np.pi * t / period_s
    truth = (
        shape() * (1 + 0.1 * np.sin(phase / 2))
        + (600, 300)
        + amplitude_px * np.concatenate((np.sin(phase), 0.4 * np.cos(phase)), axis=2)
    )
    out = filtered(truth + rng.normal(size=truth.shape) * 0.5)
    assert lag_frames(out, truth) <= 1.0
    assert np.abs(out - truth)[20:].mean() < 2.5 + 0.02 * amplitude_px


def test_roll_is_followed_through_the_half_turn_without_a_jump() -> None:
    angles = np.linspace(0, 3 * np.pi, 180)
    turns = np.stack([np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) for a in angles])
    truth = shape() @ turns.transpose(0, 2, 1) + PLACE
    assert np.abs(filtered(truth) - truth).max() < 12


def test_a_blink_of_three_frames_keeps_most_of_its_depth() -> None:
    still = np.repeat((shape() + PLACE)[None], 60, axis=0)
    blink = still.copy()
    blink[30:33, 37:39, 1] += np.array([[6], [10], [6]])
    out = filtered(blink)
    assert (out[:, 37, 1] - still[0, 37, 1]).max() > 6.5
    assert np.abs(out[40:, 37, 1] - still[0, 37, 1]).max() < 1.0
    assert np.abs(out[:, :17] - still[:, :17]).max() < 1.0  # the jaw does not blink along


def test_unsure_landmarks_have_less_say() -> None:
    raw = np.repeat((shape() + PLACE)[None], 50, axis=0)
    raw[25:, 10] += (12, 0)
    sure, unsure = np.full(66, 0.8, np.float32), np.full(66, 0.8, np.float32)
    unsure[10] = 0.05
    moved_sure = filtered(raw, sure)[25, 10, 0] - raw[0, 10, 0]
    moved_unsure = filtered(raw, unsure)[25, 10, 0] - raw[0, 10, 0]
    assert 0 < moved_unsure < 0.7 * moved_sure


def test_a_gap_or_a_clock_that_goes_back_starts_afresh() -> None:
    here, there = (np.asarray(shape() + offset, np.float32) for offset in ((100, 100), (900, 500)))
    sure = np.full(66, 0.8, np.float32)
    for t_ns in (2_000_000_000, -1, 0):
        one = LandmarkFilter(here, 0)
        np.testing.assert_array_equal(one(there, sure, t_ns), there)


def test_tracks_have_their_own_filters_and_are_forgotten() -> None:
    smoother, sure = Smoother(), np.full(66, 0.8, np.float32)
    a, b = (np.asarray(shape() + offset, np.float32) for offset in ((100, 100), (900, 500)))
    smoother(1, a, sure, 0)
    np.testing.assert_array_equal(smoother(2, b, sure, 0), b)
    assert np.abs(smoother(1, a + 1, sure, FRAME_NS) - a).max() < 1
    smoother.keep([2])
    np.testing.assert_array_equal(smoother(1, a + 50, sure, 2 * FRAME_NS), a + 50)


def test_fit_recovers_a_similarity_and_heeds_weights() -> None:
    reference = shape() / 70
    angle, scale, shift = 0.7, 55.0, np.array([300.0, -20.0])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = scale * reference @ rotation.T + shift
    points[0] += 500
    weight = np.ones(66)
    weight[0] = 0
    found_shift, found_scale, found_angle = similarity_fit(reference, points, weight)
    np.testing.assert_allclose([*found_shift, found_scale, found_angle], [*shift, scale, angle], rtol=1e-9)
