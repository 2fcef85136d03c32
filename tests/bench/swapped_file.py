"""Whether a swapped file kept what it should, and how much its faces look like the identity.

    livefuse swap CLIP OUT --face PHOTO --consent GROUND
    python -m tests.bench.swapped_file CLIP OUT PHOTO

Prints frames, times and sound of both files, and the mean cosine of their faces to the photo's face (MobileFaceNet).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import av
import numpy as np

from livefuse.frame import F32
from livefuse.source import open_source
from livefuse.source.image import read_image
from tests.bench.identity_cosine import Eyes
from tests.conftest import shared_folder


def video_times(path: Path) -> list[float]:
    """Presentation time of each frame, s."""
    with av.open(str(path)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def sound(path: Path) -> list[bytes]:
    """The payload of each audio packet, in order."""
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(container.streams.audio) if packet.size]


def cosines(eyes: Eyes, path: Path, wanted: F32) -> list[float]:
    """Of the largest face of each frame to the identity; frames without a face are left out."""
    source, found = open_source(str(path)), []
    while (frame := source.read()) is not None:
        embedding = eyes.embedding(eyes.backend.upload(eyes.lane, frame))
        if embedding is not None:
            found.append(float(embedding @ wanted))
    source.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("clip", "out", "photo"):
        parser.add_argument(name, type=Path)
    given, shared = parser.parse_args(), shared_folder()
    if shared is None:
        sys.exit("no folder of real models: set LIVEFUSE_SHARED to it")
    eyes = Eyes(shared / "models")
    rgb = read_image(given.photo)
    photo = eyes.embedding(eyes.picture_of(rgb))
    if photo is None:
        sys.exit(f"{given.photo}: no face")
    times, out_times = video_times(given.clip), video_times(given.out)
    packets, out_packets = sound(given.clip), sound(given.out)
    print(f"frames          {len(times)} -> {len(out_times)}")
    print(f"largest shift   {max(np.abs(np.subtract(times, out_times[: len(times)]))) * 1e6:.1f} us")
    print(f"audio packets   {len(packets)} -> {len(out_packets)}, same bytes: {packets == out_packets}")
    before, after = (cosines(eyes, path, photo) for path in (given.clip, given.out))
    gain = float(np.mean(after) - np.mean(before))
    print(f"cosine          {np.mean(before):+.3f} -> {np.mean(after):+.3f} ({gain:+.3f})")


if __name__ == "__main__":
    main()
