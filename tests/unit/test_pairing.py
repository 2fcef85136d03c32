"""Apps that ask: bounded, told apart by a code, given a token once and only by their own secret."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from livefuse.daemon.apps import Apps
from livefuse.daemon.pairing import FETCH_S, MOST_OF_ONE, MOST_PENDING, PENDING_S, Pairing
from livefuse.errors import AlreadyHere, BadValue, NotAllowed, NotHere


class Desk:
    """A pairing whose clock stands still until it is moved."""

    def __init__(self, folder: Path) -> None:
        self.now_s = 1000.0
        self.apps = Apps(folder / "apps.json")
        self.pairing = Pairing(self.apps, lambda: self.now_s)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_token_is_made_when_it_is_fetched_and_told_once(desk: Desk) -> None:
    asking, _ = desk.pairing.ask("Deck", ["view", "control"], "127.0.0.1")
    assert asyncio.run(desk.pairing.delivered(asking)) == ""
    assert list(desk.apps.list()) == []
    desk.pairing.allow(asking.id)
    assert list(desk.apps.list()) == []
    token = asyncio.run(desk.pairing.delivered(asking))
    found = desk.apps.with_token(token)
    assert found is not None
    assert (found.name, found.scopes) == ("Deck", ("view", "control"))
    assert asyncio.run(desk.pairing.delivered(asking)) == ""
    assert len(desk.apps.list()) == 1


def test_two_that_fetch_at_once_get_one_token(desk: Desk) -> None:
    asking, _ = desk.pairing.ask("Deck", ["view"], "127.0.0.1")
    desk.pairing.allow(asking.id)

    async def both() -> list[str]:
        return list(await asyncio.gather(desk.pairing.delivered(asking), desk.pairing.delivered(asking)))

    assert sorted(map(bool, asyncio.run(both()))) == [False, True]
    assert len(desk.apps.list()) == 1


def test_the_owner_may_give_less_and_never_nothing(desk: Desk) -> None:
    asking, _ = desk.pairing.ask("Deck", ["view", "control", "identities"], "127.0.0.1")
    with pytest.raises(BadValue):
        desk.pairing.allow(asking.id, [])
    assert desk.pairing.allow(asking.id, ["view"]).scopes == ("view",)
    with pytest.raises(AlreadyHere):
        desk.pairing.deny(asking.id)


def test_who_waited_too_long_gets_nothing(desk: Desk) -> None:
    asking, secret = desk.pairing.ask("Deck", ["view"], "127.0.0.1")
    desk.now_s += PENDING_S
    assert desk.pairing.of_secret(asking.id, secret).state == "expired"
    with pytest.raises(AlreadyHere):
        desk.pairing.allow(asking.id)
    late, _ = desk.pairing.ask("Deck", ["view"], "127.0.0.1")
    desk.pairing.allow(late.id)
    desk.now_s += FETCH_S
    desk.pairing.pending()
    assert asyncio.run(desk.pairing.delivered(late)) == ""
    desk.now_s += 3600
    with pytest.raises(NotHere):
        desk.pairing.of_secret(asking.id, secret)
    assert not desk.pairing.is_secret(secret)


def test_only_the_secret_tells_what_became_of_it(desk: Desk) -> None:
    asking, secret = desk.pairing.ask("Deck", ["view"], "127.0.0.1")
    other, other_secret = desk.pairing.ask("Other", ["view"], "127.0.0.1")
    assert desk.pairing.is_secret(secret)
    for asked, shown in ((asking.id, other_secret), (other.id, secret), (asking.id, ""), ("0" * 16, secret), ("", "")):
        with pytest.raises(NotHere):
            desk.pairing.of_secret(asked, shown)
    assert secret not in repr(asking)


def test_codes_have_four_digits_and_differ(desk: Desk) -> None:
    codes = [desk.pairing.ask(f"App {n}", ["view"], f"10.0.0.{n}")[0].code for n in range(MOST_PENDING)]
    assert len(set(codes)) == MOST_PENDING
    assert all(len(code) == 4 and code.isdigit() for code in codes)


def test_few_ask_at_once_and_one_address_cannot_keep_others_out(desk: Desk) -> None:
    for _ in range(MOST_OF_ONE):
        desk.pairing.ask("Deck", ["view"], "10.0.0.1")
    with pytest.raises(NotAllowed):
        desk.pairing.ask("Deck", ["view"], "10.0.0.1")
    desk.pairing.ask("Phone", ["view"], "10.0.0.2")
    assert len(desk.pairing.pending()) == MOST_PENDING
    assert desk.pairing.wait_s("10.0.0.3") == PENDING_S
    desk.now_s += PENDING_S
    assert desk.pairing.wait_s("10.0.0.3") == 0


def test_who_was_denied_does_not_ask_at_once_again(desk: Desk) -> None:
    asking, _ = desk.pairing.ask("Deck", ["view"], "10.0.0.1")
    desk.pairing.deny(asking.id)
    assert desk.pairing.wait_s("10.0.0.1") == 30
    assert desk.pairing.wait_s("10.0.0.2") == 0
    desk.now_s += 30
    assert desk.pairing.wait_s("10.0.0.1") == 0


def test_few_ask_in_a_while(desk: Desk) -> None:
    asked = 0
    for _ in range(100):
        if desk.pairing.wait_s("10.0.0.1") == 0:
            asking, _ = desk.pairing.ask("Deck", ["view"], "10.0.0.1")
            desk.pairing.deny(asking.id)
            asked += 1
        desk.now_s += 5.99
    assert asked == 10
    assert desk.pairing.wait_s("10.0.0.2") == 0


def test_all_together_ask_seldom_too(desk: Desk) -> None:
    for n in range(60):
        address = f"10.0.1.{n}"
        if desk.pairing.wait_s(address) == 0:
            asking, _ = desk.pairing.ask("Deck", ["view"], address)
            desk.pairing.deny(asking.id)
        desk.now_s += 1
    assert desk.pairing.wait_s("10.0.2.1") > 400


def test_what_cannot_be_written_can_be_fetched_later(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asking, _ = desk.pairing.ask("Deck", ["view"], "127.0.0.1")
    desk.pairing.allow(asking.id)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("livefuse.daemon.apps.write_durably", full)
        with pytest.raises(Exception, match="No space left"):
            asyncio.run(desk.pairing.delivered(asking))
    assert asyncio.run(desk.pairing.delivered(asking))


@pytest.mark.parametrize(("name", "scopes"), [("", ["view"]), ("a\u202eb", ["view"]), ("Deck", [])])
def test_what_makes_no_sense_is_refused(desk: Desk, name: str, scopes: list[str]) -> None:
    with pytest.raises(BadValue):
        desk.pairing.ask(name, scopes, "127.0.0.1")  # type: ignore[arg-type]
    assert desk.pairing.pending() == []
