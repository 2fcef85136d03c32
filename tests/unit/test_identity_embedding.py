"""Who is the odd one out: on vectors whose angles are known."""

from __future__ import annotations

import numpy as np
import pytest

from livefuse.frame import F32
from livefuse.swap.identity.embedding import likeness, mean_embedding, mean_of_normed, normed, outliers

LIMIT = 0.45


def person(index: int, count: int, *, spread: float = 0.8, length: float = 20.0, seed: int = 0) -> F32:
    """Photos of one person: cosine of two about 1 / (1 + spread^2), of two people's about 0."""
    rng = np.random.default_rng([seed, index])
    axis = np.zeros(512)
    axis[index] = 1
    noise = rng.standard_normal((count, 512)) * spread / np.sqrt(512)
    return np.asarray((axis + noise) * length, np.float32)


def test_one_person_has_no_outlier() -> None:
    photos = person(0, 6)
    pairs = normed(photos) @ normed(photos).T
    assert 0.4 < pairs[np.triu_indices(6, 1)].mean() < 0.8, "as real photos of one person are"
    assert outliers(photos, LIMIT) == []


@pytest.mark.parametrize("count", [2, 3, 5, 8])
@pytest.mark.parametrize("at", [0, 1, -1])
def test_one_stranger_among_several_is_named(count: int, at: int) -> None:
    photos = np.insert(person(0, count), at % count, person(1, 1), axis=0)
    assert outliers(photos, LIMIT) == [at % count]


def test_several_strangers_who_are_nobody_in_common() -> None:
    photos = np.concatenate([person(1, 1), person(0, 3), person(2, 1), person(3, 1), person(4, 1)])
    assert outliers(photos, LIMIT) == [0, 4, 5, 6]


def test_the_smaller_group_is_the_stranger() -> None:
    assert outliers(np.concatenate([person(0, 2), person(1, 4)]), LIMIT) == [0, 1]


def test_two_photos_that_disagree_are_both_named() -> None:
    assert outliers(np.concatenate([person(0, 1), person(1, 1)]), LIMIT) == [0, 1]


def test_two_photos_that_agree() -> None:
    assert outliers(person(0, 2), LIMIT) == []


def test_as_many_of_one_as_of_another_are_all_named() -> None:
    assert outliers(np.concatenate([person(0, 2), person(1, 2)]), LIMIT) == [0, 1, 2, 3]
    assert outliers(np.concatenate([person(i, 1) for i in range(3)]), LIMIT) == [0, 1, 2]


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(count: int) -> None:
    assert outliers(person(0, count), LIMIT) == []


def test_length_does_not_matter_to_who_is_who() -> None:
    photos = np.concatenate([person(0, 3), person(1, 1) * 50])
    assert outliers(photos, LIMIT) == [3]


def test_a_weak_photo_of_the_person_stays() -> None:
    """Below the limit to single photos, above it to their mean: that is what the mean is for."""
    photos = person(0, 6, spread=0.9)
    weak = person(0, 1, spread=1.9, seed=5)
    cosine = (normed(photos) @ normed(weak)[0]).mean()
    assert cosine < LIMIT
    assert outliers(np.concatenate([photos, weak]), LIMIT - 0.05) == []


def test_likeness_leaves_oneself_out() -> None:
    vectors = normed(person(0, 3))
    want = [vectors[i] @ normed(vectors[[j for j in range(3) if j != i]].sum(axis=0)) for i in range(3)]
    assert likeness(vectors, frozenset({0, 1, 2})) == pytest.approx(want, abs=1e-5)


def test_means() -> None:
    raw = np.array([[3, 0], [0, 1]], np.float32)
    assert mean_embedding(raw).tolist() == [1.5, 0.5]
    assert mean_of_normed(raw).tolist() == [0.5, 0.5]
    assert mean_embedding(raw).dtype == np.float32
    assert normed(np.zeros((1, 4), np.float32)).tolist() == [[0, 0, 0, 0]]
