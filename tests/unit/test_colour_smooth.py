from __future__ import annotations

import numpy as np
import pytest

from livefuse.composite.colour.smooth import Follower
from livefuse.frame import F32


def one(value: float) -> F32:
    return np.array([value], np.float32)


def test_first_measurement_is_taken_at_once() -> None:
    assert Follower(5.0).follow(one(3), 10**12) == pytest.approx(3)


def test_without_time_every_measurement_is() -> None:
    follower = Follower(0.0)
    assert [float(follower.follow(one(v), i)[0]) for i, v in enumerate((1, 7, -2))] == [1, 7, -2]


def test_nine_tenths_of_a_step_within_the_time() -> None:
    """The step's first measurement does nothing, from the next one on 1 - 0.1^(t / seconds) of it is gone."""
    follower = Follower(0.5)
    follower.follow(one(0), 0)
    follower.follow(one(1), 100_000_000)
    assert follower.follow(one(1), 200_000_000)[0] == pytest.approx(1 - 0.1 ** (0.1 / 0.5), rel=1e-4)
    for i in range(3, 7):
        value = follower.follow(one(1), i * 100_000_000)[0]
    assert value == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize("fps", [15, 30, 60])
def test_frame_rate_does_not_matter(fps: int) -> None:
    follower = Follower(0.4)
    values = [float(follower.follow(one(i > 0), int(i * 1e9 / fps))[0]) for i in range(2 * fps)]
    late = 1 / fps  # one frame goes to make sure that it was no flash
    assert values[fps // 2] == pytest.approx(1 - 0.1 ** (((fps // 2) / fps - late) / 0.4), abs=1e-3)


def test_a_flash_of_one_frame_does_nothing() -> None:
    follower = Follower(0.4)
    values = [float(follower.follow(one(5 if i == 10 else 1), i * 33_000_000)[0]) for i in range(30)]
    assert values == pytest.approx([1] * 30)


def test_results_do_not_change_afterwards() -> None:
    follower = Follower(0.4)
    first = follower.follow(one(1), 0)
    second = follower.follow(one(2), 33_000_000)
    follower.follow(one(2), 66_000_000)
    assert (float(first[0]), float(second[0])) == (1, 1)
