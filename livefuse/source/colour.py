"""H.273 tags of decoded pictures.

An untagged picture is taken as BT.601, whatever its size, because swscale does so by default: players that guess
BT.709 from 720 lines on disagree, but a pass-through through FFmpeg then changes nothing.
"""

from __future__ import annotations

from livefuse.frame import Colour, Matrix

# Source: ITU-T H.273 (2021), table 4. SMPTE 240M (7) differs from BT.709 by less than 0.002 in each coefficient.
_MATRICES: dict[int, Matrix] = {1: "bt709", 7: "bt709", 9: "bt2020", 10: "bt2020", 14: "bt2020"}
_UNSPECIFIED = 2
JPEG_RANGE = 2


def colour_of(matrix: int, primaries: int, transfer: int, color_range: int, pixel_format: str) -> Colour:
    """The tags that FFmpeg reports; its `yuvj` formats say full range by their name."""
    full = color_range == JPEG_RANGE or pixel_format.startswith("yuvj")
    return Colour(_MATRICES.get(matrix, "bt601"), full, _tag(primaries), _tag(transfer), _tag(matrix))


def rgb_colour(primaries: int = _UNSPECIFIED, transfer: int = _UNSPECIFIED) -> Colour:
    """RGB pictures: only light is tagged; matrix and range stay at what a sink should make of them as YUV."""
    return Colour(primaries_tag=_tag(primaries), transfer_tag=_tag(transfer))


def _tag(value: int) -> int:
    return value if 0 < value < 256 else _UNSPECIFIED
