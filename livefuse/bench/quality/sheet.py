"""A sheet of pictures: variants below each other, frames beside each other, the original on top."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from livefuse.bench.quality.compare import Compared, Result
from livefuse.composite.text import BOLD, MEDIUM, REGULAR, coverage, height, shortened
from livefuse.errors import SinkUnwritable
from livefuse.frame import U8

DIFFERENCE_GAIN = 4
_TILE_PX, _GAP_PX, _BETWEEN_CLIPS_PX, _EDGE_PX, _LABEL_PX = 184, 4, 20, 20, 268
_NAME_PX, _TEXT_PX = 19, 13
_PAPER, _INK, _QUIET, _RULE = (250, 250, 248), (30, 32, 36), (104, 108, 114), (222, 222, 218)


def draw_sheet(compared: Compared, *, differences: bool = False) -> U8:
    """Variants that were skipped have no row. With `differences` each row has a second one under it: the absolute difference
    to the original, four times enlarged. Shapes: (h, w, 3) uint8 RGB."""
    clips = [name for name, pictures in compared.originals.items() if pictures]
    names = list(dict.fromkeys(one.variant.name for one in compared.results if one.pictures))
    columns = _columns(clips, compared)
    header = 2 * _EDGE_PX + height(_TEXT_PX)
    row_px = _TILE_PX * (2 if differences else 1) + _GAP_PX + 6
    width = max(x for x, _, _ in columns) + _TILE_PX + _EDGE_PX
    sheet = np.empty((header + _TILE_PX + 10 + len(names) * row_px + _EDGE_PX, width, 3), np.uint8)
    sheet[:] = _PAPER
    _headings(sheet, clips, columns)
    _label(sheet, header, "original", ["as the clip has it"])
    for x, clip, index in columns:
        _tile(sheet, compared.originals[clip][index], x, header)
    for row, name in enumerate(names):
        y = header + _TILE_PX + 10 + row * row_px
        results = {one.clip: one for one in compared.results if one.variant.name == name and one.pictures}
        _row(sheet, y, columns, compared, results, differences=differences)
    return sheet


def require_png(path: Path) -> None:
    """Say before the work that a sheet cannot be written there. Raises: SinkUnwritable."""
    if path.suffix.lower() != ".png":
        raise SinkUnwritable(f"{path}: a sheet is a PNG", hint=f"--sheet {path.with_suffix('.png')}")
    if not path.absolute().parent.is_dir():
        raise SinkUnwritable(f"{path}: there is no such folder", hint="make it first")


def write_sheet(sheet: U8, path: Path) -> None:
    """As PNG. Raises: SinkUnwritable."""
    require_png(path)
    data = cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1].tobytes()
    try:
        path.write_bytes(data)
    except OSError as error:
        raise SinkUnwritable(f"cannot write {path}: {error.strerror}", hint="check the folder") from error


def _columns(clips: Sequence[str], compared: Compared) -> list[tuple[int, str, int]]:
    """Where each frame's column begins: x, clip, frame index."""
    columns = []
    x = _EDGE_PX + _LABEL_PX
    for clip in clips:
        for index in sorted(compared.originals[clip]):
            columns.append((x, clip, index))
            x += _TILE_PX + _GAP_PX
        x += _BETWEEN_CLIPS_PX - _GAP_PX
    return columns


def _headings(sheet: U8, clips: Sequence[str], columns: Sequence[tuple[int, str, int]]) -> None:
    for number, clip in enumerate(clips, 1):
        places = [x for x, name, _ in columns if name == clip]
        frames = ", ".join(str(index) for _, name, index in columns if name == clip)
        room = places[-1] + _TILE_PX - places[0]
        _write(sheet, f"{number}  {clip}   frames {frames}", places[0], _EDGE_PX, _TEXT_PX, _INK, MEDIUM, room)


def _row(
    sheet: U8,
    y: int,
    columns: Sequence[tuple[int, str, int]],
    compared: Compared,
    results: dict[str, Result],
    *,
    differences: bool,
) -> None:
    first = next(iter(results.values()))
    numbers = {clip: i for i, clip in enumerate(compared.originals, 1)}
    lines = [first.variant.shown, *(_figures(numbers[clip], one) for clip, one in results.items())]
    sheet[y - 4 : y - 3, _EDGE_PX : sheet.shape[1] - _EDGE_PX] = _RULE
    _label(sheet, y, first.variant.name, lines)
    for x, clip, index in columns:
        picture = results[clip].pictures.get(index) if clip in results else None
        if picture is None:
            continue
        _tile(sheet, picture, x, y)
        if differences:
            away = cv2.absdiff(picture, compared.originals[clip][index])
            _tile(sheet, cv2.multiply(away, np.full_like(away, DIFFERENCE_GAIN)), x, y + _TILE_PX)


def _figures(number: int, result: Result) -> str:
    figures = result.figures
    if figures is None:
        return ""
    parts = [("identity", f"{figures.identity:.2f}"), ("flicker", f"{figures.flicker:+.2f}")]
    parts += [("edge", f"{figures.edge_flicker:+.2f}"), ("seam", f"{figures.seam:.1f}")]
    if math.isfinite(figures.hand):
        parts.append(("hand", f"{figures.hand:.1f}"))
    return f"{number}  " + "  ".join(f"{name} {value.replace('nan', '–')}" for name, value in parts)


def _label(sheet: U8, y: int, name: str, lines: Sequence[str]) -> None:
    room = _LABEL_PX - _GAP_PX * 3
    _write(sheet, name, _EDGE_PX, y, _NAME_PX, _INK, BOLD, room)
    at = y + height(_NAME_PX) + 4
    for text in lines:
        for part in _wrapped(text, room):
            _write(sheet, part, _EDGE_PX, at, _TEXT_PX, _QUIET, REGULAR, room)
            at += height(_TEXT_PX) + 2


def _wrapped(text: str, room_px: int) -> list[str]:
    """Lines broken at spaces where they do not fit."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip(" ") if lines[-1] else word
        if lines[-1] and coverage(longer, _TEXT_PX).shape[1] > room_px:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _tile(sheet: U8, picture: U8, x: int, y: int) -> None:
    """The picture's middle square, where the face is."""
    rows, cols = picture.shape[:2]
    side = min(rows, cols)
    top, left = (rows - side) // 2, (cols - side) // 2
    square = picture[top : top + side, left : left + side]
    flag = cv2.INTER_AREA if side > _TILE_PX else cv2.INTER_CUBIC
    sheet[y : y + _TILE_PX, x : x + _TILE_PX] = cv2.resize(square, (_TILE_PX, _TILE_PX), interpolation=flag)


def _write(
    sheet: U8, text: str, x: int, y: int, size_px: int, ink: tuple[int, int, int], weight: int, room: int
) -> None:
    room = min(room, sheet.shape[1] - x)
    mask = coverage(shortened(text, size_px, room), size_px, weight)[:, :room]
    part = sheet[y : y + mask.shape[0], x : x + mask.shape[1]]
    opaque = mask[: part.shape[0], :, None].astype(np.float32) / 255
    part[...] = np.round(part + (np.array(ink, np.float32) - part) * opaque).astype(np.uint8)
