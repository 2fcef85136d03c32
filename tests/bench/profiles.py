"""What each compositing profile costs outside the network, and the `insightface` package's own code beside them.

    python -m tests.bench.profiles [--rounds N] [--side PX] [--format rgb24|yuv420p|nv12]

One face, 35 % of the frame's height, in a frame of 1920x1080 and of 3840x2160: medians of cutting the crop, finishing what
the network gives (here a constant array) and pasting. `INSwapper.get` runs whole on a session that costs nothing, so its
figure holds the package's own cut, blob, quantisation and paste; it changes a fresh frame each time, as ours does.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from livefuse.align.templates import TEMPLATES, similarity_from_points, transform_points
from livefuse.composite.profiles import make_profile
from livefuse.composite.profiles.base import Profile
from livefuse.config import ProfileConfig
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.frame import F32, Crop, PixelFormat
from livefuse.source.synthetic.portrait import draw_portrait
from tests.parity import reference
from tests.parity.conftest import COLOURS
from tests.unit.profile_faces import FixedSession, inswapper

SIZES = ((1080, 1920), (2160, 3840))
FACE_SHARE = 0.35
NAMES = ("livefuse", "insightface", "facefusion", "deep-live-cam")


@dataclass(frozen=True)
class Scene:
    """A frame, a face in it, and what a network would give for it."""

    height: int
    width: int
    landmarks: F32
    points: F32
    face: F32


def make_scene(height: int, width: int, side: int) -> Scene:
    _, truth = draw_portrait(1, 512)
    landmarks, points = truth.landmarks[0], truth.points[0]
    scale = FACE_SHARE * height / float(np.ptp(landmarks[:, 1]) * 1.3)  # detectors' boxes reach over the brows
    centre = landmarks.mean(axis=0)
    place = np.array([width * 0.45, height * 0.48])
    turn = scale * np.array([[np.cos(0.1), np.sin(0.1)], [-np.sin(0.1), np.cos(0.1)]])
    moved = [((p - centre) @ turn + place).astype(np.float32) for p in (landmarks, points)]
    face = reference.smooth_noise(np.random.default_rng(2), side, side, 3).astype(np.float32)
    return Scene(height, width, moved[0], moved[1], np.ascontiguousarray(face.transpose(2, 0, 1)).transpose(1, 2, 0))


def medians(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            taken[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(times) for name, times in taken.items()}


def measure(profile: Profile, backend: CpuBackend, scene: Scene, pixel_format: PixelFormat, rounds: int) -> str:
    lane = Lane(0)
    noise = reference.smooth_noise(np.random.default_rng(1), scene.height, scene.width, 3, cell_px=scene.width // 6)
    picture = backend.upload(lane, reference.frame_of(255 * noise, pixel_format, COLOURS["709"]))
    side = scene.face.shape[0]
    to_crop = similarity_from_points(scene.points[None], TEMPLATES["arcface_128"] * side)[0]
    image = np.empty((side, side, 3), np.uint8)
    placed = [transform_points(to_crop, points) for points in (scene.points, scene.landmarks)]
    crop = Crop(1, image, to_crop, placed[0], placed[1])
    times = medians(
        {
            "cut": lambda: profile.cut(lane, picture, to_crop, image),
            "finish": lambda: profile.finish(lane, crop, scene.face, None),
            "paste": lambda: profile.paste(lane, picture, crop),
        },
        rounds,
    )
    shown = " ".join(f"{name} {ms:6.2f}" for name, ms in times.items())
    return f"{profile.name:>14}  {shown}  sum {sum(times.values()):7.2f} ms"


def measure_package(scene: Scene, rounds: int) -> str:
    try:
        swapper = inswapper(FixedSession(scene.face))
    except ImportError:
        return f"{'package':>14}  insightface is not installed"
    frame = np.full((scene.height, scene.width, 3), 90, np.uint8)
    face = type("Face", (), {"kps": scene.points, "normed_embedding": np.ones(512, np.float32)})()
    times = medians({"get": lambda: swapper.get(frame, face, face)}, max(3, rounds // 10))
    return f"{'package':>14}  insightface's INSwapper.get, without the network  {times['get']:7.2f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--side", type=int, default=128, help="crop size, px")
    parser.add_argument("--format", default="rgb24", choices=("rgb24", "yuv420p", "nv12"))
    parser.add_argument("--only", choices=NAMES)
    arguments = parser.parse_args()
    backend = CpuBackend()
    for height, width in SIZES:
        scene = make_scene(height, width, arguments.side)
        print(f"{width}x{height} {arguments.format}, crop {arguments.side} px")
        for name in NAMES if arguments.only is None else (arguments.only,):
            profile = make_profile(ProfileConfig(name=name), backend)
            print(measure(profile, backend, scene, arguments.format, arguments.rounds))
        if arguments.only is None:
            print(measure_package(scene, arguments.rounds))


if __name__ == "__main__":
    main()
