"""yoloface_8n: YOLOv8-n with one class and five points.

Source: layer sizes of the published YOLOv8-pose configuration at width 0.25 and depth 0.33.
"""

from __future__ import annotations

import numpy as np

from livefuse.frame import F32
from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import constant, he, placed, started
from livefuse.weights.synthesize import picture

_BINS = 16
_STRIDES = (8, 16, 32)
_LIFT = 6.0
"""SiLU changes what is well above 0 but little: the carried colours lie in 6..7."""
_SCORES = ((20.0, -18.0), (20.0, -16.0), (24.0, -7.6))
_POINTS = (-0.6, -0.6, 4.0, 0.6, -0.6, 4.0, 0.0, 0.1, 4.0, -0.5, 0.9, 4.0, 0.5, 0.9, 4.0)


def yoloface_8n(g: Graph) -> None:
    image = g.input("input", (1, 3, 640, 640))
    x = _conv(g, image, 16, stride=2, lift=_LIFT)
    x = _csp(g, _conv(g, x, 32, stride=2), 32, 1, shortcut=True)
    p3 = _csp(g, _conv(g, x, 64, stride=2), 64, 2, shortcut=True)
    p4 = _csp(g, _conv(g, p3, 128, stride=2), 128, 2, shortcut=True)
    p5 = _pyramid(g, _csp(g, _conv(g, p4, 256, stride=2), 256, 1, shortcut=True), 256)
    n4 = _csp(g, nn.concat(g, [nn.resize(g, p5, mode="nearest"), p4]), 128, 1)
    o3 = _csp(g, nn.concat(g, [nn.resize(g, n4, mode="nearest"), p3]), 64, 1)
    o4 = _csp(g, nn.concat(g, [_conv(g, o3, 64, stride=2), n4]), 128, 1)
    o5 = _csp(g, nn.concat(g, [_conv(g, o4, 128, stride=2), p5]), 256, 1)
    boxes, scores, points = zip(
        *(_head(g, x, score) for x, score in zip((o3, o4, o5), _SCORES, strict=True)), strict=True
    )
    rows = [_boxes(g, boxes), nn.sigmoid(g, _joined(g, scores)), _points(g, points)]
    g.output(nn.concat(g, [rows[0], g.cast(rows[1], "float32"), rows[2]]), "output", (1, 20, 8400), given="float32")


def _conv(g: Graph, x: Tensor, out: int, kernel: int = 3, stride: int = 1, lift: float = 0.0) -> Tensor:
    shift = started(picture.UNCHANGED, [lift] * picture.COLOURS)
    fill = picture.carrying(average=stride > 1)
    return nn.silu(g, nn.conv(g, x, g.channels(out), kernel, stride, bias=False, norm=True, fill=fill, shift=shift))


def _csp(g: Graph, x: Tensor, out: int, blocks: int, *, shortcut: bool = False) -> Tensor:
    """C2f: half passes by, half goes through the bottlenecks, all that came about is joined."""
    parts = g.split(_conv(g, x, out, 1), 2)
    for _ in range(blocks):
        half = parts[-1].shape[1]
        y = _plain(g, _plain(g, parts[-1], half), half)
        parts.append(nn.add(g, parts[-1], y) if shortcut else y)
    return _conv(g, nn.concat(g, parts), out, 1)


def _plain(g: Graph, x: Tensor, out: int, kernel: int = 3) -> Tensor:
    return nn.silu(g, nn.conv(g, x, out, kernel, bias=False, norm=True, fill=he(1.2)))


def _pyramid(g: Graph, x: Tensor, out: int) -> Tensor:
    pools = [_conv(g, x, out // 2, 1)]
    for _ in range(3):
        pools.append(nn.pool(g, pools[-1], "Max", 5, 1, 2))
    return _conv(g, nn.concat(g, pools), out, 1)


def _head(g: Graph, x: Tensor, score: tuple[float, float]) -> tuple[Tensor, Tensor, Tensor]:
    wide, narrow = g.channels(64), 16 if g.shrink == 1 else 8
    weight, bias = score
    near = [float(-((index - 3) ** 2)) / 2 for index in range(_BINS)]  # distances of about three strides
    boxes = nn.conv(g, _conv(g, _conv(g, x, wide), wide), 4 * _BINS, 1, fill=he(0.05), shift=constant(near * 4))
    looks = placed(he(0.02), {(0, 0): weight, (0, 2): -weight}, rows=0)
    scores = nn.conv(g, _conv(g, _conv(g, x, wide), wide), 1, 1, fill=looks, shift=constant(bias))
    points = nn.conv(g, _conv(g, _conv(g, x, narrow), narrow), 15, 1, fill=he(0.02), shift=constant(_POINTS))
    return boxes, scores, points


def _joined(g: Graph, levels: tuple[Tensor, ...]) -> Tensor:
    flat = [nn.reshape(g, x, (1, x.shape[1], -1), (1, x.shape[1], x.shape[2] * x.shape[3])) for x in levels]
    return nn.concat(g, flat, axis=2)


def _boxes(g: Graph, levels: tuple[Tensor, ...]) -> Tensor:
    """Each side's distance is the mean of its bins' numbers under their softmax; then centre, width and height."""
    x = _joined(g, levels)
    count = x.shape[2]
    x = nn.transpose(g, nn.reshape(g, x, (1, 4, _BINS, count), (1, 4, _BINS, count)), (0, 2, 1, 3))
    x = g.op("Softmax", [x], x.shape, axis=1)
    kernel = g.weight("dfl", (1, _BINS, 1, 1), constant(np.arange(_BINS, dtype=np.float32).reshape(1, _BINS, 1, 1)))
    g.macs += _BINS * 4 * count
    distances = g.op("Conv", [x, kernel], (1, 1, 4, count), kernel_shape=[1, 1])
    distances = g.cast(nn.reshape(g, distances, (1, 4, count), (1, 4, count)), "float32")
    centres, strides = _anchors()
    anchors = g.constant(centres, "float32")
    low = nn.sub(g, anchors, nn.part(g, distances, 0, 2))
    high = nn.add(g, anchors, nn.part(g, distances, 2, 4))
    middle = nn.div(g, nn.add(g, low, high), g.constant(2.0, "float32"))
    return nn.mul(g, nn.concat(g, [middle, nn.sub(g, high, low)]), g.constant(strides, "float32"))


def _points(g: Graph, levels: tuple[Tensor, ...]) -> Tensor:
    x = _joined(g, levels)
    x = g.cast(nn.reshape(g, x, (1, 5, 3, -1), (1, 5, 3, x.shape[2])), "float32")
    centres, strides = _anchors()
    corner = g.constant(centres[:, None] - 0.5, "float32")
    twice = nn.mul(g, nn.part(g, x, 0, 2, axis=2), g.constant(2.0, "float32"))
    places = nn.mul(g, nn.add(g, twice, corner), g.constant(strides[:, None], "float32"))
    x = nn.concat(g, [places, nn.sigmoid(g, nn.part(g, x, 2, 3, axis=2))], axis=2)
    return nn.reshape(g, x, (1, 15, -1), (1, 15, x.shape[3]))


def _anchors() -> tuple[F32, F32]:
    """Cell centres (1, 2, 8400) in strides, and the strides (1, 1, 8400)."""
    grids = [np.mgrid[:640:s, :640:s][::-1].reshape(2, -1) / s + 0.5 for s in _STRIDES]
    strides = np.repeat(np.array(_STRIDES, np.float32), [(640 // s) ** 2 for s in _STRIDES])
    return np.concatenate(grids, 1).astype(np.float32)[None], strides[None, None]
