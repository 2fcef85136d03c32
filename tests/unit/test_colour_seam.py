from __future__ import annotations

import numpy as np

from livefuse.composite.profiles import make_profile
from livefuse.config import ProfileConfig
from livefuse.device.base import Lane
from livefuse.device.null import NullBackend
from livefuse.frame import Crop
from tests.unit.colour_scenes import points


def test_seam_can_be_turned_down_to_nothing() -> None:
    """At 0 the crop is the network's own; between, the tint is that part of the whole one."""
    target = np.full((128, 128, 3), (150, 120, 100), np.uint8)
    face = np.full((128, 128, 3), np.array([140, 130, 100]) / 255, np.float32)
    face[0, 0] = (-0.1, 1.2, 0.5)
    found = {}
    for seam in (0.0, 0.5, 1.0):
        crop = Crop(1, target.copy(), np.eye(2, 3, dtype=np.float32), points(), np.empty((0, 2), np.float32))
        make_profile(ProfileConfig(), NullBackend(), seam).finish(Lane(0), crop, face, None)
        found[seam] = crop.image.copy()
    assert found[0.0][0, 0].tolist() == [0, 255, 128]
    assert found[0.0][60, 60].tolist() == [140, 130, 100]
    assert found[0.5][60, 60].tolist() == [145, 125, 100]
    assert found[1.0][60, 60].tolist() == [150, 120, 100]
