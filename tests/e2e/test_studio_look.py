"""The Look panel in a real Chromium: what is turned holds, in order, and what would show a face is asked for first."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.browser import Pages
from tests.e2e.serving import Daemon, until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = """
source = "synthetic:320x240@10"
swap.model = "mesh"
identity = { photo = "synthetic:3", consent = "synthetic" }
detect.model = "known"
"""


@pytest.fixture(scope="module")
def served(standing_daemon: Callable[[str], Daemon]) -> Daemon:
    return standing_daemon(CONFIG)


@pytest.fixture(scope="module")
def opened(served: Daemon, standing_pages: Pages) -> Page:
    """The studio with every group of the panel open."""
    page = standing_pages.open(served.page("/"), viewport={"width": 1440, "height": 900})
    page.wait_for_selector(".look-group", state="attached")
    page.evaluate(
        """for (const one of document.querySelectorAll('[data-panel=look], .look-group:not(.look-all)')) one.open = true"""
    )
    page.wait_for_function("document.querySelector('[data-key=\"swap.seam\"] input[type=number]').value !== ''")
    return page


@pytest.fixture
def look(opened: Page, standing_pages: Pages) -> Iterator[Page]:
    yield opened
    standing_pages.check()


def item(page: Page, key: str) -> Any:
    return page.locator(f'.look-item[data-key="{key}"]')


def held(served: Daemon, key: str) -> Any:
    section, name = key.split(".")
    return served.session()["config"][section][name]


def test_a_slider_acts_at_once_not_too_often_and_its_last_value_holds(served: Daemon, look: Page) -> None:
    sent: list[float] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            sent.append(json.loads(request.post_data or "")["swap"]["seam"])

    look.on("request", note)
    took_ms = look.evaluate("""async () => {
        const bar = document.querySelector('[data-key="swap.seam"] input[type=range]');
        const began = performance.now();
        for (let value = 51; value <= 90; value++) {
            bar.value = String(value);
            bar.dispatchEvent(new Event('input', { bubbles: true }));
            await new Promise((done) => setTimeout(done, 20));
        }
        return performance.now() - began;
    }""")
    until(lambda: held(served, "swap.seam") == 0.9, "the last value holds")
    # what has happened meanwhile is only told while the page is asked
    until(lambda: look.evaluate("1") and sent[-1:] == [0.9], "the page's requests are noted")
    look.remove_listener("request", note)
    assert sent[0] == 0.51
    assert sent == sorted(sent)
    assert len(sent) <= took_ms / 125 + 2
    assert item(look, "swap.seam").locator("input[type=number]").input_value() == "90"

    item(look, "swap.seam").get_by_role("button", name="Reset: Soft edge").click()
    until(lambda: held(served, "swap.seam") == 0.5, "the default holds again")
    item(look, "swap.seam").get_by_role("button").wait_for(state="hidden")


def test_switches_and_choices(served: Daemon, look: Page) -> None:
    item(look, "swap.keep_eyes").get_by_role("switch").click()
    until(lambda: held(served, "swap.keep_eyes") is True, "eyes are kept")
    item(look, "swap.keep_mouth").get_by_text("Mine").click()
    until(lambda: held(served, "swap.keep_mouth") is True, "the mouth is kept")
    item(look, "swap.keep_mouth").get_by_role("radio").nth(1).press("ArrowLeft")
    until(lambda: held(served, "swap.keep_mouth") is None, "the keyboard does the same")
    item(look, "colour.method").get_by_role("combobox").select_option(label="Tone")
    until(lambda: held(served, "colour.method") == "lab", "another method")
    served.api("PATCH", "/sessions/live", json={"swap": {"keep_eyes": False}})
    until(lambda: not item(look, "swap.keep_eyes").get_by_role("switch").is_checked(), "what others change is seen")


def test_real_faces_are_shown_only_when_somebody_agrees(served: Daemon, look: Page) -> None:
    assert item(look, "mask.areas").get_by_role("checkbox", name="Mouth").is_disabled()
    item(look, "mask.areas").get_by_text("Closed privacy covers the whole real face").wait_for()
    item(look, "privacy.mode").get_by_text("Show it").click()
    look.get_by_role("button", name="Keep them covered").click()
    until(lambda: item(look, "privacy.mode").get_by_role("radio").first.is_checked(), "it is closed as before")
    assert held(served, "privacy.mode") == "closed"
    item(look, "privacy.mode").get_by_text("Show it").click()
    look.get_by_role("button", name="Show real faces").click()
    until(lambda: held(served, "privacy.mode") == "open", "it is open")
    look.get_by_text("Open: real faces can be seen").wait_for()
    item(look, "mask.areas").get_by_text("Mouth").click()
    until(lambda: held(served, "mask.areas") == ["mouth"], "only the mouth is swapped")
    item(look, "privacy.mode").get_by_text("Cover it").click()
    until(lambda: held(served, "privacy.mode") == "closed", "closing asks nobody")
    assert held(served, "mask.areas") == []


def test_closing_waits_for_no_other_change_and_is_refused_with_none(look: Page) -> None:
    sent = look.evaluate("""async () => {
        const { Sender } = await import('/static/studio/sender.js');
        const [sent, answers] = [[], []];
        const sender = new Sender((change) => new Promise((done) => {
            sent.push(change);
            answers.push(done);
        }));
        sender.set('swap.seam', 0.7); // never answered in time
        sender.set('privacy.mode', 'open');
        sender.set('track.hold_frames', 9);
        sender.setNow([['mask.areas', []], ['privacy.mode', 'closed']]);
        const pending = sender.pending('privacy.mode');
        const atOnce = sent.length;
        for (let i = 0; i < 3; i++) {
            answers.splice(0).forEach((done) => done());
            await new Promise((done) => setTimeout(done, 200));
        }
        return { sent, atOnce, pending, after: sender.pending('privacy.mode') };
    }""")
    closing = {"mask": {"areas": []}, "privacy": {"mode": "closed"}}
    assert sent["sent"] == [{"swap": {"seam": 0.7}}, closing, {"track": {"hold_frames": 9}}]
    assert (sent["atOnce"], sent["pending"], sent["after"]) == (2, True, False)


def test_a_model_that_is_not_here_is_offered_where_it_can_be_fetched(served: Daemon, look: Page) -> None:
    models = {one["name"]: one for one in served.api("GET", "/models")["models"]}
    assert not models["inswapper_128_fp16"]["installed"]
    swapper = item(look, "swap.model")
    assert swapper.get_by_role("radio", name="Drawn mesh").is_checked()
    swapper.get_by_text("more can be fetched").click()
    swapper.get_by_role("button", name="Get it (278 MB): inswapper_128_fp16").click()
    until(lambda: look.evaluate("location.hash") == "#models", "the models are shown")
    look.evaluate("location.hash = 'live'")


def test_every_setting_is_within_reach(served: Daemon, look: Page) -> None:
    find = look.get_by_role("searchbox", name="Find a setting")
    find.fill("fade in")
    until(lambda: not item(look, "swap.seam").is_visible(), "only what was looked for is shown")
    assert item(look, "swap.fade_frames").is_visible()
    find.fill("one-euro")
    assert item(look, "track.smooth").is_visible()
    find.fill("hold_frames")
    field = look.get_by_label("track.hold_frames")
    field.fill("9")
    field.press("Enter")
    until(lambda: held(served, "track.hold_frames") == 9, "a setting without a control of its own is changed")
    field.fill("999")
    field.press("Enter")
    until(lambda: field.input_value() == "9", "what it cannot be is not sent")
    find.fill("no such thing")
    look.get_by_text("No setting is called that.").wait_for()
    find.fill("")
    item(look, "swap.seam").wait_for(state="visible")
