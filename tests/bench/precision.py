"""fp16 and INT8 against float32: size, time per run, accuracy.

    python -m tests.bench.precision [--models yunet_n ...] [--tiny]

Real YuNet and MobileFaceNet on paintings, a talking head and a street (two thirds to calibrate on, the rest to judge on); the
swapper is synthesized at full size and sees four of those pictures. Prints a Markdown table of every file that was tried,
with the times of float32 and of the converted one from the same runs, in turn.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.errors import ModelError
from livefuse.frame import U8, HostFrame
from livefuse.paths import Paths
from livefuse.runtime.offline import Activations, Calibration
from livefuse.source.image import read_image
from livefuse.swap.identity.sampling import sampled_frames
from livefuse.weights.convert.calibrate import Material
from livefuse.weights.convert.converting import Attempt, Wish, convert_model
from livefuse.weights.convert.judge import Precision
from livefuse.weights.store import ModelStore
from tests.bench.home import own_home
from tests.synthetic_models import install

SMALL, SWAPPER = ("yunet_n", "yunet_2023mar", "mobilefacenet"), "inswapper_128"
PAINTINGS = ("astronaut.png", "donna_velata.jpg", "mona_lisa.jpg", "pearl_earring.jpg")
_WAYS: tuple[tuple[Precision, Calibration, Activations], ...] = (
    ("fp16", "minmax", "int8"),
    ("int8", "minmax", "int8"),
    ("int8", "percentile", "int8"),
    ("int8", "minmax", "uint8"),
    ("int8", "percentile", "uint8"),
)
_FRAMES = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=[*SMALL, SWAPPER])
    parser.add_argument("--ways", nargs="*", type=int, default=None, help="which of the five ways, from 0")
    parser.add_argument("--tiny", action="store_true", help="the swapper with few channels: seconds instead of minutes")
    args = parser.parse_args()
    with own_home() as (shared, home):
        pictures = home / "pictures"
        for number, picture in enumerate(_pictures(shared / "media")):
            _save(pictures / f"{number:02d}.png", picture)
        print(
            "| model | file | float32 MB | MB | float32 ms, p95 | ms, p95 | accuracy |\n|---|---|---|---|---|---|---|"
        )
        for name in args.models:
            rows(name, pictures, args.ways, tiny=args.tiny)


def rows(name: str, pictures: Path, ways: list[int] | None, *, tiny: bool) -> None:
    if name == SWAPPER:
        install(Paths.default(), name, tiny=tiny)
    store = ModelStore.default()
    (path,) = store.ensure([name])
    for precision, calibration, activations in [_WAYS[i] for i in _chosen(name, ways)]:

        def tell(step: Material | Attempt, way: str = f"{precision} {calibration} {activations}") -> None:
            if isinstance(step, Attempt):
                _row(name, way, step, path.stat().st_size)

        wish = Wish(
            precision=precision, calibration=calibration, activations=activations, frames=pictures,
            most=4 if name == SWAPPER else 100, out=pictures.parent / "converted.onnx",
        )  # fmt: skip
        try:
            convert_model(store, Paths.default().recipes, name, wish, tell=tell)
        except ModelError as error:
            print(
                f"| {name} | {precision} {calibration} {activations}: refused | | | | | {error.message} |", flush=True
            )


def _chosen(name: str, ways: list[int] | None) -> list[int]:
    return ways if ways is not None else list(range(2 if name == SWAPPER else len(_WAYS)))


def _row(name: str, way: str, attempt: Attempt, source_bytes: int) -> None:
    j = attempt.judgement
    sizes = f"{source_bytes / 1e6:.2f} | {attempt.size_bytes / 1e6:.2f}"
    times = f"{j.before_ms:.1f}, {j.before_p95_ms:.1f} | {j.after_ms:.1f}, {j.after_p95_ms:.1f}"
    print(f"| {name} | {way}: {attempt.how} | {sizes} | {times} | {j.in_words()} |", flush=True)


def _pictures(media: Path) -> Iterator[U8]:
    """In an order in which the last third has some of everything."""
    paintings = [read_image(media / name) for name in PAINTINGS]
    clips = [
        [_rgb(f) for f in sampled_frames(media / n, samples=_FRAMES)] for n in ("talking_head.mp4", "street_1080p.mp4")
    ]
    for part in range(3):
        count = _FRAMES // 3
        yield from paintings[part : part + 1] if part < 2 else paintings[2:]
        for clip in clips:
            yield from clip[part * count : (part + 1) * count]


def _rgb(frame: HostFrame) -> U8:
    out = np.empty((frame.height, frame.width, 3), np.uint8)
    picture = Picture(frame.planes, frame.format, frame.width, frame.height, frame.colour)
    CpuBackend().warp(Lane(0), picture, np.eye(2, 3, dtype=np.float32), out)
    return out


def _save(path: Path, rgb: U8) -> None:
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
