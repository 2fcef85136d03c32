"""The pages by keyboard, by screen reader, and by somebody who writes HTML into names."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.browser import Pages, until_state
from tests.e2e.pictures import SMALL
from tests.e2e.serving import Daemon, until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

EVIL = '<img src=x onerror="document.title=1">'
UNNAMED = """() => [...document.querySelectorAll('button, a, input, select, video, [role=img]')]
  .filter((e) => e.checkVisibility())
  .filter((e) => !(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.title))
  .map((e) => e.outerHTML)"""
BELOW_EACH_OTHER = "() => document.documentElement.scrollWidth <= innerWidth"


def focused(page: Page) -> str:
    said: str = page.evaluate("document.activeElement.id || document.activeElement.className")
    return said


def tab_to(page: Page, wanted: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if wanted in focused(page).split():
            return
    pytest.fail(f"Tab never reaches {wanted!r}")


@pytest.fixture(scope="module")
def served(standing_daemon: Callable[[str], Daemon]) -> Daemon:
    return standing_daemon(SMALL)


def test_the_list_leads_to_player_and_publisher_by_keyboard(served: Daemon, pages: Pages) -> None:
    page = pages.open(served.page("/sessions"))
    page.get_by_role("heading", name="live", exact=True).wait_for()
    until(lambda: "running" in (page.locator(".state").first.text_content() or ""), "the session runs")
    assert page.locator("code.whep").text_content() == f"{served.url}/live/whep"
    tab_to(page, "watch")
    page.keyboard.press("Enter")
    until_state(page, "live")
    page.go_back()
    page.get_by_role("heading", name="live", exact=True).wait_for()
    tab_to(page, "publish")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Publish to live").wait_for()
    assert not page.locator("#token-form").is_visible(), "the token came along"
    assert served.token not in page.url


def test_addresses_are_copied(served: Daemon, pages: Pages) -> None:
    page = pages.open(f"{served.url}/sessions", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy: OBS browser source of live").press("Enter")
    until(lambda: "Copied" in (page.locator("#said").text_content() or ""), "it says so")
    assert page.evaluate("navigator.clipboard.readText()") == f"{served.url}/live?clean=1"


def test_the_players_keys(served: Daemon, pages: Pages) -> None:
    page = pages.open(f"{served.url}/live")
    until_state(page, "live")
    page.keyboard.press("s")
    rows = page.locator("#numbers")
    until(lambda: "320 × 240" in (rows.text_content() or ""), "statistics of the connection")
    until(lambda: rows.locator("dd[data-name='pipeline p50']").text_content() != "–", "statistics of the pipeline")
    assert page.locator("#show-figures").get_attribute("aria-expanded") == "true"
    page.keyboard.press("s")
    assert not rows.is_visible()
    page.keyboard.press("f")
    until(lambda: page.evaluate("document.fullscreenElement?.id") == "stage", "full screen")
    page.keyboard.press("f")
    until(lambda: page.evaluate("document.fullscreenElement") is None, "and back")


def test_publishing_by_keyboard_takes_over_the_session(daemon: Callable[[str], Daemon], pages: Pages) -> None:
    served = daemon(SMALL)
    page = pages.open(served.page("/live/publish"), permissions=["camera", "microphone"])
    tab_to(page, "camera")
    tab_to(page, "size")
    page.keyboard.press("ArrowUp")
    assert page.locator("#size").input_value() == "640x480"
    tab_to(page, "microphone")
    page.keyboard.press("Space")
    tab_to(page, "start")
    page.keyboard.press("Enter")
    until_state(page, "live")
    assert focused(page) == "stop"
    page.locator("#take-over").wait_for()
    assert "synthetic:320x240@15" in (page.locator("#problem-words").text_content() or "")
    page.locator("#take-over").press("Enter")
    until(lambda: served.session()["source"].startswith("webrtc:"), "the session takes the page's pictures")
    until(lambda: not page.locator("#problem").is_visible(), "the note is gone")
    assert served.session()["publisher"] is True
    page.locator("#stop").press("Enter")
    until_state(page, "idle")
    until(lambda: served.session()["publisher"] is False, "the daemon hears that publishing has ended", 10)
    assert focused(page) == "start"


def test_a_publisher_without_a_token_is_asked_for_one(served: Daemon, pages: Pages) -> None:
    page = pages.open(f"{served.url}/live/publish", permissions=["camera"])
    assert focused(page) == "token"
    page.keyboard.type("wrong")
    page.keyboard.press("Enter")
    pages.expect("status of 40[13]")
    page.locator("#start").press("Enter")
    until(lambda: page.locator("#token-form").is_visible(), "a wrong token is asked for again")
    page.locator("#token").fill(served.token)
    page.keyboard.press("Enter")
    assert focused(page) == "start"
    page.keyboard.press("Enter")
    until_state(page, "live")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("NotAllowedError", "The camera was not allowed"),
        ("NotFoundError", "No camera was found"),
        ("NotReadableError", "The camera is in use"),
    ],
)
def test_a_camera_that_fails_is_told_in_words(served: Daemon, pages: Pages, fault: str, words: str) -> None:
    page = pages.context().new_page()
    page.add_init_script(
        f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('x', '{fault}') }}"
    )
    page.goto(served.page("/live/publish"))
    page.locator("#start").click()
    page.get_by_role("alert").get_by_text(words).wait_for()
    assert page.locator("#start").is_enabled()


def test_a_page_that_gets_no_camera_says_why(served: Daemon, pages: Pages) -> None:
    page = pages.context().new_page()
    page.add_init_script("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
    page.goto(served.page("/live/publish"))
    page.get_by_role("alert").get_by_text("HTTPS").wait_for()


def test_markup_in_names_and_errors_is_text(served: Daemon, pages: Pages) -> None:
    def told(route: Route) -> None:
        answer: dict[str, Any] = {"sessions": [{"name": EVIL, "state": EVIL, "source": EVIL, "identity": EVIL}]}
        answer["sessions"][0]["error"] = {"code": "LF0405", "message": EVIL, "hint": EVIL}
        route.fulfill(status=200, content_type="application/json", body=json.dumps(answer))

    page = pages.context().new_page()
    page.route("**/api/sessions", told)
    page.goto(f"{served.url}/sessions")
    page.locator("article").wait_for()
    assert EVIL in (page.locator("h2").text_content() or "")
    assert EVIL in (page.locator(".fault").text_content() or "")
    assert page.locator("main img[src=x]").count() == 0
    assert page.title() == "livefuse"


def test_a_real_error_with_markup_is_text(served: Daemon, pages: Pages) -> None:
    folder = "<img src=x onerror=alert(1)>.mp4"
    served.api(
        "POST", "/sessions", json={"name": "broken", "config": {"source": folder, "identity": {"photo": "synthetic:1", "consent": "synthetic"}}}
    )  # fmt: skip
    page = pages.open(f"{served.url}/sessions")
    fault = page.locator(".fault:visible")
    fault.wait_for()
    assert "<img src=x" in (fault.text_content() or "")
    assert page.locator("main img[src=x]").count() == 0
    served.api("DELETE", "/sessions/broken")
    until(lambda: not fault.is_visible(), "a session that was removed leaves the list")


def test_the_player_says_what_keeps_a_session_from_running(served: Daemon, pages: Pages) -> None:
    face = {"photo": "synthetic:1", "consent": "synthetic"}
    served.api("POST", "/sessions", json={"name": "broken", "config": {"source": "nothing.mp4", "identity": face}})
    try:
        page = pages.open(f"{served.url}/broken")
        notice = page.locator("#notice:visible")
        notice.wait_for()
        assert "nothing.mp4" in (page.locator("#reason").text_content() or "")
        served.api("PUT", "/sessions/broken/source", json={"url": "synthetic:320x240@15"})
        until(lambda: not notice.is_visible(), "an error that is over is no longer told")
        clean = pages.open(f"{served.url}/broken?clean=1")
        until_state(clean, "live")
        assert not clean.locator("#notice").is_visible()
    finally:
        pages.expect(r"status of (404|503)")  # what the two pages hear once the session has gone
        served.api("DELETE", "/sessions/broken")


@pytest.mark.parametrize("path", ["/sessions", "/live", "/live/publish"])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_everything_has_a_name_and_fits_a_phone(served: Daemon, pages: Pages, path: str, scheme: str) -> None:
    page = pages.open(served.page(path), viewport={"width": 390, "height": 844}, color_scheme=scheme)
    page.wait_for_timeout(600)
    assert page.evaluate(UNNAMED) == []
    assert page.evaluate(BELOW_EACH_OTHER)
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("main").count() == 1
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(ground) < 200) == (scheme == "dark")


def test_servers_that_the_daemon_names_are_understood(served: Daemon, pages: Pages) -> None:
    page = pages.open(f"{served.url}/sessions")
    link = (
        '<stun:stun.example.net>; rel="ice-server", <turn:turn.example.net?transport=udp>; rel="ice-server"; '
        'username="1700;a"; credential="say \\"x\\", y"; credential-type="password", </other>; rel="next"'
    )
    read = page.evaluate("async (link) => (await import('/static/peer.js')).iceServers(link)", link)
    assert read == [
        {"urls": ["stun:stun.example.net"]},
        {"urls": ["turn:turn.example.net?transport=udp"], "username": "1700;a", "credential": 'say "x", y'},
    ]
    assert page.evaluate("async () => (await import('/static/peer.js')).iceServers(null)") == []


def test_only_the_picture_is_shown_at_once(served: Daemon, pages: Pages) -> None:
    """Smoothing costs a film nothing and a mirror everything; sound without a buffer has gaps."""
    page = pages.open(f"{served.url}/live")
    until_state(page, "live")
    targets = "livefuse.whep.connection.getReceivers().map((r) => [r.track.kind, r.jitterBufferTarget])"
    assert page.evaluate(targets) == [["video", 0], ["audio", None]]
