"""Recording and streaming from the page."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import av
import pytest

from tests.e2e.browser import Pages
from tests.e2e.serving import Daemon, until
from tests.e2e.test_studio_look import CONFIG

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def served(standing_daemon: Callable[[str], Daemon]) -> Daemon:
    return standing_daemon(CONFIG)


@pytest.fixture
def outputs(served: Daemon, pages: Pages) -> Page:
    page = pages.open(served.page("/"), viewport={"width": 1440, "height": 900})
    page.wait_for_selector(".out-recorder", state="attached")
    page.evaluate("document.querySelector('[data-panel=outputs]').open = true")
    return page


def test_what_is_recorded_is_saved_by_the_browser(outputs: Page, served: Daemon, tmp_path: Path) -> None:
    outputs.get_by_role("button", name="Record", exact=True).click()
    outputs.get_by_role("button", name="Stop recording").wait_for()
    until(lambda: served.api("GET", "/recordings")["recordings"][0]["bytes"] > 1000, "a second is written")
    assert outputs.locator(".out-sink").count() == 0  # it is told above already
    outputs.get_by_role("button", name="Stop recording").click()
    outputs.get_by_text("1 recording", exact=True).click()
    with outputs.expect_download() as saving:
        outputs.get_by_role("button", name="Download: livefuse-").click()
    saving.value.save_as(tmp_path / "saved.mp4")
    with av.open(tmp_path / "saved.mp4") as film:
        assert sum(1 for _ in film.decode(video=0)) > 5
    assert Path(served.api("GET", "/recordings")["folder"], saving.value.suggested_filename).is_file()
    outputs.get_by_role("button", name="Delete: livefuse-").click()
    outputs.get_by_role("dialog").get_by_role("button", name="Delete").click()
    until(lambda: served.api("GET", "/recordings")["recordings"] == [], "it is gone")


def test_a_stream_begins_and_ends_and_its_key_is_never_shown(outputs: Page, served: Daemon, pages: Pages) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(30)
        outputs.get_by_text("Stream to a service").click()
        outputs.get_by_label("Where to").select_option(label="Another server")
        outputs.get_by_role("textbox", name="Address", exact=True).fill(f"udp://127.0.0.1:{server.getsockname()[1]}")
        outputs.get_by_role("button", name="Go live").click()
        assert server.recv(2048)[0] == 0x47  # MPEG-TS
        row = outputs.locator(".out-sink")
        row.wait_for()
        assert "udp://127.0.0.1" in row.inner_text()
        row.get_by_role("button", name="Stop: udp:127.0.0.1").click()
        row.wait_for(state="detached")
        assert served.api("GET", "/sessions/live/sinks")["sinks"] == []

    pages.expect("503|ERR_|Failed to load")
    outputs.get_by_text("Stream to a service").click()
    outputs.get_by_label("Where to").select_option(label="Another server")
    outputs.get_by_role("textbox", name="Address", exact=True).fill("rtmp://127.0.0.1:9/app")
    outputs.get_by_label("Stream key").fill("hunter2")
    outputs.get_by_role("button", name="Go live").click()
    said = outputs.locator(".toast.fault")
    said.wait_for()
    assert "127.0.0.1:9/app/***" in said.inner_text()
    assert "hunter2" not in outputs.content()
    assert outputs.get_by_label("Stream key").get_attribute("type") == "password"


def test_keys_go_behind_the_path_and_before_the_options(outputs: Page) -> None:
    joined = "async ([server, key]) => (await import('/static/studio/outputs_stream.js')).joined(server, key)"
    assert outputs.evaluate(joined, ["rtmp://a/app/", "k"]) == "rtmp://a/app/k"
    assert outputs.evaluate(joined, ["rtmp://a/app?b=2M", "k"]) == "rtmp://a/app/k?b=2M"
    assert outputs.evaluate(joined, ["srt://a:9?mode=caller", ""]) == "srt://a:9?mode=caller"
