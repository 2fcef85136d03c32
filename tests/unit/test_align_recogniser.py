"""The recogniser tells one person from another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from livefuse.align.recogniser import SAME_PERSON, Recogniser, cosine
from livefuse.detect.yunet import YuNet
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.errors import DegenerateFace
from livefuse.frame import F32
from livefuse.weights.recipe import load_recipe
from tests.unit.photos import clip_pictures, engine, photo


def embeddings(shared: Path, pictures: list[Picture]) -> F32:
    backend, lane = CpuBackend(), Lane(0)
    detector = YuNet(engine(shared, "yunet_n_dynamic.onnx"), backend)
    recogniser = Recogniser(engine(shared, "mobilefacenet_128d.onnx"), backend, load_recipe("mobilefacenet"))
    return np.concatenate([recogniser.embed(lane, p, detector(lane, p).points[:1]) for p in pictures])


def test_same_person_is_alike_and_others_are_not(shared: Path) -> None:
    clip = clip_pictures(shared, "talking_head.mp4", (0, 70, 140, 210))
    others = [photo(shared, name) for name in ("mona_lisa.jpg", "astronaut.png")]
    found = embeddings(shared, clip + others)
    likeness = cosine(found, found)
    np.testing.assert_allclose(np.diag(likeness), 1, atol=1e-5)
    assert likeness[:4, :4].min() > SAME_PERSON
    assert likeness[:4, 4:].max() < SAME_PERSON
    assert likeness[4, 5] < SAME_PERSON


def test_faces_of_no_size_are_refused_and_none_is_none(shared: Path) -> None:
    recogniser = Recogniser(engine(shared, "mobilefacenet_128d.onnx"), CpuBackend(), load_recipe("mobilefacenet"))
    picture = photo(shared, "astronaut.png")
    with pytest.raises(DegenerateFace):
        recogniser.embed(Lane(0), picture, np.full((1, 5, 2), 50, np.float32))
    assert recogniser.embed(Lane(0), picture, np.empty((0, 5, 2), np.float32)).shape == (0, 128)
