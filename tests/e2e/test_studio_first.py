"""The first five minutes, clicked through: from bare `livefuse` on a fresh machine to a swapped picture, and the next start."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.bare import Bare, bare
from tests.e2e.browser import Pages
from tests.e2e.serving import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FRAMES = "() => studio.stream?.getVideoPlaybackQuality().totalVideoFrames ?? 0"
PHONE = {"width": 390, "height": 844}


def tab_to(page: Page, name: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if name in (page.evaluate("document.activeElement.textContent") or ""):
            return
    pytest.fail(f"Tab never reaches {name!r}")


def until_live(page: Page, served: Bare) -> None:
    page.get_by_role("heading", name="You are live").wait_for(timeout=60_000)
    until(lambda: served.api("/sessions/live")["state"] == "running", "the session runs")


def test_one_click_and_the_next_start_none(environ: dict[str, str], shared: Path, tmp_path: Path, pages: Pages) -> None:
    with bare(tmp_path / "home", environ) as served:
        page = pages.open(served.page, permissions=["camera"])
        page.get_by_role("heading", name="Your first swapped picture").wait_for()
        assert served.api("/sessions/live")["state"] == "stopped"
        assert not page.locator("[data-panel=source]").is_visible(), "the questions have the page to themselves"
        assert page.locator(".first-faces [aria-pressed=true]").count() == 1
        page.get_by_role("button", name="Test picture").click()
        page.get_by_role("button", name="Start", exact=True).click()
        until_live(page, served)
        until(lambda: served.swapped() > 5, "pictures leave with another face")
        until(lambda: page.evaluate(FRAMES) > 5, "and are seen")
        camera = page.locator(".first-steps li").last
        until(lambda: camera.get_attribute("data-state") in ("done", "missing"), "the virtual camera, or what it lacks")
        page.get_by_role("button", name="Go on").click()
        assert page.locator("[data-panel=source] .panel-note").text_content() == "Test picture"
        assert page.locator("[data-panel=faces] [aria-pressed=true] span").text_content() == "Mika"
        assert not served.api("/first")["lacking_bytes"]
        page.context.close()  # a page looks for its daemon as long as it lives
    with bare(tmp_path / "home", environ) as served:
        page = pages.open(served.page)
        until(lambda: served.swapped() > 5, "the second start is live by itself")
        until(lambda: page.evaluate(FRAMES) > 5, "and is seen")
        assert not page.locator(".first").count()
        page.context.close()


def test_by_keyboard_on_a_phone_with_the_browsers_camera(
    environ: dict[str, str], shared: Path, tmp_path: Path, pages: Pages
) -> None:
    with bare(tmp_path / "home", environ) as served:
        page = pages.open(served.page, permissions=["camera"], viewport=PHONE)
        page.get_by_role("heading", name="Your first swapped picture").wait_for()
        until(lambda: page.evaluate("document.activeElement.textContent") == "Start", "Enter would start it")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.evaluate("document.querySelector('#session, .brand').focus()")
        tab_to(page, "This browser's camera")
        page.keyboard.press("Space")
        tab_to(page, "Ravi")
        page.keyboard.press("Space")
        tab_to(page, "Start")
        page.keyboard.press("Enter")
        until_live(page, served)
        until(lambda: served.api("/sessions/live")["publisher"], "this page's camera is sent")
        told = served.api("/sessions/live")
        assert told["source"].startswith("webrtc:?video_size=")
        assert told["identity"] == "synthetic:31"
        until(lambda: page.evaluate("document.activeElement.textContent") == "Go on", "the way on has the focus")
        page.keyboard.press("Enter")
        page.locator("[data-panel=faces]").wait_for()
        page.reload()
        sent = page.locator(".src-sub").get_by_text("On: sent from this page")
        until(sent.count, "its camera is sent again")
        page.context.close()


def test_models_that_do_not_come_are_said_with_a_way_on(environ: dict[str, str], tmp_path: Path, pages: Pages) -> None:
    (tmp_path / "empty").mkdir()
    nowhere = environ | {"LIVEFUSE_MODEL_MIRROR": str(tmp_path / "empty"), "HTTPS_PROXY": "http://127.0.0.1:9"}
    with bare(tmp_path / "home", nowhere) as served:
        page = pages.open(served.page)
        page.get_by_role("heading", name="Your first swapped picture").wait_for()
        page.get_by_role("button", name="Test picture").click()
        page.get_by_role("button", name="Start", exact=True).press("Enter")
        page.locator(".first .fault").wait_for(timeout=60_000)
        assert page.locator(".first-steps li").first.get_attribute("data-state") == "failed"
        assert page.locator(".first .fault .quiet").text_content()
        page.get_by_role("button", name="Back").click()
        page.get_by_role("button", name="Skip").click()
        page.locator("[data-panel=source]").wait_for()
        page.reload()
        page.locator("html[data-ready=all]").wait_for(state="attached")
        assert not page.locator(".first").count(), "who skipped is not asked again in this tab"
        assert served.api("/sessions/live")["state"] == "stopped"
        page.context.close()
