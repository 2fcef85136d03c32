"""How much a swap makes a face look like its identity, to a face recogniser, and what it costs.

    python -m tests.bench.identity_cosine [--clip FILE] [--every N] [--sheet FILE.png] [PHOTO ...]

Prints, per identity: mean cosine between each frame's face and the photo's face before and after the swap, the part of
frames swapped, the median time of the swap and the flicker of the light it adds (mean absolute change from frame to
frame of the mean colour under the mask, minus what the target itself changes). Without arguments: the three pictures
and the clip of the folder of shared media.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from livefuse.align.openseeface import OpenSeeFace
from livefuse.align.recogniser import Recogniser
from livefuse.align.stage import Align
from livefuse.config import Config, IdentityConfig
from livefuse.detect.stage import Detect
from livefuse.detect.track import Tracker
from livefuse.detect.yunet import YuNet
from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, U8, HostFrame
from livefuse.runtime.ort import OrtEngine
from livefuse.source import open_source
from livefuse.swap.identity import Identity, load_identity
from livefuse.swap.mesh.swapper import MeshSwapper
from livefuse.weights.recipe import load_recipe
from tests.conftest import shared_folder

PHOTOS = ("mona_lisa.jpg", "donna_velata.jpg", "astronaut.png")


class Eyes:
    """The models, and what they see in one picture."""

    def __init__(self, models: Path) -> None:
        self.backend, self.lane = CpuBackend(), Lane(0)
        self.finder = YuNet(OrtEngine(models / "yunet_n_dynamic.onnx", threads=1), self.backend, size_px=480)
        self.landmarker = OpenSeeFace(OrtEngine(models / "openseeface_lm_model0.onnx", threads=1), self.backend)
        self.recogniser = Recogniser(
            OrtEngine(models / "mobilefacenet_128d.onnx", threads=1), self.backend, load_recipe("mobilefacenet")
        )

    def picture_of(self, rgb: U8) -> Picture:
        return self.backend.upload(self.lane, HostFrame((rgb,), "rgb24", rgb.shape[1], rgb.shape[0]))

    def faces_of_photo(self, rgb: U8) -> list[tuple[F32, F32, F32]]:
        picture = self.picture_of(rgb)
        found = self.finder(self.lane, picture)
        landmarks, _ = self.landmarker(self.lane, picture, found.points)
        return list(zip(found.boxes, found.points, landmarks, strict=True))

    def embedding(self, picture: Picture) -> F32 | None:
        """Of the largest face; None without one."""
        found = self.finder(self.lane, picture)
        if not len(found):
            return None
        largest = int(np.argmax((found.boxes[:, 2] - found.boxes[:, 0]) * (found.boxes[:, 3] - found.boxes[:, 1])))
        return self.recogniser.embed(self.lane, picture, found.points[largest : largest + 1])[0]


@dataclass
class Figures:
    """What was measured for one identity."""

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    swap_ms: list[float] = field(default_factory=list)
    colour: list[tuple[F32, F32]] = field(default_factory=list)
    frames: int = 0
    swapped: int = 0

    def line(self, name: str) -> str:
        before, after = float(np.mean(self.before)), float(np.mean(self.after))
        target, result = (np.diff(np.array(part), axis=0) for part in zip(*self.colour, strict=True))
        flicker = float(np.abs(result - target).mean())
        return (
            f"{name:20} cosine {before:+.3f} -> {after:+.3f} ({after - before:+.3f})  swapped {self.swapped}/{self.frames}"
            f"  {np.median(self.swap_ms):.2f} ms  flicker {flicker:.2f} levels"
        )


def measure(eyes: Eyes, clip: str, identity: Identity, every: int, tiles: list[U8]) -> Figures:
    config = Config()
    detect = Detect(eyes.finder, Tracker(config.track, config.detect))
    align, swap = Align(eyes.landmarker, config.track), MeshSwapper(config.swap, eyes.backend)
    known = eyes.recogniser.embed(eyes.lane, _picture(identity.image), identity.points[None])[0]
    figures, source = Figures(), open_source(clip)
    swap.prepare(identity)
    while (frame := source.read()) is not None:
        picture = eyes.backend.upload(eyes.lane, frame)
        looked_at = figures.frames % every == 0
        if looked_at and (seen := eyes.embedding(picture)) is not None:
            figures.before.append(float(seen @ known))
        detect.begin(eyes.lane, picture)
        faces = detect(eyes.lane, picture, frame.pts_ns)
        crops = align(eyes.lane, picture, faces, frame.pts_ns, swap.cut)
        original = [crop.image.copy() for crop in crops]
        start = time.perf_counter()
        swap(eyes.lane, crops, [identity], frame.pts_ns)
        figures.swap_ms.append((time.perf_counter() - start) * 1e3)
        figures.frames += 1
        figures.swapped += any(crop.swapped for crop in crops)
        for crop, was in zip(crops, original, strict=True):
            if crop.mask is not None:
                figures.colour.append((_mean(was, crop.mask), _mean(crop.image, crop.mask)))
                eyes.backend.paste(eyes.lane, picture, crop.image, crop.mask, crop.to_crop)
        if looked_at:
            seen = eyes.embedding(picture)
            figures.after.append(0.0 if seen is None else float(seen @ known))
        if figures.frames % 40 == 10 and crops:
            tiles.append(_tile(eyes, picture, crops[0].to_crop))
    source.close()
    return figures


def _picture(rgb: U8) -> Picture:
    frame = HostFrame((rgb,), "rgb24", rgb.shape[1], rgb.shape[0])
    return Picture(frame.planes, frame.format, frame.width, frame.height, frame.colour)


def _mean(image: U8, mask: U8) -> F32:
    return np.array(cv2.mean(image, (mask > 127).astype(np.uint8))[:3], np.float32)


def _tile(eyes: Eyes, picture: Picture, to_crop: F32) -> U8:
    tile = np.empty((400, 320, 3), np.uint8)
    eyes.backend.warp(eyes.lane, picture, to_crop, tile)
    return tile


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos", nargs="*", help="identity photos")
    parser.add_argument("--clip", default="", help="video whose face is swapped")
    parser.add_argument("--every", type=int, default=4, help="look at every n-th frame")
    parser.add_argument("--sheet", default="", help="write a sheet of swapped faces here")
    args = parser.parse_args(argv)
    shared = shared_folder()
    if shared is None:
        parser.error("no folder of models and clips: set LIVEFUSE_SHARED")
    cv2.setNumThreads(1)
    eyes, rows = Eyes(shared / "models"), []
    clip = args.clip or str(shared / "media" / "talking_head.mp4")
    for photo in args.photos or [str(shared / "media" / name) for name in PHOTOS]:
        with tempfile.TemporaryDirectory() as folder:
            wanted = IdentityConfig(photo=photo, consent="public-domain", by="bench")
            identity = load_identity(wanted, eyes.faces_of_photo, Path(folder))
        tiles: list[U8] = []
        figures = measure(eyes, clip, identity, args.every, tiles)
        sys.stdout.write(figures.line(identity.name) + "\n")
        rows.append(np.hstack(tiles))
    if args.sheet:
        cv2.imwrite(args.sheet, cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main(sys.argv[1:])
