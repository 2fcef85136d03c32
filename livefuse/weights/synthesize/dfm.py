"""DFM files: a DeepFaceLab model whose identity is baked in. Channels last outside, as TensorFlow exports them.

Source: layer sizes of iperov/DeepFaceLab `core/leras/archis/DeepFakeArchi.py`, LIAE with the options `u` and `d`.
"""

from __future__ import annotations

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import alike, constant, he, placed
from livefuse.weights.onnx.schema import DTYPE_NUMBERS

_SIDE_PX = 224
_ENCODER, _AE, _DECODER, _MASK = 64, 256, 64, 22


def liae(g: Graph) -> None:
    """LIAE: the celebrity's face comes of the shared code twice, the mask of the own face of both codes."""
    code = _encoded(g)
    own, shared = _inter(g, code), _inter(g, code)
    _finish(g, nn.concat(g, [shared, shared]), nn.concat(g, [own, shared]))


def amp(g: Graph) -> None:
    """With `morph_value:0`: that share of the code's channels is the celebrity's, the rest the own face's."""
    code = _encoded(g)
    morph = g.input("morph_value:0", (1,), cast=False)
    own, celebrity = _inter(g, code), _inter(g, code)
    count = own.shape[1]
    share = nn.mul(g, morph, g.constant([float(count)], "float32"))
    channels = g.op("Cast", [share], (1,), to=DTYPE_NUMBERS["int64"])
    zero, end, axis = g.constant([0]), g.constant([count]), g.constant([1])
    first = g.op("Slice", [celebrity, zero, channels, axis], own.shape)
    rest = g.op("Slice", [own, channels, end, axis], own.shape)
    mixed = g.op("Concat", [first, rest], own.shape, axis=1)
    sizes = (-1, *own.shape[1:])  # the count of channels is known again
    mixed = nn.reshape(g, mixed, sizes, own.shape)
    _finish(g, nn.concat(g, [mixed, mixed]), nn.concat(g, [own, own]))


def _encoded(g: Graph) -> Tensor:
    x = g.input("in_face:0", ("batch", _SIDE_PX, _SIDE_PX, 3), (1, _SIDE_PX, _SIDE_PX, 3))
    x = nn.transpose(g, x, (0, 3, 1, 2))
    for factor in (1, 2, 4, 8):
        x = nn.leaky(g, nn.conv(g, x, g.channels(_ENCODER * factor), 5, 2), 0.1)
    x = nn.flatten(g, x)
    power = nn.mean(g, nn.mul(g, x, x), axes=(1,))
    root = g.op("Sqrt", [nn.add(g, power, g.constant(1e-6))], power.shape)
    return nn.div(g, x, root)


def _inter(g: Graph, x: Tensor) -> Tensor:
    side, out = _SIDE_PX // 32, g.channels(2 * _AE)
    x = nn.gemm(g, nn.gemm(g, x, g.channels(_AE), fill=he(1.0)), side * side * out, fill=he(1.0))
    x = nn.reshape(g, x, (-1, out, side, side), (x.shape[0], out, side, side))
    return _up(g, x, out)


def _up(g: Graph, x: Tensor, out: int) -> Tensor:
    x = nn.leaky(g, nn.conv(g, x, 4 * out, fill=alike(he(), 4)), 0.1)
    return _spread(g, x)


def _spread(g: Graph, x: Tensor) -> Tensor:
    count, height, width = x.shape[1:]
    return g.op("DepthToSpace", [x], (x.shape[0], count // 4, 2 * height, 2 * width), blocksize=2, mode="DCR")


def _residual(g: Graph, x: Tensor) -> Tensor:
    y = nn.conv(g, nn.leaky(g, nn.conv(g, x, x.shape[1]), 0.2), x.shape[1], fill=he(0.5))
    return nn.leaky(g, nn.add(g, x, y), 0.2)


def _finish(g: Graph, celebrity: Tensor, own: Tensor) -> None:
    """The mask decoder's weights serve both codes: they go through it as one batch."""
    x = celebrity
    for factor in (8, 4, 2):
        x = _residual(g, _up(g, x, g.channels(_DECODER * factor)))
    colours = {(row, row): 0.7 for row in range(3)}  # the same in all four, or pixels would be a chequerboard
    shown = placed(he(0.05), colours, rows=0)
    quarters = [nn.conv(g, x, 3, kernel, fill=shown) for kernel in (1, 3, 3, 3)]
    face = nn.sigmoid(g, _spread(g, nn.concat(g, quarters)))
    m = nn.concat(g, [own, celebrity], axis=0)
    for factor in (8, 4, 2, 1):
        m = _up(g, m, g.channels(_MASK * factor))
    m = nn.sigmoid(g, nn.conv(g, m, 1, 1, fill=he(0.5), shift=constant(4.0)))
    own_mask, mask = g.split(m, 2, axis=0)
    for value, name in ((own_mask, "out_face_mask:0"), (face, "out_celeb_face:0"), (mask, "out_celeb_face_mask:0")):
        channels_last = nn.transpose(g, value, (0, 2, 3, 1))
        g.output(channels_last, name, ("batch", _SIDE_PX, _SIDE_PX, value.shape[1]))
