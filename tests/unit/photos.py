"""Pictures and engines for tests of what looks at real faces."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np

from livefuse.device.base import Lane, Picture
from livefuse.device.cpu import CpuBackend
from livefuse.frame import U8, HostFrame
from livefuse.runtime.ort import OrtEngine


def engine(shared: Path, name: str) -> OrtEngine:
    return OrtEngine(shared / "models" / name, threads=1)


def picture_of(rgb: U8) -> Picture:
    return CpuBackend().upload(Lane(0), HostFrame((rgb,), "rgb24", rgb.shape[1], rgb.shape[0]))


def photo(shared: Path, name: str) -> Picture:
    bgr = cv2.imread(str(shared / "media" / name))
    assert bgr is not None
    return picture_of(np.ascontiguousarray(bgr[..., ::-1]))


def clip_pictures(shared: Path, name: str, indices: tuple[int, ...]) -> list[Picture]:
    with av.open(str(shared / "media" / name)) as container:
        return [
            picture_of(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
            for i, frame in enumerate(container.decode(video=0))
            if i in indices
        ]
