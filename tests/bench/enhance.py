"""What an enhancer on every n-th frame costs and how it looks, against one on every frame.

    python -m tests.bench.enhance [--clip FILE] [--photo FILE] [--frames N] [--model FILE.onnx | --detail] [--sheet FILE.png]

The swap is the mesh's; the enhancer GPEN-256 as `livefuse models synthesize gpen_bfr_256` writes it, or with --detail a
plain sharpening filter that answers as a trained one does: strongly, and where there is detail. `stage ms` is the stage
without its network, `frame ms` with it. Flicker is the mean absolute difference inside the face between a frame and the
one before it, brought onto it by the optical flow of the target; differences are to the output with the network on every
frame, over the face and over the worst hundredth of it. `aligned` moves what was added by the alignment alone, `frozen` not
at all: both show what the warp is worth.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.align.stage import Align
from livefuse.config import Config, IdentityConfig
from livefuse.detect.stage import Detect
from livefuse.detect.track import Tracker
from livefuse.device.base import Backend, Lane, Picture
from livefuse.device.planes import Affine
from livefuse.enhance.ground import Plain
from livefuse.enhance.network import Network
from livefuse.enhance.residual import Kept, Mover
from livefuse.enhance.restorer import Restorer
from livefuse.frame import F32, U8, Crops
from livefuse.runtime.base import Engine, Feeds, Outputs
from livefuse.runtime.ort import OrtEngine
from livefuse.source import open_source
from livefuse.swap.identity import Identity, load_identity
from livefuse.swap.mesh.swapper import MeshSwapper
from livefuse.weights.bind import bound
from livefuse.weights.recipe import load_recipe
from livefuse.weights.synthesize import synthesize
from tests.bench.identity_cosine import Eyes
from tests.conftest import shared_folder
from tests.unit.engines import FunctionEngine

BLEND = 0.8


class Remembering:
    """An engine that answers what it has answered before at once: all cadences run it on the same faces."""

    placement: Mapping[str, int] = {}

    def __init__(self, engine: Engine) -> None:
        self.path, self.inputs, self.outputs = engine.path, engine.inputs, engine.outputs
        self._engine, self._known = engine, dict[bytes, tuple[Outputs, float]]()
        self.spent_ms = 0.0

    def submit(self, lane: Lane, feeds: Feeds) -> Future[Outputs]:
        future: Future[Outputs] = Future()
        future.set_result(self.run(lane, feeds))
        return future

    def run(self, lane: Lane, feeds: Feeds) -> Outputs:
        start = time.thread_time()
        (feed,) = feeds.values()
        key = feed[:, :, ::4, ::4].tobytes()
        if key not in self._known:
            begun = time.perf_counter()
            answer = {name: value.copy() for name, value in self._engine.run(lane, feeds).items()}
            self._known[key] = (answer, (time.perf_counter() - begun) * 1e3)
        answer, cost_ms = self._known[key]
        self.spent_ms += cost_ms
        self.overhead_ms = (time.thread_time() - start) * 1e3
        return answer

    def forget(self) -> None:
        self._known.clear()


class Aligned(Mover):
    def add(
        self, lane: Lane, image: U8, to_input: Affine, kept: Kept, now: F32 | None, weight: F32 | None = None
    ) -> None:
        held = kept.newest
        if held is not None:
            fresh, kept.fresh = kept.fresh, True  # neither bent nor faded
            super().add(lane, image, to_input, kept, None, weight)
            kept.fresh = fresh


class Frozen(Aligned):
    """What was added stays where it was in the picture's own px."""

    def __init__(self, side: int) -> None:
        super().__init__(side)
        self._to_input: Affine | None = None
        self._place = np.zeros(2)

    def hold(self, place: npt.NDArray[Any]) -> None:
        """Where in the frame the crop's first pixel lies."""
        self._place = place

    def add(
        self, lane: Lane, image: U8, to_input: Affine, kept: Kept, now: F32 | None, weight: F32 | None = None
    ) -> None:
        from_frame = to_input.copy()
        from_frame[:, 2] -= to_input[:, :2] @ self._place
        if kept.fresh or self._to_input is None:
            self._to_input = from_frame
        still = self._to_input.copy()
        still[:, 2] += still[:, :2] @ self._place
        super().add(lane, image, still, kept, now, weight)


@dataclass
class Variant:
    """One way of running, and what came of it."""

    name: str
    stage: Restorer | None
    engine: Remembering | None = None
    mover: Mover | None = None
    stage_ms: list[float] = field(default_factory=list)
    frame_ms: list[float] = field(default_factory=list)
    frames: list[U8] = field(default_factory=list)

    def show(self, eyes: Eyes, picture: Picture, crops: Crops, swapper: MeshSwapper, t_ns: int) -> None:
        lane, backend = eyes.lane, eyes.backend
        crops = [replace(crop, image=crop.image.copy()) for crop in crops]
        if self.stage is not None and self.engine is not None:
            if isinstance(self.mover, Frozen) and crops and crops[0].mask is not None:
                x, y, _, _ = cv2.boundingRect(crops[0].mask)
                self.mover.hold(np.array([x, y]) - crops[0].to_crop[:, 2])
            self.engine.spent_ms = self.engine.overhead_ms = 0.0
            start = time.thread_time()
            crops = self.stage(lane, picture, crops, swapper.paste, t_ns)
            spent = (time.thread_time() - start) * 1e3 - self.engine.overhead_ms
            self.stage_ms.append(spent)
            self.frame_ms.append(spent + self.engine.spent_ms)
        out = Picture(
            tuple(plane.copy() for plane in picture.planes),
            picture.format,
            picture.width,
            picture.height,
            picture.colour,
        )
        for crop in crops:
            if crop.swapped and crop.mask is not None:
                swapper.paste(lane, out, crop)
        rgb = np.empty((picture.height, picture.width, 3), np.uint8)
        backend.warp(lane, out, np.eye(2, 3, dtype=np.float32), rgb)
        self.frames.append(rgb)


def variants(engine: Engine, backend: Backend) -> Iterator[Variant]:
    recipe = load_recipe("gpen_bfr_256")
    remembering = Remembering(engine)
    network = Network(bound(recipe, engine.inputs, list(engine.outputs)), remembering, 0.5)
    yield Variant("swap alone", None)
    for kind, mover in (("", Mover), ("aligned", Aligned), ("frozen", Frozen)):
        for every in (1, 2, 4, 8) if not kind else (2, 4):
            ground = Plain(backend, network.side, mask="face", own=True, closed=True)
            moves = mover(network.side)
            stage = Restorer(network, ground, every=every, blend=BLEND, wait=True, mover=moves)
            yield Variant(f"every {every} {kind}".rstrip(), stage, remembering, moves)


def play(eyes: Eyes, clip: str, identity: Identity, frames: int, shown: list[Variant]) -> tuple[list[U8], list[U8]]:
    """Targets (h, w, 3) and face masks (h, w) of each frame; the variants keep their own frames."""
    config = Config()
    detect = Detect(eyes.finder, Tracker(config.track, config.detect))
    align, swapper = Align(eyes.landmarker, config.track), MeshSwapper(config.swap, eyes.backend)
    source = open_source(clip)
    targets: list[U8] = []
    masks: list[U8] = []
    while len(targets) < frames and (frame := source.read()) is not None:
        picture = eyes.backend.upload(eyes.lane, frame)
        detect.begin(eyes.lane, picture)
        faces = detect(eyes.lane, picture, frame.pts_ns)
        crops = align(eyes.lane, picture, faces, frame.pts_ns, swapper.cut)
        target = np.empty((picture.height, picture.width, 3), np.uint8)
        eyes.backend.warp(eyes.lane, picture, np.eye(2, 3, dtype=np.float32), target)
        swapper(eyes.lane, crops, [identity], frame.pts_ns)
        if not any(crop.swapped for crop in crops):
            continue
        mask = np.zeros(target.shape[:2], np.uint8)
        for crop in crops:
            if crop.mask is not None:
                x, y = -crop.to_crop[:, 2].astype(int)
                h, w = crop.mask.shape
                mask[y : y + h, x : x + w] = crop.mask
        targets.append(target)
        masks.append((mask > 200).astype(np.uint8))
        for variant in shown:
            variant.show(eyes, picture, crops, swapper, frame.pts_ns)
        for one in {id(v.engine): v.engine for v in shown if v.engine}.values():
            one.forget()
    source.close()
    return targets, masks


def flicker(frames: list[U8], flows: list[F32], masks: list[U8]) -> float:
    apart = []
    for (before, after), there, mask in zip(pairwise(frames), flows, masks[1:], strict=True):
        moved = cv2.remap(before, there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        apart.append(float(np.abs(after.astype(np.float32) - moved)[mask > 0].mean()))
    return float(np.mean(apart))


def flows_of(targets: list[U8]) -> list[F32]:
    """For each frame but the first, where each pixel was in the one before."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(target, cv2.COLOR_RGB2GRAY) for target in targets]
    rows, columns = np.indices(grey[0].shape, np.float32)
    grid = np.stack((columns, rows), axis=-1)
    return [grid + dis.calc(after, before, None) for before, after in pairwise(grey)]


def apart(frames: list[U8], wanted: list[U8], masks: list[U8]) -> tuple[float, float, float]:
    """Mean absolute difference, PSNR, and the mean of the worst hundredth."""
    inside = [
        np.abs(one.astype(np.float32) - other)[mask > 0] for one, other, mask in zip(frames, wanted, masks, strict=True)
    ]
    squares = float(np.mean([(part**2).mean() for part in inside]))
    worst = [np.sort(part.max(axis=1))[-max(1, len(part) // 100) :].mean() for part in inside]
    psnr = float("inf") if squares == 0 else 10 * np.log10(255**2 / squares)
    return float(np.mean([part.mean() for part in inside])), float(psnr), float(np.mean(worst))


def line(variant: Variant, everyone: Variant, flows: list[F32], masks: list[U8]) -> str:
    mean, psnr, worst = apart(variant.frames, everyone.frames, masks)
    text = f"{variant.name:16} flicker {flicker(variant.frames, flows, masks):5.2f}"
    text += f"  to every frame: mean {mean:5.2f}  PSNR {psnr:5.1f} dB  worst 1 % {worst:5.1f}"
    if variant.stage_ms:
        stage = [np.percentile(variant.stage_ms, q) for q in (50, 95)]
        whole = [np.percentile(variant.frame_ms, q) for q in (50, 95, 99)]
        text += f"  stage ms {stage[0]:5.1f} {stage[1]:5.1f}  frame ms p50/95/99 " + "/".join(f"{v:.0f}" for v in whole)
        text += f" mean {np.mean(variant.frame_ms):.0f}"
    return text


def sheet(shown: list[Variant], masks: list[U8], path: str) -> None:
    """Rows: variants; columns: frames in a row."""
    ys, xs = np.nonzero(np.max(masks, axis=0))
    part = np.s_[max(0, ys.min() - 8) : ys.max() + 8, max(0, xs.min() - 8) : xs.max() + 8]
    middle = len(masks) // 2
    rows = [
        np.hstack([variant.frames[i][part] for i in range(middle, min(middle + 6, len(masks)))]) for variant in shown
    ]
    cv2.imwrite(path, cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def detail(feeds: Feeds) -> dict[str, npt.NDArray[Any]]:
    """Sharper by a factor of about two, as a trained enhancer makes a soft face."""
    (feed,) = feeds.values()
    image = np.ascontiguousarray(feed[0].transpose(1, 2, 0))
    soft = cv2.GaussianBlur(image, (0, 0), 2.5)
    return {"output": (image + 1.2 * (image - soft)).transpose(2, 0, 1)[None]}


def engine_of(given: argparse.Namespace) -> Engine:
    if given.detail:
        engine = FunctionEngine({"input": (1, 3, 256, 256)}, detail)
        engine.outputs = ["output"]
        return engine
    if given.model:
        return OrtEngine(Path(given.model))
    file = Path(tempfile.mkdtemp()) / "gpen_bfr_256.onnx"
    synthesize("gpen_bfr_256", file)
    return OrtEngine(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", default="", help="video whose face is swapped")
    parser.add_argument("--photo", default="", help="the identity")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--model", default="", help="a GPEN-256 file")
    parser.add_argument("--detail", action="store_true", help="a sharpening filter instead of a network")
    parser.add_argument("--sheet", default="", help="write faces here")
    given, shared = parser.parse_args(), shared_folder()
    if shared is None:
        sys.exit("no folder of real models and clips: set LIVEFUSE_SHARED to it")
    cv2.setNumThreads(1)
    eyes, shown = Eyes(shared / "models"), list[Variant]()
    shown += variants(engine_of(given), eyes.backend)
    with tempfile.TemporaryDirectory() as folder:
        photo = given.photo or str(shared / "media" / "donna_velata.jpg")
        wanted = IdentityConfig(photo=photo, consent="public-domain", by="bench")
        identity = load_identity(wanted, eyes.faces_of_photo, Path(folder))
    clip = given.clip or str(shared / "media" / "talking_head.mp4")
    targets, masks = play(eyes, clip, identity, given.frames, shown)
    flows = flows_of(targets)
    sys.stdout.write(f"{len(targets)} frames, {int(np.mean([mask.sum() for mask in masks]))} px of face\n")
    for variant in shown:
        sys.stdout.write(line(variant, shown[1], flows, masks) + "\n")
    if given.sheet:
        sheet(shown, masks, given.sheet)


if __name__ == "__main__":
    main()
