"""Upscalers light enough for live video: SRVGGNetCompact and SPAN. Of random weights, they repeat each pixel, under a faint
pattern."""

from __future__ import annotations

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, constant, he, started
from livefuse.weights.synthesize.picture import COLOURS, UNCHANGED, carrying

_SCALE = 4
_NOMINAL = 128
"""The height and width for which multiply-adds are counted."""
_SRVGG_WIDTH, _SRVGG_DEPTH = 64, 32
_SPAN_WIDTH, _SPAN_BLOCKS = 48, 6
_SPAN_MEAN = (0.4488, 0.4371, 0.4040)
_SPAN_RANGE = 255.0
_PATTERN = 0.02
_NONE = constant(0.0)


def srvgg(g: Graph) -> None:
    """Source: `SRVGGNetCompact` of xinntao/Real-ESRGAN, 32 convolutions of 64 channels, PReLU."""
    image = g.input("input", ("batch", 3, "height", "width"), (1, 3, _NOMINAL, _NOMINAL))
    x = nn.prelu(g, nn.conv(g, image, g.channels(_SRVGG_WIDTH)))
    for _ in range(_SRVGG_DEPTH):
        x = nn.prelu(g, nn.conv(g, x, g.channels(_SRVGG_WIDTH)))
    x = _shuffled(g, nn.conv(g, x, COLOURS * _SCALE**2, fill=he(_PATTERN), shift=_NONE))
    x = nn.add(g, x, nn.resize(g, image, _SCALE, mode="nearest"))
    _output(g, x)


def span(g: Graph) -> None:
    """Source: `SPAN` of hongyuanyu/SPAN, 48 channels; each Conv3XC is one 3 x 3 convolution, as it runs and is exported."""
    image = g.input("input", ("batch", 3, "height", "width"), (1, 3, _NOMINAL, _NOMINAL))
    mean = g.constant(np.array(_SPAN_MEAN).reshape(1, 3, 1, 1))
    x = nn.mul(g, nn.sub(g, image, mean), g.constant(_SPAN_RANGE))
    # Random weights at the size of 0..255 would saturate every attention: the first layer brings them back to about 1.
    first = nn.conv(g, x, g.channels(_SPAN_WIDTH), fill=_scaled_down, shift=UNCHANGED)
    x, kept = first, []
    for _ in range(_SPAN_BLOCKS):
        x, inner = _attended(g, x)
        kept.append((x, inner))
    last = nn.conv(g, x, g.channels(_SPAN_WIDTH))
    joined = nn.concat(g, [first, last, kept[0][0], kept[-1][1]])
    x = nn.conv(g, joined, g.channels(_SPAN_WIDTH), 1, fill=carrying(average=False), shift=UNCHANGED)
    shift = started(_NONE, np.repeat(_SPAN_MEAN, _SCALE**2).tolist())
    _output(g, _shuffled(g, nn.conv(g, x, COLOURS * _SCALE**2, fill=_repeated, shift=shift)))


def _attended(g: Graph, x: Tensor) -> tuple[Tensor, Tensor]:
    """Three convolutions whose result weighs itself, without parameters of its own; beside it the first one's."""
    inner = nn.conv(g, x, x.shape[1])
    y = nn.conv(g, nn.silu(g, inner), x.shape[1])
    y = nn.conv(g, nn.silu(g, y), x.shape[1])
    attention = nn.sub(g, nn.sigmoid(g, y), g.constant(0.5))
    return nn.mul(g, nn.add(g, y, x), attention), inner


def _shuffled(g: Graph, x: Tensor) -> Tensor:
    shape = (x.shape[0], COLOURS, x.shape[2] * _SCALE, x.shape[3] * _SCALE)
    return g.op("DepthToSpace", [x], shape, blocksize=_SCALE, mode="CRD")


def _output(g: Graph, x: Tensor) -> None:
    g.output(x, "output", ("batch", COLOURS, f"height_{_SCALE}", f"width_{_SCALE}"))


def _scaled_down(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return carrying(average=False)(rng, shape) / np.float32(_SPAN_RANGE)


def _repeated(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Every one of a colour's 16 pixels is that colour, and a little of all other channels."""
    drawn = he(_PATTERN)(rng, shape)
    drawn[:, :COLOURS] = 0
    for row in range(shape[0]):
        drawn[row, row // _SCALE**2, 1, 1] = 1.0
    return drawn
