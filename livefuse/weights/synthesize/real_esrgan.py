"""Real-ESRGAN: residual dense blocks at the size of the input, then two doublings. Of random weights, it enlarges and
blurs a little."""

from __future__ import annotations

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, Fill, constant, he, silenced
from livefuse.weights.synthesize.picture import COLOURS, UNCHANGED, carrying, showing

_WIDTH, _GROWTH, _BLOCKS = 64, 32, 23
_BLOCKS_SHRUNK = 4
_SLOPE = 0.2
_NOMINAL = 128
"""The height and width for which multiply-adds are counted."""
_SHARP = carrying(average=False)
_UNMOVED = silenced(he(0.5), COLOURS)


def real_esrgan_x4(g: Graph) -> None:
    _enlarging(g, 4)


def real_esrgan_x2(g: Graph) -> None:
    """As the other, but on blocks of 2 x 2 pixels as one: height and width must be even."""
    _enlarging(g, 2)


def _enlarging(g: Graph, scale: int) -> None:
    """Source: `RRDBNet` of xinntao/BasicSR, 64 channels wide, growth 32, 23 blocks."""
    x = g.input("input", ("batch", 3, "height", "width"), (1, 3, _NOMINAL, _NOMINAL))
    fill = _SHARP
    if scale == 2:
        shape = (x.shape[0], 12, _NOMINAL // 2, _NOMINAL // 2)
        # It puts the three colours of a corner side by side where PyTorch puts a colour's four corners: for weights that
        # are drawn, one order is as good as the other.
        x, fill = g.op("SpaceToDepth", [x], shape, blocksize=2), _mean_of_corners
    x = _conv(g, x, fill)
    deep, blocks = x, _BLOCKS if g.shrink == 1 else _BLOCKS_SHRUNK
    for _ in range(blocks):
        deep = _rrdb(g, deep)
    # Every block adds a fifth of its own input to it: that much they have grown in the end.
    weakened = silenced(he(0.5 / 1.2**blocks), COLOURS)
    x = nn.add(g, x, nn.conv(g, deep, x.shape[1], fill=weakened, shift=UNCHANGED))
    for _ in range(2):
        x = nn.leaky(g, _conv(g, nn.resize(g, x, mode="nearest"), carrying()), _SLOPE)
    x = nn.leaky(g, _conv(g, x, _SHARP), _SLOPE)
    x = nn.conv(g, x, 3, fill=showing(pattern=0.02), shift=constant(0.0))
    g.output(x, "output", ("batch", 3, f"height_{scale}", f"width_{scale}"))


def _conv(g: Graph, x: Tensor, fill: Fill) -> Tensor:
    return nn.conv(g, x, g.channels(_WIDTH), fill=fill, shift=UNCHANGED)


def _rrdb(g: Graph, x: Tensor) -> Tensor:
    y = x
    for _ in range(3):
        y = _dense_block(g, y)
    return _scaled(g, y, x)


def _dense_block(g: Graph, x: Tensor) -> Tensor:
    known = [x]
    for _ in range(4):
        joined = nn.concat(g, known) if len(known) > 1 else x
        known.append(nn.leaky(g, nn.conv(g, joined, g.channels(_GROWTH)), _SLOPE))
    return _scaled(g, nn.conv(g, nn.concat(g, known), x.shape[1], fill=_UNMOVED, shift=UNCHANGED), x)


def _scaled(g: Graph, y: Tensor, x: Tensor) -> Tensor:
    return nn.add(g, nn.mul(g, y, g.constant(0.2)), x)


def _mean_of_corners(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    drawn = he()(rng, shape)
    drawn[:COLOURS] = 0
    for colour in range(COLOURS):
        drawn[colour, colour::COLOURS, shape[2] // 2, shape[3] // 2] = 1 / 4
    return drawn
