"""A contact sheet of an identity's shots: what is put on, and which photos show somebody else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.composite.text import BOLD, REGULAR, coverage, height, shortened
from livefuse.frame import U8
from livefuse.swap.identity import Shot

_TILE_PX, _FRAME_PX, _GAP_PX, _TEXT_PX, _MOST_COLUMNS = 256, 4, 14, 15, 6
_PAPER, _INK, _QUIET = (250, 250, 248), (30, 32, 36), (110, 114, 120)
_BEST, _USED, _OUTLIER = (34, 139, 84), (205, 207, 210), (200, 40, 40)


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """A shot and what is said of it."""

    shot: Shot
    best: bool
    outlier: bool

    @property
    def verdict(self) -> str:
        said = ["best"] if self.best else []
        return ", ".join([*said, *(["another person"] if self.outlier else [])]) or "used"


def draw_sheet(title: str, marked: Sequence[Marked]) -> U8:
    """Shapes: (h, w, 3) uint8 RGB, four to six shots a row."""
    columns = min(len(marked), max(4, min(_MOST_COLUMNS, round(len(marked) ** 0.5))))
    rows = -(-len(marked) // columns)
    line = height(_TEXT_PX) + 2
    cell_h = _TILE_PX + 3 * line
    top = 2 * _GAP_PX + height(2 * _TEXT_PX)
    width = max(_GAP_PX + columns * (_TILE_PX + _GAP_PX), 420)
    sheet = np.empty((top + rows * (cell_h + _GAP_PX), width, 3), np.uint8)
    sheet[:] = _PAPER
    _write(sheet, title, _GAP_PX, _GAP_PX, 2 * _TEXT_PX, _INK, BOLD)
    for i, one in enumerate(marked):
        x, y = _GAP_PX + (i % columns) * (_TILE_PX + _GAP_PX), top + (i // columns) * (cell_h + _GAP_PX)
        _tile(sheet, one, x, y, line)
    return sheet


def _tile(sheet: U8, one: Marked, x: int, y: int, line: int) -> None:
    colour = _OUTLIER if one.outlier else _BEST if one.best else _USED
    sheet[y : y + _TILE_PX, x : x + _TILE_PX] = colour
    inside = _TILE_PX - 2 * _FRAME_PX
    picture = _square(one.shot, inside)
    sheet[y + _FRAME_PX : y + _FRAME_PX + inside, x + _FRAME_PX : x + _FRAME_PX + inside] = picture
    quality = one.shot.quality
    parts = f"sharp {quality.sharpness:.2f}  front {quality.frontal:.2f}  light {quality.light:.2f}"
    verdict_colour = colour if one.outlier or one.best else _QUIET
    below = y + _TILE_PX + 2
    _write(sheet, one.shot.title, x, below, _TEXT_PX, _INK, REGULAR)
    _write(sheet, parts, x, below + line, _TEXT_PX, _QUIET, REGULAR)
    _write(sheet, f"{one.verdict}, {quality.face_px:.0f} px", x, below + 2 * line, _TEXT_PX, verdict_colour, BOLD)


def _square(shot: Shot, side_px: int) -> U8:
    """The middle of the face, as much around it as the shot has on all sides."""
    centre = shot.landmarks.mean(axis=0)
    reach = max(1.0, 0.95 * float(np.ptp(shot.landmarks, axis=0).max()))
    scale = side_px / (2 * reach)
    to_tile = np.array([[scale, 0, side_px / 2 - centre[0] * scale], [0, scale, side_px / 2 - centre[1] * scale]])
    image = cv2.GaussianBlur(shot.image, (0, 0), 0.4 / scale) if scale < 0.8 else shot.image
    border = cv2.BORDER_CONSTANT
    tile = cv2.warpAffine(image, to_tile, (side_px, side_px), borderMode=border, borderValue=_PAPER)
    return np.asarray(tile, np.uint8)


def _write(sheet: U8, text: str, x: int, y: int, size_px: int, colour: tuple[int, int, int], weight: int) -> None:
    room = min(_TILE_PX if size_px == _TEXT_PX else sheet.shape[1], sheet.shape[1] - x)
    ink = coverage(shortened(text, size_px, room), size_px, weight)[:, :room]
    part = sheet[y : y + ink.shape[0], x : x + ink.shape[1]]
    opaque = ink[: part.shape[0], :, None].astype(np.float32) / 255
    part[...] = np.round(part + (np.array(colour, np.float32) - part) * opaque).astype(np.uint8)
