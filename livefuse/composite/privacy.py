"""Fail private: decides what may leave. Pure logic, so that tests can ask about every case.

`closed`: nothing leaves but pictures whose chosen face was swapped, with every other face covered; a picture without a
swapped face is covered as a whole, because the detector's "nobody there" is no proof. `open`: all passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from livefuse.config import PrivacyConfig
from livefuse.frame import Crop, Crops, Faces

Box = tuple[int, int, int, int]

# A mask this opaque hides what lies under it; while a swap fades in, the real face below must be covered first.
_OPAQUE = 250
# A mask that takes away more of the swap than any hand does may be wrong, and what it shows would be the real face.
_MOST_HIDDEN = 0.85


class Verdict(Enum):
    """What a frame that leaves shows."""

    SWAPPED = "swapped"
    """Every chosen face is swapped; in `closed` mode all others are covered."""
    COVERED = "covered"
    """No real face is recognisable, but none was swapped either."""
    PASSED = "passed"
    """`open` mode: as it came."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What composite has to do. `whole` means that the entire picture is covered and nothing is pasted; `boxes` are covered
    before swaps are pasted, `strangers`, those of them that nobody is swapped in, again where a paste has reached into them."""

    verdict: Verdict
    whole: bool = False
    boxes: tuple[Box, ...] = ()
    strangers: tuple[Box, ...] = ()


def decide(config: PrivacyConfig, faces: Faces, crops: Crops, *, failed: bool) -> Decision:
    """`failed` says that a stage raised on this frame, so that `faces` and `crops` may be missing something."""
    swapped = {crop.track for crop in crops if crop.swapped and crop.mask is not None}
    wanted = {int(i) for i in faces.ids[faces.chosen]}
    done = bool(swapped) and wanted <= swapped and not failed
    if config.mode == "open":
        return Decision(Verdict.SWAPPED if done else Verdict.PASSED)
    if not swapped or failed:
        return Decision(Verdict.COVERED, whole=True)
    solid = {crop.track for crop in crops if crop.track in swapped and _is_solid(crop)}
    bare = [i for i in range(len(faces)) if int(faces.ids[i]) not in solid or int(faces.ids[i]) < 0]
    boxes = tuple(_head(faces.boxes[i]) for i in bare)
    strangers = tuple(_head(faces.boxes[i]) for i in bare if int(faces.ids[i]) not in swapped)
    return Decision(Verdict.SWAPPED if done else Verdict.COVERED, boxes=boxes, strangers=strangers)


def _is_solid(crop: Crop) -> bool:
    return crop.mask is not None and int(crop.mask.max()) >= _OPAQUE and crop.hidden <= _MOST_HIDDEN


def _head(box: np.ndarray[tuple[int], np.dtype[np.float32]]) -> Box:
    """The box of a whole head from the box of a face: detectors frame brows to chin."""
    x1, y1, x2, y2 = (float(v) for v in box)
    w, h = x2 - x1, y2 - y1
    return round(x1 - 0.25 * w), round(y1 - 0.35 * h), round(x2 + 0.25 * w), round(y2 + 0.2 * h)
