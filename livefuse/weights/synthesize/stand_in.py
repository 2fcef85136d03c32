"""Swappers whose architecture is not public: an encoder, AdaIN blocks and a decoder with the same doors and bytes.

What they cost to run is not what the real ones cost; their files say so.
"""

from __future__ import annotations

from dataclasses import dataclass

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import constant, he, started
from livefuse.weights.synthesize import picture

_SIZE_PX = 256


@dataclass(frozen=True)
class _Plan:
    width: int
    blocks: int
    hidden: int
    """Width of the identity's own layers: it makes the file as large as the real one."""
    source_px: int = 0
    """Side of a source image; 0 where the source is an embedding."""
    signed: bool = True
    """Takes and gives -1..1, not 0..1."""
    mask: bool = False
    downs: int = 3
    plain: int = 0
    """Convolutions after the blocks."""


def hyperswap(g: Graph) -> None:
    _swapper(g, _Plan(1024, 9, 127, mask=True))


def blendswap(g: Graph) -> None:
    _swapper(g, _Plan(2048, 4, 5862, source_px=112, signed=False, downs=4, plain=1))


def uniface(g: Graph) -> None:
    _swapper(g, _Plan(768, 7, 1432, source_px=256, plain=1))


def hififace(g: Graph) -> None:
    _swapper(g, _Plan(512, 8, 1620))


def _swapper(g: Graph, plan: _Plan) -> None:
    target = g.input("target", (1, 3, _SIZE_PX, _SIZE_PX))
    identity = _identity(g, plan)
    gain, lift = (0.5, 0.5) if plan.signed else (1.0, 0.0)
    widths = [plan.width >> step for step in range(plan.downs, -1, -1)]
    shift = started(picture.UNCHANGED, [lift] * picture.COLOURS)
    fill = picture.carrying(gain=gain, average=False)
    x = nn.leaky(g, nn.conv(g, nn.pad(g, target, 3), g.channels(widths[0]), 7, pad=0, fill=fill, shift=shift), 0.2)
    for out in widths[1:]:
        x = _conv(g, x, out, 2)
    for _ in range(plan.blocks):
        y = nn.relu(g, _styled(g, x, identity))
        x = nn.add(g, x, _styled(g, y, identity))
    for _ in range(plan.plain):
        x = _conv(g, x, plan.width, 1)
    for out in reversed(widths[:-1]):
        x = _conv(g, nn.resize(g, x), out, 1)
    image = nn.conv(g, nn.pad(g, x, 3), 3, 7, pad=0, fill=picture.showing(2.8, 0.1), shift=constant(-1.4))
    image = g.op("Tanh", [image], image.shape) if plan.signed else nn.tanh_to_unit(g, image)
    g.output(image, "output", (1, 3, _SIZE_PX, _SIZE_PX))
    if plan.mask:
        mask = nn.sigmoid(g, nn.conv(g, x, 1, fill=he(0.3), shift=constant(3.0)))
        g.output(mask, "mask", (1, 1, _SIZE_PX, _SIZE_PX))


def _identity(g: Graph, plan: _Plan) -> Tensor:
    if plan.source_px:
        x = g.input("source", (1, 3, plan.source_px, plan.source_px))
        for out in (64, 128, 256):
            x = nn.leaky(g, nn.conv(g, x, g.channels(out), stride=2), 0.2)
        x = nn.conv(g, x, g.channels(512), stride=2)
        side = x.shape[2] // 2  # a mean of each quarter: one mean of all would be nearly the same for every face
        x = nn.gemm(g, nn.flatten(g, nn.pool(g, x, kernel=side, stride=side)), picture.IDENTITY)
    else:
        x = g.input("source", (1, picture.IDENTITY))
    hidden = plan.hidden if g.shrink == 1 else g.channels(512)
    x = nn.gemm(g, nn.leaky(g, nn.gemm(g, x, hidden), 0.2), picture.IDENTITY, fill=he(1.0))
    return nn.unit_length(g, x)


def _conv(g: Graph, x: Tensor, out: int, stride: int) -> Tensor:
    fill = picture.carrying(average=stride > 1)
    return nn.leaky(g, nn.conv(g, x, g.channels(out), stride=stride, fill=fill, shift=picture.UNCHANGED), 0.2)


def _styled(g: Graph, x: Tensor, identity: Tensor) -> Tensor:
    count = x.shape[1]
    y = nn.instance_norm(g, nn.conv(g, nn.pad(g, x, 1), count, pad=0))
    shift = picture.style_bias(0.3, colours=0.0)
    style = nn.gemm(g, identity, 2 * count, fill=picture.style(picture.UNIT_LENGTH), shift=shift)
    style = nn.at_every_pixel(g, style)
    return nn.add(g, nn.mul(g, y, nn.part(g, style, 0, count)), nn.part(g, style, count, 2 * count))
