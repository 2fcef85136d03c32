"""A stand-in for LivePortrait's generator: its decoder, behind a warp that moves the volume in two dimensions instead of three.

The real one estimates a dense motion with a 3-D network and samples the volume in space, which ONNX has from opset 20 on.
Of random weights, it shows the volume's picture, moved from its own points to the driving ones.
"""

from __future__ import annotations

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, Fill, carried, constant, he, normal, silenced
from livefuse.weights.synthesize.live_portrait import CHANNELS, DEPTH, POINTS, VOLUME_SIDE
from livefuse.weights.synthesize.picture import COLOURS, UNCHANGED

_OUT_PX = 512
_MIDDLE, _SEGMENT, _HIDDEN, _LEAST = 512, 256, 128, 64
_MIDDLE_BLOCKS = 6
_REACH = 0.1
"""Variance of the bump round each point in which the picture follows it, in the unit of points: LivePortrait's own is 0.01."""
_STILL = 0.05
"""How strongly what is far from every point stays where it is."""
_CONTRAST, _PATTERN = 4.0, 0.02


def generator(g: Graph) -> None:
    """Source: KwaiVGI/LivePortrait `spade_generator.py` (the decoder, exactly) and `warping_network.py` (the warp's last
    layers)."""
    volume = g.input("feature_volume", (1, CHANNELS, DEPTH, VOLUME_SIDE, VOLUME_SIDE))
    driving, own = (g.input(name, (1, POINTS, 3)) for name in ("source", "target"))
    width = CHANNELS * DEPTH
    flat = nn.reshape(g, volume, (1, width, VOLUME_SIDE, VOLUME_SIDE), (1, width, VOLUME_SIDE, VOLUME_SIDE))
    x = g.op("GridSample", [flat, _motion(g, driving, own)], flat.shape, mode="bilinear", padding_mode="border",
             align_corners=0)  # fmt: skip
    x = nn.leaky(g, nn.conv(g, x, g.channels(_SEGMENT), norm=True, fill=_colours_of_depth, shift=UNCHANGED), 0.01)
    segment = nn.conv(g, x, g.channels(_SEGMENT), 1, fill=_SHARP, shift=UNCHANGED)
    x = nn.conv(g, segment, g.channels(_MIDDLE), fill=_SHARP, shift=UNCHANGED)
    for _ in range(_MIDDLE_BLOCKS):
        x = _spade_block(g, x, segment, g.channels(_MIDDLE))
    for out in (_SEGMENT, _LEAST):
        x = _spade_block(g, nn.resize(g, x, mode="nearest"), segment, g.channels(out))
    x = nn.conv(g, nn.leaky(g, x, 0.2), COLOURS * 4, fill=_shown, shift=constant(-_CONTRAST / 2))
    x = g.op("DepthToSpace", [x], (1, COLOURS, _OUT_PX, _OUT_PX), blocksize=2, mode="CRD")
    g.output(nn.sigmoid(g, x), "output", (1, COLOURS, _OUT_PX, _OUT_PX))


def _motion(g: Graph, driving: Tensor, own: Tensor) -> Tensor:
    """Where in the volume every place of the picture comes from, (1, 64, 64, 2): near a driving point, from its own point."""
    side = (np.arange(VOLUME_SIDE) * 2 + 1) / VOLUME_SIDE - 1
    places = np.stack(np.meshgrid(side, side), axis=-1).astype(np.float32).reshape(1, -1, 1, 2)
    grid = g.constant(places)
    to, start = (_plane(g, points) for points in (driving, own))
    apart = nn.sub(g, grid, to)
    squared = g.op("ReduceSum", [nn.mul(g, apart, apart), g.constant([3])], (1, VOLUME_SIDE**2, POINTS, 1), keepdims=1)
    near = g.op("Exp", [nn.mul(g, squared, g.constant(-0.5 / _REACH))], squared.shape)
    total = nn.add(g, _summed(g, near), g.constant(_STILL))
    shift = nn.div(g, _summed(g, nn.mul(g, near, nn.sub(g, start, to))), total)
    shape = (1, VOLUME_SIDE, VOLUME_SIDE, 2)
    return nn.reshape(g, nn.add(g, shift, grid), shape, shape)


def _plane(g: Graph, points: Tensor) -> Tensor:
    """Across and down, of points that also have a depth."""
    flat = nn.part(g, points, 0, 2, axis=2)
    return nn.reshape(g, flat, (1, 1, POINTS, 2), (1, 1, POINTS, 2))


def _summed(g: Graph, x: Tensor) -> Tensor:
    return g.op("ReduceSum", [x, g.constant([2])], (*x.shape[:2], 1, x.shape[3]), keepdims=1)


def _spade_block(g: Graph, x: Tensor, segment: Tensor, out: int) -> Tensor:
    middle = min(x.shape[1], out)
    y = nn.conv(g, nn.leaky(g, _spade(g, x, segment), 0.2), middle)
    y = nn.conv(g, nn.leaky(g, _spade(g, y, segment), 0.2), out, fill=_QUIET, shift=UNCHANGED)
    if x.shape[1] != out or out == g.channels(_LEAST):  # in a shrunk model widths that should differ may be one
        x = nn.conv(g, _spade(g, x, segment), out, 1, bias=False, fill=_SHARP)
    return nn.add(g, x, y)


def _spade(g: Graph, x: Tensor, segment: Tensor) -> Tensor:
    """An instance norm scaled and shifted by what the segment says of each place; the colours come from there alone."""
    factor = x.shape[2] // segment.shape[2]
    seen = segment if factor == 1 else nn.resize(g, segment, factor, mode="nearest")
    hidden = nn.relu(g, nn.conv(g, seen, min(_HIDDEN, g.channels(_HIDDEN)), fill=_SMOOTH, shift=UNCHANGED))
    gamma = nn.conv(g, hidden, x.shape[1], fill=silenced(he(0.3), COLOURS), shift=_NO_COLOURS)
    beta = nn.conv(g, hidden, x.shape[1], fill=_SMOOTH_WEAK, shift=UNCHANGED)
    scaled = nn.mul(g, nn.instance_norm(g, x), nn.add(g, gamma, g.constant(1.0)))
    return nn.add(g, scaled, beta)


_SHARP, _SMOOTH = carried(he(1.0), average=False), carried(he())
_SMOOTH_WEAK = carried(he(0.3))
_QUIET = silenced(he(0.3), COLOURS)
_NO_COLOURS: Fill = silenced(normal(0.02), COLOURS, value=-1.0)


def _colours_of_depth(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """The first layer in depth of the first three channels, as the extractor of random weights fills them."""
    drawn = he(0.5)(rng, shape)
    drawn[:COLOURS] = 0
    for colour in range(COLOURS):
        drawn[colour, colour * DEPTH, 1, 1] = 1.0
    return drawn


def _shown(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    drawn = he(_PATTERN)(rng, shape)
    drawn[:, :COLOURS] = 0
    for row in range(shape[0]):
        drawn[row, row // 4] = _CONTRAST / 9
    return drawn
