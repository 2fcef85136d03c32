"""Apps on the page: the question that one puts, and the list of those that have access; and names that would be markup."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import httpx
import numpy as np
import pytest

from tests.e2e.serving import Daemon, until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

    from tests.e2e.browser import Pages

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = """
source = "synthetic:320x240@5"
[swap]
model = "mesh"
[identity]
photo = "synthetic:7"
consent = "synthetic"
"""
TYPES = """() => {
  let [last, longest] = [performance.now(), 0];
  const type = () => {
    const now = performance.now();
    [longest, last] = [Math.max(longest, now - last), now];
    globalThis.longestPause = longest;
    dispatchEvent(new KeyboardEvent("keydown", { key: "a" }));
  };
  type();
  globalThis.typing = setInterval(type, 100);
  globalThis.studio.on("pair", ({ pending }) => (globalThis.asked = pending.length));
}"""
NAMES = ("name", "description", "title", "label", "message", "hint", "detail", "note", "what", "by", "who", "licence", "source",
         "error", "about", "problem", "input", "output", "folder", "where", "url", "value")  # fmt: skip
MARKUP = "<img src=x onerror=hacked=1>"
_NAMED = "(view) => document.querySelector(`#view-${view}`).innerHTML.split('&lt;img src=x').length - 1"


@pytest.fixture(scope="module")
def served(standing_daemon: Callable[[str], Daemon]) -> Daemon:
    return standing_daemon(CONFIG)


@pytest.fixture
def page(served: Daemon, pages: Pages) -> Iterator[Page]:
    page = pages.open(served.page("/"), viewport={"width": 1280, "height": 800})
    page.wait_for_selector("html[data-ready=all]", timeout=60_000)
    yield page
    for app in served.api("GET", "/apps")["pending"]:
        served.api("POST", f"/pair/{app['id']}/deny")
    for app in served.api("GET", "/apps")["apps"]:
        served.api("DELETE", f"/apps/{app['id']}")


def asks(served: Daemon, name: str, *scopes: str) -> dict[str, Any]:
    body = {"name": name, "scopes": scopes or ("view", "control")}
    answer = httpx.post(f"{served.url}/api/pair", json=body, timeout=30)
    assert answer.status_code == 202, answer.text
    told: dict[str, Any] = answer.json()
    return told


def became(served: Daemon, asked: dict[str, Any]) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {asked['secret']}"}
    told: dict[str, Any] = httpx.get(f"{served.url}/api/pair/{asked['id']}", headers=headers, timeout=30).json()
    return told


def status(served: Daemon, method: str, path: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.request(method, f"{served.url}{path}", headers=headers, timeout=30).status_code


def question(page: Page) -> Any:
    dialog = page.locator("dialog.apps-dialog")
    dialog.wait_for(timeout=30_000)
    return dialog


def test_an_app_asks_is_allowed_less_than_it_asked_and_is_removed(served: Daemon, page: Page) -> None:
    asked = asks(served, MARKUP, "view", "control", "identities")
    dialog = question(page)
    assert dialog.locator(".apps-code").inner_text() == asked["code"]
    assert MARKUP in dialog.locator("h2").inner_text()
    assert page.evaluate("document.activeElement.textContent") == "Deny"
    page.keyboard.press("Enter")  # which somebody typed who was busy with something else
    page.keyboard.press("Escape")
    assert dialog.is_visible()
    assert became(served, asked)["state"] == "pending"
    dialog.get_by_label("Faces").uncheck()
    page.wait_for_selector("dialog.apps-dialog .main:not([aria-disabled])")
    dialog.get_by_role("button", name="Allow").click()
    dialog.wait_for(state="detached")
    told = until(lambda: (found := became(served, asked))["state"] != "pending" and found, "it is allowed")
    assert (told["state"], told["scopes"]) == ("allowed", ["view", "control"])
    assert status(served, "GET", "/api/presets", told["token"]) == 200
    assert status(served, "GET", "/api/identities", told["token"]) == 403

    page.evaluate("location.hash = 'connect'")
    row = page.locator(".apps-app", has_text=MARKUP)
    row.wait_for(timeout=30_000)
    assert row.locator(".chip").all_inner_texts() == ["Control"]
    row.get_by_role("button", name="Remove").click()
    page.locator("dialog[open]").get_by_role("button", name="Remove").click()
    row.wait_for(state="detached")
    assert status(served, "GET", "/api/presets", told["token"]) == 401
    assert page.evaluate("globalThis.hacked") is None


def test_nobody_who_types_is_interrupted_and_several_ask_in_turn(served: Daemon, page: Page) -> None:
    page.evaluate(TYPES)
    first, second = asks(served, "First"), asks(served, "Second")
    until(lambda: page.evaluate("globalThis.asked === 2"), "the page heard of both")
    page.wait_for_timeout(600)
    paused = page.evaluate("globalThis.longestPause") > 1400  # a busy machine types slowly
    assert paused or not page.locator("dialog.apps-dialog").count()
    page.evaluate("clearInterval(globalThis.typing)")
    dialog = question(page)
    assert "First" in dialog.locator("h2").inner_text()
    page.wait_for_selector("dialog.apps-dialog .main:not([aria-disabled])")
    page.keyboard.press("Enter")
    until(lambda: became(served, first)["state"] == "denied", "Deny has the focus")
    page.locator("dialog.apps-dialog h2", has_text="Second").wait_for()
    served.api("POST", f"/pair/{second['id']}/deny")  # on another page, or by a command
    page.locator("dialog.apps-dialog").wait_for(state="detached")


def marked(tree: Any, key: str = "") -> Any:
    """An answer in which everything that somebody may have named is followed by markup."""
    if isinstance(tree, dict):
        return {name: marked(value, name) for name, value in tree.items()}
    if isinstance(tree, list):
        return [marked(value, key) for value in tree]
    return f"{tree} {MARKUP}" if isinstance(tree, str) and key in NAMES else tree


def test_names_are_never_markup(served: Daemon, pages: Pages, tmp_path: Path) -> None:
    """Whatever may be named by somebody else is text: files, presets, models, devices, faces, errors."""
    photo = tmp_path / f"{MARKUP}.png"
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((64, 64, 3), np.uint8))
    (tmp_path / "a.png").rename(photo)
    body = {"input": str(photo), "output": f"{photo}.out.png", "config": {"identity": {"photo": "synthetic:7"}}}
    served.api("POST", "/jobs", json=body)
    served.api("PUT", "/presets/mine", json={"swap": {"model": MARKUP}})
    pages.expect("Failed to load resource")  # pictures of people who are called so are not there
    context = pages.context(viewport={"width": 1280, "height": 800})

    def spoilt(route: Route) -> None:
        answer = route.fetch()
        if "json" in answer.headers.get("content-type", ""):
            route.fulfill(response=answer, json=marked(answer.json()))
        else:
            route.fulfill(response=answer)

    context.route(re.compile(r"/api/(?!events|sessions$|ticket)[^?]*"), spoilt)
    page = context.new_page()
    page.goto(served.page("/"))
    page.wait_for_selector("html[data-ready=all]", timeout=60_000)
    shown = 0
    for view in ("live", "models", "jobs", "presets", "connect"):
        page.evaluate("(view) => (location.hash = view)", view)
        until(lambda view=view: page.evaluate(_NAMED, view) > 1, f"{view} shows names")  # type: ignore[misc]
        assert page.locator("img[src=x]").count() == 0, view
        shown += page.content().count("&lt;img src=x")
    assert shown > 20
    assert page.evaluate("globalThis.hacked") is None
