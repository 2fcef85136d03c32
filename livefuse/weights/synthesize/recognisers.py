"""Face recognisers: aligned 112×112 faces to 512 numbers.

Source: deepinsight/insightface `recognition/arcface_torch/backbones` (`iresnet.py`, `mobilefacenet.py`), layer sizes only.
"""

from __future__ import annotations

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import he

_EMBEDDING = 512
_RESIDUE = he(0.3)  # 24 residues of full size would grow past what float16 holds


def iresnet50(g: Graph) -> None:
    """Batch norms are folded into convolutions but for the leading one of each block, which nothing precedes."""
    x = _input(g)
    x = nn.prelu(g, nn.conv(g, x, g.channels(64), bias=False, norm=True))
    for planes, blocks in ((64, 3), (128, 4), (256, 14), (512, 3)):
        for index in range(blocks):
            x = _residual(g, x, g.channels(planes), 2 if index == 0 else 1)
    x = nn.flatten(g, nn.batch_norm(g, x))
    _embedding(g, nn.gemm(g, x, _EMBEDDING, norm=True, fill=he(0.8)), "683")


def _residual(g: Graph, x: Tensor, planes: int, stride: int) -> Tensor:
    y = nn.prelu(g, nn.conv(g, nn.batch_norm(g, x), planes, bias=False, norm=True))
    y = nn.conv(g, y, planes, stride=stride, bias=False, norm=True, fill=_RESIDUE)
    if stride > 1:
        x = nn.conv(g, x, planes, 1, stride, bias=False, norm=True, fill=he(1.0))
    return nn.add(g, y, x)


def mobilefacenet(g: Graph) -> None:
    """w600k_mbf as insightface's `get_mbf` makes it now; the published file has 3.4 M numbers: an older, wider one."""
    x = nn.prelu(g, _conv(g, _input(g), 128, 3, 2))
    groups = max(1, x.shape[1] // 2)
    x = nn.prelu(g, nn.conv(g, x, x.shape[1], groups=groups, bias=False, norm=True))
    for out, wide, blocks, inner in ((128, 128, 4, 128), (256, 256, 6, 256), (256, 512, 2, 256)):
        x = _separable(g, x, out, wide, stride=2)
        for _ in range(blocks):
            x = nn.add(g, x, _separable(g, x, out, inner, stride=1))
    x = nn.prelu(g, _conv(g, x, 512, 1))
    x = nn.conv(g, x, x.shape[1], 7, pad=0, groups=x.shape[1], bias=False, norm=True)
    _embedding(g, nn.gemm(g, nn.flatten(g, x), _EMBEDDING, bias=False, norm=True, fill=he(0.4)), "516")


def _separable(g: Graph, x: Tensor, out: int, wide: int, stride: int) -> Tensor:
    y = nn.prelu(g, _conv(g, x, wide, 1))
    y = nn.prelu(g, nn.conv(g, y, y.shape[1], 3, stride, groups=y.shape[1], bias=False, norm=True))
    return nn.conv(g, y, g.channels(out), 1, bias=False, norm=True, fill=_RESIDUE if stride == 1 else None)


def _conv(g: Graph, x: Tensor, out: int, kernel: int, stride: int = 1) -> Tensor:
    return nn.conv(g, x, g.channels(out), kernel, stride, bias=False, norm=True)


def _input(g: Graph) -> Tensor:
    return g.input("input.1", ("batch", 3, 112, 112), (1, 3, 112, 112))


def _embedding(g: Graph, x: Tensor, name: str) -> None:
    g.output(x, name, ("batch", _EMBEDDING))
