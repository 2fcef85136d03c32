"""Tracks, identity switches and flicker on a clip of people crossing, without and with a recogniser; and a sheet to look at.

    python -m tests.bench.street [--street SIZE ...] [--sheet FILE.png]

The clip is in the folder of real media (LIVEFUSE_SHARED). Who is where in it was labelled by eye.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import av
import cv2
import numpy as np

from livefuse.align.recogniser import SAME_PERSON, Recogniser, cosine
from livefuse.config import DetectConfig, TrackConfig
from livefuse.detect.choose import Chooser
from livefuse.detect.likeness import Likeness
from livefuse.device.base import Picture
from livefuse.frame import F32, U8, Colour, Crops, Faces, HostFrame
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.recipe import load_recipe
from tests.conftest import shared_folder

# fmt: off
WHO_IS_WHERE = {
    "scarf": "0,331,780 8,618,817 16,910,804 24,1231,844 32,1544,857",
    "curls": "0,887,650 8,925,674 16,938,679 24,947,698 32,949,715 36,939,725 93,917,704 101,940,708 104,951,706",
    "boy": "0,951,678 9,965,682 17,1014,705 25,1017,741 33,1020,734 41,1044,760 49,997,767 57,956,723 65,955,726 73,903,728 81,850,713 89,835,729 97,800,744 104,800,705",
    "old man": "0,1106,641 8,1114,659 16,1127,666 24,1115,685 47,1106,697 55,1107,697 63,1095,707 71,1099,693 79,1132,700 87,1144,692 95,1142,705 103,1143,697",
    "glasses": "30,1090,714 40,1126,738 48,1161,729 56,1157,735 64,1162,723 72,1195,726 80,1205,722 88,1186,716 96,1195,729 104,1209,714",
    "red-haired man": "0,710,597 8,757,618 16,758,635 24,687,631 32,668,659 40,660,672 48,621,680 56,578,659 64,570,686 72,560,659 80,500,683 88,490,631 96,472,645 99,438,633 102,416,644",
    "his curls": "34,694,606 42,683,594 50,628,621 61,596,598 69,601,597 77,552,619 85,466,561 98,487,559 102,442,572 103,421,610",
    "white hair": "0,318,657 8,318,694 16,320,697 24,306,719 32,286,724 40,271,715 48,252,728 56,238,710 64,238,708 72,231,726 80,230,701 88,248,719 94,269,716",
    "telephone": "1,1339,669 10,1344,680 18,1360,707 26,1381,723 34,1387,730 42,1382,732 50,1383,737 58,1379,735 66,1373,733 74,1367,735 82,1361,729",
}
# fmt: on
"""frame, x, y of the face's centre, by eye; `his curls` are no face, but detectors take them for one."""

CLIP, MIN_RUN_FRAMES, LEAST_FACE_PX, WINDOW = "street_1080p.mp4", 5, 60, 5
LABEL_GAP_FRAMES = 12
Chain = Callable[[HostFrame], tuple[Picture, Faces, Crops]]


def decoded(path: Path) -> Iterator[HostFrame]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        fps = float(stream.average_rate or 25)
        for i, frame in enumerate(container.decode(stream)):
            planes = tuple(
                np.frombuffer(memoryview(p), np.uint8).reshape(p.height, -1)[:, : p.width] for p in frame.planes
            )
            yield HostFrame(planes, "yuv420p", frame.width, frame.height, round(i * 1e9 / fps), colour=Colour("bt709"))


def follow_street(chain: Chain, shared: Path, size: int, sheet: Path | None) -> list[str]:
    """Run the chain over the clip with all faces wanted."""
    model = OrtEngine(shared / "models" / "mobilefacenet_128d.onnx")
    recogniser = Recogniser(model, chain.backend, load_recipe("mobilefacenet"))  # type: ignore[attr-defined]
    where = labelled()
    seen_as: dict[int, list[str]] = defaultdict(list)
    swapped: dict[int, set[int]] = defaultdict(set)
    chosen: dict[int, set[int]] = defaultdict(set)
    embeddings: dict[int, list[F32]] = defaultdict(list)
    counts, tiles = [], []
    for k, frame in enumerate(decoded(shared / "media" / CLIP)):
        picture, faces, crops = chain(frame)
        for crop in crops:
            swapped[crop.track].add(k)
        for i in np.flatnonzero(faces.chosen):
            track = int(faces.ids[i])
            chosen[track].add(k)
            if faces.missed[i] == 0 and faces.boxes[i, 2] - faces.boxes[i, 0] >= LEAST_FACE_PX:
                embeddings[track].append(recogniser.embed(chain.lane, picture, faces.points[i : i + 1])[0])  # type: ignore[attr-defined]
        for i in np.flatnonzero(faces.missed == 0):
            name = who(where, k, faces.boxes[i])
            if name is not None:
                seen_as[int(faces.ids[i])].append(name)
        counts.append((len(faces), int(faces.chosen.sum()), len(crops)))
        if sheet is not None and k % 10 == 5:
            tiles.append(annotated(frame, faces, crops))
    if sheet is not None:
        save_sheet(sheet.with_stem(f"{sheet.stem}_{size}"), tiles)
    frames = len(counts)
    mean = np.mean(counts, axis=0)
    switches, judged = identity_switches(embeddings)
    return [
        f"street at {size} px: {len(chosen)} tracks over {frames} frames; per frame {mean[0]:.1f} faces, {mean[1]:.1f} chosen,"
        f" {mean[2]:.1f} crops",
        f"  on/off runs under {MIN_RUN_FRAMES} frames: chosen {short_runs(chosen, frames)}, crops {short_runs(swapped, frames)}",
        f"  identity switches: {switches} of {judged} tracks of at least {LEAST_FACE_PX} px that could be judged",
        f"  by eye: {sum(map(hops, seen_as.values()))} hops from one to another, {sum(map(wrong, seen_as.values()))} of"
        f" {sum(map(len, seen_as.values()))} labelled detections under another's id ({told(seen_as)})",
    ]


def labelled() -> dict[str, F32]:
    """Shapes: by name (T, 3): frame, x, y."""
    return {
        name: np.array([[float(v) for v in point.split(",")] for point in path.split()], np.float32)
        for name, path in WHO_IS_WHERE.items()
    }


def who(where: dict[str, F32], frame: int, box: F32) -> str | None:
    """Whose face a box shows: the nearest labelled one within half a face of its centre."""
    size = float(np.sqrt(np.prod(box[2:] - box[:2])))
    best, best_off = None, 0.5 * size
    for name, path in where.items():
        after = int(np.searchsorted(path[:, 0], frame))
        near = path[max(0, after - 1) : after + 1]
        if np.ptp(near[:, 0]) > LABEL_GAP_FRAMES or np.abs(near[:, 0] - frame).min() > LABEL_GAP_FRAMES / 2:
            continue
        x, y = (np.interp(frame, near[:, 0], near[:, axis]) for axis in (1, 2))
        off = float(np.hypot(x - (box[0] + box[2]) / 2, y - (box[1] + box[3]) / 2))
        if off < best_off:
            best, best_off = name, off
    return best


def stays(names: list[str]) -> list[str]:
    """Who a track showed, in order; what lasted under three detections is left out."""
    runs = [name for name, run in groupby(names) if len(list(run)) >= 3]
    return [name for name, _ in groupby(runs)]


def hops(names: list[str]) -> int:
    return max(0, len(stays(names)) - 1)


def wrong(names: list[str]) -> int:
    """Detections of others than the one whom the track showed first."""
    first = stays(names)[:1]
    return sum(name not in first for name in names) if first else 0


def told(seen_as: dict[int, list[str]]) -> str:
    return "; ".join(f"{track} {' > '.join(stays(names))}" for track, names in seen_as.items() if hops(names)) or "none"


def short_runs(present: dict[int, set[int]], frames: int) -> int:
    """Runs that begin and end inside the clip and after the face's first appearance."""
    count = 0
    for on in present.values():
        runs = [len(list(group)) for _, group in groupby(k in on for k in range(min(on), frames))]
        count += sum(length < MIN_RUN_FRAMES for length in runs[:-1])
    return count


def identity_switches(embeddings: dict[int, list[F32]]) -> tuple[int, int]:
    """Steps at which a track no longer resembles what it was just before.

    Neighbouring windows are compared, not the track's ends: these faces are so small, and turn so far, that one person's
    first and last view are less alike than two persons' are.
    """
    switches = judged = 0
    for history in embeddings.values():
        if len(history) < 2 * WINDOW:
            continue
        judged += 1
        means = np.stack([np.mean(history[i : i + WINDOW], axis=0) for i in range(len(history) - WINDOW + 1)])
        means /= np.linalg.norm(means, axis=1, keepdims=True)
        steps = np.diag(cosine(means[:-WINDOW], means[WINDOW:]))
        switches += int((steps < SAME_PERSON - 0.2).any())
    return switches, judged


def annotated(frame: HostFrame, faces: Faces, crops: Crops) -> U8:
    luma = cv2.cvtColor(np.ascontiguousarray(frame.planes[0]), cv2.COLOR_GRAY2BGR)
    for box, track, on, missed in zip(faces.boxes.astype(int), faces.ids, faces.chosen, faces.missed, strict=True):
        hue = np.array([[[int(track) * 67 % 180, 255, 255]]], np.uint8)
        colour = [int(c) for c in cv2.cvtColor(hue, cv2.COLOR_HSV2BGR)[0, 0]]
        (x1, y1, x2, y2) = (int(v) for v in box)
        cv2.rectangle(luma, (x1, y1), (x2, y2), colour, 3 if on else 1)
        cv2.putText(luma, f"{track}" + "?" * bool(missed), (x1, y1 - 8), cv2.FONT_HERSHEY_SIMPLEX, 1.1, colour, 3)
    for crop in crops:
        for x, y in (crop.landmarks - crop.to_crop[:, 2]) / crop.to_crop[0, 0]:
            cv2.circle(luma, (round(float(x)), round(float(y))), 2, (0, 255, 0), -1)
    return np.asarray(cv2.resize(luma, (960, 540), interpolation=cv2.INTER_AREA), np.uint8)


def save_sheet(path: Path, tiles: list[U8]) -> None:
    pairs = [np.hstack(tiles[i : i + 2]) for i in range(0, len(tiles) - 1, 2)]
    cv2.imwrite(str(path), np.vstack(pairs))


def main() -> None:
    from tests.bench import landmarks  # which imports this

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--street", type=int, nargs="*", default=[320, 640])
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    shared = shared_folder()
    if shared is None:
        parser.error("no folder of real models and clips: set LIVEFUSE_SHARED to it")
    track, model = TrackConfig(faces="all"), shared / "models" / "mobilefacenet_128d.onnx"
    for size in options.street:
        for verified in (False, True):
            chain = landmarks.Chain(shared / "models", track, DetectConfig(size=size, max_faces=16))
            if verified:
                recogniser = Recogniser(OrtEngine(model), chain.backend, load_recipe("mobilefacenet"))
                chain.detect.choose(Chooser(track, likeness=Likeness(recogniser)))
            sys.stdout.write(f"{'with' if verified else 'without'} a recogniser, ")
            sys.stdout.write("\n".join(follow_street(chain, shared, size, options.sheet)) + "\n")


if __name__ == "__main__":
    main()
