"""The space in which a face is compared with itself: a fixed grid over a mean face, carried onto each crop by its landmarks.

The map is a smoothing thin-plate spline whose centres are the mean face's, not the crop's: it is linear in the landmarks,
so that its matrix is made once per grid and a frame costs one product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.align.templates import five_points, similarity_from_points, transform_points
from livefuse.frame import F32, U8, Crop
from livefuse.swap.mesh import mask, topology, warp

# What the grid spans, in units of `topology.FaceFrame`: x right, y down, from between the eyes.
_TOP, _BOTTOM, _ASPECT = -1.28, 1.66, 0.75
_LOOSENESS = 5.0  # what noisy landmarks disagree about is smoothed away
_FINER = 0.8  # of a cell: the crop is halved while its pixels stay smaller than this, before it is sampled
_FIXED_POINT_STEPS = 3
_NODE_CELLS = 2  # the spline is smooth: known at so few places, it is known between them
_LARGE = 100.0  # px to a face unit: a face of one px would be refused
_BORDER = (0.02, 0.14)  # inside the outline, face units: where hair and background may still be seen
_REACH_UNITS = 0.07  # around eyes and mouth, whose own movements are no occlusion

Bools: TypeAlias = npt.NDArray[np.bool_]

# fmt: off
_MEAN_FACE = np.array((
    (-0.89, -0.03), (-0.87, 0.24), (-0.82, 0.48), (-0.77, 0.71), (-0.70, 0.96), (-0.58, 1.16), (-0.44, 1.32),
    (-0.26, 1.45), (0.00, 1.52), (0.26, 1.45), (0.44, 1.32), (0.58, 1.16), (0.70, 0.96), (0.77, 0.71), (0.82, 0.48),
    (0.87, 0.24), (0.89, -0.03), (-0.69, -0.21), (-0.57, -0.33), (-0.43, -0.34), (-0.30, -0.32), (-0.17, -0.27),
    (0.17, -0.27), (0.30, -0.32), (0.43, -0.34), (0.57, -0.33), (0.69, -0.21), (0.00, 0.03), (0.00, 0.21), (0.00, 0.38),
    (0.00, 0.52), (-0.14, 0.60), (-0.08, 0.62), (0.00, 0.64), (0.08, 0.62), (0.14, 0.60), (-0.55, 0.00), (-0.48, -0.05),
    (-0.29, -0.05), (-0.21, 0.02), (-0.30, 0.05), (-0.48, 0.04), (0.21, 0.02), (0.29, -0.05), (0.48, -0.05), (0.55, 0.00),
    (0.48, 0.04), (0.30, 0.05), (-0.20, 0.85), (-0.07, 0.82), (0.00, 0.83), (0.07, 0.82), (0.20, 0.85), (0.23, 0.99),
    (0.13, 1.06), (0.00, 1.08), (-0.13, 1.06), (-0.23, 0.99), (-0.33, 0.90), (-0.15, 0.89), (0.00, 0.90), (0.15, 0.89),
    (0.33, 0.90), (0.15, 0.95), (0.00, 0.97), (-0.15, 0.95)), np.float32)
# fmt: on
"""The landmarks of several people's calm faces, averaged and made symmetric, in face units."""


@dataclass(frozen=True, slots=True, eq=False)
class Space:
    """A grid over the mean face; itself a key, as there is one per size.

    Shapes: operator (ny * nx, 77): control points of a crop to the places of the grid's nodes in it; down (gh, ny) and across
    (nx, gw): from the nodes to the cells; face, core and mobile (gh, gw), the face's area, the same without its uncertain
    border (0..1), and eyes and mouth within it (0..1); depth (gh, gw), how far inside its outline a cell lies, face units;
    smooth (6, gh, gw), the polynomials of degree two;
    affine (3, gh * gw), the least-squares fit of a linear map from cells. Rows and columns at the grid's border lie
    outside the face.
    """

    shape: tuple[int, int]
    cell_units: float
    operator: F32
    down: F32
    across: F32
    face: Bools
    face_cells: int
    depth: F32
    core: F32
    mobile: F32
    smooth: F32
    affine: F32


@dataclass(frozen=True, slots=True)
class Placed:
    """A grid laid on a crop. Shapes: places (gh, gw, 2), crop px; cell_px is a cell's typical side there."""

    places: F32
    cell_px: float


@lru_cache(maxsize=4)
def space(grid_px: int) -> Space:
    """The grid whose longer side has `grid_px` cells."""
    gh, gw = grid_px, round(grid_px * _ASPECT)
    cell = (_BOTTOM - _TOP) / gh
    ys, xs = np.mgrid[:gh, :gw].astype(np.float32)
    down, across = _between(gh), _between(gw)
    node_x, node_y = np.meshgrid(np.linspace(0, gw - 1, across.shape[1]), np.linspace(0, gh - 1, down.shape[1]))
    nodes = np.stack([(node_x + 0.5 - gw / 2) * cell, _TOP + (node_y + 0.5) * cell], axis=-1).reshape(-1, 2)
    controls = _mean_controls()
    in_cells = (_MEAN_FACE - (0, _TOP)) / cell + (gw / 2 - 0.5, -0.5)
    contour = (mask.contour_of(controls) - (0, _TOP)) / cell + (gw / 2 - 0.5, -0.5)
    x, y = (xs.ravel() + 0.5) / gw * 2 - 1, (ys.ravel() + 0.5) / gh * 2 - 1
    smooth = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y]).reshape(6, gh, gw).astype(np.float32)
    face = mask.inside(contour.astype(np.float32), (gh, gw)) > 127
    depth = np.asarray(cv2.distanceTransform(face.astype(np.uint8), cv2.DIST_L2, 5) * cell, np.float32)
    return Space(
        (gh, gw),
        cell,
        _operator(controls, nodes.astype(np.float32)),
        down,
        np.ascontiguousarray(across.T),
        face,
        int(np.count_nonzero(face)),
        depth,
        np.clip((depth - _BORDER[0]) / (_BORDER[1] - _BORDER[0]), 0, 1).astype(np.float32),
        _mobile(in_cells, (gh, gw), cell),
        smooth,
        np.linalg.pinv(_cells((gh, gw))).astype(np.float32),
    )


def place(space: Space, crop: Crop) -> Placed:
    """Lay the grid on a crop, by its landmarks or, where it has none, by its five points. Raises: DegenerateFace."""
    landmarks = crop.landmarks if len(crop.landmarks) else _of_points(crop.points)
    frame = topology.face_frame(landmarks)
    controls = topology.control_points(landmarks, frame)
    # Small products: OpenBLAS would wake threads for a large one, which then spin and take the cores from others.
    nodes = (controls.T @ space.operator.T).reshape(2, space.down.shape[1], -1)
    x, y = space.down @ nodes @ space.across
    return Placed(np.asarray(cv2.merge((x, y)), np.float32), frame.unit_px * space.cell_units)


def sample(placed: Placed, image: U8) -> U8:
    """A crop's image on the grid. Shapes: (h, w, 3) -> (gh, gw, 3)."""
    # Halving is many times cheaper than averaging by any other factor.
    step, most = 1, min(placed.cell_px * _FINER, *image.shape[:2])
    while 2 * step <= most:
        h, w = image.shape[0] // 2, image.shape[1] // 2
        image = cv2.resize(image[: 2 * h, : 2 * w], (w, h), interpolation=cv2.INTER_AREA)
        step *= 2
    places = placed.places * np.float32(1 / step) + np.float32(0.5 / step - 0.5) if step > 1 else placed.places
    sampled = cv2.remap(image, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(sampled, np.uint8)


def cells_of(space: Space, placed: Placed, points: F32) -> F32:
    """Where on the grid points of the crop lie, in cells. Shapes: points (h, w, 2), crop px -> (h, w, 2)."""
    gh, gw = space.shape
    # The map's own affine part undoes most of it; what is left is small and found by stepping.
    forward = space.affine @ placed.places.reshape(-1, 2)
    back = np.linalg.inv(forward[:2]).astype(np.float32).T
    cells = cv2.transform(points, np.column_stack((back, -back @ forward[2])))
    low, high = np.float32(0), np.full(points.shape, (gw - 1, gh - 1), np.float32)
    for _ in range(_FIXED_POINT_STEPS):
        reached = cv2.remap(placed.places, cells, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        held = np.minimum(np.maximum(cells, low), high)
        cells = cv2.add(held, cv2.transform(points - reached, back))
    return np.asarray(cells, np.float32)


def _between(cells: int) -> F32:
    """(cells, n): values at n nodes, evenly from the first cell to the last, to values at all cells, linearly."""
    at = np.linspace(0, cells - 1, (cells - 1) // _NODE_CELLS + 2)
    weights = [np.interp(np.arange(cells), at, node) for node in np.eye(len(at))]
    return np.stack(weights, axis=-1).astype(np.float32)


def _cells(shape: tuple[int, int]) -> F32:
    ys, xs = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return np.stack([xs.ravel(), ys.ravel(), np.ones(xs.size, np.float32)], axis=-1)


def _mean_controls() -> F32:
    large = _MEAN_FACE * np.float32(_LARGE)
    return topology.control_points(large, topology.face_frame(large)) / np.float32(_LARGE)


def _of_points(points: F32) -> F32:
    large = _MEAN_FACE * np.float32(_LARGE)
    (there,) = similarity_from_points(five_points(large)[None], points.astype(np.float64))
    return transform_points(there, large)


def _operator(centres: F32, at: F32) -> F32:
    """(m, n): the values at `at` (m, 2) of the smoothing spline through values at `centres` (n, 2)."""
    n = len(centres)
    spline = warp.Spline(topology.stiffness())
    unit_values = np.eye(n, dtype=np.float32)
    columns = [spline.fit(centres, unit_values[:, i : i + 2], _LOOSENESS) for i in range(0, n - 1, 2)]
    columns.append(spline.fit(centres, unit_values[:, [n - 1, n - 1]], _LOOSENESS)[:, :1])
    return warp.evaluate(np.concatenate(columns, axis=1), centres, at)


def _mobile(landmarks: npt.NDArray[np.floating], shape: tuple[int, int], cell: float) -> F32:
    """Eyes with their lids, and the inside of the mouth with the lips."""
    canvas = np.zeros(shape, np.uint8)
    for part in (topology.EYE_LEFT, topology.EYE_RIGHT, topology.MOUTH):
        cv2.fillConvexPoly(canvas, cv2.convexHull(np.round(landmarks[part]).astype(np.int32)), 255)
    size = 2 * max(1, round(_REACH_UNITS / cell)) + 1
    canvas = cv2.dilate(canvas, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return np.asarray(cv2.GaussianBlur(canvas, (3, 3), 0), np.float32) / np.float32(255)
