"""ghost_1/2/3: a U-Net of the target's attributes feeds a generator that starts from the identity.

Source: layer sizes of ai-forever/ghost `network/AEI_Net.py` and `AADLayer.py` (Apache-2.0), backbone `unet`.
"""

from __future__ import annotations

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Fill, constant, he, normal, placed, silenced, started
from livefuse.weights.synthesize import picture

_CONSTANT = picture.COLOURS
"""Index of a channel that is 1 in the last block: it stands in for the bias that the last convolution has not."""
_DOWN = (32, 64, 128, 256, 512, 1024, 1024)
_UP = (1024, 512, 256, 128, 64, 32)
_BLOCKS = (1024, 1024, 1024, 512, 256, 128, 64, 3)
_SMALL = he(0.8)


def ghost_1(g: Graph) -> None:
    _ghost(g, 1)


def ghost_2(g: Graph) -> None:
    _ghost(g, 2)


def ghost_3(g: Graph) -> None:
    _ghost(g, 3)


def _ghost(g: Graph, depth: int) -> None:
    """Takes and gives -1..1; the identity is as long as the converter makes it."""
    target = g.input("target", (1, 3, 256, 256))
    identity = g.input("source", (1, picture.IDENTITY))
    attributes = _attributes(g, target)
    x = nn.reshape(g, identity, (1, -1, 1, 1), (1, picture.IDENTITY, 1, 1))
    x = nn.conv_transpose(g, x, g.channels(1024), 2, 1, 0, fill=normal(1 / picture.RAW_LENGTH))
    for index, (out, attribute) in enumerate(zip(_BLOCKS, attributes, strict=True)):
        last = index == len(_BLOCKS) - 1
        x = _block(g, x, 3 if last else g.channels(out), attribute, identity, depth, last)
        if not last:
            x = nn.resize(g, x, coordinates="align_corners")
    g.output(g.op("Tanh", [x], x.shape), "output", (1, 3, 256, 256))


def _attributes(g: Graph, x: Tensor) -> list[Tensor]:
    downs: list[Tensor] = []
    for out in _DOWN:
        gain, shift = (1.0, 0.0) if downs else (0.5, 0.5)
        bias = started(picture.UNCHANGED, [shift] * picture.COLOURS)
        fill = picture.carrying(gain=gain)
        x = nn.conv(g, x, g.channels(out), 4, 2, pad=1, bias=False, norm=True, fill=fill, shift=bias)
        x = nn.leaky(g, x, 0.1)
        downs.append(x)
    found = [x]
    for out, skipped in zip(_UP, reversed(downs[:-1]), strict=True):
        x = nn.leaky(g, nn.conv_transpose(g, x, g.channels(out), 4, 2, 1, bias=False, norm=True), 0.1)
        x = nn.concat(g, [x, skipped])
        found.append(x)
    found.append(nn.resize(g, x, coordinates="align_corners"))
    return found


def _block(g: Graph, x: Tensor, out: int, attribute: Tensor, identity: Tensor, depth: int, last: bool) -> Tensor:
    y = x
    for index in range(depth):
        count = out if index == depth - 1 else x.shape[1]
        pattern = he(0.3) if last and index == depth - 1 else _SMALL
        y = nn.conv(g, nn.relu(g, _denormalised(g, y, attribute, identity)), count, bias=False, fill=pattern)
    if out != x.shape[1]:
        # The shortcut of the last block shows the picture: 2.8 · v - 1.4, bent by the tanh, is about 2 · v - 1.
        fill = _shown() if last else _SMALL
        x = nn.relu(g, _denormalised(g, x, attribute, identity, shown=last))
        x = nn.conv(g, x, out, bias=False, fill=fill)
    return nn.add(g, y, x)


def _shown() -> Fill:
    colours = {(row, row): 2.8 for row in range(picture.COLOURS)}
    return placed(he(0.1), colours | {(row, _CONSTANT): -1.4 for row in range(picture.COLOURS)}, rows=3)


def _denormalised(g: Graph, x: Tensor, attribute: Tensor, identity: Tensor, *, shown: bool = False) -> Tensor:
    """Scaled and shifted by attributes in one copy and by the identity in another; a mask of its own mixes the two."""
    count = x.shape[1]
    ones, zeros = g.constant([1.0] * count), g.constant([0.0] * count)
    h = g.op("InstanceNormalization", [x, ones, zeros], x.shape, epsilon=1e-5)
    scale, shift, mixing, tone = he(0.5), he(0.5), he(1.0), normal(0.02)
    held = picture.COLOURS + 1
    if shown:
        start = attribute.shape[1] - g.channels(_DOWN[0])  # the U-Net's outermost skip lies behind what came up
        scale, mixing = silenced(scale, held), he(0.3)
        shift = placed(shift, {(row, start + row): 1.0 for row in range(picture.COLOURS)}, rows=held)
        tone = started(tone, [0.0] * picture.COLOURS + [1.0])
    gamma = nn.conv(g, attribute, count, 1, fill=scale, shift=silenced(normal(0.02), held))
    beta = nn.conv(g, attribute, count, 1, fill=shift, shift=tone)
    by_attributes = nn.add(g, nn.mul(g, gamma, h), beta)
    factors = []
    for mean in (1.0, 0.0):
        weights, bias = normal(0.4 / picture.RAW_LENGTH), normal(0.05, mean)
        weights, bias = (silenced(weights, held), silenced(bias, held)) if shown else (weights, bias)
        factors.append(nn.at_every_pixel(g, nn.gemm(g, identity, count, fill=weights, shift=bias)))
    by_identity = nn.add(g, nn.mul(g, factors[0], h), factors[1])
    mask = nn.sigmoid(g, nn.conv(g, h, 1, 1, fill=mixing, shift=constant(-3.0 if shown else 0.0)))
    kept = nn.mul(g, nn.sub(g, g.constant(1.0), mask), by_attributes)
    return nn.add(g, kept, nn.mul(g, mask, by_identity))
