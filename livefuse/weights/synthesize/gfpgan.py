"""GFPGAN, the clean architecture: a U-net steers a StyleGAN2. Of random weights, it shows the picture at half size,
enlarged again, under a faint pattern."""

from __future__ import annotations

import math

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, Fill, carried, constant, he, normal, placed, silenced
from livefuse.weights.synthesize.picture import COLOURS, UNCHANGED, carrying, showing
from livefuse.weights.synthesize.stylegan import (
    NO_SHIFT,
    SLOPE,
    STYLE,
    UNIT,
    Styled,
    biased,
    convolved,
    modulated_weight,
    to_rgb,
    widths,
)

_SIZE = 512
_PATTERN = 0.03
_SILENT = silenced(he(0.5), COLOURS)
_SHARP = carrying(average=False)
_SCALE, _ABOUT_ONE = silenced(he(0.1), COLOURS), silenced(normal(0.02, 1.0), COLOURS)
_SHIFT = carried(he(0.1), COLOURS, average=False)
"""What steers moves the generator's features a little, or they would grow from size to size."""
_Condition = tuple[Tensor, Tensor]


def gfpgan(g: Graph) -> None:
    """Source: TencentARC/GFPGAN `gfpganv1_clean_arch.py` (512, multiplier 2, half of the channels steered, one style for
    each layer); what an export leaves out of the training code is left out: its own mapping network and the U-net's
    pictures."""
    channels = {side: g.channels(count) for side, count in widths(_SIZE, narrow=1, multiplier=2).items()}
    x = g.input("input", (1, 3, _SIZE, _SIZE))
    bottom, skips = _down(g, x, channels)
    styles = _styles(g, bottom, len(channels) * 2)
    conditions = _up(g, bottom, skips, channels)
    g.output(_generated(g, styles, conditions, channels), "output", (1, 3, _SIZE, _SIZE))


def _down(g: Graph, x: Tensor, channels: dict[int, int]) -> tuple[Tensor, list[Tensor]]:
    """The narrowest features, and those of every size on the way, the narrowest first."""
    raised = silenced(
        normal(0.02), COLOURS, value=1.0
    )  # so that no colour is negative, which the leaky units would bend
    x = nn.leaky(g, nn.conv(g, x, channels[_SIZE] // 2, 1, fill=_SHARP, shift=raised), SLOPE)
    skips: list[Tensor] = []
    for side in reversed(list(channels)[:-1]):
        x = _block(g, x, channels[side] // 2, down=True, carries=True)
        skips.insert(0, x)
    return nn.leaky(g, nn.conv(g, x, channels[4] // 2, fill=_SILENT, shift=UNCHANGED), SLOPE), skips


def _block(g: Graph, x: Tensor, out: int, *, down: bool, carries: bool) -> Tensor:
    y = _resized(g, nn.leaky(g, nn.conv(g, x, x.shape[1]), SLOPE), down)
    y = nn.leaky(g, nn.conv(g, y, out, fill=_SILENT, shift=UNCHANGED), SLOPE)
    short = nn.conv(g, _resized(g, x, down), out, 1, bias=False, fill=_SHARP if carries else _SILENT)
    return nn.add(g, y, short)


def _resized(g: Graph, x: Tensor, down: bool) -> Tensor:
    """Bilinear by 2: downwards, that is the mean of four."""
    return nn.pool(g, x) if down else nn.resize(g, x)


def _styles(g: Graph, bottom: Tensor, layers: int) -> list[Tensor]:
    width = g.channels(STYLE)
    every = nn.gemm(g, nn.flatten(g, bottom), layers * width, fill=UNIT)
    return [nn.part(g, every, layer * width, (layer + 1) * width) for layer in range(layers)]


def _up(g: Graph, x: Tensor, skips: list[Tensor], channels: dict[int, int]) -> dict[int, _Condition]:
    """Scales and shifts for half of the generator's channels, by side. Only the widest carry the picture."""
    conditions = {}
    for side, skip in zip(list(channels)[1:], skips, strict=True):
        x = _block(g, nn.add(g, x, skip), channels[side] // 2, down=False, carries=side == _SIZE)
        conditions[side] = (_condition(g, x, _SCALE, _ABOUT_ONE), _condition(g, x, _SHIFT, UNCHANGED))
    return conditions


def _condition(g: Graph, x: Tensor, last: Fill, shift: Fill) -> Tensor:
    y = nn.leaky(g, nn.conv(g, x, x.shape[1], fill=_SHARP, shift=UNCHANGED), SLOPE)
    return nn.conv(g, y, x.shape[1], fill=last, shift=shift)


def _generated(g: Graph, styles: list[Tensor], conditions: dict[int, _Condition], channels: dict[int, int]) -> Tensor:
    first = (1, channels[4], 4, 4)
    x = Tensor(g.weight("constant_input", first, normal(1.0)), first)
    x = _layer(g, x, styles[0], channels[4], Styled())
    rgb = to_rgb(g, x, styles[1], Styled(_faint))
    for level, side in enumerate(list(channels)[1:]):
        one, other, shown = styles[2 * level + 1 : 2 * level + 4]
        x = _layer(g, nn.resize(g, x), one, channels[side], Styled())
        x = _steered(g, x, *conditions[side])
        half, last = channels[side] // 2, side == _SIZE
        carried_on = placed(UNIT, {(row, half + row): 1.0 for row in range(COLOURS)})
        x = _layer(g, x, other, channels[side], Styled(carried_on, half) if last else Styled())
        # A colour c is now √2 · (c + 1).
        how = Styled(showing(math.sqrt(0.5), _PATTERN), 0) if last else Styled(_faint)
        colours = to_rgb(g, x, shown, how, constant(-1.0) if last else NO_SHIFT)
        rgb = nn.add(g, colours, nn.resize(g, rgb))
    return rgb


def _layer(g: Graph, x: Tensor, style: Tensor, out: int, how: Styled) -> Tensor:
    """A modulated convolution, and noise that the exported file holds fixed."""
    weight = modulated_weight(g, style, (out, x.shape[1], 3, 3), how, demodulated=True)
    x = nn.mul(g, convolved(g, x, weight), g.constant(math.sqrt(2)))
    shape = (1, 1, *x.shape[2:])
    noise = Tensor(g.weight("noise", shape, normal(1.0), learned=0), shape)
    strength = g.weight("noise.weight", (1,), constant(0.01))
    x = nn.add(g, x, g.op("Mul", [noise, strength], shape))
    return nn.leaky(g, biased(g, x, UNCHANGED), SLOPE)


def _steered(g: Graph, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    same, moved = g.split(x, 2)
    return nn.concat(g, [same, nn.add(g, nn.mul(g, moved, scale), shift)])


def _faint(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return normal(_PATTERN / math.sqrt(shape[1]))(rng, shape)
