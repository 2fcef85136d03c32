"""Where tiles lie: every pixel is written by as much of tiles as makes one, and by none that sees it near its own edge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livefuse.device.base import Lane
from livefuse.enhance.upscale.tiles import Axis, Mosaic, Span, axis, facefusion_axis, least_side
from livefuse.errors import BadValue

lengths = st.integers(1, 200)
overlaps = st.integers(0, 12)
fades = st.sampled_from([0, 2, 4, 8])


def shares(plan: Axis, length: int) -> list[list[float]]:
    """What each tile's part in each pixel is, tile after tile over what was there."""
    parts = [[0.0] * length for _ in plan.spans]
    for i, span in enumerate(plan.spans):
        for x in range(span.start, span.stop):
            k = x - span.start
            share = (k + 0.5) / span.fade if k < span.fade else 1.0
            for earlier in parts[:i]:
                earlier[x] *= 1 - share
            parts[i][x] = share
    return parts


@given(length=lengths, overlap=overlaps, fade=fades, more=st.integers(0, 90), exact=st.booleans())
@settings(max_examples=150, deadline=None)
def test_every_pixel_is_written_once(length: int, overlap: int, fade: int, more: int, exact: bool) -> None:
    side = least_side(overlap, fade) + (more // 4 * 4 if exact else more)
    plan = axis(length, side, overlap, fade, exact=exact)
    for x, parts in enumerate(zip(*shares(plan, length), strict=True)):
        assert sum(parts) == pytest.approx(1), f"pixel {x}"
        assert sum(part > 0 for part in parts) <= 2, "no three tiles in one place"
    assert plan.side <= side
    assert plan.side == side or not exact
    for span in plan.spans:
        assert (span.read + overlap) % 4 == 0, "blocks of 4 x 4 px are the same in every tile"
        assert plan.side % 4 == 0
        assert span.start % 2 == 0, "on the chroma grid"
        assert span.read + overlap <= span.start < span.stop <= span.read + plan.side - overlap, "its rim is not used"
    assert plan.tallest == max(span.stop - span.start for span in plan.spans)


@given(length=lengths, overlap=overlaps, fade=fades, more=st.integers(0, 90))
@settings(max_examples=100, deadline=None)
def test_no_tile_is_larger_or_further_out_than_need_be(length: int, overlap: int, fade: int, more: int) -> None:
    plan = axis(length, least_side(overlap, fade) + more, overlap, fade)
    beyond = plan.spans[-1].read + plan.side - overlap - length
    assert beyond < 4, "the last tile looks past the picture's end by its overlap, and what the grid asks for"
    core = (least_side(overlap, fade) + more) // 4 * 4 - 2 * overlap
    ends = [core + i * ((core - fade) // 4 * 4) for i in range(len(plan.spans) - 1)]
    assert all(end < length for end in ends), "one tile less, as large as may be, would not reach the end"


def test_a_plan_by_hand() -> None:
    """100 px in tiles of 64 with 8 px of overlap and 8 of fade: 48 are written, in steps of 40, so three tiles; of 52 they
    write 36 in steps of 28, and 36 + 2 * 28 = 92 is too little; of 56, 40 in steps of 32 make 104."""
    plan = axis(100, 64, 8, 8)
    assert plan.side == 56
    assert plan.spans == (
        Span(-8, 0, 40, 0),
        Span(24, 32, 70, 8),  # may write 32..72; the last is shifted in to 60, shares 60..72, fades from 62 on
        Span(52, 62, 100, 8),
    )


def test_a_small_picture_is_one_tile_of_its_own_size() -> None:
    assert axis(33, 256, 16, 8) == Axis(68, (Span(-16, 0, 33, 0),))


@pytest.mark.parametrize(("side", "overlap"), [(60, 16), (64, 24), (0, 0), (64, -1)])
def test_tiles_that_have_nothing_left_to_write_are_refused(side: int, overlap: int) -> None:
    with pytest.raises(BadValue) as caught:
        axis(500, side, overlap, 8)
    assert caught.value.hint


def test_facefusion_s_plan_by_hand() -> None:
    """300 px in tiles of 128, 8 of padding, 4 of rim: each writes 120, the first 112 of them inside, from -8 on."""
    assert facefusion_axis(300, (128, 8, 4)).spans == (
        Span(-12, 0, 112, 0),
        Span(108, 112, 232, 0),
        Span(228, 232, 300, 0),
    )
    with pytest.raises(BadValue):
        facefusion_axis(300, (16, 0, 8))


def test_where_tiles_agree_there_is_no_seam() -> None:
    down, across = axis(90, 56, 8, 8), axis(110, 56, 8, 8)
    assert min(len(down.spans), len(across.spans)) > 1
    for value in (0, 1, 77, 254, 255):
        mosaic, lane = np.zeros((180, 220, 3), np.uint8), Lane(0)
        pieces = Mosaic(lane, down, 110, 2)
        for row, after in zip(down.spans, [*down.spans[1:], None], strict=True):
            for col in across.spans:
                size = (2 * (row.stop - row.start), 2 * (col.stop - col.start), 3)
                pieces.place(np.full(size, value, np.uint8), row, col)
            top, band = pieces.finished(row, after)
            mosaic[top : top + len(band)] = band
        assert (mosaic == value).all()


def test_tiles_that_differ_go_over_into_each_other() -> None:
    down, across = axis(20, 64, 8, 8), axis(60, 56, 8, 8)
    assert len(across.spans) == 2
    mosaic = Mosaic(Lane(0), down, 60, 1)
    for value, col in zip((0, 160), across.spans, strict=True):
        mosaic.place(np.full((20, col.stop - col.start, 3), value, np.uint8), down.spans[0], col)
    top, band = mosaic.finished(down.spans[0], None)
    assert (top, band.shape) == (0, (20, 60, 3))
    seam = across.spans[1].start
    assert band[0, :, 0].tolist() == [0] * seam + list(range(10, 160, 20)) + [160] * (60 - seam - 8)
    assert (band == band[:1, :, :1]).all()
