"""What the colour stage does to a swapped face, and what it costs.

    python -m tests.bench.colour [--frames N] [--side PX] [--sheet FILE.png] [--photo FILE]

Two clips: the talking head, and a drawn face with sensor noise under a light that turns, changes its colour and is
switched. The swapped crop is the photo, bent to the target's landmarks and painted into the aligned crop as it is: a
swapper that knows nothing of light. Per method and tint at the seam, in CIELAB and grey levels:

  ms          begin + call: median and 95th percentile
  seam dE     mean distance to the target's smooth colours along the mask's ramp
  skin dE     the same over the whole mask
  jitter      second difference of the face's mean colour from frame to frame, halved: what is no trend; and the target's
  detail      contrast of what is finer than light, of the swapped face's own
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from livefuse.align.cut import Face, TemplateCut
from livefuse.align.templates import five_points
from livefuse.composite.colour.make import make_colour, profile_seam
from livefuse.composite.profiles import make_profile
from livefuse.config import SwapConfig, make_config
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, U8, Crop, HostFrame
from livefuse.source import open_source
from livefuse.source.synthetic.portrait import draw_portrait
from livefuse.swap.identity import Identity
from livefuse.swap.mesh import topology
from livefuse.swap.mesh.swapper import MeshSwapper
from tests.bench.identity_cosine import Eyes
from tests.conftest import shared_folder
from tests.unit.swap_faces import CONSENT

METHODS = ("none", "lab", "histogram", "relight")
FRAME_NS = 33_333_333


@dataclass(frozen=True)
class Shot:
    """One frame of a clip: the picture, the same with the photo's colours in the face, and its landmarks."""

    target: U8
    painted: U8
    landmarks: F32


@dataclass
class Figures:
    ms: list[float] = field(default_factory=list)
    seam: list[float] = field(default_factory=list)
    skin: list[float] = field(default_factory=list)
    detail: list[float] = field(default_factory=list)
    means: list[tuple[F32, F32]] = field(default_factory=list)
    tiles: list[U8] = field(default_factory=list)

    def line(self) -> str:
        ours, theirs = (
            float(np.abs(np.diff(np.array(each), 2, axis=0)).mean() / 2) for each in zip(*self.means, strict=True)
        )
        p50, p95 = np.percentile(self.ms, (50, 95))
        figures = (np.mean(self.seam), np.mean(self.skin), ours, theirs, np.mean(self.detail))
        return f"{p50:8.2f} {p95:6.2f}" + "".join(f"{value:10.2f}" for value in figures)


def painted(backend: CpuBackend, target: U8, landmarks: F32, identity: Identity) -> U8:
    """The target with the photo in its face, in the photo's own light from the hairline to the chin."""
    lane = Lane(0)
    picture = backend.upload(lane, HostFrame.of_rgb(target.copy()))
    swapper = MeshSwapper(SwapConfig(colour=0.0, keep_mouth=False), backend)
    crop = swapper.cut(lane, picture, Face(1, five_points(landmarks), landmarks), 0)
    swapper(lane, [crop], [identity], 0)
    if crop.swapped:
        swapper.paste(lane, picture, crop)
    return picture.planes[0].copy()


def talking_head(eyes: Eyes, clip: Path, identity: Identity, frames: int) -> Iterator[Shot]:
    source = open_source(str(clip))
    for _ in range(frames):
        frame = source.read()
        if frame is None:
            return
        rgb = np.empty((frame.height, frame.width, 3), np.uint8)
        eyes.backend.warp(eyes.lane, eyes.backend.upload(eyes.lane, frame), np.eye(2, 3, dtype=np.float32), rgb)
        landmarks = max(eyes.faces_of_photo(rgb), key=lambda face: float(face[0][3] - face[0][1]))[2]
        yield Shot(rgb, painted(eyes.backend, rgb, landmarks, identity), landmarks)


def changing_light(backend: CpuBackend, identity: Identity, frames: int) -> Iterator[Shot]:
    """The light goes round the face once, from warm to cold, and is switched to a half in the middle."""
    image, truth = draw_portrait(3, 512)
    landmarks = truth.landmarks[0].astype(np.float32)
    face = painted(backend, image, landmarks, identity)
    frame = topology.face_frame(landmarks)
    inside = np.zeros(image.shape[:2], np.float32)
    cv2.fillConvexPoly(inside, cv2.convexHull(np.round(topology.control_points(landmarks, frame)[:73]).astype(int)), 1)
    inside = cv2.GaussianBlur(inside, (0, 0), 2)[..., None]
    ys, xs = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32)
    across, down = ((axis - centre) / (3 * frame.unit_px) for axis, centre in zip((xs, ys), landmarks[30], strict=True))
    rng = np.random.default_rng(0)
    for i in range(frames):
        angle = 2 * np.pi * i / frames
        shade = np.clip(1.1 * (np.cos(angle) * across + np.sin(angle) * down), -0.8, 0.8)[..., None]
        tint = np.array([1 + 0.25 * np.cos(angle), 1.0, 1 - 0.25 * np.cos(angle)])
        lit = image * np.exp(shade) * tint * (1.0 if i < frames // 2 else 0.5)
        lit = (lit + rng.normal(0, 4, image.shape)).clip(0, 255)
        yield Shot(lit.astype(np.uint8), (face * inside + lit * (1 - inside)).astype(np.uint8), landmarks)


def smooth_lab(image: U8) -> F32:
    blurred = cv2.GaussianBlur(image.astype(np.float32) / np.float32(255), (0, 0), image.shape[0] / 24)
    return np.asarray(cv2.cvtColor(blurred, cv2.COLOR_RGB2LAB), np.float32)


def detail(image: U8, mask: U8) -> F32:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) + 8
    return np.asarray((np.log(grey) - np.log(cv2.GaussianBlur(grey, (0, 0), image.shape[0] / 24)))[mask > 200])


def measure(backend: CpuBackend, shots: list[Shot], method: str, seam: float, seconds: float, side: int) -> Figures:
    settings = {"colour.method": method, "colour.seconds": seconds, "colour.seam": seam, "swap.model": "inswapper_128"}
    config = make_config({}, settings)
    colour, profile = make_colour(config), make_profile(config.profile, backend, profile_seam(config))
    cut, lane, figures = TemplateCut(profile.cut, "arcface_128", side), Lane(0), Figures()
    for i, shot in enumerate(shots):
        picture = backend.upload(lane, HostFrame.of_rgb(shot.target.copy()))
        crop = cut(lane, picture, Face(1, five_points(shot.landmarks), shot.landmarks), 0)
        target, made = crop.image.copy(), np.empty_like(crop.image)
        profile.cut(Lane(1), backend.upload(Lane(1), HostFrame.of_rgb(shot.painted)), crop.to_crop, made)
        start = time.thread_time()
        if colour is not None:
            colour.begin(lane, [crop])
        spent = time.thread_time() - start
        profile.finish(lane, crop, made.astype(np.float32) / np.float32(255), None)
        start = time.thread_time()
        if colour is not None:
            colour(lane, [crop], i * FRAME_NS)
        figures.ms.append((spent + time.thread_time() - start) * 1e3)
        note(figures, target, made, crop)
        if i in quarters(len(shots)):
            profile.paste(lane, picture, crop)
            figures.tiles.append(around(picture.planes[0], shot.landmarks))
    return figures


def note(figures: Figures, target: U8, made: U8, crop: Crop) -> None:
    assert crop.mask is not None
    apart = np.linalg.norm(smooth_lab(crop.image) - smooth_lab(target), axis=2)
    ramp = (crop.mask > 30) & (crop.mask < 225)
    figures.seam.append(float(apart[ramp].mean()))
    figures.skin.append(float(np.average(apart, weights=crop.mask)))
    figures.detail.append(float(detail(crop.image, crop.mask).std() / detail(made, crop.mask).std()))
    weights = crop.mask.reshape(-1) / crop.mask.sum()
    ours, theirs = (np.asarray(weights @ each.reshape(-1, 3), np.float32) for each in (crop.image, target))
    figures.means.append((ours, theirs))


def around(rgb: U8, landmarks: F32) -> U8:
    reach = float(np.ptp(landmarks[:, 1]))
    x, y = (landmarks.mean(axis=0) - reach).tolist()
    scale = 200 / (2 * reach)
    matrix = np.array([[scale, 0, -x * scale], [0, scale, -y * scale]])
    return np.asarray(cv2.warpAffine(rgb, matrix, (200, 200), flags=cv2.INTER_AREA), np.uint8)


def read_rgb(path: Path) -> U8:
    return np.asarray(cv2.cvtColor(np.asarray(cv2.imread(str(path))), cv2.COLOR_BGR2RGB), np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--side", type=int, default=128, help="crop size, px")
    parser.add_argument("--photo", default="mona_lisa.jpg")
    parser.add_argument("--sheet", type=Path, help="write frames of each method, the target first, as PNG")
    args = parser.parse_args()
    shared = shared_folder()
    if shared is None:
        raise SystemExit("needs the folder of real models and pictures: LIVEFUSE_SHARED")
    cv2.setNumThreads(1)
    eyes = Eyes(shared / "models")
    photo = read_rgb(shared / "media" / args.photo)
    landmarks = max(eyes.faces_of_photo(photo), key=lambda face: float(face[0][3] - face[0][1]))[2]
    identity = Identity(args.photo, photo, landmarks, five_points(landmarks), CONSENT, "0" * 64)
    clips = {
        "talking head": list(talking_head(eyes, shared / "media/talking_head.mp4", identity, args.frames)),
        "changing light": list(changing_light(eyes.backend, identity, args.frames)),
    }
    for i, (name, shots) in enumerate(clips.items()):
        print(f"{name}, crop {args.side} px  (CPU ms)\n{'':28s}{'p50':>8s} {'p95':>6s}", end="")
        print("".join(f"{title:>10s}" for title in ("seam dE", "skin dE", "jitter", "target", "detail")))
        rows = [np.hstack([around(shots[k].target, shots[k].landmarks) for k in quarters(len(shots))])]
        for method in METHODS:
            for seam, seconds in ((1.0, 0.4), (0.0, 0.4)) if method == "none" else ((1.0, 0.4), (0.0, 0.4), (0.0, 0.0)):
                figures = measure(eyes.backend, shots, method, seam, seconds, args.side)
                print(f"{method:10s} tint {seam:.0f}, {seconds:.1f} s   {figures.line()}")
                if seconds > 0:
                    rows.append(np.hstack(figures.tiles))
        if args.sheet is not None:
            path = args.sheet.with_stem(f"{args.sheet.stem}-{i}")
            cv2.imwrite(str(path), np.ascontiguousarray(np.vstack(rows)[..., ::-1]))


def quarters(count: int) -> list[int]:
    return [0, count // 4, count // 2 - 1, count * 3 // 4]


if __name__ == "__main__":
    main()
