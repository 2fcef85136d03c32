"""The whole swap against the insightface package: photo to embedding, crop, network, paste."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from livefuse.config import Config
from livefuse.engines import Engines
from livefuse.frame import F32, U8
from livefuse.paths import Paths
from livefuse.photos import photo_finder
from tests.parity.against_insightface import by_insightface, by_livefuse, psnr
from tests.synthetic_models import install

# the package calls what scikit-image has since deprecated
pytestmark = pytest.mark.filterwarnings("ignore:`estimate` is deprecated:FutureWarning")

PICTURES = ("astronaut.png", "donna_velata.jpg", "mona_lisa.jpg", "pearl_earring.jpg")


@pytest.fixture
def engines(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engines:
    pytest.importorskip("insightface")
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    monkeypatch.setenv("LIVEFUSE_MODEL_MIRROR", str(shared / "models"))
    install(Paths.default(), "inswapper_128", "w600k_r50")
    return Engines(Config())


def photo(shared: Path, name: str) -> tuple[U8, F32]:
    rgb = np.asarray(cv2.cvtColor(cv2.imread(str(shared / "media" / name)), cv2.COLOR_BGR2RGB), np.uint8)
    faces = photo_finder(Config())(rgb)
    return rgb, max(faces, key=lambda face: float(np.prod(face[0][2:] - face[0][:2])))[1]


@pytest.mark.parametrize("target", PICTURES)
def test_embedding_crop_and_picture_are_the_package_s(target: str, engines: Engines, shared: Path) -> None:
    source = photo(shared, "mona_lisa.jpg" if target != "mona_lisa.jpg" else "astronaut.png")
    ours = by_livefuse(engines, *source, *photo(shared, target))
    theirs = by_insightface(engines, *source, *photo(shared, target))
    cosine = ours.embedding @ theirs.embedding
    cosine /= np.linalg.norm(ours.embedding) * np.linalg.norm(theirs.embedding)
    assert cosine > 0.9999
    assert psnr(ours.crop, theirs.crop) >= 50
    assert psnr(ours.picture, theirs.picture) >= 45
    assert (ours.picture != photo(shared, target)[0]).any(axis=2).mean() > 0.01, "something was swapped"
