"""Choosers as a configuration asks for them, on real small models."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from livefuse.casting import Casting
from livefuse.config import Config, RoleConfig, TrackConfig
from livefuse.device.cpu import CpuBackend
from livefuse.engines import Engines
from livefuse.errors import BadValue, NoFace, SourceNotFound
from livefuse.photos import photo_finder


@pytest.fixture
def casting(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Casting:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    monkeypatch.setenv("LIVEFUSE_MODEL_MIRROR", str(shared / "models"))
    return Casting(CpuBackend(), Engines(Config()), photo_finder(Config()))


def like(photo: Path | str) -> Config:
    return Config(track=TrackConfig(faces="like", like=str(photo)))


def test_without_references_no_recogniser_is_loaded(casting: Casting) -> None:
    assert casting.chooser(Config()).likeness is None
    assert casting.chooser(Config(track=TrackConfig(verify=True))).likeness is not None


def test_what_is_known_of_faces_outlasts_a_change_of_choice(casting: Casting, shared: Path) -> None:
    first = casting.chooser(like(shared / "media" / "astronaut.png"))
    second = casting.chooser(like(shared / "media" / "mona_lisa.jpg"))
    assert first.likeness is second.likeness
    ann, bob = (chooser._claims.references for chooser in (first, second) if chooser._claims is not None)
    assert np.linalg.norm(ann, axis=1) == pytest.approx(1, abs=1e-5)
    assert float((ann @ bob.T).max()) < 0.4, "two people"


def test_a_cast_has_a_reference_for_every_role(casting: Casting, shared: Path) -> None:
    photos = [shared / "media" / name for name in ("astronaut.png", "mona_lisa.jpg")]
    config = Config(cast=tuple(RoleConfig(like=str(p), photo="synthetic:7", consent="synthetic") for p in photos))
    claims = casting.chooser(config)._claims
    assert claims is not None
    assert len(claims.references) == 2


def test_mistakes_are_said(casting: Casting, shared: Path, tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="without a photo"):
        casting.chooser(Config(track=TrackConfig(faces="like")))
    with pytest.raises(SourceNotFound, match=r"nobody\.jpg"):
        casting.chooser(like(tmp_path / "nobody.jpg"))
    blank = tmp_path / "blank.png"
    cv2.imwrite(str(blank), np.full((200, 200, 3), 90, np.uint8))
    with pytest.raises(NoFace, match="no face found to go by"):
        casting.chooser(like(blank))
    with pytest.raises(BadValue, match="is a detector, not a recogniser"):
        casting.chooser(Config(track=TrackConfig(verify=True, recogniser="yunet")))
