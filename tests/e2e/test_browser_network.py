"""Playing over a bad network: 5 % of all packets lost, 50 ms each way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.e2e.browser import Pages, frames_of, gaps_ms, note_instants, until_state
from tests.e2e.lossy import LossyRelay
from tests.e2e.pictures import CONFIG, SOURCE, Offline, apart, numbered_picture
from tests.e2e.serving import Daemon, until

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FPS = 15
SLOW = SOURCE.replace("@30", f"@{FPS}")
PLAYED_S = 10


@pytest.fixture
def relay() -> Iterator[LossyRelay]:
    relay = LossyRelay(loss=0.05, delay_s=0.05)
    yield relay
    relay.close()


def through(relay: LossyRelay, page: Page) -> None:
    """Have all pictures of a page come through the relay."""

    def exchanged(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        response = route.fetch(post_data=relay.offer(route.request.post_data or ""))
        route.fulfill(response=response, body=relay.answer(response.text()))

    page.route("**/whep", exchanged)


def test_playing_goes_on_over_a_lossy_network(daemon: Callable[[str], Daemon], pages: Pages, relay: LossyRelay) -> None:
    served = daemon(CONFIG.replace(SOURCE, SLOW))
    page = pages.context().new_page()
    through(relay, page)
    page.goto(f"{served.url}/live")
    until_state(page, "live")
    note_instants(page)
    before = frames_of(page)
    page.wait_for_timeout(PLAYED_S * 1000)
    shown, gaps = frames_of(page) - before, gaps_ms(page)
    assert relay.lost > 5, f"the relay lost {relay.lost} of {relay.passed}"
    assert shown > 0.5 * FPS * PLAYED_S, f"{shown} pictures in {PLAYED_S} s"
    assert max(gaps) < 2000, f"stood still for {max(gaps):.0f} ms"
    assert page.evaluate("livefuse.whep.lostCount") == 0, "one connection all the time"

    relay.loss = 0.0
    page.wait_for_timeout(2000)
    before = frames_of(page)
    page.wait_for_timeout(3000)
    assert frames_of(page) - before > 0.6 * FPS * 3, "and the picture recovers"
    number, picture = numbered_picture(page)
    real, swapped, face = Offline(source=SLOW).frame(number)
    assert apart(picture[face], swapped[face]) < 0.75 * apart(picture[face], real[face])


def test_a_way_that_breaks_is_found_and_replaced(
    daemon: Callable[[str], Daemon], pages: Pages, relay: LossyRelay
) -> None:
    """Not the daemon ends but the network: a cable, a change of Wi-Fi."""
    relay.loss = relay.delay_s = 0.0
    served = daemon(CONFIG.replace(SOURCE, SLOW))
    page = pages.context().new_page()
    through(relay, page)
    page.goto(f"{served.url}/live")
    until_state(page, "live")
    relay.loss = 1.0
    until_state(page, "reconnecting", 10)
    relay.loss = 0.0
    until_state(page, "live", 25)
    until(lambda: served.session()["viewers"] == 1, "the lost connection is forgotten", 45)
