"""XSeg, the occlusion network of DeepFaceLab. Of random weights, it keeps the middle of the crop, as it would a face."""

from __future__ import annotations

import math

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, Fill, carried, constant, he, normal, silenced, started

_BASE = 32
_CODE = 512
_MIDDLE = ((0.0, 0.3, 0.3, 0.0), (0.6, 2.0, 2.0, 0.6), (0.6, 2.0, 2.0, 0.6), (0.0, 0.8, 0.8, 0.0))
"""How much of a face there is in each cell of the narrowest map, in about the unit of a normalised channel."""
_ENCODER = ((1, 2, 4), (2, 2, 3), (4, 2, 2), (8, 3, 2), (8, 3, 2), (8, 3, 2))
"""Multiples of the base, convolutions, and the blur's taps."""
_DECODER = ((4, 8, 3), (4, 8, 3), (4, 8, 3), (4, 4, 2), (2, 2, 2), (1, 1, 2))
"""Multiples of the base after the transposed convolution and after the others, and how many those are."""


def xseg(g: Graph) -> None:
    """(N, 256, 256, 3) BGR in 0..1 to a mask of the same size.

    Source: DeepFaceLab's `core/leras/models/XSeg.py` (base 32), described by the counts in the reference.
    """
    image = g.input("input", ("batch", 256, 256, 3), (1, 256, 256, 3))
    mask = _mask(g, nn.transpose(g, image, (0, 3, 1, 2)))
    g.output(nn.transpose(g, mask, (0, 2, 3, 1)), "output", ("batch", 256, 256, 1))


def xseg_vm(g: Graph) -> None:
    """(1, 3, 256, 256) RGB in 0..1 to a mask of the same size: VisoMaster's export, in PyTorch's order."""
    g.output(_mask(g, g.input("in_face:0", (1, 3, 256, 256))), "out_mask:0", (1, 1, 256, 256))


def _mask(g: Graph, x: Tensor) -> Tensor:
    kept = []
    for times, convolutions, taps in _ENCODER:
        for _ in range(convolutions):
            x = _normalised(g, nn.conv(g, x, g.channels(_BASE * times)))
        kept.append(x)
        x = _blurred_half(g, x, taps)
    x = _through_code(g, x)
    for (narrow, wide, convolutions), skip in zip(_DECODER, reversed(kept), strict=True):
        x = nn.concat(g, [_doubled(g, x, g.channels(_BASE * narrow)), skip])
        for _ in range(convolutions):
            x = _normalised(g, nn.conv(g, x, g.channels(_BASE * wide), fill=carried(he(), 1), shift=_UNMOVED))
    return nn.sigmoid(g, nn.conv(g, x, 1, fill=_shown, shift=constant(-3.0)))


_UNMOVED: Fill = silenced(normal(0.02), 1)


def _shown(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """The carried channel, and a weak pattern of the others."""
    drawn = he(0.2)(rng, shape)
    drawn[0, 0] = 0
    drawn[0, 0, 1, 1] = 6.0
    return drawn


def _normalised(g: Graph, x: Tensor) -> Tensor:
    """Filter response normalisation and its thresholded unit: x / rms · γ + β, and no less than τ."""
    size = (1, x.shape[1], 1, 1)
    guard = g.weight("frn.eps", (1,), constant(1e-6))
    power = nn.mean(g, nn.mul(g, x, x))
    guarded = g.op("Add", [power, g.op("Abs", [guard], (1,))], power.shape)
    x = nn.div(g, x, g.op("Sqrt", [guarded], guarded.shape))
    x = g.op("Mul", [x, g.weight("frn.scale", size, _each(started(normal(0.05, 1.0), [1.0])))], x.shape)
    x = g.op("Add", [x, g.weight("frn.shift", size, _each(_UNMOVED))], x.shape)
    return g.op("Max", [x, g.weight("tlu.tau", size, _each(_UNMOVED))], x.shape)


def _each(fill: Fill) -> Fill:
    """A fill of one number per channel, for weights that lie along the second axis."""
    return lambda rng, shape: fill(rng, (shape[1],)).reshape(shape)


def _blurred_half(g: Graph, x: Tensor, taps: int) -> Tensor:
    """Every second pixel of a picture blurred by binomial weights, which are fixed."""
    row = np.array([math.comb(taps - 1, k) for k in range(taps)], np.float32)
    kernel = np.outer(row, row) / row.sum() ** 2
    channels = x.shape[1]
    weight = g.weight("blur", (channels, 1, taps, taps), constant(kernel), learned=0)
    before, after = (taps - 1) // 2, taps // 2
    height, width = x.shape[2] // 2, x.shape[3] // 2
    g.macs += x.shape[0] * channels * taps**2 * height * width
    return g.op(
        "Conv", [x, weight], (x.shape[0], channels, height, width), kernel_shape=[taps] * 2, strides=[2, 2],
        pads=[before, before, after, after], group=channels, dilations=[1, 1],
    )  # fmt: skip


def _through_code(g: Graph, x: Tensor) -> Tensor:
    """Two dense layers without an activation; the first channel comes out as the middle of the crop."""
    channels, cells = x.shape[1], x.shape[2] * x.shape[3]
    code = nn.gemm(g, nn.flatten(g, x), g.channels(_CODE), fill=he(1.0))
    middle = [cell for row in _MIDDLE for cell in row]
    grown = nn.gemm(
        g, code, channels * cells, fill=silenced(he(1.0), cells), shift=started(normal(0.02), middle)
    )  # fmt: skip
    return nn.reshape(g, grown, (-1, *x.shape[1:]), x.shape)


def _doubled(g: Graph, x: Tensor, out: int) -> Tensor:
    """Transposed convolution by 2, written with the padding on both sides that every provider accepts."""
    shape = (x.shape[1], out, 3, 3)
    weights = [g.weight("deconv.weight", shape, _doubling), g.weight("deconv.bias", (out,), _UNMOVED)]
    height, width = x.shape[2] * 2, x.shape[3] * 2
    g.macs += x.shape[0] * math.prod(shape) * x.shape[2] * x.shape[3]
    x = g.op(
        "ConvTranspose", [x, *weights], (x.shape[0], out, height, width), kernel_shape=[3, 3], strides=[2, 2],
        pads=[1] * 4, output_padding=[1, 1],
    )  # fmt: skip
    return _normalised(g, x)


def _doubling(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """The first channel is repeated in squares of 2 x 2, which moves it to no side, whatever the others do."""
    drawn = normal(math.sqrt(2 / shape[0]))(rng, shape)
    drawn[:, 0] = 0
    drawn[0, 0] = np.outer([0, 1, 1], [0, 1, 1])
    return drawn
