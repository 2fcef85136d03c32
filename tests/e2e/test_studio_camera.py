"""The virtual camera's panel, and its test: a real browser opens a camera whose pictures carry our marks."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from livefuse.frame import blank_frame
from livefuse.source.synthetic.blocks import Stamp, draw_blocks
from tests.e2e.browser import ARGUMENTS, Pages, chromium
from tests.e2e.pictures import SMALL
from tests.e2e.serving import Daemon, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WIDTH, HEIGHT, FPS, FRAMES = 640, 360, 30, 45
NAMED = """() => {
  const media = navigator.mediaDevices, list = media.enumerateDevices.bind(media);
  media.enumerateDevices = async () => (await list()).map((one) => (one.kind === "videoinput"
    ? { kind: one.kind, deviceId: one.deviceId, label: one.label && "livefuse" } : one));
}"""
READ = """async () => {
  const { openDevice, measure, ageMs, percentile } = await import("/static/studio/camera_test.js");
  const device = (await navigator.mediaDevices.enumerateDevices()).find((one) => one.kind === "videoinput");
  const video = document.createElement("video");
  video.muted = true;
  video.srcObject = await openDevice(device);
  await video.play();
  const figures = await measure(video, 1.5, { now: () => 0 });
  for (const track of video.srcObject.getTracks()) track.stop();
  return { ...figures, latencies: null, wrapped: ageMs(2 ** 32 - 1000, 1), half: percentile([3, 1, 2], 0.5) };
}"""
ON: dict[str, Any] = {
    "state": "on", "label": "livefuse", "devices": [{"kind": "v4l2", "where": "/dev/video10"}], "size": "1280x720", "fps": 30,
    "readers": 1, "frames": 100, "shown": 90, "error": "", "fix": "", "more": "", "apps": ["Zoom", "OBS"], "test_s": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a virtual camera shows while it is tested, as a file for Chromium's fake camera."""
    path = tmp_path_factory.mktemp("camera") / "marked.y4m"
    frame = blank_frame("yuv420p", HEIGHT, WIDTH)
    frame.planes[0].fill(110)
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420\n" % (WIDTH, HEIGHT, FPS))
        for number in range(FRAMES):
            draw_blocks(frame.planes, Stamp.of(number, time.time_ns()))
            file.write(b"FRAME\n" + b"".join(plane.tobytes() for plane in frame.planes))
    return path


@pytest.fixture(scope="module")
def browser(clip: Path) -> Iterator[Browser]:
    path = chromium()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = [*ARGUMENTS, f"--use-file-for-fake-video-capture={clip}"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served(standing_daemon: Callable[[str], Daemon]) -> Daemon:
    return standing_daemon(SMALL)


def panel(pages: Pages, served: Daemon, camera: dict[str, Any] | None) -> Page:
    """The panel, opened; with `camera` that is what the daemon says of it."""
    context = pages.context(viewport={"width": 1440, "height": 900}, permissions=["camera", "clipboard-write"])
    page = context.new_page()
    if camera is not None:
        page.route("**/camera", lambda route: answered(route, camera))
        page.route("**/camera/test", lambda route: answered(route, camera))
    page.goto(served.page("/"))
    page.wait_for_selector("[data-panel=camera] .switch", state="attached")
    page.evaluate("document.querySelector('[data-panel=camera]').open = true")
    return page


def answered(route: Route, camera: dict[str, Any]) -> None:
    route.fulfill(status=200, content_type="application/json", body=json.dumps(camera))


def test_a_machine_without_one_is_told_the_command_and_looked_at_again(served: Daemon, pages: Pages) -> None:
    told = served.api("GET", "/sessions/live/camera")
    if told["state"] != "missing":
        pytest.skip(f"this machine has a virtual camera: {told['state']}")
    page = panel(pages, served, None)
    page.get_by_text("One command is missing").wait_for()
    assert page.locator(".camera-missing code").text_content() == told["fix"]
    assert page.get_by_label("Show the picture to call apps").is_disabled()
    assert page.get_by_role("button", name="Test camera").is_disabled()
    with page.expect_response(lambda reply: reply.url.endswith("/camera")):
        page.get_by_role("button", name="Check again").click()


def test_the_test_reads_our_marks_back_and_shows_rate_and_latency(served: Daemon, pages: Pages) -> None:
    page = panel(pages, served, ON)
    page.get_by_text("Apps see it as").wait_for()
    test = page.get_by_role("button", name="Test camera")
    test.click()  # so far no camera here is called ours
    page.get_by_text("This browser lists no camera “livefuse”").wait_for()
    page.evaluate(NAMED)
    with page.expect_request(re.compile("camera/test$")) as asked:
        test.click()
    assert asked.value.post_data_json == {"seconds": 12}
    page.get_by_text(re.compile("^(It works|The pictures arrive)")).wait_for(timeout=20_000)
    figures = dict(
        zip(*(page.locator(f".camera-figures {tag}").all_text_contents() for tag in ("dt", "dd")), strict=True)
    )
    assert 1 < float(figures["Rate"].removesuffix(" fps")) < 40
    assert figures["Size"] == f"{WIDTH} × {HEIGHT}"
    assert page.evaluate("document.querySelector('.camera-test video').srcObject === null"), "the device is let go of"
    until(test.is_enabled, "it can be tested again")
    read = page.evaluate(READ)
    assert read["read"] >= max(5, read["frames"] - 2)
    assert (read["wrapped"], read["half"]) == (2, 2)
