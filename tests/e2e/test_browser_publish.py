"""WHIP in a real browser: a camera is published, swapped, and watched in another tab."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest

from livefuse.frame import U8
from tests.e2e.browser import ARGUMENTS, Pages, chromium, shown_picture, until_more_frames, until_state
from tests.e2e.pictures import CONFIG, SOURCE, apart, swapper
from tests.e2e.serving import Daemon, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FRAMES = 30
WIDTH, HEIGHT = 640, 480


@pytest.fixture(scope="module")
def clip(shared: Path) -> list[U8]:
    """The first pictures of a talking head. Shapes: (HEIGHT, WIDTH, 3) uint8 RGB."""
    with av.open(str(shared / "media" / "talking_head.mp4")) as container:
        frames = [
            frame.to_ndarray(format="rgb24") for _, frame in zip(range(FRAMES), container.decode(video=0), strict=False)
        ]
    return [_fitted(np.asarray(frame, np.uint8)) for frame in frames]


def _fitted(picture: U8) -> U8:
    """The whole picture in the camera's shape, with grey beside it."""
    scale = min(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    whole = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
    y, x = (HEIGHT - small.shape[0]) // 2, (WIDTH - small.shape[1]) // 2
    whole[y : y + small.shape[0], x : x + small.shape[1]] = small
    return whole


@pytest.fixture(scope="module")
def browser(clip: list[U8], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A Chromium whose camera shows the clip, again and again."""
    path = chromium()
    camera = tmp_path_factory.mktemp("camera") / "talking_head.y4m"
    with camera.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C420mpeg2\n".encode())
        for picture in clip:
            file.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).tobytes())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = [*ARGUMENTS, f"--use-file-for-fake-video-capture={camera}"]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def test_a_published_camera_is_swapped_and_watched(
    daemon: Callable[[str], Daemon], pages: Pages, clip: list[U8]
) -> None:
    served = daemon(CONFIG.replace(SOURCE, f"webrtc:?video_size={WIDTH}x{HEIGHT}&framerate=30"))
    publisher = pages.open(served.page("/live/publish"), permissions=["camera"])
    publisher.locator("#size").select_option(f"{WIDTH}x{HEIGHT}")
    publisher.locator("#start").click()
    until_state(publisher, "live")
    publisher.bring_to_front()
    player = pages.open(f"{served.url}/live")
    until_state(player, "live")
    until_more_frames(player, 60)  # the encoders have found their bitrates
    swap = swapper("synthetic:7")
    swapped = [swap(picture, t_ns=round(i / 30 * 1e9)).copy() for i, picture in enumerate(clip)]
    changed = np.abs(swapped[-1].astype(int) - clip[-1])[60:].mean(axis=2) > 25  # [60:]: below the badge
    rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
    face = slice(60 + rows[0], 60 + rows[-1]), slice(columns[0], columns[-1])
    for _ in range(3):
        picture = shown_picture(player)
        assert picture.shape == (HEIGHT, WIDTH, 3)
        to_real = min(apart(picture[face], real[face]) for real in clip)
        to_swapped = min(apart(picture[face], one[face]) for one in swapped)
        assert to_swapped < 0.6 * to_real, f"{to_swapped:.1f} from any swapped picture, {to_real:.1f} from any real one"
        until_more_frames(player, 10)
    back = "document.querySelector('#swapped').getVideoPlaybackQuality().totalVideoFrames"
    until(lambda: publisher.evaluate(back) > 10, "the publisher sees what viewers see")
    assert served.session()["publisher"] is True
    publisher.goto("about:blank")
    until(lambda: served.session()["publisher"] is False, "the daemon hears that the page is gone", 10)
    player.wait_for_timeout(3000)
    assert player.evaluate("livefuse.whep.lostCount") == 0, "the viewer stays, and sees a slate"
    for real in clip[::5]:
        assert apart(shown_picture(player)[face], real[face]) > 8, "nobody's real face"
