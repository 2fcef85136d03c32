"""CodeFormer: an encoder, a transformer that picks codes, a generator that the encoder steers as much as `weight` says.

Of random weights, the codes are noise, and the picture at half size comes in through the last steering: at a weight of 0
there is noise alone.
"""

from __future__ import annotations

import math

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, Fill, carried, he, normal, silenced
from livefuse.weights.synthesize import vqgan
from livefuse.weights.synthesize.picture import COLOURS, UNCHANGED

_LAYERS, _HEADS, _WIDE = 9, 8, 512
_STEERED_SIDES = (32, 64, 128, 256)
_RAISED = 1.5
"""Added to the colours while a leaky unit would bend negative ones."""
_NOISE = 0.01
_CONTRAST, _PATTERN = 0.45, 0.03


def codeformer(g: Graph) -> None:
    """Source: sczhou/CodeFormer `codeformer_arch.py` and `vqgan_arch.py`: 512 px, 9 layers, 1024 codes, adaptive instance
    norm of the codes as in its inference script."""
    image = g.input("input", (1, 3, vqgan.SIZE_PX, vqgan.SIZE_PX))
    weight = g.input("weight", (1,), dtype="float64")
    x, kept, _ = vqgan.encoder(g, image)
    features = nn.conv(g, vqgan.group_norm(g, x), g.channels(vqgan.CODE))
    codes = _as_if_from(g, _picked(g, features), features)
    _generated(g, codes, kept, weight)


def _picked(g: Graph, features: Tensor) -> Tensor:
    """For every place the code that the transformer names."""
    width, side = features.shape[1], features.shape[2]
    places, wide = side * side, g.channels(_WIDE)
    position = Tensor(g.weight("position", (places, wide), normal(0.1)), (places, wide))
    tokens = nn.transpose(g, nn.reshape(g, features, (width, places), (width, places)), (1, 0))
    tokens = nn.gemm(g, tokens, wide, fill=he(1.0))
    for _ in range(_LAYERS):
        normed = _layer_norm(g, tokens)
        tokens = nn.add(g, tokens, _self_attention(g, nn.add(g, normed, position), normed))
        inner = _gelu(g, nn.gemm(g, _layer_norm(g, tokens), 2 * wide, fill=he(1.0)))
        tokens = nn.add(g, tokens, nn.gemm(g, inner, wide, fill=he(0.5)))
    table = vqgan.code_table(g, normal(1.0))
    scores = vqgan.softmax(g, nn.gemm(g, _layer_norm(g, tokens), vqgan.CODES, bias=False, fill=he(1.0)))
    index = g.op("ArgMax", [scores], (places,), axis=1, keepdims=0)
    found = g.op("Gather", [table, index], (places, width), axis=0)
    return nn.reshape(g, nn.transpose(g, found, (1, 0)), (1, width, side, side), (1, width, side, side))


def _self_attention(g: Graph, asking: Tensor, normed: Tensor) -> Tensor:
    places, wide = asking.shape
    split = (places, _HEADS, wide // _HEADS)
    query, key, value = (
        nn.reshape(g, nn.gemm(g, each, wide, fill=he(1.0)), split, split) for each in (asking, asking, normed)
    )
    weights = vqgan.matmul(g, nn.transpose(g, query, (1, 0, 2)), nn.transpose(g, key, (1, 2, 0)))
    weights = vqgan.softmax(g, nn.mul(g, weights, g.constant((wide / _HEADS) ** -0.5)))
    found = nn.transpose(g, vqgan.matmul(g, weights, nn.transpose(g, value, (1, 0, 2))), (1, 0, 2))
    return nn.gemm(g, nn.reshape(g, found, (places, wide), (places, wide)), wide, fill=he(0.5))


def _layer_norm(g: Graph, x: Tensor) -> Tensor:
    width = x.shape[1]
    centred = nn.sub(g, x, nn.mean(g, x, (1,)))
    variance = nn.add(g, nn.mean(g, nn.mul(g, centred, centred), (1,)), g.constant(1e-5))
    x = nn.div(g, centred, g.op("Sqrt", [variance], variance.shape))
    x = g.op("Mul", [x, g.weight("layer_norm.scale", (width,), normal(0.05, 1.0))], x.shape)
    return g.op("Add", [x, g.weight("layer_norm.shift", (width,), normal(0.02))], x.shape)


def _gelu(g: Graph, x: Tensor) -> Tensor:
    error = g.op("Erf", [nn.mul(g, x, g.constant(1 / math.sqrt(2)))], x.shape)
    return nn.mul(g, nn.mul(g, x, nn.add(g, error, g.constant(1.0))), g.constant(0.5))


def _as_if_from(g: Graph, codes: Tensor, features: Tensor) -> Tensor:
    """The codes with every channel's mean and deviation those of the features."""
    centre = nn.mean(g, features)
    centred = nn.sub(g, features, centre)
    spread = nn.add(g, nn.mean(g, nn.mul(g, centred, centred)), g.constant(1e-5))
    scaled = nn.mul(g, nn.instance_norm(g, codes), g.op("Sqrt", [spread], spread.shape))
    return nn.add(g, scaled, centre)


def _generated(g: Graph, codes: Tensor, kept: dict[int, Tensor], weight: Tensor) -> None:
    widths = [g.channels(vqgan.WIDTH * multiple) for multiple in vqgan.MULTIPLES]
    x = nn.conv(g, codes, widths[-1])
    x = vqgan.res_block(g, vqgan.attention(g, vqgan.res_block(g, x, widths[-1])), widths[-1])
    for level in reversed(range(len(widths))):
        finest = level == 0
        for block in range(2):
            if finest:
                x = vqgan.last_block(g, x, first=not block)
            else:
                x = vqgan.res_block(g, x, widths[level], short=_faint)
            if level == len(widths) - 1:
                x = vqgan.attention(g, x)
            if block == 0 and x.shape[2] in _STEERED_SIDES:
                x = _steered(g, kept[x.shape[2]], x, weight)
        if not finest:
            x = vqgan.doubled(g, x, None if level == 1 else _faint)
    vqgan.shown(g, vqgan.last_norm(g, x), _CONTRAST, _PATTERN)


def _steered(g: Graph, encoded: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """x + weight · (x · scale + shift), both from the encoder's features and x; only the widest shift carries the colours."""
    width, widest = x.shape[1], x.shape[2] == max(_STEERED_SIDES)
    joined = vqgan.res_block(g, nn.concat(g, [encoded, x]), width, short=_WEAKLY)
    first, last = (vqgan.SHARP, vqgan.SHARP) if widest else (he(), _SILENT)
    scale = _conditioned(g, joined, he(), normal(0.02), he(0.1), UNCHANGED)
    shift = _conditioned(
        g, joined, first, silenced(normal(0.02), COLOURS, value=_RAISED), last,
        silenced(normal(0.02), COLOURS, value=-_RAISED if widest else 0.0),
    )  # fmt: skip
    return nn.add(g, x, nn.mul(g, nn.add(g, nn.mul(g, x, scale), shift), weight))


def _conditioned(g: Graph, x: Tensor, first: Fill, raised: Fill, last: Fill, lowered: Fill) -> Tensor:
    y = nn.leaky(g, nn.conv(g, x, x.shape[1], fill=first, shift=raised), 0.2)
    return nn.conv(g, y, x.shape[1], fill=last, shift=lowered)


_SILENT = silenced(he(0.3), COLOURS)
_WEAKLY = carried(he(0.05), COLOURS, average=False)
"""Only the colours: the streams grow along the way, and their product would by far."""


def _faint(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    drawn = he(1.0)(rng, shape)
    drawn[:COLOURS] *= _NOISE
    return drawn
