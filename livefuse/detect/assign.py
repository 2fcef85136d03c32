"""Which detection belongs to which track: cost and optimal assignment."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from livefuse.detect.boxes import box_iou
from livefuse.frame import F32

IMPOSSIBLE = 1e6
_DISTANCE_WEIGHT = 1.0
_SIZE_WEIGHT = 1.0


def box_size(boxes: F32) -> F32:
    """Geometric mean of width and height, px."""
    return np.asarray(np.sqrt(np.clip(boxes[:, 2:] - boxes[:, :2], 1e-3, None).prod(axis=1)), np.float32)


def match_cost(tracks: F32, detections: F32, reach: npt.ArrayLike, max_ratio: float = 2.0) -> npt.NDArray[np.float64]:
    """Cost of giving each detection to each track: overlap, centre distance in face sizes, and size ratio.

    Shapes: tracks (N, 4), detections (M, 4), reach (N,) face sizes a face may be off its prediction -> (N, M);
    IMPOSSIBLE where the distance is beyond reach or one face is more than `max_ratio` times the other.
    """
    size_t, size_d = box_size(tracks)[:, None], box_size(detections)[None]
    centre_t, centre_d = ((b[:, :2] + b[:, 2:]) / 2 for b in (tracks, detections))
    distance = np.linalg.norm(centre_t[:, None] - centre_d[None], axis=2) / np.sqrt(size_t * size_d)
    log_ratio = np.abs(np.log(size_t / size_d))
    cost = (1.0 - box_iou(tracks, detections)) + _DISTANCE_WEIGHT * distance + _SIZE_WEIGHT * log_ratio
    allowed = (distance <= np.asarray(reach, np.float32)[:, None]) & (log_ratio <= np.log(max_ratio))
    return np.where(allowed, cost, IMPOSSIBLE).astype(np.float64)


def assign(cost: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pairs (row, column) of least total cost; pairs that are IMPOSSIBLE are left out."""
    if not cost.size:
        return []
    best = cost.argmin(axis=1)
    possible = cost[np.arange(len(best)), best] < IMPOSSIBLE
    if len(set(best[possible].tolist())) == int(possible.sum()):  # nobody competes: each row's best is optimal
        return [(int(i), int(best[i])) for i in np.flatnonzero(possible)]
    flipped = cost.shape[0] > cost.shape[1]
    pairs = _hungarian(cost.T if flipped else cost)
    if flipped:
        pairs = [(row, col) for col, row in pairs]
    return sorted((row, col) for row, col in pairs if cost[row, col] < IMPOSSIBLE)


def _hungarian(cost: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Shortest augmenting paths with potentials, rows <= columns; O(n^2 m), here n is a handful.

    Source: Kuhn 1955 and Munkres 1957, in the form of Jonker and Volgenant 1987.
    """
    n, m = cost.shape
    u, v = np.zeros(n + 1), np.zeros(m + 1)
    owner = np.zeros(m + 1, np.int64)  # row (from 1) that holds a column; column 0 is the row being placed
    for row in range(1, n + 1):
        owner[0], col = row, 0
        least, came = np.full(m + 1, np.inf), np.zeros(m + 1, np.int64)
        used = np.zeros(m + 1, np.bool_)
        while owner[col]:
            used[col] = True
            reduced = cost[owner[col] - 1] - u[owner[col]] - v[1:]
            closer = ~used[1:] & (reduced < least[1:])
            least[1:][closer], came[1:][closer] = reduced[closer], col
            nearest = int(np.where(used, np.inf, least).argmin())
            delta = least[nearest]
            u[owner[used]] += delta
            v[used] -= delta
            least[~used] -= delta
            col = nearest
        while col:
            owner[col], col = owner[came[col]], int(came[col])
    return [(int(owner[col]) - 1, col - 1) for col in range(1, m + 1) if owner[col]]
