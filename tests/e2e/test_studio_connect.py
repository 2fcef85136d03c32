"""The Connect view over HTTPS: what it says about the camera, what it copies, what it covers, and codes for phones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from livefuse.tls.serving import fingerprint
from tests.e2e.browser import Pages, until_state
from tests.e2e.pictures import SMALL
from tests.e2e.serving import Daemon, until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TLS = '[serve]\ntls = "auto"\nhost = "0.0.0.0"\n'
BELOW_EACH_OTHER = "() => document.documentElement.scrollWidth <= innerWidth"


class TlsDaemon(Daemon):
    """What the tests themselves ask it goes by loopback in plain text; the pages come by HTTPS."""

    home: Path

    def _first_line(self, path: Path) -> str:
        line = super()._first_line(path)
        return line.replace("https://127.0.0.1", "http://127.0.0.1")

    def safe_page(self, path: str) -> str:
        return self.page(path).replace("http://127", "https://127", 1)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Iterator[TlsDaemon]:
    folder = tmp_path_factory.mktemp("tls")
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LIVEFUSE_")}
    environ = kept | {"LIVEFUSE_MODEL_MIRROR": str(shared / "models"), "LIVEFUSE_HOME": str(folder / "home")}
    daemon = TlsDaemon(folder, environ, SMALL + TLS)
    daemon.home = folder / "home"
    daemon.start()
    yield daemon
    daemon.stop()


def connect_view(pages: Pages, url: str, **context: Any) -> Page:
    page = pages.open(url, ignore_https_errors=True, **context)
    page.locator(".tabs a[href='#connect']").click()
    page.locator(".connect-card").first.wait_for()
    return page


def test_values_are_copied_secrets_are_covered_and_codes_are_drawn(served: TlsDaemon, pages: Pages) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    page = connect_view(pages, served.safe_page("/"), permissions=allowed, viewport={"width": 390, "height": 844})
    assert "Camera possible" in page.locator(".connect-where").inner_text()
    copies_and_covers(page, served)
    shows_the_certificate(page, served)
    draws_a_code(page)
    assert page.evaluate(BELOW_EACH_OTHER)
    until(lambda: "No app has access yet" in page.locator("#apps").inner_text(), "apps are below")


def copies_and_covers(page: Page, served: TlsDaemon) -> None:
    page.get_by_role("button", name="Copy: WHIP address").press("Enter")
    page.get_by_role("button", name="Copy: WHIP address").get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == f"{served.url}/live/whip", "programs here need no trust"
    way, show = page.locator("[data-kind=bearer]"), page.get_by_role("button", name="Show: Bearer token")
    assert served.token not in page.locator("main").inner_text()
    page.get_by_role("button", name="Copy: Bearer token").press("Enter")
    until(lambda: page.evaluate("navigator.clipboard.readText()") == served.token, "it is copied while covered")
    assert served.token not in way.inner_text()
    show.press("Enter")
    assert way.locator("code").inner_text() == served.token
    show.press("Enter")
    assert served.token not in way.inner_text()


def shows_the_certificate(page: Page, served: TlsDaemon) -> None:
    shown = page.locator(".connect-print").inner_text().replace("\n", "").replace(" ", "")
    assert shown == fingerprint((served.home / "state" / "tls" / "ca.crt").read_bytes())
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the certificate").click()
    assert fingerprint(download.value.path().read_bytes()) == shown


def draws_a_code(page: Page) -> None:
    code = page.locator(".connect-qr")
    assert not code.is_visible()
    button = page.get_by_role("button", name="The phone as the camera", exact=True)
    button.press("Enter")
    code.wait_for()
    assert page.evaluate("document.querySelector('.connect-qr').naturalWidth") > 100
    assert code.get_attribute("alt") == "QR code: The phone as the camera"
    button.press("Enter")
    until(lambda: not code.is_visible(), "the code is put away")


def test_pictures_come_over_https(served: TlsDaemon, pages: Pages) -> None:
    page = pages.open(served.safe_page("/live"), ignore_https_errors=True)
    until_state(page, "live")
    assert page.evaluate("[location.protocol, isSecureContext]") == ["https:", True]


def test_a_page_without_a_camera_says_what_gives_it_one(served: TlsDaemon, pages: Pages) -> None:
    context = pages.context(ignore_https_errors=True)
    context.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    page = context.new_page()
    page.goto(served.page("/") + "&x=1")
    page.locator(".tabs a[href='#connect']").click()
    where = page.locator(".connect-where")
    where.wait_for()
    said = where.inner_text()
    assert "No camera here" in said
    assert "livefuse serve --tls" in said
    assert "tunnel" in said
