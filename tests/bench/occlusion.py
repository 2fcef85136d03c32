"""How well what hides a face is found, and how often something is found that is not there.

    python -m tests.bench.occlusion [--masks estimate,xseg_1] [--cut mesh|template] [--seeds 0-5] [--frames N]
                                    [--known] [--street] [--sheet FILE.png]

The stage of masks as a session has it, behind the real detector and landmarker (LIVEFUSE_SHARED), or with `--known` on the
truth's landmarks. IoU, recall and precision are of the hole (less than half visible) within the face's swapped area, on
frames where the synthetic hand truly covers over 3 % of it; "after" is what is still open once the hand has gone. Frames
without a hand give the false holes: the mean share of the face, and the frames with more than 1 % of it. Times are CPU
of the pipeline's thread, per face, from `begin` until the mask is applied; networks run on other threads and are not in
them. Networks that are not in the store are synthesized: what they find is noise.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.align.cut import Cut, RegionCut, TemplateCut
from livefuse.clock import MonotonicClock
from livefuse.composite.masks.make import make_masks
from livefuse.config import Config, make_config
from livefuse.device.base import Lane
from livefuse.engines import Engines
from livefuse.errors import DownloadFailed, LivefuseError, ModelMissing
from livefuse.frame import U8, Crop, HostFrame
from livefuse.paths import Paths
from livefuse.source.synthetic.source import SyntheticSource
from livefuse.stages import Stages, build_stages
from livefuse.swap.base import MaskStage
from livefuse.swap.mesh import mask, topology
from tests.bench.street import decoded
from tests.conftest import shared_folder
from tests.synthetic_models import install

COVERED, OPENED, WARM_UP_FRAMES = 0.03, 0.01, 15
TILE = (300, 250)
Bools = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Figures:
    iou: list[float] = field(default_factory=list)
    recall: list[float] = field(default_factory=list)
    precision: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    false: list[float] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)
    tiles: list[U8] = field(default_factory=list)

    def add(self, found: Bools, covered: Bools | None, area: Bools) -> None:
        """Judge one face of one frame; `covered` is None where there is no hand in the whole clip."""
        size = max(1, int(area.sum()))
        found = found & area
        if covered is None:
            self.false.append(found.sum() / size)
            return
        covered = covered & area
        if covered.sum() > COVERED * size:
            both = float((found & covered).sum())
            self.iou.append(both / float((found | covered).sum()))
            self.recall.append(both / float(covered.sum()))
            self.precision.append(both / max(1.0, float(found.sum())))
        elif not covered.any():
            self.after.append(found.sum() / size)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--masks", default="estimate")
    parser.add_argument("--cut", choices=("mesh", "template"), default="mesh")
    parser.add_argument("--seeds", default="0-5")
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--known", action="store_true")
    parser.add_argument("--street", action="store_true")
    parser.add_argument("--sheet", type=Path)
    args = parser.parse_args()
    shared = shared_folder()
    if shared is None:
        raise SystemExit("needs the folder of real models: LIVEFUSE_SHARED")
    low, _, high = args.seeds.partition("-")
    urls = [f"synthetic:{args.size}@30?seed={s}&hand=1" for s in range(int(low), int(high or low) + 1)]
    urls += [url.replace("hand=1", "hand=0") for url in urls]
    if not args.known:
        urls.append(str(shared / "media" / "talking_head.mp4"))
        urls += [str(shared / "media" / "street_1080p.mp4")] if args.street else []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("LIVEFUSE_HOME", folder)
        os.environ["LIVEFUSE_MODEL_MIRROR"] = str(shared / "models")
        head = "IoU  median   p10  recall precision   after frames   false frames    ms p50   p95"
        print(f"{'source':34s}{'masks':16s} {head}")
        for name in args.masks.split(","):
            note, sums = ensured(name, args, folder), Figures()
            for url in urls:
                figures = judge(url, name, args)
                print_row(Path(url).name.removeprefix("synthetic:"), name, figures, note)
                for one in ("iou", "recall", "precision", "after", "false", "ms", "tiles"):
                    getattr(sums, one).extend(getattr(figures, one))
            print_row("all", name, sums, note)
            if args.sheet is not None:
                write_sheet(args.sheet.with_stem(f"{args.sheet.stem}_{name}"), sums.tiles)


def configured(name: str, args: argparse.Namespace, url: str = "synthetic:") -> Config:
    settings: dict[str, object] = {"mask.occlusion": (name,), "mask.steady": 0.0}
    settings["swap.model"] = "mesh" if args.cut == "mesh" else "inswapper_128"
    settings["track.faces"] = "all" if "street" in url else "one"
    if args.known:
        settings["detect.model"] = "known"
    return make_config({}, settings)


def ensured(name: str, args: argparse.Namespace, folder: str) -> str:
    """Synthesize a network that is not there, into a home of its own: random weights never enter the user's store. The note
    that says so."""
    config = configured(name, args)
    stages = build_stages(config, MonotonicClock(), list)
    try:
        make_masks(config, Engines(config), stages.pipeline.backend)
    except (ModelMissing, DownloadFailed):
        os.environ["LIVEFUSE_HOME"] = folder
        install(Paths.default(), name, tiny=False)
        return "random weights"
    except LivefuseError as error:
        raise SystemExit(str(error)) from error
    return ""


def judge(url: str, name: str, args: argparse.Namespace) -> Figures:
    """One source through detector, landmarker, cut and the stage of masks."""
    config = configured(name, args, url)
    stages = build_stages(config, MonotonicClock(), list)
    backend, lane = stages.pipeline.backend, Lane(0)
    masks = make_masks(config, Engines(config), backend)
    assert masks is not None  # an occluder is always asked for
    cut: Cut = RegionCut(backend) if args.cut == "mesh" else TemplateCut(backend.warp, "arcface_128", 128)
    figures = Figures()
    for i, frame in enumerate(frames_of(url, args.frames)):
        crops, spent_ms = masked(stages, masks, lane, cut, frame)
        if crops and i >= WARM_UP_FRAMES:
            figures.ms.append(spent_ms / len(crops))
        for crop, area in crops:
            truth = frame.truth.occlusion() if "hand=1" in url else None
            size = crop.image.shape[1::-1]
            covered = None if truth is None else cv2.warpAffine(truth, crop.to_crop, size) > 127
            figures.add(opened(crop), covered, area)
            if i % 6 == 0 and 20 <= i < 120:
                figures.tiles.append(tile(crop, covered, area, i))
    return figures


def masked(
    stages: Stages, masks: MaskStage, lane: Lane, cut: Cut, frame: HostFrame
) -> tuple[list[tuple[Crop, Bools]], float]:
    """The faces of a frame with what the stage says of them, and where they would be swapped."""
    pipeline, t_ns = stages.pipeline, frame.pts_ns
    picture = pipeline.backend.upload(lane, frame)
    pipeline.detect.begin(lane, picture)
    pipeline.align.begin(lane, picture)
    faces = pipeline.detect(lane, picture, t_ns)
    crops = pipeline.align(lane, picture, faces, t_ns, cut)
    start = time.thread_time()
    masks.begin(lane, picture, crops, t_ns)
    spent = time.thread_time() - start
    areas = []
    for crop in crops:
        crop.mask, crop.swapped = np.full(crop.image.shape[:2], 255, np.uint8), True
        areas.append(swapped_area(crop))
    start = time.thread_time()
    masks(lane, picture, crops, t_ns)
    return list(zip(crops, areas, strict=True)), (spent + time.thread_time() - start) * 1e3


def frames_of(url: str, count: int) -> Iterator[HostFrame]:
    if url.startswith("synthetic:"):
        source = SyntheticSource(url)
        yield from (source.frame(i) for i in range(count))
        return
    for frame, _ in zip(decoded(Path(url)), range(count), strict=False):
        yield frame


def swapped_area(crop: Crop) -> Bools:
    """Where the mesh would swap the face."""
    try:
        frame = topology.face_frame(crop.landmarks)
    except LivefuseError:
        return np.zeros(crop.image.shape[:2], np.bool_)
    return np.asarray(mask.draw_opacity(crop.image.shape[:2], crop.landmarks, frame, 0.5) > 127, np.bool_)


def opened(crop: Crop) -> Bools:
    shape = crop.image.shape[:2]
    if crop.visible is None:
        return np.zeros(shape, np.bool_)
    return np.asarray(cv2.resize(crop.visible, shape[::-1], interpolation=cv2.INTER_LINEAR) < 128, np.bool_)


def tile(crop: Crop, covered: Bools | None, area: Bools, index: int) -> U8:
    """The crop with the hole in green, the truth outlined in red, the swapped area in blue."""
    image = crop.image.copy()
    image[opened(crop)] = image[opened(crop)] // 2 + np.array([0, 110, 40], np.uint8)
    for outline, colour in ((covered, (255, 0, 0)), (area, (60, 60, 255))):
        if outline is not None:
            lines, _ = cv2.findContours(outline.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(image, lines, -1, colour, 1)
    scale = min(TILE[0] / image.shape[0], TILE[1] / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.zeros((*TILE, 3), np.uint8)
    canvas[: small.shape[0], : small.shape[1]] = small[: TILE[0], : TILE[1]]
    cv2.putText(canvas, str(index), (6, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 0), 2)
    return canvas


def write_sheet(path: Path, tiles: list[U8], columns: int = 17) -> None:
    tiles = tiles + [np.zeros((*TILE, 3), np.uint8)] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def print_row(source: str, masks: str, figures: Figures, note: str) -> None:
    def of(values: list[float], at: float | None = None) -> float:
        return float("nan") if not values else float(np.mean(values) if at is None else np.percentile(values, at))

    iou, after, false = figures.iou, figures.after, figures.false
    print(
        f"{source:34s}{masks:16s} {of(iou):.2f}   {of(iou, 50):.2f}   {of(iou, 10):.2f}   {of(figures.recall):.2f}   "
        f"{of(figures.precision):.2f}     {of(after):6.2%} {sum(v > OPENED for v in after):3d}/{len(after):<4d}"
        f"{of(false):6.2%} {sum(v > OPENED for v in false):3d}/{len(false):<4d}  "
        f"{of(figures.ms, 50):5.2f} {of(figures.ms, 95):5.2f}  {note}",
        flush=True,
    )


if __name__ == "__main__":
    main()
