"""simswap_256 and simswap_unofficial_512: batch-normed encoder, nine AdaIN blocks, decoder.

Source: layer sizes of neuralchen/SimSwap `models/fs_networks_fix.py` and `models/fs_networks_512.py`.
"""

from __future__ import annotations

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Fill, constant, started
from livefuse.weights.synthesize import picture

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BLOCKS = 9


def simswap_256(g: Graph) -> None:
    """Takes ImageNet-normalised colours, gives 0..1."""
    target, source = _doors(g, 256)
    x = nn.pad(g, target, 3)
    x = _conv(g, x, 64, 7, pad=0, gain=_STD, shift=started(picture.UNCHANGED, _MEAN))
    for out in (128, 256, 512):
        x = _conv(g, x, out, stride=2)
    x = _blocks(g, x, source)
    for out in (256, 128, 64):
        x = _conv(g, nn.resize(g, x), out)
    x = nn.conv(g, nn.pad(g, x, 3), 3, 7, pad=0, fill=picture.showing(pattern=0.05), shift=constant(0.0))
    g.output(x, "output", (1, 3, 256, 256))


def simswap_512(g: Graph) -> None:
    """The deeper one: takes and gives 0..1."""
    target, source = _doors(g, 512)
    x = _conv(g, nn.pad(g, target, 3), 32, 7, pad=0)
    for out in (64, 128, 256, 512, 512):
        x = _conv(g, x, out, stride=2)
    x = _blocks(g, x, source)
    for out in (512, 256, 128, 64, 32):
        x = _conv(g, nn.resize(g, x), out)
    x = nn.conv(g, nn.pad(g, x, 3), 3, 7, pad=0, fill=picture.showing(2.8), shift=constant(-1.4))
    g.output(nn.tanh_to_unit(g, x), "output", (1, 3, 512, 512))


def _doors(g: Graph, size: int) -> tuple[Tensor, Tensor]:
    return g.input("target", (1, 3, size, size)), g.input("source", (1, picture.IDENTITY))


def _conv(
    g: Graph, x: Tensor, out: int, kernel: int = 3, stride: int = 1, *, pad: int | None = None,
    gain: float | tuple[float, ...] = 1.0, shift: Fill = picture.UNCHANGED,
) -> Tensor:  # fmt: skip
    fill = picture.carrying(gain=gain, average=stride > 1)
    return nn.relu(g, nn.conv(g, x, g.channels(out), kernel, stride, pad=pad, norm=True, fill=fill, shift=shift))


def _blocks(g: Graph, x: Tensor, source: Tensor) -> Tensor:
    for _ in range(_BLOCKS):
        y = nn.relu(g, _normed(g, x, source))
        x = nn.add(g, x, _normed(g, y, source))
    return x


def _normed(g: Graph, x: Tensor, source: Tensor) -> Tensor:
    """x · (γ + 1) + β of the convolved and normalised x; -0.7: nine full-sized blocks would drown the picture."""
    count = x.shape[1]
    y = nn.instance_norm(g, nn.conv(g, nn.pad(g, x, 1), count, pad=0))
    shift = picture.style_bias(-0.7, colours=-1.0)
    style = nn.gemm(g, source, 2 * count, fill=picture.style(picture.UNIT_LENGTH), shift=shift)
    style = nn.at_every_pixel(g, style)
    gamma = nn.add(g, nn.part(g, style, 0, count), g.constant(1.0))
    return nn.add(g, nn.mul(g, y, gamma), nn.part(g, style, count, 2 * count))
