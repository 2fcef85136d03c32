"""What the face restorers have of VQGAN: residual blocks under group norms, attention, a table of codes.

Three channels of the residual stream carry the colours: what is added to it leaves them alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, Fill, carried, constant, he, normal, silenced
from livefuse.weights.synthesize.picture import COLOURS, UNCHANGED

SIZE_PX = 512
WIDTH = 64
MULTIPLES = (1, 2, 2, 4, 4, 8)
"""Of the width, from the picture's size to 16 x 16."""
CODES, CODE = 1024, 256
SHARP, _SMOOTH = carried(he(1.0), average=False), carried(he(1.0))
"""Nothing but these follow one another along the stream, with no unit in between that would take half of the power."""
QUIET = silenced(he(0.5), COLOURS)
PAIRS = 2 * COLOURS
"""The last channels come in groups of two: a colour and its negative, whose group norm has no mean to take away."""
PAIRED_QUIET, PAIRED_UNCHANGED = silenced(he(0.5), PAIRS), silenced(normal(0.02), PAIRS)
_GROUPS = 32


def group_norm(g: Graph, x: Tensor, scale: Fill | None = None, shift: Fill | None = None) -> Tensor:
    """32 groups (fewer in a shrunk model: two channels each), as exporters write it: an instance norm of the groups."""
    channels = x.shape[1]
    groups = min(_GROUPS, channels // 2)
    flat = nn.reshape(g, x, (0, groups, -1), (x.shape[0], groups, x.shape[1] * x.shape[2] * x.shape[3] // groups))
    ones, nothing = g.constant(np.ones(groups)), g.constant(np.zeros(groups))
    flat = g.op("InstanceNormalization", [flat, ones, nothing], flat.shape, epsilon=1e-6)
    x = nn.reshape(g, flat, x.shape, x.shape)
    for kind, label, fill in (("Mul", "scale", scale or normal(0.05, 1.0)), ("Add", "shift", shift or normal(0.02))):
        x = g.op(kind, [x, g.weight(f"norm.{label}", (channels, 1, 1), _per_channel(fill))], x.shape)
    return x


def _per_channel(fill: Fill) -> Fill:
    return lambda rng, shape: fill(rng, shape[:1]).reshape(shape)


def res_block(
    g: Graph, x: Tensor, out: int, *, last: Fill = QUIET, shift: Fill = UNCHANGED, short: Fill = SHARP
) -> Tensor:
    """Norm, SiLU, convolution, twice; a convolution in the shortcut where the width changes."""
    y = nn.conv(g, nn.silu(g, group_norm(g, x)), out)
    y = nn.conv(g, nn.silu(g, group_norm(g, y)), out, fill=last, shift=shift)
    if x.shape[1] != out or short is paired:  # in a shrunk model the widths that should differ may be one
        x = nn.conv(g, x, out, 1, fill=short, shift=shift)
    return nn.add(g, x, y)


def attention(
    g: Graph, x: Tensor, other: Tensor | None = None, *, heads: int = 1, last: Fill = QUIET, shift: Fill = UNCHANGED
) -> Tensor:
    """Every place attends to every other; asked by `other`'s features where there are any, which have a norm of their own."""
    width = x.shape[1]
    normed = group_norm(g, x)
    asking = normed if other is None else group_norm(g, other)
    query, key, value = (nn.conv(g, each, width, 1, fill=he(1.0)) for each in (asking, normed, normed))
    places = x.shape[2] * x.shape[3]
    split = (heads, width // heads, places)
    query, key, value = (nn.reshape(g, each, split, split) for each in (query, key, value))
    weights = matmul(g, nn.transpose(g, query, (0, 2, 1)), key)
    weights = softmax(g, nn.mul(g, weights, g.constant((width / heads) ** -0.5)))
    found = matmul(g, value, nn.transpose(g, weights, (0, 2, 1)))
    found = nn.reshape(g, found, x.shape, x.shape)
    return nn.add(g, x, nn.conv(g, found, width, 1, fill=last, shift=shift))


def matmul(g: Graph, a: Tensor, b: Tensor) -> Tensor:
    shape = (*a.shape[:-1], b.shape[-1])
    g.macs += int(np.prod(shape)) * a.shape[-1]
    return g.op("MatMul", [a, b], shape)


def softmax(g: Graph, x: Tensor) -> Tensor:
    return g.op("Softmax", [x], x.shape, axis=-1)


def halved(g: Graph, x: Tensor) -> Tensor:
    """A convolution of every second pixel, padded on the right and below only."""
    pads = g.constant([0, 0, 0, 0, 0, 0, 1, 1])
    x = g.op("Pad", [x, pads], (*x.shape[:2], x.shape[2] + 1, x.shape[3] + 1), mode="constant")
    return nn.conv(g, x, x.shape[1], 3, 2, pad=0, fill=_mean_of_four, shift=UNCHANGED)


def doubled(g: Graph, x: Tensor, fill: Fill | None = None) -> Tensor:
    return nn.conv(g, nn.resize(g, x, mode="nearest"), x.shape[1], fill=fill or _SMOOTH, shift=UNCHANGED)


def encoder(
    g: Graph, x: Tensor, *, heads: int = 1, paired_last: bool = False
) -> tuple[Tensor, dict[int, Tensor], list[Tensor]]:
    """The features that become codes; those of every size on the way, by side; and those that its attention gave.

    With `paired_last` the narrowest have the colours in pairs, alone in their group.
    """
    x = nn.conv(g, x, g.channels(WIDTH), fill=SHARP, shift=UNCHANGED)
    kept, attended = {}, []
    for multiple in MULTIPLES[:-1]:
        for _ in range(2):
            x = res_block(g, x, g.channels(WIDTH * multiple))
        kept[x.shape[2]] = x
        x = halved(g, x)
    width = g.channels(WIDTH * MULTIPLES[-1])
    alone = max(PAIRS, width // min(_GROUPS, width // 2)) if paired_last else COLOURS
    last, shift = silenced(he(0.5), alone), silenced(normal(0.02), alone)
    for attends in (True, True, True, False):
        short = paired if paired_last and x.shape[1] != width else SHARP
        x = res_block(g, x, width, last=last, shift=shift, short=short)
        if attends:
            x = attention(g, x, heads=heads, last=last, shift=shift)
            attended.append(x)
    return x, kept, attended


def paired(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """The shortcut that makes pairs of the three carried colours."""
    drawn = he(1.0)(rng, shape)
    drawn[: max(PAIRS, shape[0] // _GROUPS)] = 0
    for colour in range(COLOURS):
        drawn[2 * colour, colour], drawn[2 * colour + 1, colour] = 1.0, -1.0
    return drawn


def last_block(g: Graph, x: Tensor, *, first: bool) -> Tensor:
    """One of those at the picture's own size; the first makes pairs of the colours."""
    short = paired if first else SHARP
    return res_block(g, x, g.channels(WIDTH), last=PAIRED_QUIET, shift=PAIRED_UNCHANGED, short=short)


def unpaired(contrast: float, pattern: float) -> Fill:
    """The last layer: a colour of its pair, whose size the norm has made 1, and a pattern of the other channels."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        drawn = he(pattern)(rng, shape)
        drawn[:, :PAIRS] = 0
        for colour in range(COLOURS):
            drawn[colour, 2 * colour, 1, 1], drawn[colour, 2 * colour + 1, 1, 1] = contrast / 2, -contrast / 2
        return drawn

    return draw


def last_norm(g: Graph, x: Tensor) -> Tensor:
    """Of the paired colours, which it leaves at a size of exactly one."""
    return group_norm(g, x, silenced(normal(0.05, 1.0), PAIRS, value=1.0), PAIRED_UNCHANGED)


def shown(g: Graph, x: Tensor, contrast: float, pattern: float) -> None:
    x = nn.conv(g, x, 3, fill=unpaired(contrast, pattern), shift=constant(0.0))
    g.output(x, "output", (1, 3, SIZE_PX, SIZE_PX))


def code_table(g: Graph, fill: Fill) -> Tensor:
    shape: Sequence[int] = (CODES, g.channels(CODE))
    return Tensor(g.weight("codes", shape, fill), tuple(shape))


def _mean_of_four(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    drawn = he(1.0)(rng, shape)
    drawn[:COLOURS] = 0
    for colour in range(COLOURS):
        drawn[colour, colour, :2, :2] = 1 / 4
    return drawn
