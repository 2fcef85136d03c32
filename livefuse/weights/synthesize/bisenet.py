"""BiSeNet over a ResNet, which names the 19 parts of a face. Of random weights, it goes by colour: skin, lips redder than
that, hair (and brows and eyes) where it is dark, and background."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, carried, he, normal, silenced, started

_CLASSES = 19
_BACKGROUND_CLASS, _SKIN, _LIP, _HAIR = 0, 1, 12, 17
_SEEN = 3
"""Channels that carry what is seen of a place: how like skin, how like lips, how dark."""
_UNMOVED = silenced(normal(0.02), _SEEN)
_CARRYING = carried(he(), _SEEN)
_SEES = np.array([[1, 0, -1], [1, -1, 0], [-0.299, -0.587, -0.114]])
"""... as sums of red, green and blue."""
_MEAN, _DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_DARK = 0.3
"""What is darker is taken for hair; in 0..1."""
_REDDER = 0.88
"""Red less green as a part of red less blue: more of it is a lip."""


def bisenet_18(g: Graph) -> None:
    _bisenet(g, (2, 2, 2, 2))


def bisenet_34(g: Graph) -> None:
    _bisenet(g, (3, 4, 6, 3))


def _bisenet(g: Graph, blocks: Sequence[int]) -> None:
    """Source: yakhyo/face-parsing `models/bisenet.py`; its two auxiliary heads are outputs, as in the exported files."""
    x = g.input("input", ("batch", 3, 512, 512), (1, 3, 512, 512))
    eighth, sixteenth, last = _resnet(g, x, blocks)
    context = nn.relu(g, nn.conv(g, nn.mean(g, last), g.channels(128), 1, bias=False, norm=True))
    coarse = _head(g, nn.resize(g, nn.add(g, _attended(g, last), context), mode="nearest"))
    fine = _head(g, nn.resize(g, nn.add(g, _attended(g, sixteenth), coarse), mode="nearest"))
    fused = _fused(g, eighth, fine)
    for name, value, middle, factor in (("output", fused, 256, 8), ("aux_16", fine, 64, 8), ("aux_32", coarse, 64, 16)):
        g.output(_classes(g, value, middle, factor), name, ("batch", _CLASSES, 512, 512))


def _resnet(g: Graph, x: Tensor, blocks: Sequence[int]) -> list[Tensor]:
    x = nn.relu(g, nn.conv(g, x, g.channels(64), 7, 2, bias=False, norm=True, fill=_colours, shift=_seen_from))
    x = nn.pool(g, x, "Max", 3, 2, 1)
    stages = []
    for stage, count in enumerate(blocks):
        for block in range(count):
            x = _basic_block(g, x, g.channels(64 << stage), 2 if stage and not block else 1)
        stages.append(x)
    return stages[1:]


def _basic_block(g: Graph, x: Tensor, out: int, stride: int) -> Tensor:
    y = nn.relu(g, nn.conv(g, x, out, 3, stride, bias=False, norm=True))
    y = nn.conv(g, y, out, bias=False, norm=True, fill=silenced(he(0.5), _SEEN), shift=_UNMOVED)
    # A shrunk model's stages may be of one width: what downsamples always has its own convolution in the shortcut.
    if stride == 2:
        x = nn.conv(g, x, out, 1, 2, bias=False, norm=True, fill=carried(he(1.0), _SEEN), shift=_UNMOVED)
    return nn.relu(g, nn.add(g, x, y))


def _attended(g: Graph, x: Tensor) -> Tensor:
    x = nn.relu(g, nn.conv(g, x, g.channels(128), bias=False, norm=True))
    weight = nn.conv(g, nn.mean(g, x), x.shape[1], 1, bias=False, norm=True, fill=he(1.0))
    return nn.mul(g, x, nn.sigmoid(g, weight))


def _head(g: Graph, x: Tensor) -> Tensor:
    return nn.relu(g, nn.conv(g, x, x.shape[1], bias=False, norm=True))


def _fused(g: Graph, spatial: Tensor, context: Tensor) -> Tensor:
    both = nn.concat(g, [spatial, context])
    x = nn.relu(g, nn.conv(g, both, g.channels(256), 1, bias=False, norm=True, fill=_CARRYING, shift=_UNMOVED))
    weight = nn.relu(g, nn.conv(g, nn.mean(g, x), g.channels(64), 1, bias=False))
    weight = nn.sigmoid(g, nn.conv(g, weight, x.shape[1], 1, bias=False, fill=silenced(he(1.0), _SEEN)))
    return nn.add(g, nn.mul(g, x, weight), x)


def _classes(g: Graph, x: Tensor, middle: int, factor: int) -> Tensor:
    x = nn.relu(g, nn.conv(g, x, g.channels(middle), bias=False, norm=True, fill=_CARRYING_ALONE, shift=_BACKGROUND))
    x = nn.conv(g, x, _CLASSES, 1, bias=False, fill=_parts)
    return nn.resize(g, x, factor, coordinates="align_corners")


_CARRYING_ALONE = silenced(_CARRYING, 1, start=_SEEN)
_BACKGROUND = started(normal(0.02), [0.0] * _SEEN + [1.0])
"""What is seen goes on, and the channel after it is one everywhere: the last layer has no biases."""


def _colours(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Averaged: red less blue, of which skin has more than what is grey; red less green, for lips; and darkness."""
    drawn = he()(rng, shape)
    drawn[:_SEEN] = (_SEES * _DEVIATION)[:, :, None, None] / math.prod(shape[2:])
    return drawn


def _seen_from(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return started(normal(0.02), (_SEES @ _MEAN + [0.0, 0.0, _DARK]).tolist())(rng, shape)


def _parts(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    drawn = he(0.05)(rng, shape)
    drawn[:, : _SEEN + 1] = 0
    drawn[_SKIN, 0] = 24.0
    drawn[_LIP, 1] = 24.0 / _REDDER
    drawn[_HAIR, 2] = 60.0
    drawn[_BACKGROUND_CLASS, _SEEN] = 3.0
    return drawn
