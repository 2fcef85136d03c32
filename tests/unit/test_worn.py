"""A stored face that is removed while it is worn is taken off, and privacy closes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from livefuse.config import Config, IdentityConfig, PrivacyConfig, RoleConfig
from livefuse.daemon.daemon import Daemon
from livefuse.daemon.worn import Worn, without
from livefuse.daemon_config import DaemonConfig
from livefuse.errors import SessionError
from livefuse.paths import HOME_VARIABLE, Paths
from livefuse.swap.identity.store import IdentityStore
from tests.unit.identity_sources import SELF, SquareFinder, square_photo


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> IdentityStore:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    store = IdentityStore(Paths.default().identities)
    for number, name in enumerate(("Ada", "Bert")):
        photo = square_photo(tmp_path / f"{name}.png", colour=number)
        store.add(name, [str(photo)], SELF, SquareFinder())
    return store


def wearing(photo: str, **more: Any) -> Config:
    return Config(identity=IdentityConfig(photo=photo), privacy=PrivacyConfig(mode="open"), **more)


def test_only_what_stood_before_is_withdrawn_and_it_is_said_once(store: IdentityStore) -> None:
    worn = Worn(store.folder)
    configs = [wearing("ada"), wearing("nobody"), wearing(str(store.folder)), wearing("synthetic:3"), Config()]
    assert worn.withdrawn(configs) == set()
    store.remove("Bert")
    assert worn.withdrawn(configs) == set(), "nobody wears him"
    store.remove("Ada")
    assert worn.withdrawn(configs) == {"ada"}
    assert worn.withdrawn(configs) == set()


def test_a_face_that_takes_its_place_stands(store: IdentityStore, tmp_path: Path) -> None:
    worn = Worn(store.folder)
    worn.withdrawn([wearing("Ada")])
    photo = square_photo(tmp_path / "new.png", colour=7)
    store.add("Ada", [str(photo)], SELF, SquareFinder(), replace=True)
    assert worn.withdrawn([wearing("Ada")]) == set()


def test_the_others_of_a_cast_stay(store: IdentityStore) -> None:
    cast = (RoleConfig(photo="Ada", like="a.png"), RoleConfig(photo="Bert", like="b.png"))
    change = without(wearing("synthetic:3", cast=cast), {"Ada"})
    assert [role["photo"] for role in change["cast"]] == ["Bert"]
    assert change["privacy"] == {"mode": "closed"}
    assert "identity" not in change
    assert without(wearing("Ada"), {"Ada"})["identity"]["photo"] == ""


def daemon_with(*sessions: str) -> Daemon:
    return Daemon(DaemonConfig(sessions={name: wearing(name) for name in sessions}), paths=Paths.default())


def test_sessions_take_it_off(store: IdentityStore, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        daemon = daemon_with("ada", "bert")
        for name, config in daemon.config.sessions.items():
            await daemon.create(name, config, start=False)
        await daemon.take_off_withdrawn()
        await asyncio.to_thread(store.remove, "Ada")
        await daemon.take_off_withdrawn()
        ada, bert = (daemon.channel(name).current for name in ("ada", "bert"))
        assert (ada.identity.photo, ada.privacy.mode) == ("", "closed")
        assert (bert.identity.photo, bert.privacy.mode) == ("bert", "open")
        assert "ada: the identity that it wears was removed" in caplog.text
        await daemon.stop()

    asyncio.run(story())


def test_whoever_cannot_take_it_off_is_held_back(store: IdentityStore, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        daemon = daemon_with("ada")
        channel = await daemon.create("ada", daemon.config.sessions["ada"], start=False)

        async def change(_: Any) -> Any:
            raise SessionError("no")

        monkeypatch.setattr(channel, "change", change)
        await daemon.take_off_withdrawn()
        await asyncio.to_thread(store.remove, "Ada")
        await daemon.take_off_withdrawn()
        assert channel.hold == "panic"
        assert daemon.holds.of("ada") == "panic"
        await daemon.stop()

    asyncio.run(story())


def test_the_daemon_sees_what_the_command_line_removes(store: IdentityStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livefuse.daemon.daemon._LOOK_S", 0.01)

    async def story() -> None:
        daemon = daemon_with()
        await daemon.start()
        channel = await daemon.create("ada", wearing("Ada"), start=False)
        await asyncio.sleep(0.2)
        await asyncio.to_thread(store.remove, "Ada")
        async with asyncio.timeout(20):
            while channel.current.identity.photo:
                await asyncio.sleep(0.01)
        await daemon.stop()

    asyncio.run(story())
