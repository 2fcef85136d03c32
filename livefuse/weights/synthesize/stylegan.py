"""What the face restorers have of StyleGAN2: convolutions whose weights a style scales anew for every picture."""

from __future__ import annotations

import math
from dataclasses import dataclass

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Fill, constant, he, normal, silenced
from livefuse.weights.synthesize.picture import COLOURS

STYLE = 512
_WIDE_SIDES = (64, 128, 256, 512, 1024, 2048)
SLOPE = 0.2
UNIT: Fill = he(1.0)
"""Weights that keep the power of what comes in, where an activation is followed by a factor of √2."""
NO_SHIFT: Fill = constant(0.0)


@dataclass(frozen=True)
class Styled:
    """A convolution's own weights, and from which input on three channels keep a style of exactly one."""

    fill: Fill = UNIT
    carries_from: int = -1


def widths(size: int, *, narrow: float, multiplier: int) -> dict[int, int]:
    """Channels by the side of the feature map, from 4 to `size`."""
    wide = {4: 512, 8: 512, 16: 512, 32: 512, **{side: 16384 // side * multiplier for side in _WIDE_SIDES}}
    return {side: int(count * narrow) for side, count in wide.items() if side <= size}


def modulated_weight(g: Graph, style: Tensor, shape: tuple[int, ...], how: Styled, *, demodulated: bool) -> Tensor:
    """Weights of (out, in, k, k) times a style of the inputs; demodulated, every output's have unit length."""
    into = shape[1]
    spread = normal(0.2 / math.sqrt(style.shape[1]))
    shift = normal(0.05, 1.0)
    if how.carries_from >= 0:
        spread = silenced(spread, COLOURS, start=how.carries_from)
        shift = silenced(shift, COLOURS, start=how.carries_from, value=1.0)
    scale = nn.gemm(g, style, into, fill=spread, shift=shift)
    scale = nn.reshape(g, scale, (1, into, 1, 1), (1, into, 1, 1))
    weight = g.op("Mul", [g.weight("style.weight", shape, how.fill), scale], shape)
    if not demodulated:
        return weight
    ones = (shape[0], 1, 1, 1)
    power = g.op("ReduceSum", [nn.mul(g, weight, weight), g.constant([1, 2, 3])], ones, keepdims=1)
    guarded = nn.add(g, power, g.constant(1e-8 if g.precision == "fp32" else 1e-7))
    return nn.div(g, weight, g.op("Sqrt", [guarded], ones))


def convolved(g: Graph, x: Tensor, weight: Tensor) -> Tensor:
    """Convolution by computed weights, which keeps the size."""
    out, kernel = weight.shape[0], weight.shape[2]
    g.macs += x.shape[0] * math.prod(weight.shape) * x.shape[2] * x.shape[3]
    return g.op(
        "Conv", [x, weight], (x.shape[0], out, *x.shape[2:]), kernel_shape=[kernel] * 2, strides=[1, 1],
        pads=[kernel // 2] * 4, group=1, dilations=[1, 1],
    )  # fmt: skip


def to_rgb(g: Graph, x: Tensor, style: Tensor, how: Styled, bias: Fill = NO_SHIFT) -> Tensor:
    """Three channels of a feature map, by weights that are not demodulated."""
    weight = modulated_weight(g, style, (3, x.shape[1], 1, 1), how, demodulated=False)
    return biased(g, convolved(g, x, weight), bias)


def biased(g: Graph, x: Tensor, fill: Fill) -> Tensor:
    """A learned number per channel added."""
    size = x.shape[1]
    return g.op("Add", [x, g.weight("bias", (1, size, 1, 1), lambda rng, _: fill(rng, (size,)).reshape(1, -1, 1, 1))],
                x.shape)  # fmt: skip


def activated(g: Graph, x: Tensor, fill: Fill) -> Tensor:
    """Bias, leaky unit, and the factor that gives back the power which the unit takes."""
    return nn.mul(g, nn.leaky(g, biased(g, x, fill), SLOPE), g.constant(math.sqrt(2)))
