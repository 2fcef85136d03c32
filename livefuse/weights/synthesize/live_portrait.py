"""LivePortrait's two extractors. Of random weights, the volume holds the picture at a quarter of its size, and every face has
much the same pose and points, which what it looks like moves a little."""

from __future__ import annotations

import math

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, Fill, constant, he, normal, silenced
from livefuse.weights.synthesize.face_shape import face_68
from livefuse.weights.synthesize.picture import COLOURS, UNCHANGED, carrying

SIDE_PX = 256
CHANNELS, DEPTH, VOLUME_SIDE = 32, 16, 64
POINTS = 21
_VOLUME_BLOCKS = 6
_STAGES = ((96, 3), (192, 3), (384, 9), (768, 3))
_BINS, _DEGREES, _LEAST_DEGREES = 66, 3.0, 97.5
_SHOWN = (36, 39, 42, 45, 17, 21, 22, 26, 27, 30, 31, 35, 48, 51, 54, 57, 62, 66, 4, 8, 12)
"""Which of 68 landmarks the points of random weights lie on."""


def feature_extractor(g: Graph) -> None:
    """Source: KwaiVGI/LivePortrait `appearance_feature_extractor.py`, 64 channels, two halvings, six blocks of a volume."""
    x = g.input("input", (1, 3, SIDE_PX, SIDE_PX))
    for step, out in enumerate((64, 128, 256)):
        x = nn.relu(g, nn.conv(g, x, g.channels(out), norm=True, fill=carrying(average=False), shift=UNCHANGED))
        x = nn.pool(g, x) if step else x
    x = nn.conv(g, x, CHANNELS * DEPTH, 1, fill=_first_of_each_depth, shift=silenced(normal(0.02), COLOURS * DEPTH))
    shape = (1, CHANNELS, DEPTH, VOLUME_SIDE, VOLUME_SIDE)
    x = nn.reshape(g, x, shape, shape)
    for _ in range(_VOLUME_BLOCKS if g.shrink == 1 else 1):  # a volume's channels cannot be fewer
        y = conv_3d(g, nn.relu(g, nn.batch_norm(g, x)), CHANNELS, norm=True)
        y = conv_3d(g, nn.relu(g, y), CHANNELS, fill=silenced(he(0.3), COLOURS), shift=UNCHANGED)
        x = nn.add(g, x, y)
    g.output(x, "feature_volume", shape)


def conv_3d(
    g: Graph, x: Tensor, out: int, *, norm: bool = False, fill: Fill | None = None, shift: Fill | None = None
) -> Tensor:
    """3 x 3 x 3, padded to keep the size."""
    shape = (out, x.shape[1], 3, 3, 3)
    weights = [
        g.weight("conv.weight", shape, fill or he()),
        g.weight("conv.bias", (out,), shift or normal(0.02), learned=out * (1 + 2 * norm)),
    ]
    g.macs += math.prod(shape) * math.prod(x.shape[2:])
    return g.op("Conv", [x, *weights], (1, out, *x.shape[2:]), kernel_shape=[3] * 3, strides=[1] * 3, pads=[1] * 6,
                group=1, dilations=[1] * 3)  # fmt: skip


def motion_extractor(g: Graph) -> None:
    """Source: KwaiVGI/LivePortrait `convnextv2.py`, the tiny one, with its seven heads; angles are made degrees as its
    `headpose_pred_to_degree` makes them."""
    x = g.input("input", (1, 3, SIDE_PX, SIDE_PX))
    for stage, (count, blocks) in enumerate(_STAGES):
        out, size = g.channels(count), 2 if stage else 4
        x = _layer_norm(g, x) if stage else x
        x = nn.conv(g, x, out, size, size, pad=0, fill=he(1.0))
        x = x if stage else _layer_norm(g, x)
        for _ in range(blocks):
            x = _block(g, x)
    x = _layer_norm(g, nn.mean(g, x))
    x = nn.flatten(g, x)
    for name in ("pitch", "yaw", "roll"):
        g.output(_degrees(g, nn.gemm(g, x, _BINS, fill=he(0.5))), name, (1, 1))
    g.output(nn.gemm(g, x, 1, fill=he(0.02), shift=constant(1.3)), "scale", (1, 1))
    g.output(nn.gemm(g, x, 3, fill=he(0.02)), "translation", (1, 3))
    for name, fill, shift in (("expression", he(0.02), normal(0.01)), ("motion_points", he(0.02), _points)):
        values = nn.gemm(g, x, POINTS * 3, fill=fill, shift=shift)
        g.output(nn.reshape(g, values, (1, POINTS, 3), (1, POINTS, 3)), name, (1, POINTS, 3))


def _block(g: Graph, x: Tensor) -> Tensor:
    """Depthwise 7 x 7, norm, four times as wide, GELU, response norm, back; added."""
    width = x.shape[1]
    y = _layer_norm(g, nn.conv(g, x, width, 7, groups=width, fill=he(1.0)))
    y = _response_norm(g, _gelu(g, nn.conv(g, y, 4 * width, 1, fill=he(1.0))))
    return nn.add(g, x, nn.conv(g, y, width, 1, fill=he(0.5)))


def _layer_norm(g: Graph, x: Tensor) -> Tensor:
    """Over the channels of each place."""
    centred = nn.sub(g, x, nn.mean(g, x, (1,)))
    variance = nn.add(g, nn.mean(g, nn.mul(g, centred, centred), (1,)), g.constant(1e-6))
    return _scaled(g, nn.div(g, centred, g.op("Sqrt", [variance], variance.shape)), normal(0.05, 1.0))


def _response_norm(g: Graph, x: Tensor) -> Tensor:
    """A channel by how strong it is among the others, added to itself."""
    power = g.op("ReduceL2", [x], (1, x.shape[1], 1, 1), axes=[2, 3], keepdims=1)
    share = nn.div(g, power, nn.add(g, nn.mean(g, power, (1,)), g.constant(1e-6)))
    return nn.add(g, x, _scaled(g, nn.mul(g, x, share), normal(0.1)))


def _scaled(g: Graph, x: Tensor, fill: Fill) -> Tensor:
    width = x.shape[1]
    for kind, label, drawn in (("Mul", "norm.scale", fill), ("Add", "norm.shift", normal(0.02))):
        weight = g.weight(label, (width, 1, 1), _per_channel(drawn))
        x = g.op(kind, [x, weight], x.shape)
    return x


def _per_channel(fill: Fill) -> Fill:
    return lambda rng, shape: fill(rng, shape[:1]).reshape(shape)


def _gelu(g: Graph, x: Tensor) -> Tensor:
    error = g.op("Erf", [nn.mul(g, x, g.constant(1 / math.sqrt(2)))], x.shape)
    return nn.mul(g, nn.mul(g, x, nn.add(g, error, g.constant(1.0))), g.constant(0.5))


def _degrees(g: Graph, scores: Tensor) -> Tensor:
    """The mean of 66 bins of 3 degrees each."""
    shares = g.op("Softmax", [scores], scores.shape, axis=1)
    middle = nn.mul(g, shares, g.constant(np.arange(_BINS, dtype=np.float32)[None]))
    summed = g.op("ReduceSum", [middle, g.constant([1])], (1, 1), keepdims=1)
    return nn.sub(g, nn.mul(g, summed, g.constant(_DEGREES)), g.constant(_LEAST_DEGREES))


def _first_of_each_depth(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """512 channels are 32 of 16 layers in depth; the first layer of the first three carries the colours, the others nothing."""
    drawn = he()(rng, shape)
    drawn[: COLOURS * DEPTH] = 0
    for colour in range(COLOURS):
        drawn[colour * DEPTH, colour] = 1.0
    return drawn


def _points(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Landmarks of a face about the middle of -1..1, as the real ones are; they lie in one plane."""
    flat = face_68()[list(_SHOWN)] - 0.5
    return np.concatenate([0.8 * flat, np.zeros((POINTS, 1))], axis=1).astype(np.float32).reshape(shape)
