"""One swap by livefuse's generic swapper and by the insightface package, on the same graphs, pictures and points."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from livefuse.align.cut import Face
from livefuse.composite.profiles import make_profile
from livefuse.config import ProfileConfig, SwapConfig
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.engines import Engines
from livefuse.frame import F32, U8, HostFrame
from livefuse.swap.consent import ConsentRecord
from livefuse.swap.identity import Identity, Quality, Shot
from livefuse.swap.neural.make import make_swapper
from livefuse.weights.recipe import load_recipe

_SWAPPER, _RECOGNISER = "inswapper_128", "w600k_r50"
_NO_LANDMARKS = np.empty((0, 2), np.float32)


@dataclass(frozen=True)
class Swapped:
    """Shapes: crop (128, 128, 3) and picture (H, W, 3) uint8 RGB; embedding (512,)."""

    crop: U8
    picture: U8
    embedding: F32


def psnr(one: U8, other: U8) -> float:
    """Decibels; infinite for equal pictures."""
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


def by_livefuse(engines: Engines, source: U8, source_points: F32, target: U8, points: F32) -> Swapped:
    backend, lane = CpuBackend(), Lane(0)
    recipe = engines.store.recipe(_SWAPPER)
    profile = make_profile(ProfileConfig(name="insightface"), backend)
    swapper = make_swapper(recipe, engines, backend, profile, SwapConfig(model=_SWAPPER))
    record = ConsentRecord("test", "2026-01-01T00:00:00+00:00", "public-domain", "0" * 64, "0")
    shot = Shot(source, _NO_LANDMARKS, source_points, "0" * 64, "photo", Quality(1, 1, 1, 100))
    identity = Identity("source", source, _NO_LANDMARKS, source_points, record, "0" * 64, (shot,))
    picture = backend.upload(lane, HostFrame((target,), "rgb24", target.shape[1], target.shape[0]))
    crop = swapper.cut(lane, picture, Face(1, points, _NO_LANDMARKS), 0)
    swapper(lane, [crop], [identity], 0)
    swapped = crop.image.copy()
    swapper.paste(lane, picture, crop)
    return Swapped(swapped, picture.planes[0], swapper._source.embed(shot)[0])  # type: ignore[attr-defined]


def by_insightface(engines: Engines, source: U8, source_points: F32, target: U8, points: F32) -> Swapped:
    """Raises: ImportError without the package."""
    face = importlib.import_module("insightface.app.common").Face
    zoo = "insightface.model_zoo"
    recogniser = importlib.import_module(f"{zoo}.arcface_onnx").ArcFaceONNX(_file(engines, _RECOGNISER))
    swapper = importlib.import_module(f"{zoo}.inswapper").INSwapper(_file(engines, _SWAPPER))
    ours, theirs = face(kps=source_points), face(kps=points)
    recogniser.get(_bgr(source), ours)
    crop, _ = swapper.get(_bgr(target), theirs, ours, paste_back=False)
    whole = swapper.get(_bgr(target), theirs, ours, paste_back=True)
    return Swapped(_bgr(crop), _bgr(whole), ours.embedding)


def _file(engines: Engines, name: str) -> str:
    return str(Path(engines.store.folder) / load_recipe(name).file)


def _bgr(image: U8) -> U8:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR), np.uint8)
