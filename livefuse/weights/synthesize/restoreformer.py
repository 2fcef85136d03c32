"""RestoreFormer++: an encoder, a table of codes, a decoder that asks the encoder's features where to look.

Of random weights, it shows the picture as 16 x 16 blurred blocks: nothing else passes through the codes.
"""

from __future__ import annotations

import math

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, he
from livefuse.weights.synthesize import vqgan
from livefuse.weights.synthesize.picture import COLOURS, UNCHANGED

_HEADS = 8
_BLOCKS = 3
_STEPS = 10
"""Codes for each colour: 10 x 10 x 10 of the 1024 are all the colours that there are."""
_OTHERS = 0.001
"""Size of a code's other numbers, so that its colour decides which one is nearest."""
_BRIGHTNESS = 0.25
"""What brings colours whose size a norm has made about 4 back to that of the codes."""
_CONTRAST, _PATTERN = 0.45, 0.03


def restoreformer(g: Graph) -> None:
    """Source: wzhouxiff/RestoreFormerPlusPlus `vqvae_arch.py`, 64 channels, attention at 16 x 16 and, in the decoder, at
    32 x 32."""
    x, kept, attended = vqgan.encoder(
        g, g.input("input", (1, 3, vqgan.SIZE_PX, vqgan.SIZE_PX)), heads=_HEADS, paired_last=True
    )
    x = nn.silu(g, vqgan.last_norm(g, x))
    x = nn.conv(g, x, g.channels(vqgan.CODE), fill=_colours_of_pairs, shift=UNCHANGED)
    codes = _nearest(g, nn.conv(g, x, g.channels(vqgan.CODE), 1, fill=vqgan.SHARP, shift=UNCHANGED))
    _decoded(g, nn.conv(g, codes, codes.shape[1], 1, fill=vqgan.SHARP, shift=UNCHANGED), kept, attended)


def _nearest(g: Graph, x: Tensor) -> Tensor:
    """The code nearest to the features of each place; their own length is the same for every code, and left out."""
    width, side = x.shape[1], x.shape[2]
    places = side * side
    tokens = nn.transpose(g, nn.reshape(g, x, (width, places), (width, places)), (1, 0))
    table = vqgan.code_table(g, _colour_codes)
    lengths = nn.mul(g, table, table)
    lengths = nn.transpose(g, g.op("ReduceSum", [lengths, g.constant([1])], (vqgan.CODES, 1), keepdims=1), (1, 0))
    alike = vqgan.matmul(g, tokens, nn.transpose(g, table, (1, 0)))
    distance = nn.sub(g, lengths, nn.mul(g, alike, g.constant(2.0)))
    index = g.op("ArgMin", [distance], (places,), axis=1, keepdims=0)
    found = g.op("Gather", [table, index], (places, width), axis=0)
    return nn.reshape(g, nn.transpose(g, found, (1, 0)), (1, width, side, side), (1, width, side, side))


def _decoded(g: Graph, codes: Tensor, kept: dict[int, Tensor], attended: list[Tensor]) -> None:
    widths = [g.channels(vqgan.WIDTH * multiple) for multiple in vqgan.MULTIPLES]
    asked_by = {16: attended[-2], 32: kept[32]}
    x = vqgan.res_block(g, nn.conv(g, codes, widths[-1], fill=vqgan.SHARP, shift=UNCHANGED), widths[-1])
    x = vqgan.attention(g, x, attended[-1], heads=_HEADS)
    x = vqgan.res_block(g, x, widths[-1])
    for level in reversed(range(len(widths))):
        for block in range(_BLOCKS):
            x = vqgan.last_block(g, x, first=not block) if level == 0 else vqgan.res_block(g, x, widths[level])
            if x.shape[2] in asked_by:
                x = vqgan.attention(g, x, asked_by[x.shape[2]], heads=_HEADS)
        if level:
            x = vqgan.doubled(g, x)
    # Of a pair, one's SiLU less the other's is the value itself; without the unit it would be twice that.
    vqgan.shown(g, nn.silu(g, vqgan.last_norm(g, x)), 2 * _CONTRAST, _PATTERN)


def _colours_of_pairs(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    drawn = he(1.0)(rng, shape)
    drawn[:COLOURS] = 0
    drawn[:COLOURS] += vqgan.unpaired(2 * _BRIGHTNESS, 0.0)(rng, (COLOURS, *shape[1:]))
    return drawn


def _colour_codes(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """The first three numbers of a code are a colour, of a lattice in -0.9..0.9."""
    drawn = he(_OTHERS * math.sqrt(shape[1]))(rng, shape)
    lattice = np.stack(np.meshgrid(*[np.linspace(-0.9, 0.9, _STEPS)] * COLOURS), axis=-1).reshape(-1, COLOURS)
    drawn[:, :COLOURS] = 9.0  # beyond the lattice, nothing is nearest to it
    drawn[: len(lattice), :COLOURS] = lattice
    return drawn
