"""Identities under names: kept whole or not at all, used only while their consent stands."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from livefuse.config import IdentityConfig
from livefuse.errors import IdentityError, NameTaken, NoConsent, NoFace, SourceNotFound, UnknownIdentity
from livefuse.swap import consent
from livefuse.swap.identity import gather as gather_module
from livefuse.swap.identity import load_identity
from livefuse.swap.identity.store import IdentityStore
from livefuse.swap.identity.stored import FILE, StoredIdentity
from tests.unit.identity_sources import SELF, SquareFinder, digest_of, embed_by, square_photo


@pytest.fixture
def store(tmp_path: Path) -> IdentityStore:
    return IdentityStore(tmp_path / "identities")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return [square_photo(tmp_path / f"{name}.png", colour=i) for i, name in enumerate("abcd")]


def add(store: IdentityStore, name: str, *sources: Path | str, **extra: object) -> StoredIdentity:
    return store.add(name, [str(s) for s in sources], SELF, SquareFinder(), **extra)  # type: ignore[arg-type]


def test_round_trip(store: IdentityStore, photos: list[Path]) -> None:
    stored = add(store, "Ada Lovelace", *photos[:3], embed=embed_by({}))
    assert store.names() == ["Ada Lovelace"]
    assert store.get("ada lovelace") == store.get(stored.id) == stored
    loaded = store.load("Ada Lovelace")
    direct = load_identity(SELF.model_copy(update={"photo": str(photos[0])}), SquareFinder(), store.folder)
    assert loaded.name == "Ada Lovelace"
    assert [shot.source for shot in loaded.shots] == ["a.png", "b.png", "c.png"]
    assert loaded.shots[0].photo_sha256 == digest_of(photos[0])
    assert np.array_equal(loaded.shots[0].image, direct.image), "stored and fresh photos give the same pixels"
    assert loaded.shots[0].points == pytest.approx(direct.points, abs=1e-3)
    assert loaded.shots[0].landmarks == pytest.approx(direct.landmarks, abs=1e-3)
    assert loaded.consent.ground == "self"
    assert loaded.consent.photo_sha256 == loaded.photo_sha256


def test_a_name_stands_for_a_photo_and_needs_neither_ground_nor_model(store: IdentityStore, photos: list[Path]) -> None:
    add(store, "Ada", photos[0])
    finder = SquareFinder()
    loaded = load_identity(IdentityConfig(photo="ada"), finder, store.folder)
    assert loaded.name == "Ada"
    assert not finder.shapes


def test_a_file_wins_over_a_name(
    store: IdentityStore, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(store, "Ada", photos[0])
    monkeypatch.chdir(tmp_path)
    shutil.copy(photos[1], tmp_path / "Ada")
    loaded = load_identity(SELF.model_copy(update={"photo": "Ada"}), SquareFinder(), store.folder)
    assert loaded.photo_sha256 == digest_of(photos[1])


def test_photos_are_kept_as_they_came(store: IdentityStore, photos: list[Path]) -> None:
    stored = add(store, "Ada", *photos[:2])
    for photo, shot in zip(photos, stored.shots, strict=False):
        assert store.photo(stored, shot).read_bytes() == photo.read_bytes()
        assert consent.read_record(store.photo(stored, shot).parent).photo_sha256 == digest_of(photo)
    assert consent.verify_log(store.folder) == 2
    assert not [p for p in store.folder.rglob(".*") if not p.name.endswith(".lock")], "something unfinished was left"


def test_an_outlier_is_kept_and_not_used(store: IdentityStore, photos: list[Path]) -> None:
    stored = add(store, "Ada", *photos, embed=embed_by({"c.png": 1}))
    assert [shot.source for shot in stored.outliers] == ["c.png"]
    assert [shot.source for shot in store.load("Ada").shots] == ["a.png", "b.png", "d.png"]


def test_photos_that_all_disagree_are_all_used(store: IdentityStore, photos: list[Path]) -> None:
    stored = add(store, "Ada", *photos[:2], embed=embed_by({"b.png": 1}))
    assert len(stored.outliers) == 2
    assert len(store.load("Ada").shots) == 2


def test_the_best_shot_stands_in_front(store: IdentityStore, tmp_path: Path) -> None:
    small = square_photo(tmp_path / "small.png", (200, 100, 60))
    large = square_photo(tmp_path / "large.png", (200, 100, 200))
    stored = add(store, "Ada", small, large)
    assert stored.best.source == "large.png"
    assert store.load("Ada").photo_sha256 == digest_of(large)


def test_what_gives_no_shot_is_told_with_its_reason(store: IdentityStore, photos: list[Path], tmp_path: Path) -> None:
    black = square_photo(tmp_path / "black.png", (0, 0, 4))
    tiny = square_photo(tmp_path / "tiny.png", (200, 100, 20))
    soft = square_photo(tmp_path / "soft.png", blurred=True)
    two = square_photo(tmp_path / "two.png", (20, 120, 100), (350, 120, 110))
    broken = tmp_path / "broken.png"
    broken.write_bytes(photos[0].read_bytes()[:60])
    again = shutil.copy(photos[0], tmp_path / "again.png")
    (tmp_path / "text.png").write_text("not a picture")
    stored = add(store, "Ada", photos[0], black, tiny, soft, two, broken, again, tmp_path / "text.png")
    reasons = {one.source: one.reason for one in stored.left_out}
    assert [shot.source for shot in stored.shots] == ["a.png"]
    assert "only 20 px" in reasons["tiny.png"]
    assert "blurred" in reasons["soft.png"]
    assert "2 faces" in reasons["two.png"]
    assert reasons["again.png"] == "the same photo as a.png"
    assert "damaged" in reasons["broken.png"] or "broken" in reasons["broken.png"]
    assert "text" in reasons["text.png"]
    assert set(reasons) == {"black.png", "tiny.png", "soft.png", "two.png", "broken.png", "again.png", "text.png"}


def test_a_blurred_photo_is_better_than_none(store: IdentityStore, tmp_path: Path) -> None:
    assert len(add(store, "Ada", square_photo(tmp_path / "soft.png", blurred=True)).shots) == 1


def test_in_a_photo_of_several_the_person_of_the_others_is_taken(
    store: IdentityStore, photos: list[Path], tmp_path: Path
) -> None:
    two = square_photo(tmp_path / "two.png", (20, 120, 100), (350, 120, 110))
    stored = add(store, "Ada", photos[0], two, embed=embed_by({}))
    assert [shot.source for shot in stored.shots] == ["a.png", "two.png"]
    stored = add(store, "Bea", photos[0], two, embed=embed_by({"two.png": 1}))
    assert "none of them like the person" in stored.left_out[0].reason


def test_nothing_usable_says_why_and_stores_nothing(store: IdentityStore, tmp_path: Path) -> None:
    tiny = [square_photo(tmp_path / f"tiny{i}.png", (200, 100, 20), colour=i) for i in range(8)]
    with pytest.raises(NoFace, match=r"tiny4.png: the face is only 20 px large; and 3 more"):
        add(store, "Ada", *tiny)
    assert store.names() == []
    assert store.names() == []


def test_a_folder(store: IdentityStore, photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "of ada"
    (folder / "deeper").mkdir(parents=True)
    for photo in photos:
        shutil.copy(photo, folder)
    shutil.copy(photos[0], folder / "deeper")
    shutil.copy(photos[0], folder / ".hidden.png")
    (folder / "notes.txt").write_text("not a photo")
    assert [shot.source for shot in add(store, "Ada", folder).shots] == ["a.png", "b.png", "c.png", "d.png"]
    loaded = load_identity(SELF.model_copy(update={"photo": str(folder)}), SquareFinder(), store.folder)
    assert (loaded.name, len(loaded.shots)) == ("of ada", 4)


def test_a_folder_of_thousands_is_bounded(
    store: IdentityStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather_module, "MOST_PHOTOS", 5)
    folder = tmp_path / "many"
    folder.mkdir()
    first = square_photo(folder / "0000.png")
    for i in range(1, 60):
        (folder / f"{i:04}.png").write_bytes(first.read_bytes() + bytes([i]))
    finder = SquareFinder()
    stored = store.add("Ada", [str(folder)], SELF, finder)
    assert len(stored.shots) == 5
    assert stored.shots[-1].source == "0048.png", "evenly spread, not the first ones"
    assert "55 of 60 photos" in stored.left_out[0].reason
    monkeypatch.setattr(gather_module, "MOST_FILES", 50)
    with pytest.raises(IdentityError, match="more than 50 entries"):
        add(store, "Bea", folder)


def test_a_folder_without_a_picture(store: IdentityStore, tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="no picture in the folder"):
        add(store, "Ada", tmp_path)


_DOTS = ["..", "../ada", "a/b", "a\\b", "C:", "ada.png", "con.", "~", "*", "synthetic:7"]
_SPACES = ["", " ", "-ada", "ada-", "a  b", "a\nb", "a\0b", "x" * 49, "0123456789abcdef"]


@pytest.mark.parametrize("name", [*_DOTS, *_SPACES])
def test_names_that_are_no_names(store: IdentityStore, photos: list[Path], name: str) -> None:
    with pytest.raises(IdentityError):
        add(store, name, photos[0])
    assert not store.folder.exists()


@pytest.mark.parametrize("name", ["Ada", "Mona Lisa", "ada-2", "Zoë", "李小龙", "x_y z", "7"])
def test_names_of_any_script(store: IdentityStore, photos: list[Path], name: str) -> None:
    stored = add(store, name, photos[0])
    assert [p.name for p in store.folder.iterdir() if p.is_dir()] == [stored.id], "no name is part of a path"
    assert store.load(name).name == name


def test_a_taken_name_needs_replace(store: IdentityStore, photos: list[Path]) -> None:
    old = add(store, "Ada", photos[0])
    with pytest.raises(NameTaken, match="'Ada'") as caught:
        add(store, "ADA", photos[1])
    assert "--replace" in caught.value.hint
    new = add(store, "ada", photos[1], replace=True)
    assert store.names() == ["ada"]
    assert store.load("ada").photo_sha256 == digest_of(photos[1])
    assert not (store.folder / old.id).exists()
    assert consent.entries(store.folder)[-1]["identity"] == old.id
    assert consent.entries(store.folder)[-1]["event"] == "removed"
    assert consent.verify_log(store.folder) == 3
    assert new.id != old.id


def test_every_add_needs_a_ground(store: IdentityStore, photos: list[Path]) -> None:
    finder = SquareFinder()
    with pytest.raises(NoConsent, match=r"a\.png"):
        store.add("Ada", [str(photos[0])], IdentityConfig(), finder)
    with pytest.raises(NoConsent):
        store.add("Ada", ["synthetic:7", str(photos[0])], IdentityConfig(), finder)
    assert not finder.shapes, "photos were looked at before anybody answered for them"
    assert not store.folder.exists()


def test_a_drawing_needs_none(store: IdentityStore) -> None:
    stored = store.add("Nobody", ["synthetic:7"], IdentityConfig(by="test"), SquareFinder())
    assert stored.ground == "synthetic"
    loaded = store.load("nobody")
    assert loaded.landmarks.shape == (66, 2)
    fresh = load_identity(IdentityConfig(photo="synthetic:7"), SquareFinder(), store.folder)
    assert np.array_equal(loaded.image, fresh.image)


@pytest.mark.parametrize("sources", [[], ["missing.png"], ["synthetic:cat"]])
def test_sources_that_are_none(store: IdentityStore, sources: list[str]) -> None:
    with pytest.raises((IdentityError, SourceNotFound)):
        store.add("Ada", sources, SELF, SquareFinder())
    assert store.names() == []


def test_an_unknown_name_is_told_the_nearest(store: IdentityStore, photos: list[Path]) -> None:
    with pytest.raises(UnknownIdentity, match="nothing is stored yet"):
        store.load("Ada")
    add(store, "Mona Lisa", photos[0])
    with pytest.raises(UnknownIdentity, match="did you mean `Mona Lisa`"):
        load_identity(IdentityConfig(photo="mona lise"), SquareFinder(), store.folder)
    with pytest.raises(UnknownIdentity, match="stored: Mona Lisa"):
        store.remove("Zoë")


def test_removal_deletes_the_photos_and_tells_the_log(store: IdentityStore, photos: list[Path]) -> None:
    stored = add(store, "Ada", *photos[:2])
    add(store, "Bea", photos[0])
    saved = shutil.copytree(store.folder / stored.id, store.folder.parent / "copy")
    assert store.remove("ada", by="Ada") == stored.id
    assert not (store.folder / stored.id).exists()
    assert store.names() == ["Bea"]
    assert store.load("Bea").photo_sha256 == digest_of(photos[0]), "the other identity keeps its own copy"
    last = consent.entries(store.folder)[-1]
    assert (last["event"], last["who"], last["photos"]) == ("removed", "Ada", sorted(map(digest_of, photos[:2])))
    assert consent.verify_log(store.folder) == 4
    shutil.copytree(saved, store.folder / stored.id)
    with pytest.raises(NoConsent, match="withdrawn"):
        store.load("Ada")
    assert list(store.damaged()) == [stored.id]
    store.remove("Ada")
    assert store.damaged() == {}
    with pytest.raises(UnknownIdentity):
        store.remove("Ada")


def test_photos_used_without_a_name_are_listed_and_removed(store: IdentityStore, photos: list[Path]) -> None:
    load_identity(SELF.model_copy(update={"photo": str(photos[0])}), SquareFinder(), store.folder)
    (loose,) = store.unnamed()
    assert loose.record.photo_sha256 == digest_of(photos[0])
    assert store.names() == []
    store.remove(loose.id)
    assert store.unnamed() == []
    assert consent.verify_log(store.folder) == 2


def _record_of(store: IdentityStore, stored: StoredIdentity) -> Path:
    return store.photo(stored, stored.shots[0]).parent / "consent.json"


def _delete_record(store: IdentityStore, stored: StoredIdentity) -> None:
    _record_of(store, stored).unlink()


def _cut_record(store: IdentityStore, stored: StoredIdentity) -> None:
    path = _record_of(store, stored)
    path.write_bytes(path.read_bytes()[:50])


def _forge_record(store: IdentityStore, stored: StoredIdentity) -> None:
    path = _record_of(store, stored)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"ground": "licence"}))


def _swap_photo(store: IdentityStore, stored: StoredIdentity) -> None:
    store.photo(stored, stored.shots[0]).write_bytes(b"\x89PNG\r\n\x1a\nsomebody else")


def _lose_log(store: IdentityStore, stored: StoredIdentity) -> None:
    (store.folder / "consent.log.jsonl").unlink()


@pytest.mark.parametrize("damage", [_delete_record, _cut_record, _forge_record, _swap_photo, _lose_log])
def test_without_a_standing_record_there_is_no_swap(
    store: IdentityStore, photos: list[Path], damage: Callable[[IdentityStore, StoredIdentity], None]
) -> None:
    stored = add(store, "Ada", photos[0])
    damage(store, stored)
    with pytest.raises(NoConsent):
        load_identity(IdentityConfig(photo="Ada"), SquareFinder(), store.folder)


def test_a_record_of_another_machine_does_not_stand(store: IdentityStore, photos: list[Path], tmp_path: Path) -> None:
    other = IdentityStore(tmp_path / "elsewhere")
    stored = add(other, "Ada", photos[0])
    add(store, "Bea", photos[1])
    shutil.copytree(other.folder / stored.id, store.folder / stored.id)
    with pytest.raises(NoConsent, match="never given here"):
        store.load("Ada")


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"schema_version": 2}', "nonsense", "\x00", "[" * 5000],
)
def test_a_damaged_description_is_told_and_can_be_removed(
    store: IdentityStore, photos: list[Path], content: str
) -> None:
    stored = add(store, "Ada", photos[0])
    add(store, "Bea", photos[1])
    (store.folder / stored.id / FILE).write_text(content)
    assert store.names() == ["Bea"]
    assert "damaged" in store.damaged()[stored.id]
    store.remove(stored.id)
    assert store.damaged() == {}
    assert consent.verify_log(store.folder) == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("suffix", "/../../../../etc/passwd"),
        ("sha256", "../../x"),
        ("crop", [0, 0, 99999, 5]),
        ("size", [100000, 100000]),
        ("landmarks", [[0, 0]]),
        ("points", [["nan", 0]] * 5),
    ],
)
def test_a_hostile_description_is_refused(store: IdentityStore, photos: list[Path], key: str, value: object) -> None:
    stored = add(store, "Ada", photos[0])
    path = store.folder / stored.id / FILE
    tree = json.loads(path.read_text())
    tree["shots"][0][key] = value
    path.write_text(json.dumps(tree))
    with pytest.raises(IdentityError, match="damaged"):
        store.get(stored.id)


def test_a_crop_outside_the_photo(store: IdentityStore, photos: list[Path]) -> None:
    stored = add(store, "Ada", photos[0])
    path = store.folder / stored.id / FILE
    tree = json.loads(path.read_text())
    tree["shots"][0]["crop"] = [0, 0, 9000, 9000]
    path.write_text(json.dumps(tree))
    with pytest.raises(IdentityError, match="not inside"):
        store.load("Ada")


def test_what_a_crash_left_is_tidied(store: IdentityStore, photos: list[Path]) -> None:
    old = add(store, "Ada", photos[0])
    saved = shutil.copytree(store.folder / old.id, store.folder.parent / "copy")
    new = add(store, "Ada", photos[1], replace=True)
    log = store.folder / "consent.log.jsonl"
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:2]))  # as if it died before the old one went
    shutil.copytree(saved, store.folder / old.id)
    path = store.folder / old.id / FILE
    path.write_text(path.read_text().replace(old.created, "2020-01-01T00:00:00+00:00"))
    (store.folder / ".removed-0123456789abcdef").mkdir()
    assert store.get("Ada").id == new.id, "the newer one has the name"
    add(store, "Bea", photos[2])
    assert not (store.folder / old.id).exists()
    assert not (store.folder / ".removed-0123456789abcdef").exists()
    assert store.names() == ["Ada", "Bea"]
    consent.verify_log(store.folder)


def test_a_photo_changed_while_it_is_read_is_not_stored(store: IdentityStore, photos: list[Path]) -> None:
    class Meddler(SquareFinder):
        def __call__(self, rgb):  # type: ignore[no-untyped-def]
            found = super().__call__(rgb)
            if len(self.shapes) == 3:  # the second photo is being looked at
                square_photo(photos[0], (100, 100, 150))
            return found

    with pytest.raises(IdentityError, match="changed while"):
        store.add("Ada", [str(p) for p in photos[:2]], SELF, Meddler())
    assert store.names() == []
    assert not [p for p in store.folder.iterdir() if p.is_dir()], "something unfinished was left"


def _add_some(folder: str, photo: str, own: str) -> None:
    for name in ("Ada", own):
        try:
            IdentityStore(Path(folder)).add(name, [photo], SELF, SquareFinder())
        except NameTaken:
            continue


def test_two_processes_add_at_once(store: IdentityStore, photos: list[Path]) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add_some, args=(str(store.folder), str(photos[0]), own)) for own in ("x", "y")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert store.names() == ["Ada", "x", "y"]
    assert consent.verify_log(store.folder) == 3
    assert store.damaged() == {}
    assert all(store.load(name).shots for name in store.names())
