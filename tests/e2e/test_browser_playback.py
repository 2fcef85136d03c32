"""WHEP in a real browser: the swapped face is what is seen, and playing survives what happens around it."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from tests.e2e.browser import GONE, Pages, frames_of, shown_picture, until_more_frames, until_state
from tests.e2e.pictures import BADGE, CONFIG, SHIRT, SMALL, Offline, apart, numbered_picture
from tests.e2e.serving import Daemon, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

Serve = Callable[[str], Daemon]


def viewers(served: Daemon) -> int:
    count: int = served.session()["viewers"]
    return count


def test_the_swapped_face_is_what_a_browser_shows(daemon: Serve, pages: Pages) -> None:
    served = daemon(CONFIG)
    page = pages.open(f"{served.url}/live")
    until_state(page, "live")
    offline = Offline()
    until_more_frames(page, 30)  # the swap has faded in, the encoder has found its bitrate
    for _ in range(3):
        number, picture = numbered_picture(page)
        real, swapped, face = offline.frame(number)
        to_real, to_swapped = apart(picture[face], real[face]), apart(picture[face], swapped[face])
        assert to_swapped < 0.75 * to_real, (
            f"frame {number}: {to_swapped:.1f} from the swap, {to_real:.1f} from the face"
        )
        assert apart(picture[BADGE], swapped[BADGE]) < 0.5 * apart(picture[BADGE], real[BADGE]), "the badge is there"
        assert apart(picture[SHIRT], swapped[SHIRT]) < 6, "around the face it is the same frame"
        until_more_frames(page, 15)


def test_a_browser_that_hides_its_addresses_plays_too(daemon: Serve, pages: Pages) -> None:
    """Chromium's default: its candidates are mDNS names; the page leaves them out, so that nobody looks them up."""
    served = daemon(SMALL)
    offers: list[str] = []
    page = pages.context().new_page()
    page.on("request", lambda request: offers.append(request.post_data or "") if request.method == "POST" else None)
    page.goto(f"{served.url}/live")
    until_state(page, "live")
    assert len(offers) == 1
    assert ".local" not in offers[0]
    kept = page.evaluate("""async () => {
        const { withoutMdns } = await import('/static/peer.js');
        const line = 'a=candidate:1 1 udp 2113937151 3f0e9d1a-0000-4000-8000-00000000.local 50000 typ host\\r\\n';
        return [withoutMdns('v=0\\r\\n' + line + 'a=mid:0\\r\\n'), withoutMdns(line.replace(/[^ ]+\\.local/, '10.0.0.2'))];
    }""")
    assert kept == ["v=0\r\na=mid:0\r\n", "a=candidate:1 1 udp 2113937151 10.0.0.2 50000 typ host\r\n"]


def test_a_viewer_leaves_and_returns(daemon: Serve, pages: Pages) -> None:
    served = daemon(SMALL)
    page = pages.open(f"{served.url}/live")
    until_state(page, "live")
    assert viewers(served) == 1
    page.goto("about:blank")
    until(lambda: viewers(served) == 0, "the daemon hears that the viewer has left", 5)
    page.go_back()
    until_state(page, "live")
    until_more_frames(page)
    assert viewers(served) == 1


def test_ten_viewers_of_one_session(daemon: Serve, pages: Pages) -> None:
    served = daemon(SMALL)
    page = pages.open(f"{served.url}/sessions")
    page.evaluate("""async () => {
        const { Whep } = await import('/static/whep.js');
        globalThis.viewers = Array.from({ length: 10 }, () => {
            const [whep, video] = [new Whep('/live/whep'), document.createElement('video')];
            video.muted = true;
            whep.addEventListener('stream', () => { video.srcObject = whep.stream; video.play(); });
            whep.start();
            return { whep, video };
        });
    }""")
    shown = "viewers.map(({ video }) => video.getVideoPlaybackQuality().totalVideoFrames)"
    until(lambda: min(page.evaluate(shown)) > 10, "all ten play", 60)
    assert viewers(served) == 10
    before = page.evaluate(shown)
    until(lambda: all(now > then + 15 for now, then in zip(page.evaluate(shown), before, strict=True)), "all go on")
    assert page.evaluate("viewers.map(({ whep }) => whep.lostCount)") == [0] * 10
    page.evaluate("viewers.forEach(({ whep }) => whep.stop())")
    until(lambda: viewers(served) == 0, "all ten have left", 10)


def test_the_page_plays_again_after_the_daemon_was_killed(daemon: Serve, pages: Pages) -> None:
    pages.expect(GONE)
    pages.expect("status of 404")  # a daemon that just begins knows neither the session nor the old connection
    served = daemon(SMALL)
    page = pages.open(f"{served.url}/live")
    until_state(page, "live")
    served.kill()
    until_state(page, "reconnecting", 10)
    assert "daemon" in (page.locator("#words").text_content() or "")
    assert shown_picture(page).max() > 60, "the last picture stays, instead of a black one"
    port = served.port
    served.start()
    assert served.port == port
    until_state(page, "live", 20)
    until_more_frames(page)
    assert frames_of(page) > 0


def test_a_clean_page_shows_the_picture_and_nothing_else(daemon: Serve, pages: Pages) -> None:
    served = daemon(SMALL)
    page = pages.open(f"{served.url}/live?clean=1&mirror=1", viewport={"width": 320, "height": 240})
    until_state(page, "live")
    for part in ("#status", "#controls", "#figures", "#notice"):
        assert not page.locator(part).is_visible()
    look = page.evaluate("""() => {
        const [body, video] = [getComputedStyle(document.body), getComputedStyle(document.querySelector('video'))];
        const scrolls = document.documentElement.scrollHeight > innerHeight || document.documentElement.scrollWidth > innerWidth;
        return [body.backgroundColor, scrolls, video.opacity, video.transform];
    }""")
    assert look == ["rgba(0, 0, 0, 0)", False, "1", "matrix(-1, 0, 0, 1, 0, 0)"]
    page.set_viewport_size({"width": 700, "height": 240})
    png = np.frombuffer(page.screenshot(omit_background=True), np.uint8)
    alpha = np.asarray(cv2.imdecode(png, cv2.IMREAD_UNCHANGED))[..., 3]
    assert (alpha[120, 5], alpha[120, 350]) == (0, 255), "OBS sees through what is beside the picture"


def test_a_player_that_needs_the_token_asks_for_it(daemon: Serve, pages: Pages) -> None:
    pages.expect("status of 40[13]")
    served = daemon(SMALL + '[serve]\nview = "token"\n')
    page = pages.open(f"{served.url}/live")
    until_state(page, "refused")
    page.get_by_label("Token of the daemon").fill(served.token)
    page.keyboard.press("Enter")
    until_state(page, "live")
    page = pages.open(served.page("/live"))
    until_state(page, "live")
    assert served.token not in page.url, "a token in the address bar would be on every shared screen"
