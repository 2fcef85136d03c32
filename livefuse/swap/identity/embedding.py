"""One embedding for a person of several photos, and the photos that show somebody else. Pure NumPy."""

from __future__ import annotations

import numpy as np

from livefuse.frame import F32

_ROUNDS = 10  # of growing a group; it settles in two or three


def mean_embedding(raw: F32) -> F32:
    """Mean of embeddings as the recogniser gave them: longer ones, of clearer faces, count for more.

    Shapes: (N, D) -> (D,). Source: facefusion 3.8.1 face_analyser.py, `get_average_face`.
    """
    return np.asarray(raw.mean(axis=0), np.float32)


def mean_of_normed(raw: F32) -> F32:
    """Mean of unit embeddings, not scaled to unit length again.

    Shapes: (N, D) -> (D,). Source: facefusion 3.8.1 face_analyser.py, `get_average_face`.
    """
    return np.asarray(normed(raw).mean(axis=0), np.float32)


def normed(raw: F32) -> F32:
    """Rows of unit length; a row of zeros stays. Shapes: (..., D) -> (..., D)."""
    length = np.linalg.norm(raw, axis=-1, keepdims=True)
    return np.asarray(raw / np.where(length > 0, length, 1), np.float32)


def outliers(embeddings: F32, limit: float) -> list[int]:
    """Photos that show somebody else than most: their cosine to the mean of the others' group is below `limit`.

    The person is the largest group of photos that agree. When two groups are equally large (two photos that disagree, or
    two of one person and two of another), nobody can say who is meant, and all of them are named.
    Shapes: (N, D), of any length -> indices, rising.
    """
    vectors = normed(embeddings)
    if len(vectors) < 2:
        return []
    groups = groups_of(vectors, limit)
    largest = max(groups, key=lambda group: (len(group), -min(group)))
    rivals = [group for group in groups if len(group) == len(largest) and not group & largest]
    agreed = frozenset[int]() if rivals else largest
    return [i for i in range(len(vectors)) if i not in agreed]


def groups_of(vectors: F32, limit: float) -> set[frozenset[int]]:
    """Every group of unit vectors that agree with its mean; they may overlap. Shapes: (N, D)."""
    return {_group(vectors, seed, limit) for seed in range(len(vectors))}


def likeness(vectors: F32, group: frozenset[int]) -> F32:
    """Each unit vector's cosine to the mean of the group without itself; 1 for the only one of a group of one.

    Shapes: (N, D) -> (N,).
    """
    member = np.zeros(len(vectors), np.float32)
    member[list(group)] = 1
    others = (member @ vectors)[None] - member[:, None] * vectors
    cosine = np.einsum("nd,nd->n", vectors, normed(others))
    if len(group) == 1:
        cosine[member > 0] = 1
    return np.asarray(cosine, np.float32)


def _group(vectors: F32, seed: int, limit: float) -> frozenset[int]:
    """Who belongs to the seed's person: first by pairs, then by the mean, which is a steadier portrait than one photo."""
    group = frozenset({seed}) | frozenset(np.flatnonzero(vectors @ vectors[seed] >= limit).tolist())
    for _ in range(_ROUNDS):
        grown = frozenset(np.flatnonzero(likeness(vectors, group) >= limit).tolist())
        if grown == group or not grown:
            break
        group = grown
    return group
