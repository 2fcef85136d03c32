from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from livefuse.errors import LicenceNotAccepted, ModelCorrupt, ModelMissing, StoreUnwritable
from livefuse.paths import Paths
from livefuse.weights.mirrors import mirrors_from, split_mirrors
from livefuse.weights.part import sha256_of
from livefuse.weights.recipe import Recipe
from livefuse.weights.store import ModelStore
from tests.unit.file_server import Served, serving

CONTENT = {name: random.Random(name).randbytes(size) for name, size in (("a", 200_000), ("b", 1_000))}


def recipe(name: str, url: str = "https://127.0.0.1:1", *, non_commercial: bool = False) -> Recipe:
    return Recipe.model_validate(
        {
            "name": name,
            "aliases": [f"{name}-alias"],
            "kind": "matte",
            "description": "noise",
            "file": f"{name}.onnx",
            "urls": [f"{url}/{name}.onnx"],
            "sha256": hashlib.sha256(CONTENT[name]).hexdigest(),
            "bytes": len(CONTENT[name]),
            "licence": "MIT",
            "licence_url": "https://example.test/LICENSE",
            "non_commercial": non_commercial,
            "inputs": [{"name": "x", "shape": [1]}],
            "outputs": [{"name": "y", "shape": [1]}],
            "crop_px": 64,
            "normalisation": {"order": "rgb"},
        }
    )


def store_at(folder: Path, *mirrors: str, url: str = "https://127.0.0.1:1", non_commercial: bool = False) -> ModelStore:
    recipes = {name: recipe(name, url, non_commercial=non_commercial) for name in CONTENT}
    return ModelStore(folder, mirrors, recipes=recipes, backoff_s=0.0)


@pytest.fixture
def server() -> Iterator[Served]:
    with serving(Served({f"{name}.onnx": content for name, content in CONTENT.items()})) as served:
        yield served


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name, content in CONTENT.items():
        (folder / f"{name}.onnx").write_bytes(content)
    return folder


def test_a_missing_model_names_the_command(tmp_path: Path) -> None:
    store = store_at(tmp_path / "store")
    with pytest.raises(ModelMissing, match=r"a\.onnx") as caught:
        store.path("a")
    assert "`livefuse models pull a`" in caught.value.hint
    assert not (tmp_path / "store").exists(), "looking must not make folders"


def test_an_unknown_model_gives_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as caught:
        store_at(tmp_path).pull("a-alas")
    assert "`a-alias`" in caught.value.hint


def test_pull_downloads_and_path_finds(tmp_path: Path, server: Served) -> None:
    store = store_at(tmp_path / "deep" / "store", url=server.url)
    seen: list[int] = []
    path = store.pull("a-alias", progress=lambda done, total: seen.append(done))
    assert path.read_bytes() == CONTENT["a"]
    assert seen[-1] == len(CONTENT["a"])
    assert store.path("a") == path
    assert [(m.recipe.name, m.status) for m in store.list()] == [("a", "verified"), ("b", "missing")]


def test_pull_of_what_is_here_asks_nobody(tmp_path: Path, server: Served) -> None:
    store = store_at(tmp_path, url=server.url)
    store.pull("a")
    store.pull("a")
    assert len(server.requests) == 1


def test_mirrors_come_first_and_the_next_place_follows(tmp_path: Path, server: Served, mirror: Path) -> None:
    (mirror / "b.onnx").unlink()
    empty = tmp_path / "empty"
    store = store_at(tmp_path / "store", str(empty), str(mirror), f"{server.url}/none/", url=server.url)
    store.pull("a")
    assert server.requests == []
    store.pull("b")
    assert server.paths() == ["/none/b.onnx", "/b.onnx"]


def test_an_http_mirror_spares_the_public_address(tmp_path: Path, server: Served) -> None:
    store_at(tmp_path, server.url).pull("a")
    assert server.paths() == ["/a.onnx"]


def test_a_wrong_file_in_a_mirror_is_not_kept(tmp_path: Path, mirror: Path) -> None:
    (mirror / "b.onnx").write_bytes(b"z" * len(CONTENT["b"]))
    store = store_at(tmp_path / "store", str(mirror))
    with pytest.raises(ModelCorrupt, match="sha256"):
        store.pull("b")
    assert store.status("b") == "missing"
    assert not list((tmp_path / "store").glob("b.onnx*"))


def test_ensure_copies_from_a_mirror_folder_unasked(tmp_path: Path, mirror: Path) -> None:
    store = store_at(tmp_path / "store", str(mirror))
    assert [path.name for path in store.ensure(["b", "a-alias"])] == ["b.onnx", "a.onnx"]
    assert store.status("a") == store.status("b") == "verified"


def test_ensure_uses_the_network_only_when_allowed(tmp_path: Path, server: Served) -> None:
    store = store_at(tmp_path, server.url, url=server.url)
    store.pull("b")
    server.requests.clear()
    with pytest.raises(ModelMissing, match=r"a\.onnx") as caught:
        store.ensure(["b", "a"])
    assert caught.value.hint.startswith("`livefuse models pull a`")
    assert server.requests == []
    assert store.ensure(["b", "a"], auto_pull=True)[1].read_bytes() == CONTENT["a"]


def test_ensure_names_all_that_lack_in_one_command(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as caught:
        store_at(tmp_path).ensure(["a", "b"])
    assert "`livefuse models pull a b`" in caught.value.hint


def test_a_corrupt_file_is_told_never_used_and_replaced_by_pull(tmp_path: Path, server: Served) -> None:
    store = store_at(tmp_path, url=server.url)
    (tmp_path / "b.onnx").write_bytes(b"z" * len(CONTENT["b"]))
    assert store.status("b") == "present"
    assert store.verify("b") == "corrupt"
    for use in (lambda: store.path("b"), lambda: store.ensure(["b"])):
        with pytest.raises(ModelCorrupt) as caught:
            use()
        assert "`livefuse models pull b`" in caught.value.hint
    assert store.pull("b").read_bytes() == CONTENT["b"]


def test_a_truncated_file_is_corrupt_without_hashing(tmp_path: Path) -> None:
    (tmp_path / "b.onnx").write_bytes(CONTENT["b"][:-1])
    store = store_at(tmp_path)
    assert store.status("b") == store.verify("b") == "corrupt"


def test_a_file_is_hashed_once_and_again_when_it_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return sha256_of(path)

    monkeypatch.setattr("livefuse.weights.store.sha256_of", counted)
    store = store_at(tmp_path)
    (tmp_path / "b.onnx").write_bytes(CONTENT["b"])
    for _ in range(3):
        store.path("b")
    assert len(hashed) == 1
    os.utime(tmp_path / "b.onnx", ns=(1, 1))
    store.path("b")
    assert len(hashed) == 2
    store.verify("b")
    assert len(hashed) == 3, "verify hashes whatever was known"


def test_verify_is_not_fooled_by_the_marker(tmp_path: Path) -> None:
    store, file = store_at(tmp_path), tmp_path / "b.onnx"
    file.write_bytes(CONTENT["b"])
    assert store.verify("b") == "verified"
    stamp = file.stat()
    file.write_bytes(b"z" * len(CONTENT["b"]))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert store.verify("b") == "corrupt"
    with pytest.raises(ModelCorrupt):
        store.path("b")


@pytest.mark.parametrize("marker", ["", "not json", json.dumps({"sha256": "0"})])
def test_a_damaged_marker_only_costs_a_hash(tmp_path: Path, marker: str) -> None:
    (tmp_path / "b.onnx").write_bytes(CONTENT["b"])
    (tmp_path / ".b.onnx.verified").write_text(marker, "utf-8")
    store = store_at(tmp_path)
    assert store.status("b") == "present"
    assert store.path("b").name == "b.onnx"


def test_a_store_that_cannot_be_written_still_serves_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "b.onnx").write_bytes(CONTENT["b"])
    (tmp_path / ".b.onnx.verified").mkdir()  # stands for a read-only folder, which root can write all the same
    assert store_at(tmp_path).path("b").name == "b.onnx"


def test_a_read_only_store_says_so_when_it_must_fetch(tmp_path: Path, mirror: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write into a read-only folder")
    with pytest.raises(StoreUnwritable, match="cannot be written"):
        store_at(folder, str(mirror)).pull("a")


def test_a_file_where_the_store_should_be(tmp_path: Path, mirror: Path) -> None:
    (tmp_path / "store").write_text("in the way")
    with pytest.raises(StoreUnwritable, match="cannot be written") as caught:
        store_at(tmp_path / "store", str(mirror)).pull("a")
    assert "LIVEFUSE_HOME" in caught.value.hint


def test_a_full_disk_leaves_nothing_under_the_final_name(
    tmp_path: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    with pytest.raises(StoreUnwritable, match="1,000 bytes free, 200,000 more are needed"):
        store_at(tmp_path / "store", str(mirror)).pull("a")
    assert not list((tmp_path / "store").glob("a.onnx*"))


def test_remove_deletes_the_file_its_part_and_its_marker(tmp_path: Path, mirror: Path) -> None:
    store = store_at(tmp_path / "store", str(mirror))
    path = store.pull("a")
    path.with_name("a.onnx.part").write_bytes(b"half")
    assert store.remove("a")
    assert not store.remove("a")
    assert store.status("a") == "missing"
    assert [p.name for p in (tmp_path / "store").iterdir()] == [".a.onnx.lock"]


def test_a_non_commercial_licence_is_accepted_once(tmp_path: Path, mirror: Path) -> None:
    store = store_at(tmp_path / "store", str(mirror), non_commercial=True)
    for fetch in (lambda: store.pull("a"), lambda: store.ensure(["a"])):
        with pytest.raises(LicenceNotAccepted, match="non-commercial") as caught:
            fetch()
        assert "`livefuse models pull a --accept-licence`" in caught.value.hint
    assert store.status("a") == "missing"
    store.pull("a", accept_licence=True)
    store.remove("a")
    assert store.pull("a").name == "a.onnx"


def _pull_when_all_are_ready(folder: str, url: str, ready: object, results: object) -> None:
    store = store_at(Path(folder), url=url)
    ready.wait(timeout=20)  # type: ignore[attr-defined]
    results.put(str(store.pull("a")))  # type: ignore[attr-defined]


def test_two_processes_that_pull_at_once_download_once(tmp_path: Path, server: Served) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready, results = spawn.Barrier(2), spawn.Queue()
    workers = [
        spawn.Process(target=_pull_when_all_are_ready, args=(str(tmp_path), server.url, ready, results)) for _ in "12"
    ]
    for worker in workers:
        worker.start()
    try:
        assert [results.get(timeout=30) for _ in workers] == [str(tmp_path / "a.onnx")] * 2
    finally:
        for worker in workers:
            worker.join(timeout=10)
    assert len(server.requests) == 1
    assert (tmp_path / "a.onnx").read_bytes() == CONTENT["a"]


def test_a_held_lock_is_told_in_the_end(tmp_path: Path, server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    import filelock

    from livefuse.errors import DownloadFailed

    monkeypatch.setattr("livefuse.weights.store.LOCK_TIMEOUT_S", 0.05)
    with filelock.FileLock(tmp_path / ".a.onnx.lock"), pytest.raises(DownloadFailed, match="another process"):
        store_at(tmp_path, url=server.url).pull("a")
    assert server.requests == []


@pytest.mark.parametrize(
    ("text", "separator", "places"),
    [
        ("", ":", ()),
        ("/a", ":", ("/a",)),
        ("/a:/b,~/c", ":", ("/a", "/b", "~/c")),
        ("https://h.test:8080/x", ":", ("https://h.test:8080/x",)),
        ("/a:https://h.test:8080/x:/b", ":", ("/a", "https://h.test:8080/x", "/b")),
        ("http://u:p@h.test/x, https://i.test", ":", ("http://u:p@h.test/x", "https://i.test")),
        (r"C:\a;D:\b;https://h.test:1/x", ";", (r"C:\a", r"D:\b", "https://h.test:1/x")),
    ],
)
def test_mirrors_are_split_without_cutting_urls(text: str, separator: str, places: tuple[str, ...]) -> None:
    assert split_mirrors(text, separator) == places


def test_the_environment_names_mirrors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mirrors_from({"LIVEFUSE_MODEL_MIRROR": "/a,/b"}) == ("/a", "/b")
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    monkeypatch.setenv("LIVEFUSE_MODEL_MIRROR", "/mirror")
    store = ModelStore.default()
    assert (store.folder, store.mirrors) == (Paths.default().models, ("/mirror",))
    assert "yunet_n" in store.recipes


def test_the_real_models_come_out_of_a_real_mirror(tmp_path: Path, shared: Path) -> None:
    store = ModelStore(tmp_path, [str(shared / "models")])
    for path in store.ensure(["yunet", "openseeface"]):
        assert path.parent == tmp_path
    assert {m.status for m in store.list() if m.path.exists()} == {"verified"}


ONNX = b"\x08\x07"


def loose(name: str, url: str = "https://127.0.0.1:1", **changed: object) -> Recipe:
    """A recipe that does not know its file."""
    told = recipe(name, url).model_dump() | {"sha256": "", "bytes": None, "hash_from": "unknown"}
    return Recipe.model_validate(told | changed)


def loose_store(folder: Path, *mirrors: str, url: str = "https://127.0.0.1:1", **changed: object) -> ModelStore:
    return ModelStore(folder, mirrors, recipes={"a": loose("a", url, **changed)}, backoff_s=0.0)


def test_an_unknown_hash_is_recorded_when_fetched_and_held_to(tmp_path: Path, server: Served) -> None:
    server.files["a.onnx"] = ONNX + CONTENT["a"]
    digest = hashlib.sha256(ONNX + CONTENT["a"]).hexdigest()
    store = loose_store(tmp_path, url=server.url)
    file = store.pull("a")
    assert (store.status("a"), store.stored("a").recorded_sha256) == ("unverified", digest)
    assert store.verify("a") == "unverified"
    assert store.path("a") == store.ensure(["a"])[0] == file
    file.write_bytes(ONNX + b"z" * len(CONTENT["a"]))
    for _ in range(2):
        assert store.verify("a") == "corrupt"
    with pytest.raises(ModelCorrupt, match=f"when it was first seen here it was sha256 {digest}") as caught:
        store.path("a")
    assert "`livefuse models remove a` forgets" in caught.value.hint


def test_a_file_of_unknown_hash_may_lie_there_already(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"mine")
    store = loose_store(tmp_path)
    assert store.status("a") == "present"
    assert store.path("a").read_bytes() == b"mine"
    assert store.status("a") == "unverified"


def test_a_pull_after_a_change_wants_what_was_first_seen(tmp_path: Path, server: Served) -> None:
    server.files["a.onnx"] = ONNX + b"first"
    store = loose_store(tmp_path, url=server.url)
    store.pull("a").write_bytes(b"damaged")
    assert store.verify("a") == "corrupt"
    server.files["a.onnx"] = ONNX + b"other"
    with pytest.raises(ModelCorrupt, match="when it was first seen"):
        store.pull("a")
    server.files["a.onnx"] = ONNX + b"first"
    assert store.pull("a").read_bytes() == ONNX + b"first"
    store.remove("a")
    server.files["a.onnx"] = ONNX + b"other"
    assert store.pull("a").read_bytes() == ONNX + b"other", "removing forgets"


def test_a_second_hand_hash_is_checked_and_says_how_to_go_on_without_it(tmp_path: Path, server: Served) -> None:
    second_hand = {"sha256": "0" * 64, "hash_from": "second-hand"}
    store = loose_store(tmp_path, url=server.url, **second_hand)
    with pytest.raises(ModelCorrupt, match=f"the recipe states, second-hand, {'0' * 64}") as caught:
        store.pull("a")
    assert "`livefuse models add FILE --family a`" in caught.value.hint
    (tmp_path / "a.onnx").write_bytes(CONTENT["a"])
    assert store.status("a") == "present"
    with pytest.raises(ModelCorrupt, match="second-hand") as caught:
        store.path("a")
    assert "`livefuse models add FILE --family a`" in caught.value.hint


def test_a_second_hand_size_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(CONTENT["a"])
    with pytest.raises(ModelCorrupt, match="second-hand, 7 bytes"):
        loose_store(tmp_path, bytes=7).path("a")


def test_a_model_that_nobody_serves_asks_for_the_users_own(tmp_path: Path) -> None:
    store = loose_store(tmp_path, urls=())
    for use in (store.path, store.pull):
        with pytest.raises(ModelMissing) as caught:
            use("a")
        assert "`livefuse models add FILE --family a`" in caught.value.hint


def test_a_mirror_folder_is_enough_where_the_size_is_unknown(tmp_path: Path, mirror: Path) -> None:
    (mirror / "a.onnx").write_bytes(ONNX)
    (path,) = loose_store(tmp_path / "store", str(mirror)).ensure(["a"])
    assert path.read_bytes() == ONNX


def test_a_hint_of_an_unknown_size_states_none(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as caught:
        loose_store(tmp_path).ensure(["a"])
    assert caught.value.hint == "`livefuse models pull a`"
