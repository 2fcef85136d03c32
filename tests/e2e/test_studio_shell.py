"""The studio as a whole: its views by keyboard, on a phone, in other languages, without a token, and while the daemon restarts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.browser import GONE, Pages
from tests.e2e.pictures import SMALL
from tests.e2e.serving import Daemon, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

VIEWS = ("live", "models", "jobs", "presets", "connect")
BELOW_EACH_OTHER = "() => document.documentElement.scrollWidth <= innerWidth"
FRAMES = "document.querySelector('#stage video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0"


@pytest.fixture(scope="module")
def served(standing_daemon: Callable[[str], Daemon]) -> Daemon:
    return standing_daemon(SMALL)


def ready(page: Page) -> Page:
    page.wait_for_selector("html[data-ready=all][data-daemon=here]", state="attached")
    return page


def seen(page: Page) -> int:
    frames: int = page.evaluate(FRAMES)
    return frames


def go(page: Page, view: str) -> None:
    page.evaluate(f"location.hash = '{view}'")
    page.locator(f"#view-{view}").wait_for()
    until(
        lambda: view == "live" or page.locator(f"#view-{view} .view-body").inner_text().strip(), f"{view} has content"
    )


def test_views_are_opened_by_keys_but_not_by_what_is_typed(served: Daemon, pages: Pages) -> None:
    page = ready(pages.open(served.page("/")))
    assert served.token not in page.url
    for number, view in enumerate(VIEWS, 1):
        page.keyboard.press(f"Alt+{number}")
        page.locator(f"#view-{view}").wait_for()
        assert page.locator(".view:visible").count() == 1
        assert page.locator(".tabs [aria-current]").get_attribute("href") == f"#{view}"
    page.keyboard.press("?")
    assert "Alt + 2" in (page.locator("dialog .keys").text_content() or "")
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")

    go(page, "live")
    page.evaluate("""() => {
        const field = Object.assign(document.createElement('input'), { id: 'typed' });
        document.querySelector('#panels').prepend(field);
        field.focus();
    }""")
    page.keyboard.type("p?")
    assert page.locator("#typed").input_value() == "p?"
    assert page.locator("dialog").count() == 0
    assert served.session()["hold"] == ""


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1440), ("light", 390)])
def test_nothing_serious_is_found_by_axe(served: Daemon, pages: Pages, scheme: Any, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = ready(pages.open(served.page("/"), viewport={"width": width, "height": 844}, color_scheme=scheme))
    found = []
    for view in VIEWS:
        go(page, view)
        assert page.evaluate(BELOW_EACH_OTHER), f"{view} is wider than {width} px"
        for one in axe.Axe().run(page).response["violations"]:
            if one["impact"] in ("serious", "critical"):
                found += [f"{view}: {one['id']}: {node['html'][:160]}" for node in one["nodes"]]
    assert not found, "\n".join(found)


def test_other_languages(served: Daemon, pages: Pages) -> None:
    page = ready(pages.open(served.page("/"), locale="de-DE"))
    assert page.locator("html").get_attribute("lang") == "de"
    assert page.locator(".tabs").inner_text().split() != ["Live", "Models", "Jobs", "Presets", "Connect"]
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate(
        "() => [...document.querySelectorAll('.tabs a')].every((tab) => tab.getBoundingClientRect().right <= innerWidth)"
    )
    page.locator("#settings").click()
    page.locator("dialog select").first.select_option("en")
    page.wait_for_selector("html[lang=en][data-ready=all]", state="attached")
    assert "Presets" in page.locator(".tabs").inner_text()


def test_without_its_token_the_studio_asks_for_it(served: Daemon, pages: Pages) -> None:
    pages.expect(r"status of (401|403)")
    page = pages.open(f"{served.url}/")
    page.wait_for_selector("html[data-ready=all]", state="attached")
    page.locator("#token-card").wait_for()
    page.locator("#token").fill("wrong")
    page.keyboard.press("Enter")
    until(lambda: page.locator("#token-words").text_content(), "it says that the token is wrong")
    page.locator("#token").fill(served.token)
    page.keyboard.press("Enter")
    until(lambda: not page.locator("#token-card").is_visible(), "the right one is taken")
    until(lambda: seen(page) > 5, "a picture")


def test_the_studio_comes_back_after_the_daemon_does(served: Daemon, pages: Pages) -> None:
    pages.expect(GONE)
    pages.expect("ERR_INCOMPLETE_CHUNKED_ENCODING")  # its events end in the middle
    page = ready(pages.open(served.page("/")))
    until(lambda: seen(page) > 5, "a picture")
    served.kill()
    page.locator("#away").wait_for()
    page.wait_for_selector(".stage-frame[data-state=reconnecting]")
    served.start()
    page.wait_for_selector("html[data-daemon=here]", state="attached")
    page.wait_for_selector(".stage-frame[data-state=live]")
    until(lambda: not page.locator("#away").is_visible(), "the banner goes")
    before = seen(page)
    until(lambda: seen(page) > before + 5, "pictures move again")
