"""SCRFD detectors at three sizes.

Random weights find no faces, so three channels carry the colours through the backbone, and the scores look at them: bright
spots at strides 8 and 16, skin colour at stride 32. Pictures of people get a handful of boxes, flat ones none.
Source: layer sizes of deepinsight/insightface `detection/scrfd/configs/scrfd`.
"""

from __future__ import annotations

from collections.abc import Sequence

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import constant, he, placed, silenced, started
from livefuse.weights.synthesize import picture

_OUTPUTS = (("448", "451", "454"), ("471", "474", "477"), ("494", "497", "500"))
_GRAY = 1 / 3
# By stride: which neck channel holds what the score looks at, its weight, and the bias that it must overcome.
_SCORES = ((0, 20.0, -10.4), (1, 20.0, -8.0), (2, 24.0, -6.3))
_BOX = (3.0, 4.0, 3.0, 4.0)
_POINTS = (-1.2, -1.2, 1.2, -1.2, 0.0, 0.3, -1.0, 1.8, 1.0, 1.8)
_RESIDUE = silenced(he(0.5))


def scrfd_10g(g: Graph) -> None:
    _resnet(g, (28, 28, 56), ((56, 3), (88, 4), (88, 2), (224, 3)), neck=56, head=80, convs=3)


def scrfd_2_5g(g: Graph) -> None:
    _resnet(g, (12, 12, 24), ((24, 3), (48, 5), (48, 3), (80, 2)), neck=24, head=64, convs=2)


def scrfd_500m(g: Graph) -> None:
    """On a MobileNet of depthwise convolutions, with depthwise heads."""
    x = _conv(g, _input(g), 16, stride=2, gain=0.5, shift=0.5)
    x = _separable(g, x, 16)
    levels = []
    for planes, blocks in ((40, 2), (72, 3), (152, 2), (288, 6)):
        for index in range(blocks):
            x = _separable(g, x, planes, stride=2 if index == 0 else 1)
        levels.append(x)
    _heads(g, _neck(g, levels[1:], 16), 64, 2, depthwise=True)


def _resnet(
    g: Graph, stem: Sequence[int], stages: Sequence[tuple[int, int]], *, neck: int, head: int, convs: int
) -> None:
    x = _conv(g, _input(g), stem[0], stride=2, gain=0.5, shift=0.5)
    for out in stem[1:]:
        x = _conv(g, x, out)
    x = nn.pool(g, x, "Max", 3, 2, 1)
    levels = []
    for stage, (planes, blocks) in enumerate(stages):
        for index in range(blocks):
            x = _residual(g, x, g.channels(planes), 2 if stage and index == 0 else 1)
        levels.append(x)
    _heads(g, _neck(g, levels[1:], neck), head, convs, depthwise=False)


def _input(g: Graph) -> Tensor:
    return g.input("input.1", (1, 3, "height", "width"), (1, 3, 640, 640))


def _conv(
    g: Graph, x: Tensor, out: int, kernel: int = 3, stride: int = 1, gain: float = 1.0, shift: float = 0.0
) -> Tensor:
    fill = picture.carrying(gain=gain, average=stride > 1)
    bias = started(picture.UNCHANGED, [shift] * picture.COLOURS)
    return nn.relu(g, nn.conv(g, x, g.channels(out), kernel, stride, bias=False, norm=True, fill=fill, shift=bias))


def _depthwise(g: Graph, x: Tensor, stride: int = 1) -> Tensor:
    fill = picture.carrying(average=stride > 1)
    count = x.shape[1]
    y = nn.conv(g, x, count, 3, stride, groups=count, bias=False, norm=True, fill=fill, shift=picture.UNCHANGED)
    return nn.relu(g, y)


def _separable(g: Graph, x: Tensor, out: int, stride: int = 1) -> Tensor:
    return _conv(g, _depthwise(g, x, stride), out, 1)


def _residual(g: Graph, x: Tensor, planes: int, stride: int) -> Tensor:
    fill, shift = picture.carrying(average=False), picture.UNCHANGED
    y = nn.relu(g, nn.conv(g, x, planes, stride=stride, bias=False, norm=True))
    y = nn.conv(g, y, planes, bias=False, norm=True, fill=_RESIDUE, shift=shift)
    if stride > 1:
        x = nn.pool(g, x)
    if stride > 1 or x.shape[1] != planes:
        x = nn.conv(g, x, planes, 1, bias=False, norm=True, fill=fill, shift=shift)
    return nn.relu(g, nn.add(g, y, x))


def _neck(g: Graph, levels: Sequence[Tensor], out: int) -> list[Tensor]:
    """PAFPN. What the scores look at comes about in its sums: gray here less gray of stride 32, and red less blue."""
    count = g.channels(out)
    gray = [{(row, colour): _GRAY for colour in range(3)} for row in range(2)]
    coarse = {(row, colour): -_GRAY for row in range(2) for colour in range(3)} | {(2, 0): 1.0, (2, 2): -1.0}
    lateral = [
        nn.conv(g, level, count, 1, fill=placed(he(1.0), taps, rows=3), shift=picture.UNCHANGED)
        for level, taps in zip(levels, (gray[0], gray[1], coarse), strict=True)
    ]
    for index in (1, 0):
        lateral[index] = nn.add(g, lateral[index], nn.resize(g, lateral[index + 1], mode="nearest"))
    keep = picture.carrying(average=False)
    rows = [nn.conv(g, x, count, fill=keep, shift=picture.UNCHANGED) for x in lateral]
    for index in (0, 1):
        down = nn.conv(g, rows[index], count, stride=2, fill=_RESIDUE, shift=picture.UNCHANGED)
        rows[index + 1] = nn.add(g, rows[index + 1], down)
    return [rows[0]] + [nn.conv(g, x, count, fill=keep, shift=picture.UNCHANGED) for x in rows[1:]]


def _heads(g: Graph, rows: Sequence[Tensor], out: int, convs: int, *, depthwise: bool) -> None:
    found = [_head(g, x, out, convs, score, depthwise) for x, score in zip(rows, _SCORES, strict=True)]
    for kind, size in enumerate((1, 4, 10)):  # all scores, then all boxes, then all points
        for level, stride in enumerate((8, 16, 32)):
            g.output(found[level][kind], _OUTPUTS[level][kind], (f"anchors_{stride}", size))


def _head(
    g: Graph, x: Tensor, out: int, convs: int, score: tuple[int, float, float], depthwise: bool
) -> tuple[Tensor, Tensor, Tensor]:
    for _ in range(convs):
        x = _separable(g, x, out) if depthwise else _conv(g, x, out)
    channel, weight, bias = score
    looks = placed(he(0.2), {(0, channel): weight, (1, channel): weight}, rows=0)
    scores = nn.conv(g, x, 2, fill=looks, shift=constant([bias, bias - 2.0]))
    boxes = nn.conv(g, x, 8, fill=he(0.3), shift=constant(_BOX * 2))
    scale = Tensor(g.weight("scale", (1,), constant(1.0)), (1,))
    points = nn.conv(g, x, 20, fill=he(0.2), shift=constant(_POINTS * 2))
    return (
        nn.sigmoid(g, _per_anchor(g, scores, 1)),
        _per_anchor(g, nn.mul(g, boxes, scale), 4),
        _per_anchor(g, points, 10),
    )


def _per_anchor(g: Graph, x: Tensor, size: int) -> Tensor:
    count = x.shape[1] // size * x.shape[2] * x.shape[3]
    return nn.reshape(g, nn.transpose(g, x, (0, 2, 3, 1)), (-1, size), (count, size))
