"""The null backend moves pixels in and out and does nothing else."""

from __future__ import annotations

import numpy as np

from livefuse.device.base import Backend, Lane
from livefuse.device.cpu import CpuBackend
from livefuse.device.null import NullBackend
from livefuse.frame import Colour
from tests.parity import reference


def test_only_upload_and_download_move_pixels() -> None:
    rgb = np.random.default_rng(0).uniform(0, 255, (48, 64, 3))
    frame = reference.frame_of(rgb, "yuv420p", Colour("bt709"))
    lane, backend = Lane(0), NullBackend()
    picture = backend.upload(lane, frame)
    net, crop = np.full((16, 32, 3), 9, np.uint8), np.full((10, 10, 3), 9, np.uint8)
    box = backend.letterbox(lane, picture, net)
    assert box == CpuBackend().letterbox(lane, picture, net.copy())
    identity = np.eye(2, 3, dtype=np.float32)
    backend.warp(lane, picture, identity, crop)
    assert not net.any()
    assert not crop.any()
    backend.paste(lane, picture, np.full((10, 10, 3), 255, np.uint8), np.full((10, 10), 255, np.uint8), identity)
    backend.draw(lane, picture, np.full((10, 10, 4), 255, np.uint8), 0, 0)
    backend.cover(lane, picture, None, 4)
    out = tuple(np.empty_like(plane) for plane in frame.planes)
    backend.download(lane, picture, out)
    assert all(np.array_equal(a, b) for a, b in zip(out, frame.planes, strict=True))
    operations = {name for name in vars(Backend) if not name.startswith("_") and name != "name"}
    assert backend.calls == dict.fromkeys(operations, 1)
