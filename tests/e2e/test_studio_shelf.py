"""The views Models, Jobs and Presets of the studio, in a real browser against a real daemon."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.browser import Pages
from tests.e2e.serving import Daemon, until
from tests.unit.source_clips import write_clip

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

SERVE = """
source = "synthetic:320x240@10"
[identity]
photo = "synthetic:7"
consent = "synthetic"
"""
SIDEWAYS = "document.documentElement.scrollWidth > innerWidth"


@pytest.fixture(scope="module")
def served(standing_daemon: Callable[[str], Daemon]) -> Daemon:
    return standing_daemon(SERVE)


@pytest.fixture(scope="module")
def opened(served: Daemon, standing_pages: Pages) -> Page:
    standing_pages.expect("status of 422")  # what is refused on purpose
    page = standing_pages.open(served.page("/"), ready="commit")
    page.locator("html[data-daemon=here]").wait_for(state="attached")
    return page


@pytest.fixture
def page(opened: Page, standing_pages: Pages) -> Iterator[Page]:
    yield opened
    standing_pages.check()


def view(page: Page, name: str) -> None:
    page.locator(f".tabs a[href='#{name}']").click()
    page.locator(f"#view-{name}").wait_for()


def test_the_shelf_tells_what_is_here_and_keeps_what_is_used(served: Daemon, page: Page) -> None:
    view(page, "models")
    used = page.locator(".model[data-model=yunet_n]")
    used.get_by_text("In use: live").wait_for()
    assert used.get_by_role("button", name="Remove").count() == 0
    page.get_by_role("searchbox").fill("inswapper")
    page.locator(".model").nth(1).wait_for()
    until(lambda: page.locator(".model:visible").count() == 2, "only what was searched for is shown")
    model = page.locator(".model[data-model=inswapper_128]")
    assert model.get_by_text("non-commercial", exact=True).is_visible()
    model.get_by_role("button", name="Download").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("may not earn money with it").wait_for()
    dialog.get_by_role("button", name="Cancel").click()
    assert served.api("GET", "/jobs")["jobs"] == [], "nothing is fetched before somebody agreed"
    page.get_by_role("searchbox").fill("no such thing")
    page.get_by_text("No model is like that").wait_for()


def test_a_speed_that_is_measured_appears_on_its_card(served: Daemon, page: Page) -> None:
    view(page, "models")
    page.get_by_role("searchbox").fill("openseeface")
    model = page.locator(".model[data-model=openseeface_lm0]")
    model.get_by_role("button", name="Measure speed").click()
    until(lambda: served.api("GET", "/models/openseeface")["speeds"], "it is measured, at the lowest priority", 90)
    model.locator(".model-ms").wait_for()
    (speed, *_) = served.api("GET", "/models/openseeface")["speeds"]
    assert speed["weights"] == "real"
    assert speed["machine"] in (model.locator(".model-speed").text_content() or "")


def test_a_preset_is_saved_applied_by_its_key_and_taken_back(served: Daemon, page: Page) -> None:
    served.api("PATCH", "/sessions/live", json={"swap": {"seam": 0.9}})
    view(page, "presets")
    page.get_by_role("button", name="Save the current look").click()
    page.get_by_label("Name").fill("Late Show")
    page.keyboard.press("Enter")
    card = page.get_by_role("article", name="late-show")
    card.get_by_text("0.9").wait_for()
    until(
        lambda: page.evaluate("document.activeElement.textContent").startswith("Save"), "who asked has the focus again"
    )
    served.api("PATCH", "/sessions/live", json={"swap": {"seam": 0.1}})
    card.get_by_role("button", name="What changes").click()
    page.get_by_role("dialog").get_by_text("late-show would change one thing").wait_for()
    page.keyboard.press("Escape")
    page.locator("body").press("Shift+Digit1")
    until(lambda: served.session()["config"]["swap"]["seam"] == 0.9, "the preset's key applies it")
    page.get_by_text("Preset late-show", exact=True).wait_for()
    page.get_by_role("button", name="Undo the last change").click()
    until(lambda: served.session()["config"]["swap"]["seam"] == 0.1, "undo takes it back")


def test_a_preset_is_passed_on_and_a_deleted_one_comes_back(served: Daemon, page: Page, tmp_path: Path) -> None:
    served.api("PUT", "/presets/evening", json={"swap": {"seam": 0.25}})
    page.reload(wait_until="commit")  # the view lists what there was when it was opened
    page.locator("html[data-daemon=here]").wait_for(state="attached")
    view(page, "presets")
    card = page.get_by_role("article", name="evening")
    card.get_by_text("More").click()
    with page.expect_download() as loading:
        card.get_by_role("button", name="Export as JSON").click()
    assert json.loads(Path(loading.value.path()).read_text())["config"] == {"swap": {"seam": 0.25}}
    page.get_by_role("article", name="evening").get_by_text("More").click()
    page.get_by_role("article", name="evening").get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Bring it back").click()
    page.get_by_role("article", name="evening").wait_for()
    foreign = tmp_path / "foreign.toml"
    foreign.write_text("[swap]\nsean = 1\n[wings]\nspan = 2\n")
    page.locator(".presets-view input[type=file]").set_input_files(foreign)
    page.get_by_role("dialog").get_by_role("button", name="Import").click()
    page.get_by_role("alert").get_by_text("`swap.sean`, `wings`").wait_for()


def test_a_file_is_swapped_from_the_form_to_the_download(served: Daemon, page: Page, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "holiday.mp4")
    view(page, "jobs")
    page.get_by_label("its path on the daemon's machine").fill(str(clip))
    page.get_by_text("Consent: a drawn face").wait_for()
    page.get_by_role("button", name="Swap this file").click()
    job = page.get_by_role("article", name="holiday.mp4")
    until(lambda: served.api("GET", "/jobs")["jobs"][-1]["state"] in ("done", "failed"), "the job ends", 90)
    assert served.api("GET", "/jobs")["jobs"][-1]["error"] is None
    job.get_by_role("button", name="Download").wait_for()
    job.locator("img[src^=blob]").wait_for()
    with page.expect_download() as loading:
        job.get_by_role("button", name="Download").click()
    assert loading.value.suggested_filename == "holiday-swapped.mp4"
    assert Path(loading.value.path()).read_bytes() == (tmp_path / "holiday-swapped.mp4").read_bytes()
    page.get_by_label("its path on the daemon's machine").fill("/nowhere/at/all.mp4")
    page.get_by_role("button", name="Swap this file").click()
    page.get_by_role("alert").get_by_text("No such file").wait_for()


def test_they_fit_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    for name in ("models", "jobs", "presets"):
        view(page, name)
        page.locator(f"#view-{name} .view-body button").first.wait_for()
        assert not page.evaluate(SIDEWAYS), name
