"""Layouts: which point of another numbering is which of ours."""

from __future__ import annotations

import numpy as np
import pytest

from livefuse.align.layouts import FROM_68, FROM_106, FROM_468, from_68, from_106, from_468
from livefuse.align.templates import five_points

EYES_NOSE_MOUTH = {  # iBUG-68 index of an unmistakable point: its number in 106, in 468
    36: (35, 33), 39: (39, 133), 42: (89, 362), 45: (93, 263), 30: (86, 1), 48: (52, 61), 54: (61, 291), 8: (0, 152),
    0: (1, 127), 16: (17, 356), 60: (65, 78), 64: (69, 308), 33: (80, 2),
}  # fmt: skip


@pytest.mark.parametrize(("table", "size"), [(FROM_106, 106), (FROM_468, 468)])
def test_tables_name_68_different_points(table: np.ndarray, size: int) -> None:
    assert len(table) == len(set(table.tolist())) == 68
    assert 0 <= table.min() <= table.max() < size


def test_unmistakable_points_are_where_their_authors_say() -> None:
    for ibug, (of_106, of_468) in EYES_NOSE_MOUTH.items():
        assert (FROM_106[ibug], FROM_468[ibug]) == (of_106, of_468)


def test_66_are_68_without_the_outer_corners_of_the_mouth() -> None:
    points = np.arange(2 * 68 * 3, dtype=np.float32).reshape(2, 68, 3)
    ours = from_68(points)
    assert ours.shape == (2, 66, 3)
    np.testing.assert_array_equal(ours[:, :48], points[:, :48])
    np.testing.assert_array_equal(ours[:, [48, 52, 53, 58, 62, 65]], points[:, [49, 53, 55, 60, 64, 67]])
    assert set(range(68)) - set(FROM_68.tolist()) == {48, 54}


def test_five_points_come_out_of_any_layout() -> None:
    ibug = np.random.default_rng(2).uniform(0, 100, (68, 2))
    wanted = [ibug[36:42].mean(axis=0), ibug[42:48].mean(axis=0), ibug[30], ibug[60], ibug[64]]
    np.testing.assert_allclose(five_points(from_68(ibug)), wanted, rtol=1e-5)
    for table, size, convert in ((FROM_106, 106, from_106), (FROM_468, 468, from_468)):
        others = np.zeros((size, 2))
        others[table] = ibug
        np.testing.assert_allclose(five_points(convert(others)), wanted, rtol=1e-5)
