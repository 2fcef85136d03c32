"""Faces and sources on the studio page: keys, a photo with its question, links, files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from tests.e2e.browser import Pages
from tests.e2e.pictures import SMALL
from tests.e2e.serving import Daemon, until
from tests.unit.source_clips import write_clip

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

CHOOSER = ".face-add input[type=file]"


@pytest.fixture(scope="module")
def served(standing_daemon: Callable[[str], Daemon]) -> Daemon:
    return standing_daemon(SMALL)


@pytest.fixture(scope="module")
def opened(served: Daemon, standing_pages: Pages) -> Page:
    standing_pages.expect("status of 422")  # photos that are refused on purpose
    page = standing_pages.open(served.page("/"), permissions=["camera"])
    page.locator("html[data-ready=all]").wait_for(state="attached")
    page.locator("[data-face='synthetic:46']").wait_for()
    return page


@pytest.fixture
def page(opened: Page, standing_pages: Pages) -> Iterator[Page]:
    yield opened
    standing_pages.check()


def wears(served: Daemon, photo: str) -> None:
    until(lambda: served.session()["identity"] == photo, f"{photo!r} is put on")


def keep(page: Page, ground: str) -> None:
    page.get_by_label(ground).check()
    page.get_by_role("button", name="Keep and put on").click()


def test_a_key_changes_the_face(served: Daemon, page: Page) -> None:
    page.keyboard.press("2")
    wears(served, "synthetic:31")
    page.locator("[data-face='synthetic:31'][aria-pressed=true]").wait_for()
    page.keyboard.press("0")
    wears(served, "")
    page.locator("[data-face='synthetic:46']").press("Enter")
    wears(served, "synthetic:46")


def test_nothing_is_sent_before_the_question_is_answered(served: Daemon, page: Page, shared: Path) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method != "GET" else None)
    page.locator(CHOOSER).set_input_files(shared / "media" / "mona_lisa.jpg")
    page.get_by_role("heading", name="Whose face is this?").wait_for()
    page.get_by_role("button", name="Keep and put on").click()
    page.get_by_role("button", name="Cancel").click()
    page.locator("dialog").wait_for(state="detached")
    assert not [url for url in sent if "identities" in url or "faces" in url], "without an answer, nothing"
    page.locator(CHOOSER).set_input_files(shared / "media" / "mona_lisa.jpg")
    page.get_by_label("Call it").fill("Lisa")
    keep(page, "An old painting")
    wears(served, "Lisa")
    (stored,) = served.api("GET", "/identities")["identities"]
    assert (stored["name"], stored["consent"]["ground"]) == ("Lisa", "public-domain")
    page.get_by_role("button", name="Remove Lisa").click()
    page.get_by_role("button", name="Remove", exact=True).last.click()
    until(lambda: not served.api("GET", "/identities")["identities"], "the photo is gone")
    wears(served, "")
    assert page.evaluate("JSON.stringify([localStorage, sessionStorage])").count("data:") == 0


def test_of_several_people_one_is_chosen(served: Daemon, page: Page, shared: Path, tmp_path: Path) -> None:
    photo = np.asarray(cv2.imread(str(shared / "media" / "astronaut.png")), np.uint8)
    face = photo[0:300, 80:380]
    cv2.imwrite(str(tmp_path / "two.png"), np.hstack([face, face[:, ::-1]]))
    page.locator(CHOOSER).set_input_files(tmp_path / "two.png")
    keep(page, "Drawn or generated")
    page.get_by_role("heading", name="Several people: which one?").wait_for()
    page.get_by_role("button", name="Face 2 from the left").click()
    wears(served, "Two")
    page.keyboard.press("0")
    wears(served, "")
    served.api("DELETE", "/identities/Two")


def test_a_photo_without_a_face_is_said(page: Page, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200, 3), 90, np.uint8))
    page.locator(CHOOSER).set_input_files(tmp_path / "wall.png")
    keep(page, "It is my own face")
    until(lambda: "No face was found" in (page.locator(".consent-form .fault").text_content() or ""), "it says so")
    page.keyboard.press("Escape")
    (tmp_path / "no.png").write_bytes(b"no picture at all")
    page.locator("dialog").wait_for(state="detached")
    page.locator(CHOOSER).set_input_files(tmp_path / "no.png")
    page.get_by_text("This browser cannot read that picture").wait_for()


def test_a_photo_is_taken(page: Page) -> None:
    page.get_by_role("button", name="Take a photo").press("Enter")
    page.get_by_role("heading", name="Take a photo").wait_for()
    until(lambda: page.evaluate("document.querySelector('.photo video').videoWidth"), "the camera shows")
    page.get_by_role("button", name="Now", exact=True).click()
    page.get_by_role("button", name="Again", exact=True).click()
    page.get_by_role("button", name="Now", exact=True).click()
    page.get_by_role("button", name="Use this photo").click()
    page.get_by_role("heading", name="Whose face is this?").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog").wait_for(state="detached")


def test_links_and_files_are_sources(served: Daemon, page: Page, tmp_path: Path) -> None:
    page.get_by_text("lasts until the daemon ends: it runs from serve.toml").wait_for()
    page.get_by_role("button", name="A link").click()
    page.get_by_label("Address of the stream").fill("camera.local/stream")
    page.keyboard.press("Enter")
    until(lambda: "begins with its kind" in (page.locator("[data-key=link] .fault").text_content() or ""), "it says so")
    clip = write_clip(tmp_path / "my clip.mp4", size=(320, 240), ticks=range(10))
    page.get_by_role("button", name="A file").click()
    page.locator(".src-file input[type=file]").set_input_files(clip)
    until(lambda: served.session()["source"].endswith(".mp4"), "the file is the source")
    until(lambda: served.session()["state"] == "running", "and it runs")
    until(lambda: served.api("GET", "/sessions/live/stats")["frames"]["out"] > 30, "longer than the file is")
    name = served.api("GET", "/uploads")["uploads"][0]["name"]
    page.locator("[data-panel=source] .panel-note", has_text=name).wait_for()
    page.get_by_role("button", name="Test picture").click()
    until(lambda: served.session()["source"].startswith("synthetic:"), "back to the test picture")
    page.locator(".src-choice[aria-pressed=true]", has_text="Test picture").wait_for()  # the page knows it too
    page.locator(".src-choice", has_text="A file").click()
    page.get_by_role("button", name=f"Remove {name}").click()
    until(lambda: not served.api("GET", "/uploads")["uploads"], "the file is gone")
