"""VisoMaster's occluder, a U-net over a ResNet-18. Of random weights, it takes for face what has the colour of skin."""

from __future__ import annotations

import math

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, Fill, carried, constant, he, normal, silenced

_UNMOVED = silenced(normal(0.02), 1)
_SIDE_PX = 256
_WIDTHS = ((256, 256), (128, 128), (64, 64), (32, 64), (16, 0))
"""Channels after each doubling, and of the encoder's features that join before it."""


def occluder(g: Graph) -> None:
    """(1, 3, 256, 256) RGB in 0..1 to logits of the same size.

    Source: the 31 convolutions of the published graph, which are those of a `Unet` of segmentation_models.pytorch over a
    ResNet-18 with its batch norms folded.
    """
    x = g.input("img", (1, 3, _SIDE_PX, _SIDE_PX))
    stem = nn.relu(g, _conv(g, x, g.channels(64), 7, 2, fill=_skin_colour))
    x = nn.pool(g, stem, "Max", 3, 2, 1)
    kept = [stem]
    for stage in range(4):
        for block in range(2):
            x = _basic_block(g, x, g.channels(64 << stage), 2 if stage and not block else 1)
        kept.append(x)
    skips = [*reversed(kept[:-1])]
    for step, (out, joined) in enumerate(_WIDTHS):
        x = nn.resize(g, x, mode="nearest")
        start = 0
        if joined:
            start = x.shape[1] if skips[step] is stem else 0
            x = nn.concat(g, [x, skips[step]])
        for first in (start, 0):
            fill = carried(he(), 1, start=first, average=False)
            x = nn.relu(g, _conv(g, x, g.channels(out), 3, 1, fill=fill))
    x = nn.conv(g, x, 1, fill=_logit, shift=constant(-1.2))
    g.output(x, "output", (1, 1, _SIDE_PX, _SIDE_PX))


def _conv(g: Graph, x: Tensor, out: int, kernel: int, stride: int, fill: Fill | None = None) -> Tensor:
    return nn.conv(g, x, out, kernel, stride, bias=False, norm=True, fill=fill, shift=_UNMOVED)


def _basic_block(g: Graph, x: Tensor, out: int, stride: int) -> Tensor:
    y = nn.relu(g, _conv(g, x, out, 3, stride))
    y = _conv(g, y, out, 3, 1, fill=he(0.5))
    if stride == 2:
        x = _conv(g, x, out, 1, 2, fill=he(1.0))
    return nn.relu(g, nn.add(g, x, y))


def _skin_colour(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """The first channel is red less blue, averaged: skin has more of it than what is grey or blue."""
    drawn = he()(rng, shape)
    area = math.prod(shape[2:])
    drawn[0] = np.array([1 / area, 0, -1 / area], np.float32)[:, None, None]
    return drawn


def _logit(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    drawn = he(0.1)(rng, shape)
    drawn[0, 0] = 0
    drawn[0, 0, 1, 1] = 20.0
    return drawn
