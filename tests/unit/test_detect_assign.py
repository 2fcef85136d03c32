"""Assignment of detections to tracks."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from livefuse.detect.assign import IMPOSSIBLE, assign, box_size, match_cost


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (4, 4), (1, 4)])
def test_is_optimal(seed: int, shape: tuple[int, int]) -> None:
    cost = np.random.default_rng(seed).random(shape)
    pairs = assign(cost)
    rows, cols = shape
    if rows <= cols:
        best = min(sum(cost[i, p[i]] for i in range(rows)) for p in permutations(range(cols), rows))
    else:
        best = min(sum(cost[p[j], j] for j in range(cols)) for p in permutations(range(rows), cols))
    total = sum(cost[row, col] for row, col in pairs)
    # rows that do not compete each get their own best, which is optimal as well
    assert total == pytest.approx(best)
    assert len(pairs) == min(shape) == len({row for row, _ in pairs}) == len({col for _, col in pairs})


def test_prefers_the_pair_of_matches_over_one_greedy_match() -> None:
    assert assign(np.array([[1.0, 1.1], [1.05, 9.0]])) == [(0, 1), (1, 0)]


def test_leaves_out_what_is_impossible() -> None:
    x = IMPOSSIBLE
    assert assign(np.array([[x, x], [0.5, x]])) == [(1, 0)]
    assert assign(np.array([[0.2, x], [0.1, x]])) == [(1, 0)]
    assert assign(np.empty((0, 3))) == []
    assert assign(np.full((2, 2), x)) == []


def test_cost_grows_with_distance_and_size_and_stops_at_reach() -> None:
    track = np.array([[0, 0, 100, 100]], np.float32)
    found = np.array(
        [[0, 0, 100, 100], [30, 0, 130, 100], [10, 10, 90, 90], [95, 0, 195, 100], [0, 0, 30, 30]], np.float32
    )
    cost = match_cost(track, found, [0.8])[0]
    assert cost[0] == pytest.approx(0)
    assert 0 < cost[2] < cost[1] < IMPOSSIBLE
    assert cost[3] == cost[4] == IMPOSSIBLE
    assert match_cost(track, found, [1.5])[0, 3] < IMPOSSIBLE


def test_size_of_a_box() -> None:
    assert box_size(np.array([[0, 0, 4, 9]], np.float32)) == pytest.approx([6])
