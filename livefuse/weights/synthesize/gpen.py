"""GPEN: the features of an encoder stand in for the noise of a StyleGAN2. Of random weights, it adds a faint pattern."""

from __future__ import annotations

import math

import numpy as np

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Array, Fill, carried, constant, normal, silenced
from livefuse.weights.synthesize.picture import COLOURS, UNCHANGED, showing
from livefuse.weights.synthesize.stylegan import (
    NO_SHIFT,
    SLOPE,
    STYLE,
    UNIT,
    Styled,
    activated,
    convolved,
    modulated_weight,
    to_rgb,
    widths,
)

_MAPPING = 8
_BLUR = (1.0, 3.0, 3.0, 1.0)
_PATTERN = 0.03


def gpen_256(g: Graph) -> None:
    _gpen(g, 256, widths(256, narrow=0.5, multiplier=1))


def gpen_512(g: Graph) -> None:
    _gpen(g, 512, widths(512, narrow=1, multiplier=2))


def gpen_1024(g: Graph) -> None:
    _gpen(g, 1024, widths(1024, narrow=1, multiplier=2))


def gpen_2048(g: Graph) -> None:
    _gpen(g, 2048, widths(2048, narrow=1, multiplier=2))


def _gpen(g: Graph, size: int, wide: dict[int, int]) -> None:
    """Source: yangxy/GPEN `face_model/gpen_model.py`, `FullGenerator`; one picture at a time, as its weights differ."""
    channels = {side: g.channels(count) for side, count in wide.items()}
    features = _encoded(g, g.input("input", (1, 3, size, size)), channels, size)
    style = _style(g, features[4])
    first = g.weight("constant_input", (1, channels[4], 4, 4), normal(1.0))
    x = _with_features(g, Tensor(first, (1, channels[4], 4, 4)), style, channels[4], features[4])
    rgb = to_rgb(g, x, style, Styled(_faint))
    for side in list(channels)[1:]:
        x = _with_features(g, x, style, channels[side], features[side], doubled=True)
        x = _with_features(g, x, style, channels[side], features[side])
        how, bias = Styled(_faint), NO_SHIFT
        if side == size:
            # A colour c came in as c + 1; the encoder's and the generator's activation each made it √2 times as much.
            start = channels[side]
            how, bias = Styled(showing(0.5, _PATTERN, start=start), start), constant(-1.0)
        rgb = nn.add(g, to_rgb(g, x, style, how, bias), _up(g, rgb))
    g.output(rgb, "output", (1, 3, size, size))


def _faint(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return normal(_PATTERN / math.sqrt(shape[1]))(rng, shape)


def _encoded(g: Graph, x: Tensor, channels: dict[int, int], size: int) -> dict[int, Tensor]:
    """Feature maps by side; the first one carries the picture, raised to be nowhere negative."""
    x = _plain(g, x, channels[size], 1, carried(UNIT, COLOURS), silenced(normal(0.02), COLOURS, value=1.0))
    features = {size: x}
    for side in reversed(list(channels)[:-1]):
        x = _plain(g, _blurred(g, x, 2), channels[side], 3, UNIT, normal(0.02))
        features[side] = x
    return features


def _plain(g: Graph, x: Tensor, out: int, kernel: int, fill: Fill, shift: Fill) -> Tensor:
    x = nn.conv(g, x, out, kernel, 1 if kernel == 1 else 2, pad=0, bias=False, fill=fill)
    return activated(g, x, shift)


def _style(g: Graph, x: Tensor) -> Tensor:
    """The last features through one dense layer, then at unit power through eight more."""
    style = _dense(g, nn.flatten(g, x))
    power = nn.mean(g, nn.mul(g, style, style), (1,))
    guarded = nn.add(g, power, g.constant(1e-8 if g.precision == "fp32" else 1e-7))
    style = nn.div(g, style, g.op("Sqrt", [guarded], guarded.shape))
    for _ in range(_MAPPING):
        style = _dense(g, style)
    return style


def _dense(g: Graph, x: Tensor) -> Tensor:
    x = nn.leaky(g, nn.gemm(g, x, g.channels(STYLE), fill=UNIT), SLOPE)
    return nn.mul(g, x, g.constant(math.sqrt(2)))


def _with_features(g: Graph, x: Tensor, style: Tensor, out: int, feature: Tensor, *, doubled: bool = False) -> Tensor:
    """A modulated convolution, beside it the encoder's features of the same size times one learned number."""
    weight = modulated_weight(g, style, (out, x.shape[1], 3, 3), Styled(), demodulated=True)
    x = _doubled(g, x, weight) if doubled else convolved(g, x, weight)
    beside = g.op("Mul", [feature, g.weight("noise.weight", (1,), constant(1.0))], feature.shape)
    return activated(g, nn.concat(g, [x, beside]), _beside_shift(out))


def _beside_shift(out: int) -> Fill:
    return silenced(UNCHANGED, COLOURS, start=out)


def _doubled(g: Graph, x: Tensor, weight: Tensor) -> Tensor:
    """Transposed convolution to one more than twice the size, blurred to twice."""
    weight = nn.transpose(g, weight, (1, 0, 2, 3))
    side = x.shape[2] * 2 + 1
    g.macs += math.prod(weight.shape) * x.shape[2] * x.shape[3]
    x = g.op(
        "ConvTranspose", [x, weight], (1, weight.shape[1], side, side), kernel_shape=[3, 3], strides=[2, 2],
        pads=[0] * 4,
    )  # fmt: skip
    return _blurred(g, x, 1, gain=4.0)


def _blurred(g: Graph, x: Tensor, width: int, gain: float = 1.0) -> Tensor:
    """Every channel by the same fixed 4 x 4 weights."""
    channels, side = x.shape[1], x.shape[2] + 2 * width - 3
    weight = g.weight("blur", (channels, 1, 4, 4), constant(_kernel(gain)), learned=0)
    g.macs += channels * 16 * side * side
    return g.op(
        "Conv", [x, weight], (1, channels, side, side), kernel_shape=[4, 4], strides=[1, 1], pads=[width] * 4,
        group=channels, dilations=[1, 1],
    )  # fmt: skip


def _up(g: Graph, rgb: Tensor) -> Tensor:
    """Zeros put between the pixels and blurred, in one operator."""
    side = rgb.shape[2] * 2
    weight = g.weight("blur", (3, 1, 4, 4), constant(_kernel(4.0)), learned=0)
    g.macs += 3 * 16 * side * side // 4
    return g.op(
        "ConvTranspose", [rgb, weight], (1, 3, side, side), kernel_shape=[4, 4], strides=[2, 2], pads=[1] * 4, group=3
    )


def _kernel(gain: float) -> Array:
    return np.outer(_BLUR, _BLUR) * gain / sum(_BLUR) ** 2
