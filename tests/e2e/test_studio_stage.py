"""The studio's stage: what it shows and hides, the camera beside the swap, and where the latency goes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from livefuse.frame import U8
from livefuse.source.synthetic.blocks import read_blocks
from tests.e2e.browser import Pages
from tests.e2e.pictures import SMALL, luma
from tests.e2e.serving import Daemon, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_GRAB = """(selector) => {
  const video = document.querySelector(selector);
  const canvas = document.createElement('canvas');
  if (!video?.videoWidth) return '';
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext('2d').drawImage(video, 0, 0);
  return canvas.toDataURL('image/png').split(',')[1];
}"""
_CAUSE = """async ([seconds, before, after, config, network]) => {
  const { cause, rates } = await import('/static/studio/causes.js');
  const rate = rates({ at: 0, record: before }, { at: seconds * 1000, record: after });
  return cause(rate, { record: after, config, network });
}"""


@pytest.fixture(scope="module")
def served(standing_daemon: Callable[[str], Daemon]) -> Daemon:
    return standing_daemon(SMALL.replace("synthetic:320x240@15", "synthetic:640x360@15?blocks=1"))


def studio(pages: Pages, served: Daemon) -> Page:
    page = pages.open(served.page("/"))
    page.wait_for_selector(".stage-frame[data-state=live]", timeout=30_000)
    return page


def grabbed(page: Page, selector: str) -> U8 | None:
    said = page.evaluate(_GRAB, selector)
    if not said:
        return None
    png = np.frombuffer(base64.b64decode(said), np.uint8)
    return np.asarray(cv2.cvtColor(np.asarray(cv2.imdecode(png, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB), np.uint8)


def halves(page: Page) -> tuple[U8, U8] | None:
    """Of the comparison's video, once its picture is a numbered one."""
    both = grabbed(page, ".compare-source")
    if both is None:
        return None
    left, right = np.split(both, 2, axis=1)
    return (left, right) if read_blocks(luma(left)) else None


def comparing(served: Daemon) -> int:
    return int(served.api("GET", "/sessions/live/stats")["comparing"])


def slider(page: Page) -> int:
    return int(page.locator(".compare-line").get_attribute("aria-valuenow") or -1)


def test_camera_and_swap_are_of_the_same_frame_under_a_divider(served: Daemon, pages: Pages) -> None:
    page = studio(pages, served)
    page.keyboard.press("w")
    page.locator(".compare-line").wait_for()
    left, right = until(lambda: halves(page), "a pair of pictures")
    assert comparing(served) == 1
    assert left.shape == right.shape == (360, 640, 3)
    numbers = [read_blocks(luma(half)) for half in (left, right)]
    assert numbers[0] is not None
    assert numbers[1] is not None
    assert numbers[0].id == numbers[1].id
    apart = np.abs(luma(left).astype(int) - luma(right))
    assert apart[100:260, 240:400].max() > 60, "the face is another one"
    assert apart[280:, :200].mean() < 4, "all else is the same"
    shown = grabbed(page, ".stage-video")
    assert shown is not None
    assert shown.shape == (360, 640, 3), "what others see has no such half"

    line = page.locator(".compare-line")
    line.focus()
    for key, value in {"Home": 0, "ArrowRight": 2, "PageUp": 12, "End": 100}.items():
        page.keyboard.press(key)
        assert slider(page) == value
    box = page.locator(".stage-frame").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 80, box["y"] + 60)
    page.mouse.up()
    assert 20 < slider(page) < 50
    page.locator(".compare").dblclick(position={"x": box["width"] / 2 + 60, "y": 60})
    assert slider(page) == 50
    page.keyboard.down("b")
    assert page.locator(".compare").get_attribute("data-mode") == "before"
    page.keyboard.up("b")
    page.get_by_role("button", name="Side by side").click()
    until(lambda: page.evaluate("document.querySelector('.compare-canvas').width") == 1280, "both halves are drawn")
    page.get_by_role("button", name="Compare").click()
    assert page.locator(".compare").count() == 0
    until(lambda: comparing(served) == 0, "the daemon composes no longer")


def test_panic_is_private_at_once_also_in_the_comparison(served: Daemon, pages: Pages) -> None:
    page = studio(pages, served)
    page.keyboard.press("w")
    until(lambda: halves(page), "a pair of pictures")
    page.keyboard.press("p")
    assert page.locator(".stage-frame").get_attribute("data-state") == "panic"
    assert page.get_by_role("button", name="Resume").is_visible()
    until(lambda: served.session()["hold"] == "panic", "the daemon holds pictures back")
    until(lambda: dark(page, ".compare-source"), "the slate in both halves, and nothing else")
    until(lambda: dark(page, ".stage-video"), "the slate")
    page.keyboard.press(" ")
    assert served.session()["hold"] == "panic", "a break is no end of privacy"
    page.keyboard.press("p")
    until(lambda: served.session()["hold"] == "", "pictures leave again")
    until(lambda: halves(page), "a pair of pictures again")
    page.keyboard.press(" ")
    until(lambda: served.session()["hold"] == "pause", "a break")
    page.wait_for_selector(".stage-frame[data-state=pause]")
    page.keyboard.press(" ")
    until(lambda: served.session()["hold"] == "", "the break is over")


def dark(page: Page, selector: str) -> bool:
    """A slate: dark but for its words, in each half alike."""
    picture = grabbed(page, selector)
    if picture is None:
        return False
    parts = np.split(picture, 2, axis=1) if selector == ".compare-source" else [picture]
    return all(float(luma(part).mean()) < 60 and float(luma(part)[:60, :200].std()) < 4 for part in parts)


def test_figures_and_the_graph_can_be_read_without_seeing_it(served: Daemon, pages: Pages) -> None:
    page = studio(pages, served)
    page.locator(".graph-legend tr", has_text="Swap").get_by_text("ms").wait_for()
    chip = page.locator(".numbers-chip", has_text="fps").locator("dd")
    until(lambda: (chip.text_content() or "–")[0].isdigit(), "frames per second")
    page.locator(".graph-canvas").focus()
    page.keyboard.press("ArrowLeft")
    spoken = page.locator("#graph [role=status]").text_content() or ""
    assert "p95" in spoken
    assert "Swap" in spoken
    assert page.locator(".graph-tip").is_visible()
    page.keyboard.press("Escape")
    until(lambda: not page.locator(".graph-tip").is_visible(), "the crosshair is gone")
    page.keyboard.press("s")
    until(lambda: "640 × 360" in (page.locator(".stage-figures").text_content() or ""), "figures of the connection")
    page.keyboard.press("f")
    until(lambda: page.evaluate("document.fullscreenElement?.id") == "stage", "full screen")
    page.keyboard.press("m")
    assert "mirrored" in (page.locator(".stage-video").get_attribute("class") or "")
    page.keyboard.press("f")
    until(lambda: page.evaluate("document.fullscreenElement") is None, "and back")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Snapshot").click()
    assert saved.value.suggested_filename.startswith("livefuse-live-")


def record(captured: int, out: int, dropped: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
    frames = {"captured": captured, "out": out, "unswapped": 0, "dropped": dropped or {}}
    stages = {"capture": 60, "swap": 40, "detect": 9}
    return {"frames": frames, "source": {"fps": 30}, "recent": {"stages_ms": stages}, **more}


SENTENCES: list[tuple[dict[str, Any], dict[str, Any], dict[str, float] | None, str]] = [
    (record(300, 300), {}, None, ""),
    (record(120, 120), {"source": "/dev/video0"}, None, "The camera gives 12 fps of 30: dim light?"),
    (record(120, 120), {"source": "rtsp://x"}, None, "does its network keep up?"),
    (record(300, 200, {"capture": 100}), {"swap": {"boost": 2}}, None, "Swap takes 40 ms. Lower the pixel boost."),
    (record(300, 200, {"deadline": 100}), {"adaptive": {"enabled": False}}, None, "Switch adaptive quality on"),
    (record(300, 300, {"file": 90}), {}, None, "file does not keep up: 9 pictures a second"),
    (record(300, 300, {"held": 90, "idle": 90}), {}, None, ""),
    (record(300, 300), {}, {"lost": 0.05, "dropped": 0}, "5.0 % of the packets"),
    (record(300, 300, adaptive={"lowered": ["detect every 2"]}), {}, None, "Lowered to keep the pace: detect"),
]


def test_one_sentence_says_why(served: Daemon, pages: Pages) -> None:
    page = pages.open(f"{served.url}/docs")
    for after, config, network, words in SENTENCES:
        found = page.evaluate(_CAUSE, [10, record(0, 0), after, config, network])
        assert words in found["words"] if words else found is None
