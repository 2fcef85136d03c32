"""Swapped faces that move and bend in known ways, and networks that are functions, for the tests of the enhancer."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.align.cut import Cut, Face, RegionCut
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.enhance.ground import Ground, Plain
from livefuse.enhance.network import Network
from livefuse.enhance.restorer import Restorer
from livefuse.frame import F32, U8, Crop, Crops, HostFrame
from livefuse.runtime.base import Feeds, Outputs
from livefuse.source.synthetic.source import SyntheticSource
from livefuse.weights.recipe import Recipe, load_recipe
from tests.unit.engines import FunctionEngine

BACKEND = CpuBackend()
SIDE = 128
PERIOD_NS = 33_333_333
Change = Callable[[F32], F32]
"""What a network does to a picture (3, S, S), -1..1."""


class HeldEngine(FunctionEngine):
    """Answers when it is told to."""

    def __init__(self, inputs: dict[str, tuple[int | str, ...]], answer: Callable[[Feeds], Any]) -> None:
        super().__init__(inputs, answer)
        self.waiting: list[tuple[Future[Outputs], dict[str, npt.NDArray[Any]]]] = []

    def submit(self, lane: Lane, feeds: Feeds) -> Future[Outputs]:
        future: Future[Outputs] = Future()
        self.waiting.append((future, dict(feeds)))
        return future

    def release(self) -> None:
        for future, feeds in self.waiting:
            future.set_result(self.run(Lane(9), feeds))
        self.waiting.clear()


def recipe_of(side: int = SIDE, **changes: Any) -> Recipe:
    """GPEN-256's, for pictures of another size."""
    return load_recipe("gpen_bfr_256").model_copy(update={"crop_px": side, **changes})


def engine_of(
    change: Change, side: int = SIDE, batch: int | str = 1, kind: type[FunctionEngine] = FunctionEngine
) -> FunctionEngine:
    return kind({"input": (batch, 3, side, side)}, lambda feeds: {"#0": np.stack([change(x) for x in feeds["input"]])})


def restorer(
    engine: FunctionEngine,
    *,
    every: int = 1,
    blend: float = 1.0,
    wait: bool = True,
    mask: Literal["face", "box"] = "face",
    own: bool = True,
    closed: bool = True,
    ground: Ground | None = None,
) -> Restorer:
    network = Network(recipe_of(engine.inputs["input"][2]), engine, 0.5)  # type: ignore[arg-type]
    under = ground or Plain(BACKEND, network.side, mask=mask, own=own, closed=closed)
    return Restorer(network, under, every=every, blend=blend, wait=wait)


def sharper(x: F32) -> F32:
    """What is there, with more contrast in its detail: a difference that belongs to the face and moves with it."""
    image = np.ascontiguousarray(x.transpose(1, 2, 0))
    return np.asarray((image + 1.5 * (image - cv2.GaussianBlur(image, (0, 0), 3))).transpose(2, 0, 1), np.float32)


def brighter(x: F32) -> F32:
    return x + np.float32(40 / 127.5)


def paste(lane: Lane, picture: Picture, crop: Crop) -> None:
    assert crop.mask is not None
    BACKEND.paste(lane, picture, crop.image, crop.mask, crop.to_crop)


def picture_of(rgb: U8) -> Picture:
    return BACKEND.upload(Lane(7), HostFrame.of_rgb(rgb))


def swapped(crop: Crop) -> Crop:
    """The crop's own face as if it were a swapped one, with a soft mask inside the landmarks' hull."""
    mask = np.zeros(crop.image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(crop.landmarks).astype(np.int32)), 255)
    crop.mask, crop.swapped = cv2.blur(cv2.erode(mask, np.ones((9, 9), np.uint8)), (9, 9)), True
    return crop


def cut_swapped(cut: Cut, picture: Picture, landmarks: F32, index: int = 0) -> Crop:
    crop = cut(Lane(index), picture, Face(index + 1, np.empty((0, 2), np.float32), landmarks), index)
    return swapped(crop)


@cache
def talking(frames: int = 24, faces: int = 1) -> tuple[tuple[Picture, F32], ...]:
    """A head that turns, nods, blinks and talks: pictures and landmarks (faces, 66, 2), which are exact."""
    source = SyntheticSource(f"synthetic:480x480@30?faces={faces}&seed=3&noise=0&frames={frames}")
    out: list[tuple[Picture, F32]] = []
    while (frame := source.read()) is not None:
        out.append((BACKEND.upload(Lane(len(out)), frame), np.asarray(frame.truth.landmarks, np.float32)))
    source.close()
    return tuple(out)


def played(stage: Restorer, frames: int = 24) -> tuple[list[Crop], list[Crop]]:
    """Each frame's crop before and after the stage."""
    before, after = [], []
    for i, (picture, landmarks) in enumerate(talking(frames)):
        crop = cut_swapped(RegionCut(BACKEND), picture, landmarks[0])
        before.append(copied(crop))
        (done,) = run(stage, picture, [crop], i)
        after.append(copied(done))
    return before, after


def run(stage: Restorer, picture: Picture, crops: Crops, frame: int = 0) -> Crops:
    return stage(Lane(frame % 2), picture, crops, paste, frame * PERIOD_NS)


def copied(crop: Crop) -> Crop:
    from dataclasses import replace

    mask = None if crop.mask is None else crop.mask.copy()
    return replace(crop, image=crop.image.copy(), mask=mask, landmarks=crop.landmarks.copy())


def apart(one: Crop, other: Crop) -> float:
    """Mean absolute difference of two crops of the same place, inside the mask."""
    assert one.mask is not None
    return float(np.abs(one.image.astype(np.float32) - other.image)[one.mask > 200].mean())
