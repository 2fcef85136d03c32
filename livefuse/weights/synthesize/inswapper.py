"""inswapper_128: encoder, six AdaIN blocks at 32×32×1024, decoder.

Source: layer sizes as in somanchiu/ReSwapper `StyleTransferModel_128.py`, which were read off the published graph.
"""

from __future__ import annotations

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import constant
from livefuse.weights.synthesize import picture


def inswapper(g: Graph) -> None:
    """Its emap `buff2fs` lies last among the initialisers, used by no node."""
    target = g.input("target", (1, 3, 128, 128))
    source = g.input("source", (1, picture.IDENTITY))
    x = nn.pad(g, target, 3)
    x = _conv(g, x, 128, 7, pad=0)
    for out, stride in ((256, 1), (512, 2), (1024, 2)):
        x = _conv(g, x, out, stride=stride)
    for _ in range(6):
        x = _block(g, x, source)
    for out, up in ((512, True), (256, True), (128, False)):
        x = _conv(g, nn.resize(g, x) if up else x, out)
    x = nn.conv(g, nn.pad(g, x, 3), 3, 7, pad=0, fill=picture.showing(2.8), shift=constant(-1.4))
    g.output(nn.tanh_to_unit(g, x), "output", (1, 3, 128, 128))
    g.weight("buff2fs", (picture.IDENTITY,) * 2, picture.EMAP, dtype="float32", learned=0, exact=True)


def _conv(g: Graph, x: Tensor, out: int, kernel: int = 3, stride: int = 1, pad: int | None = None) -> Tensor:
    fill = picture.carrying(average=stride > 1)
    x = nn.conv(g, x, g.channels(out), kernel, stride, pad=pad, fill=fill, shift=picture.UNCHANGED)
    return nn.leaky(g, x, 0.2)


def _block(g: Graph, x: Tensor, source: Tensor) -> Tensor:
    y = nn.conv(g, nn.pad(g, x, 1), x.shape[1], pad=0)
    y = nn.relu(g, _styled(g, nn.instance_norm(g, y), source))
    y = nn.conv(g, nn.pad(g, y, 1), x.shape[1], pad=0)
    return nn.add(g, _styled(g, nn.instance_norm(g, y), source), x)


def _styled(g: Graph, x: Tensor, source: Tensor) -> Tensor:
    """x · γ + β from the identity: γ itself, not 1 + γ as elsewhere."""
    count = x.shape[1]
    shift = picture.style_bias(0.3, colours=0.0)
    style = nn.gemm(g, source, 2 * count, fill=picture.style(picture.UNIT_LENGTH), shift=shift)
    style = nn.at_every_pixel(g, style)
    return nn.add(g, nn.mul(g, x, nn.part(g, style, 0, count)), nn.part(g, style, count, 2 * count))
