"""2dfan4: four stacked hourglasses that draw 68 heat maps.

Source: layer sizes of 1adrianb/face-alignment `models.py` (FAN, BSD-3).
"""

from __future__ import annotations

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import he, normal
from livefuse.weights.onnx.schema import DTYPE_NUMBERS

_POINTS, _SIDE = 68, 64
_DEPTH, _HOURGLASSES = 4, 4


def fan4(g: Graph) -> None:
    """Gives the hottest cell and its heat beside the maps, as exports for face swapping do."""
    image = g.input("input", (1, 3, 256, 256))
    x = nn.relu(g, nn.conv(g, image, g.channels(64), 7, 2, norm=True))
    x = nn.pool(g, _block(g, x, g.channels(128)))
    x = _block(g, _block(g, x, g.channels(128)), g.channels(256))
    heat = x
    for index in range(_HOURGLASSES):
        y = _block(g, _hourglass(g, x, _DEPTH), x.shape[1])
        y = nn.relu(g, nn.conv(g, y, x.shape[1], 1, norm=True))
        heat = nn.conv(g, y, _POINTS, 1, fill=he(0.035), shift=normal(0.01, 0.2))
        if index < _HOURGLASSES - 1:
            back = nn.conv(g, y, x.shape[1], 1, fill=he(0.3))
            x = nn.add(g, nn.add(g, x, back), nn.conv(g, heat, x.shape[1], 1, fill=he(0.3)))
    g.output(_hottest(g, heat), "landmarks_xyscore", (1, _POINTS, 3), given="float32")
    g.output(heat, "heatmaps", (1, _POINTS, _SIDE, _SIDE))


def _block(g: Graph, x: Tensor, out: int) -> Tensor:
    """Three convolutions, each after its norm, side by side in the result."""
    sizes = (out // 2, out // 4, out - out // 2 - out // 4)
    parts = [x]
    for size in sizes:
        y = nn.relu(g, nn.batch_norm(g, parts[-1]))
        parts.append(nn.conv(g, y, size, bias=False, fill=he(0.35)))
    if x.shape[1] != out:
        x = nn.conv(g, nn.relu(g, nn.batch_norm(g, x)), out, 1, bias=False)
    return nn.add(g, nn.concat(g, parts[1:]), x)


def _hourglass(g: Graph, x: Tensor, depth: int) -> Tensor:
    upper = _block(g, x, x.shape[1])
    lower = _block(g, nn.pool(g, x), x.shape[1])
    lower = _hourglass(g, lower, depth - 1) if depth > 1 else _block(g, lower, x.shape[1])
    lower = _block(g, lower, x.shape[1])
    return nn.add(g, upper, nn.resize(g, lower, mode="nearest"))


def _hottest(g: Graph, heat: Tensor) -> Tensor:
    flat = nn.reshape(g, g.cast(heat, "float32"), (1, _POINTS, -1), (1, _POINTS, _SIDE * _SIDE))
    shape = (1, _POINTS, 1)
    index = g.op("ArgMax", [flat], shape, axis=2, keepdims=1)
    side = g.constant([_SIDE])
    row = g.op("Div", [index, side], shape)
    column = nn.sub(g, index, nn.mul(g, row, side))
    x, y = (g.op("Cast", [value], shape, to=DTYPE_NUMBERS["float32"]) for value in (column, row))
    heat_there = g.op("ReduceMax", [flat], shape, axes=[2], keepdims=1)
    return nn.concat(g, [x, y, heat_there], axis=2)
