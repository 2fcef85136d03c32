"""livefuse as a function, on real small models and synthesized swappers."""

from __future__ import annotations

import gc
from pathlib import Path

import cv2
import numpy as np
import pytest

import livefuse
from livefuse.errors import BadValue, IdentityError, ModelMissing, NoConsent
from livefuse.frame import U8
from livefuse.paths import Paths
from tests.synthetic_models import SWAPPER_NEEDS, install

FAMILIES = [*SWAPPER_NEEDS]


@pytest.fixture(scope="module")
def home(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVEFUSE_HOME", str(folder))
        install(Paths.default(), *{name for names in SWAPPER_NEEDS.values() for name in names}, "dfm")
    return folder


@pytest.fixture(autouse=True)
def environment(home: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFUSE_HOME", str(home))
    monkeypatch.setenv("LIVEFUSE_MODEL_MIRROR", str(shared / "models"))


@pytest.fixture(scope="module")
def astronaut(shared: Path) -> U8:
    return cv2.cvtColor(cv2.imread(str(shared / "media" / "astronaut.png")), cv2.COLOR_BGR2RGB)


def a_swapper(shared: Path, **settings: object) -> livefuse.FrameSwapper:
    given = {
        "identity.photo": str(shared / "media" / "mona_lisa.jpg"),
        "identity.consent": "public-domain",
        "privacy.mode": "open",
    }
    return livefuse.FrameSwapper(
        livefuse.make_config({}, given | {k.replace("__", "."): v for k, v in settings.items()})
    )


def changed(before: U8, after: U8) -> tuple[float, float]:
    """Part of the pixels that differ inside the face's surroundings, and outside of them and of the badge."""
    differ = (before != after).any(axis=2)
    inside = np.zeros_like(differ)
    inside[0:260, 120:350] = True
    outside = ~inside
    outside[:64, 400:] = False
    return float(differ[inside].mean()), float(differ[outside].mean())


def test_one_call_swaps_a_picture(shared: Path, astronaut: U8) -> None:
    before = astronaut.copy()
    photo = shared / "media" / "mona_lisa.jpg"
    out = livefuse.swap_image(astronaut, photo, consent="public-domain")
    inside, outside = changed(astronaut, out)
    assert inside > 0.1
    assert outside == 0
    np.testing.assert_array_equal(astronaut, before)
    again = livefuse.swap_image(astronaut, photo, consent="public-domain")
    np.testing.assert_array_equal(out, again)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_swaps_a_picture(name: str, shared: Path, astronaut: U8) -> None:
    inside, outside = changed(astronaut, a_swapper(shared, swap__model=name)(astronaut))
    assert inside > 0.1
    assert outside == 0


@pytest.mark.parametrize("profile", ["insightface", "facefusion", "deep-live-cam"])
def test_every_profile_swaps_a_picture_without_landmarks(profile: str, shared: Path, astronaut: U8) -> None:
    swap = a_swapper(shared, swap__model="inswapper_128", profile__name=profile, align__model="none")
    inside, outside = changed(astronaut, swap(astronaut))
    assert inside > 0.2
    assert outside == 0


def test_a_dfm_needs_consent_but_no_photo(shared: Path, astronaut: U8) -> None:
    swap = a_swapper(shared, swap__model="dfm", identity__photo="", identity__consent="licence")
    inside, _ = changed(astronaut, swap(astronaut))
    assert inside > 0.1
    unsaid = a_swapper(shared, swap__model="dfm", identity__photo="", identity__consent=None, overlay__badge=False)
    np.testing.assert_array_equal(unsaid(astronaut), astronaut)
    with pytest.raises(IdentityError, match="the person it was trained on"):
        a_swapper(shared, swap__model="dfm")


def test_the_result_goes_where_it_is_wanted(shared: Path, astronaut: U8) -> None:
    swap, out = a_swapper(shared), np.zeros_like(astronaut)
    assert swap(astronaut, out=out) is out
    in_place = astronaut.copy()
    swap(in_place, out=in_place)
    np.testing.assert_array_equal(in_place, out)


def test_results_that_are_held_are_not_overwritten(shared: Path, astronaut: U8) -> None:
    swap = a_swapper(shared)
    first = swap(astronaut)
    kept = first.copy()
    second = swap(np.ascontiguousarray(astronaut[:, ::-1]))
    np.testing.assert_array_equal(first, kept)
    place = second.ctypes.data
    del second
    gc.collect()
    assert swap(astronaut).ctypes.data == place, "memory that was let go is used again"


def test_a_video_is_followed_and_single_pictures_are_not(shared: Path, astronaut: U8) -> None:
    empty = np.full_like(astronaut, 128)
    swap = a_swapper(shared, overlay__badge=False)
    for i in range(3):
        swap(astronaut, t_ns=i * 33_000_000)
    held = swap(empty, t_ns=3 * 33_000_000)
    assert (held != empty).any(), "a face that the detector lost is still swapped for some frames"
    swap(astronaut)
    np.testing.assert_array_equal(swap(empty), empty)


def test_closed_covers_a_picture_without_a_face(shared: Path, astronaut: U8) -> None:
    noise = np.random.default_rng(0).integers(0, 255, astronaut.shape).astype(np.uint8)
    out = a_swapper(shared, privacy__mode="closed")(noise)
    assert np.abs(out.astype(int) - noise).mean() > 20


def test_mistakes_are_said(shared: Path, astronaut: U8) -> None:
    swap = a_swapper(shared)
    with pytest.raises(BadValue, match="shape"):
        swap(astronaut[..., 0])
    with pytest.raises(BadValue, match="float"):
        swap(astronaut.astype(np.float32))
    with pytest.raises(BadValue, match="in a row"):
        swap(astronaut[:, ::-1])
    with pytest.raises(NoConsent):
        livefuse.swap_image(astronaut, shared / "media" / "donna_velata.jpg")
    with pytest.raises(ModelMissing):
        a_swapper(shared, swap__model="inswaper")
    with pytest.raises(BadValue, match="is a detector, not a swapper"):
        a_swapper(shared, swap__model="yunet")
    with pytest.raises(BadValue, match="goes by landmarks"):
        a_swapper(shared, align__model="none")
