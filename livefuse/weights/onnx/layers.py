"""Layers as training code names them, written into a graph."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import Fill, constant, he, normal

_BIAS = normal(0.02)


def conv(
    g: Graph, x: Tensor, out: int, kernel: int = 3, stride: int = 1, *, pad: int | None = None, groups: int = 1,
    bias: bool = True, norm: bool = False, fill: Fill | None = None, shift: Fill = _BIAS,
) -> Tensor:  # fmt: skip
    """Convolution, padded to keep the size at stride 1. `norm`: a batch norm follows and is folded in, as exporters do."""
    pad = kernel // 2 if pad is None else pad
    shape = (out, x.shape[1] // groups, kernel, kernel)
    weights = [g.weight("conv.weight", shape, fill or he())]
    if bias or norm:
        weights.append(g.weight("conv.bias", (out,), shift, learned=out * (bias + 2 * norm)))
    height, width = ((size + 2 * pad - kernel) // stride + 1 for size in x.shape[2:])
    g.macs += x.shape[0] * math.prod(shape) * height * width
    return g.op(
        "Conv", [x, *weights], (x.shape[0], out, height, width), kernel_shape=[kernel] * 2, strides=[stride] * 2,
        pads=[pad] * 4, group=groups, dilations=[1, 1],
    )  # fmt: skip


def conv_transpose(g: Graph, x: Tensor, out: int, kernel: int, stride: int, pad: int, *, bias: bool = True,
                   norm: bool = False, fill: Fill | None = None) -> Tensor:  # fmt: skip
    """Transposed convolution; every input pixel reaches kernel² outputs."""
    shape = (x.shape[1], out, kernel, kernel)
    reached = x.shape[1] * max(1, kernel // stride) ** 2
    weights = [g.weight("deconv.weight", shape, fill or normal(math.sqrt(2 / reached)))]
    if bias or norm:
        weights.append(g.weight("deconv.bias", (out,), _BIAS, learned=out * (bias + 2 * norm)))
    height, width = ((size - 1) * stride - 2 * pad + kernel for size in x.shape[2:])
    g.macs += x.shape[0] * math.prod(shape) * x.shape[2] * x.shape[3]
    return g.op(
        "ConvTranspose", [x, *weights], (x.shape[0], out, height, width), kernel_shape=[kernel] * 2,
        strides=[stride] * 2, pads=[pad] * 4,
    )  # fmt: skip


def gemm(g: Graph, x: Tensor, out: int, *, bias: bool = True, norm: bool = False, fill: Fill | None = None,
         shift: Fill = _BIAS) -> Tensor:  # fmt: skip
    """Fully connected, (N, in) -> (N, out)."""
    shape = (out, x.shape[1])
    weights = [g.weight("gemm.weight", shape, fill or he())]
    if bias or norm:
        weights.append(g.weight("gemm.bias", (out,), shift, learned=out * (bias + 2 * norm)))
    g.macs += x.shape[0] * math.prod(shape)
    return g.op("Gemm", [x, *weights], (x.shape[0], out), transB=1)


def batch_norm(g: Graph, x: Tensor, *, mean: float = 0.0, variance: float = 1.0) -> Tensor:
    """A batch norm that stays a node; its running mean and variance are not learned."""
    size = x.shape[1:2]
    weights = [
        g.weight("bn.scale", size, normal(0.05, 1.0)),
        g.weight("bn.shift", size, _BIAS),
        g.weight("bn.mean", size, constant(mean), learned=0),
        g.weight("bn.var", size, constant(variance), learned=0),
    ]
    return g.op("BatchNormalization", [x, *weights], x.shape, epsilon=1e-5)


def prelu(g: Graph, x: Tensor) -> Tensor:
    slope = g.weight("prelu.slope", (x.shape[1], *[1] * (len(x.shape) - 2)), normal(0.02, 0.25))
    return g.op("PRelu", [x, slope], x.shape)


def relu(g: Graph, x: Tensor) -> Tensor:
    return g.op("Relu", [x], x.shape)


def leaky(g: Graph, x: Tensor, slope: float) -> Tensor:
    return g.op("LeakyRelu", [x], x.shape, alpha=float(slope))


def sigmoid(g: Graph, x: Tensor) -> Tensor:
    return g.op("Sigmoid", [x], x.shape)


def silu(g: Graph, x: Tensor) -> Tensor:
    return mul(g, x, sigmoid(g, x))


def tanh_to_unit(g: Graph, x: Tensor) -> Tensor:
    """(tanh + 1) / 2, how image generators end."""
    high = add(g, g.op("Tanh", [x], x.shape), g.constant(1.0))
    return g.op("Div", [high, g.constant(2.0)], x.shape)


def add(g: Graph, a: Tensor, b: Tensor) -> Tensor:
    return _both(g, "Add", a, b)


def sub(g: Graph, a: Tensor, b: Tensor) -> Tensor:
    return _both(g, "Sub", a, b)


def mul(g: Graph, a: Tensor, b: Tensor) -> Tensor:
    return _both(g, "Mul", a, b)


def div(g: Graph, a: Tensor, b: Tensor) -> Tensor:
    return _both(g, "Div", a, b)


def _both(g: Graph, kind: str, a: Tensor, b: Tensor) -> Tensor:
    return g.op(kind, [a, b], np.broadcast_shapes(a.shape, b.shape))


def pad(g: Graph, x: Tensor, width: int, mode: str = "reflect") -> Tensor:
    """The same on all four sides."""
    height_width = [size + 2 * width for size in x.shape[2:]]
    pads = g.constant([0, 0, width, width, 0, 0, width, width])
    return g.op("Pad", [x, pads], (*x.shape[:2], *height_width), mode=mode)


def resize(g: Graph, x: Tensor, factor: int = 2, mode: str = "linear", coordinates: str = "half_pixel") -> Tensor:
    """Up by a whole factor; `nearest` as PyTorch exports it."""
    if mode == "nearest":
        coordinates = "asymmetric"
    scales = g.constant([1.0, 1.0, float(factor), float(factor)], "float32")
    region: Tensor | str = "" if g.opset >= 13 else g.constant(np.zeros(0), "float32")
    shape = (*x.shape[:2], x.shape[2] * factor, x.shape[3] * factor)
    how = {"nearest_mode": "floor"} if mode == "nearest" else {}
    return g.op("Resize", [x, region, scales], shape, mode=mode, coordinate_transformation_mode=coordinates, **how)


def pool(g: Graph, x: Tensor, kind: str = "Average", kernel: int = 2, stride: int = 2, pad: int = 0) -> Tensor:
    height, width = ((size + 2 * pad - kernel) // stride + 1 for size in x.shape[2:])
    return g.op(
        f"{kind}Pool",
        [x],
        (*x.shape[:2], height, width),
        kernel_shape=[kernel] * 2,
        strides=[stride] * 2,
        pads=[pad] * 4,
    )


def mean(g: Graph, x: Tensor, axes: Sequence[int] = (2, 3)) -> Tensor:
    shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    return g.op("ReduceMean", [x], shape, axes=list(axes), keepdims=1)


def unit_length(g: Graph, x: Tensor) -> Tensor:
    """Rows of (N, C) divided by their lengths."""
    return div(g, x, g.op("ReduceL2", [x], (x.shape[0], 1), axes=[1], keepdims=1))


def concat(g: Graph, values: Sequence[Tensor], axis: int = 1) -> Tensor:
    shape = list(values[0].shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    return g.op("Concat", values, shape, axis=axis)


def reshape(g: Graph, x: Tensor, sizes: Sequence[int], shape: Sequence[int]) -> Tensor:
    """`sizes` as ONNX takes them (0 keeps an axis, -1 takes the rest), `shape` what they come to."""
    return g.op("Reshape", [x, g.constant(list(sizes))], shape)


def flatten(g: Graph, x: Tensor) -> Tensor:
    return g.op("Flatten", [x], (x.shape[0], math.prod(x.shape[1:])), axis=1)


def transpose(g: Graph, x: Tensor, order: Sequence[int]) -> Tensor:
    return g.op("Transpose", [x], [x.shape[axis] for axis in order], perm=list(order))


def part(g: Graph, x: Tensor, start: int, stop: int, axis: int = 1) -> Tensor:
    """x[start:stop] along an axis."""
    shape = list(x.shape)
    shape[axis] = stop - start
    return g.op("Slice", [x, *(g.constant([value]) for value in (start, stop, axis))], shape)


def instance_norm(g: Graph, x: Tensor) -> Tensor:
    """Zero mean and unit variance per channel, in the eight operators that exporters leave of it.

    1e-8 is below the smallest float16, and converters raise it to 1e-7: so do we, or a flat channel would divide by 0.
    """
    centred = sub(g, x, mean(g, x))
    variance = mean(g, mul(g, centred, centred))
    guarded = add(g, variance, g.constant(1e-8 if g.precision == "fp32" else 1e-7))
    root = g.op("Sqrt", [guarded], guarded.shape)
    return mul(g, centred, div(g, g.constant(1.0), root))


def at_every_pixel(g: Graph, x: Tensor) -> Tensor:
    """(N, C) -> (N, C, 1, 1), so that it applies to a whole feature map."""
    for axis in (2, 3):
        shape = (*x.shape, 1)
        if g.opset >= 13:
            x = g.op("Unsqueeze", [x, g.constant([axis])], shape)
        else:
            x = g.op("Unsqueeze", [x], shape, axes=[axis])
    return x
