"""Somebody watches while the session is changed: no freeze, and the change is seen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.browser import Pages, gaps_ms, note_instants, until_more_frames, until_state
from tests.e2e.pictures import CONFIG, SMALL, Offline, apart, numbered_picture
from tests.e2e.serving import Daemon, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

FREEZE_MS = 500


def test_the_identity_is_swapped_while_playing_without_a_freeze(daemon: Callable[[str], Daemon], pages: Pages) -> None:
    served = daemon(CONFIG)
    page = pages.open(f"{served.url}/live")
    until_state(page, "live")
    until_more_frames(page, 30)
    note_instants(page)
    change = {"identity": {"photo": "synthetic:11", "consent": "synthetic"}}
    assert served.api("PATCH", "/sessions/live", json=change)["restarted"] is False
    until_more_frames(page, 45)
    gaps = gaps_ms(page)
    assert len(gaps) > 40
    assert max(gaps) < FREEZE_MS, f"stood still for {max(gaps):.0f} ms"
    number, picture = numbered_picture(page)
    _, before, face = Offline("synthetic:7").frame(number)
    _, after, _ = Offline("synthetic:11").frame(number)
    assert apart(picture[face], after[face]) < 0.75 * apart(picture[face], before[face]), "the other face is worn"
    assert page.evaluate("livefuse.whep.lostCount") == 0


def test_viewers_stay_while_the_session_restarts(daemon: Callable[[str], Daemon], pages: Pages) -> None:
    served = daemon(SMALL)
    page = pages.open(f"{served.url}/live")
    until_state(page, "live")
    assert served.api("POST", "/sessions/live/stop")["state"] == "stopped"
    page.wait_for_timeout(3500)
    assert page.evaluate("livefuse.whep.lostCount") == 0, "a slate is shown: there is nothing to reconnect to"
    assert served.session()["viewers"] == 1
    served.api("POST", "/sessions/live/restart")
    until_state(page, "live")
    until_more_frames(page)
    assert page.evaluate("livefuse.whep.lostCount") == 0


def test_a_source_of_another_size(daemon: Callable[[str], Daemon], pages: Pages) -> None:
    served = daemon(SMALL)
    page = pages.open(f"{served.url}/live")
    until_state(page, "live")
    until_more_frames(page)
    assert served.api("PATCH", "/sessions/live", json={"source": "synthetic:480x360@15"})["restarted"] is True
    size = "(() => { const v = document.querySelector('#video'); return `${v.videoWidth}x${v.videoHeight}`; })()"
    until(lambda: page.evaluate(size) == "480x360", "the picture has the new size")
    until_more_frames(page)
    assert page.evaluate("livefuse.whep.lostCount") == 0, "over the same connection"
