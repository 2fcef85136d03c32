from __future__ import annotations

import json
import multiprocessing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from livefuse.config import IdentityConfig
from livefuse.errors import NoConsent
from livefuse.swap import consent
from livefuse.swap.consent import ConsentRecord

DIGEST = "ab" * 32


def record(ground: str = "self", digest: str = DIGEST) -> ConsentRecord:
    return ConsentRecord("Ada", "2026-11-22T08:00:00+00:00", ground, digest, "0.1.0")  # type: ignore[arg-type]


def test_without_ground_it_refuses_and_says_what_would_do() -> None:
    with pytest.raises(NoConsent) as caught:
        consent.require_ground(IdentityConfig(photo="ada.jpg"), DIGEST)
    text = str(caught.value)
    assert "ada.jpg" in text
    for ground in ("self", "licence", "public-domain", "synthetic"):
        assert f"`{ground}`" in text


def test_record_names_who_when_and_what() -> None:
    made = consent.require_ground(IdentityConfig(photo="ada.jpg", consent="licence", by="Ada"), DIGEST)
    assert (made.who, made.ground, made.photo_sha256) == ("Ada", "licence", DIGEST)
    assert datetime.fromisoformat(made.when).utcoffset() == timedelta(0)


def test_operator_is_named_by_login_when_not_told() -> None:
    assert consent.require_ground(IdentityConfig(photo="ada.jpg", consent="self"), DIGEST).who


def test_record_is_written_and_read_back(tmp_path: Path) -> None:
    home = consent.store(tmp_path, record(), b"picture", ".jpg")
    assert home == tmp_path / DIGEST[:16]
    assert (home / "photo.jpg").read_bytes() == b"picture"
    assert consent.read_record(home) == record()
    assert not [p for p in home.iterdir() if p.name.startswith(".")], "temporary files were left behind"


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "not json", json.dumps({"who": "Ada"})],
)
def test_damaged_record_is_no_consent(tmp_path: Path, content: str) -> None:
    home = consent.store(tmp_path, record(), b"picture", ".jpg")
    (home / "consent.json").write_text(content)
    with pytest.raises(NoConsent):
        consent.read_record(home)


def test_record_of_another_photo_is_no_consent(tmp_path: Path) -> None:
    home = consent.store(tmp_path, record(), b"picture", ".jpg")
    other = consent.store(tmp_path, record(digest="cd" * 32), b"other", ".jpg")
    (home / "consent.json").write_bytes((other / "consent.json").read_bytes())
    with pytest.raises(NoConsent, match="not about this photo"):
        consent.read_record(home)


def test_missing_record_is_no_consent(tmp_path: Path) -> None:
    with pytest.raises(NoConsent, match="no consent record"):
        consent.read_record(tmp_path)


def test_log_grows_and_shows_tampering(tmp_path: Path) -> None:
    for ground in ("self", "licence", "synthetic"):
        consent.store(tmp_path, record(ground), b"picture", ".jpg")
    assert consent.verify_log(tmp_path) == 3
    log = tmp_path / "consent.log.jsonl"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([lines[0].replace("self", "licence"), *lines[1:]]) + "\n")
    with pytest.raises(NoConsent, match="line 2"):
        consent.verify_log(tmp_path)
    log.write_text("\n".join(lines[1:]) + "\n")
    with pytest.raises(NoConsent, match="line 1"):
        consent.verify_log(tmp_path)


def _store_many(folder: str) -> None:
    for _ in range(5):
        consent.store(Path(folder), record(), b"picture", ".jpg")


def test_two_processes_store_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_store_many, args=(str(tmp_path),)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert consent.verify_log(tmp_path) == 10
    assert consent.read_record(tmp_path / DIGEST[:16]) == record()


def kept(folder: Path, made: ConsentRecord, identity: str = "0123456789abcdef") -> str:
    consent.keep(folder / identity, made, b"picture", ".jpg")
    consent.grant(folder, [made], identity)
    return identity


def test_a_record_stands_when_the_log_has_it(tmp_path: Path) -> None:
    name = kept(tmp_path, record())
    assert consent.require_standing(tmp_path, name, [DIGEST]) == {DIGEST: record()}


def test_a_record_that_was_never_logged_does_not_stand(tmp_path: Path) -> None:
    consent.keep(tmp_path / "0123456789abcdef", record(), b"picture", ".jpg")
    with pytest.raises(NoConsent, match="never given here"):
        consent.require_standing(tmp_path, "0123456789abcdef", [DIGEST])


def test_a_record_that_says_more_than_the_log_does_not_stand(tmp_path: Path) -> None:
    name = kept(tmp_path, record("self"))
    consent.keep(tmp_path / name, record("licence"), b"picture", ".jpg")
    with pytest.raises(NoConsent, match="never given here"):
        consent.require_standing(tmp_path, name, [DIGEST])


def test_a_record_of_a_photo_of_the_same_beginning_does_not_stand(tmp_path: Path) -> None:
    name = kept(tmp_path, record())
    with pytest.raises(NoConsent, match="not about this photo"):
        consent.require_standing(tmp_path, name, [DIGEST[:60] + "0000"])


def test_what_was_withdrawn_does_not_stand_again(tmp_path: Path) -> None:
    name = kept(tmp_path, record())
    consent.withdraw(tmp_path, name, [DIGEST], by="Ada")
    with pytest.raises(NoConsent, match="withdrawn on 20"):
        consent.require_standing(tmp_path, name, [DIGEST])
    assert consent.verify_log(tmp_path) == 2
    last = consent.entries(tmp_path)[-1]
    assert (last["event"], last["identity"], last["photos"], last["who"]) == ("removed", name, [DIGEST], "Ada")


def test_a_line_that_a_crash_cut_off_is_written_over(tmp_path: Path) -> None:
    consent.store(tmp_path, record("self"), b"picture", ".jpg")
    with (tmp_path / "consent.log.jsonl").open("ab") as log:
        log.write(b'{"who": "Ada", "wh')
    consent.store(tmp_path, record("licence"), b"picture", ".jpg")
    assert consent.verify_log(tmp_path) == 2
    assert [entry["ground"] for entry in consent.entries(tmp_path)] == ["self", "licence"]
