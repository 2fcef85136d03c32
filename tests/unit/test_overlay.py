from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from livefuse.composite import text
from livefuse.composite.overlay import Overlay, OverlayView
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.frame import U8, blank_frame

HISTORY = np.linspace(15, 40, 90)
VIEW = OverlayView(
    fps=29.9,
    p50_ms=18.4,
    p95_ms=24.1,
    p99_ms=31.0,
    max_ms=144.2,
    stages=(("detect", 5.6), ("align", 3.2), ("swap", 6.1)),
    history_ms=HISTORY,
    period_ms=33.3,
    drops={"deadline": 2, "capture": 1},
    width=1280,
    height=720,
    backend="cpu",
    swapper="mesh",
    privacy="closed",
    faces=1,
)


def over_grey(rgba: U8, level: int) -> np.ndarray:
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + level * (1 - alpha)


@pytest.mark.parametrize("size", [(480, 640), (720, 1280), (1080, 1920), (1280, 720), (90, 160), (17, 16)])
def test_it_fits_the_picture_and_draws_only_inside_itself(size: tuple[int, int]) -> None:
    rgba = Overlay(*size).render(VIEW)
    height, width = rgba.shape[:2]
    assert height < size[0]
    assert width < size[1]
    backend, lane = CpuBackend(), Lane(0)
    frame = blank_frame("yuv420p", *size)
    picture = backend.upload(lane, frame)
    backend.draw(lane, picture, rgba, 2, 2)
    for plane, before, s in zip(picture.planes, frame.planes, (1, 2, 2), strict=True):
        changed = np.argwhere(plane != before)
        assert len(changed)
        assert changed.min() >= 2 // s
        assert (changed.max(0) < ((height + 2) // s, (width + 2) // s)).all()


def test_it_grows_with_the_picture_but_stays_readable_on_small_ones() -> None:
    heights = [Overlay(h, w).render(VIEW).shape[0] for h, w in [(480, 640), (720, 1280), (1080, 1920), (2160, 3840)]]
    assert heights == sorted(set(heights))
    assert heights[1] <= 180
    assert heights[0] / heights[1] > 480 / 720
    portrait, landscape = (Overlay(h, w).render(VIEW).shape for h, w in [(1280, 720), (720, 1280)])
    assert portrait == landscape


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("size", [(480, 640), (1080, 1920)])
def test_numbers_stand_out_on_any_background(size: tuple[int, int], level: int) -> None:
    """Contrast of the brightest text to the panel, as WCAG counts it: 4.5 is its limit for small text."""
    rgba = Overlay(*size).render(VIEW)
    corner = over_grey(rgba, level)[: rgba.shape[0] // 4, : rgba.shape[1] // 3]
    light = ((corner / 255) ** 2.2) @ [0.2126, 0.7152, 0.0722]
    bright, ground = np.percentile(light, 99), np.median(light)
    assert (bright + 0.05) / (ground + 0.05) > 4.5


@pytest.mark.parametrize(
    "change",
    [
        {"fps": 12.0},
        {"p50_ms": 99.0},
        {"p95_ms": 99.0},
        {"p99_ms": 99.0},
        {"max_ms": 9.0},
        {"stages": (("detect", 9.9), ("align", 3.2), ("swap", 6.1))},
        {"stages": (("detect", 5.6), ("align", 3.2), ("paint", 6.1))},
        {"history_ms": HISTORY[::-1]},
        {"period_ms": 16.7},
        {"drops": {"deadline": 3}},
        {"drops": {"capture": 2, "deadline": 1}},
        {"width": 1920},
        {"backend": "null"},
        {"swapper": "inswapper"},
        {"privacy": "open"},
        {"faces": 2},
        {"message": "detecting every 2nd frame"},
    ],
)
def test_every_value_shows(change: dict[str, Any]) -> None:
    overlay = Overlay(720, 1280)
    assert not np.array_equal(overlay.render(VIEW), overlay.render(replace(VIEW, **change)))


def test_an_unchanged_view_is_the_same_bitmap() -> None:
    overlay = Overlay(720, 1280)
    first = overlay.render(VIEW)
    assert overlay.render(replace(VIEW, history_ms=HISTORY.copy())) is first
    kept = first.copy()
    assert overlay.render(replace(VIEW, fps=1.0)) is not first
    assert np.array_equal(first, kept), "a bitmap that a device has cached must stay as it is"
    assert not first.flags.writeable


@pytest.mark.parametrize(
    "view",
    [
        OverlayView(),
        OverlayView(history_ms=np.zeros(1), period_ms=33.3),
        OverlayView(history_ms=np.zeros(5), stages=(("detect", 0.0),)),
        OverlayView(history_ms=np.full(200, 1e6), period_ms=1e-3, fps=1e4, p50_ms=1e6, max_ms=1e7),
        replace(VIEW, stages=tuple((f"stage with a long name {i}", float(i)) for i in range(12))),
        replace(VIEW, message="a very long message " * 20, drops={f"cause {i}": 1000 for i in range(20)}),
    ],
)
def test_no_data_and_too_much_data(view: OverlayView) -> None:
    rgba = Overlay(480, 640).render(view)
    assert rgba[..., 3].max() > 150
    edge = rgba[20:-20, -4:]
    assert np.array_equal(edge, np.broadcast_to(edge[0, 0], edge.shape)), "nothing runs over the panel's edge"


def test_stages_beyond_six_are_summed_up() -> None:
    many = replace(VIEW, stages=tuple((f"s{i}", 1.0 + i) for i in range(9)))
    same = replace(VIEW, stages=(*((f"s{i}", 1.0 + i) for i in range(4, 9)), ("other", 10.0)))
    overlay = Overlay(720, 1280)
    assert np.array_equal(overlay.render(many), overlay.render(same))


@pytest.mark.parametrize("draw", [text._built_in, text._strokes])
def test_text_is_smooth_with_and_without_a_built_in_font(draw) -> None:  # type: ignore[no-untyped-def]
    if draw is text._built_in and not hasattr(cv2, "FontFace"):
        pytest.skip("OpenCV 4 has no built-in font")
    mask = draw("p95 41.2 ms · …", 14, text.REGULAR)
    assert mask.shape[0] == text.height(14)
    assert mask.max() > 200
    assert 0.05 < (mask > 127).mean() < 0.5
    assert len(np.unique(mask)) > 20, "edges are blended"


def test_bold_text_has_more_ink() -> None:
    regular, bold = (text.coverage("41.2 ms", 14, weight).astype(int) for weight in (text.REGULAR, text.BOLD))
    assert bold.sum() > 1.1 * regular.sum()


def test_long_text_is_cut_to_fit() -> None:
    assert text.shortened("short", 12, 200) == "short"
    cut = text.shortened("a line that is far too long for its place", 12, 80)
    assert cut.endswith("…")
    assert text.width_px(cut, 12) <= 80
    assert text.shortened("", 12, 10) == ""
