"""Tracks, identity switches and flicker on a clip of people crossing; and a sheet to look at."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

import av
import cv2
import numpy as np

from livefuse.align.recogniser import SAME_PERSON, Recogniser, cosine
from livefuse.device.base import Picture
from livefuse.frame import F32, U8, Colour, Crops, Faces, HostFrame
from livefuse.runtime.ort import OrtEngine
from livefuse.weights.recipe import load_recipe

CLIP, MIN_RUN_FRAMES, LEAST_FACE_PX, WINDOW = "street_1080p.mp4", 5, 60, 5
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
    ]


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
