"""How near livefuse's swap is to the insightface package's, on the same graphs, pictures and points.

    python -m tests.bench.parity [--tiny]

Synthesized inswapper_128 and w600k_r50 at full size (or with few channels), real pictures, points by YuNet. Prints, per
target picture: cosine of the two embeddings of the source photo, PSNR of the swapped crops and of the whole pictures, and
how far the alignment matrices put the crop's corners apart.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

import cv2
import numpy as np

from livefuse.align.templates import TEMPLATES, similarity_from_points, transform_points
from livefuse.config import Config
from livefuse.engines import Engines
from livefuse.frame import F32, U8
from livefuse.paths import Paths
from livefuse.photos import photo_finder
from tests.bench.home import own_home
from tests.parity.against_insightface import by_insightface, by_livefuse, psnr
from tests.synthetic_models import install

_PICTURES = ("astronaut.png", "donna_velata.jpg", "mona_lisa.jpg", "pearl_earring.jpg")
_SIDE = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="graphs with few channels: seconds instead of minutes")
    args = parser.parse_args()
    with own_home() as (shared, _):
        install(Paths.default(), "inswapper_128", "w600k_r50", tiny=args.tiny)
        run(shared / "media")


def run(media: Path) -> None:
    engines, photos = Engines(Config()), {name: _photo(media / name) for name in _PICTURES}
    lines = [f"{'target':20s}{'1 - cosine':>12s}{'crop':>12s}{'picture':>12s}{'corners':>14s}"]
    for name, (target, points) in photos.items():
        source = photos["mona_lisa.jpg" if name != "mona_lisa.jpg" else "astronaut.png"]
        ours = by_livefuse(engines, *source, target, points)
        theirs = by_insightface(engines, *source, target, points)
        a, b = (x.astype(np.float64) / np.linalg.norm(x.astype(np.float64)) for x in (ours.embedding, theirs.embedding))
        lines.append(
            f"{name:20s}{1 - a @ b:12.1e}{psnr(ours.crop, theirs.crop):9.1f} dB"
            f"{psnr(ours.picture, theirs.picture):9.1f} dB{_corners(points):11.1e} px"
        )
    print("\n".join(lines))


def _photo(path: Path) -> tuple[U8, F32]:
    rgb = np.asarray(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB), np.uint8)
    return rgb, max(photo_finder(Config())(rgb), key=lambda face: float(np.prod(face[0][2:] - face[0][:2])))[1]


def _corners(points: F32) -> float:
    """The largest distance, in crop px, between where both matrices put the crop's corners."""
    estimate_norm = importlib.import_module("insightface.utils.face_align").estimate_norm
    theirs = np.vstack((estimate_norm(points, _SIDE), [0, 0, 1]))
    back = np.linalg.inv(theirs)
    corners = np.array([[0, 0], [_SIDE, 0], [0, _SIDE], [_SIDE, _SIDE]], np.float64)
    (ours,) = similarity_from_points(points[None], TEMPLATES["arcface_128"] * _SIDE)
    return float(np.abs(transform_points(ours, corners @ back[:2, :2].T + back[:2, 2]) - corners).max())


if __name__ == "__main__":
    main()
