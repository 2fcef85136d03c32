"""Landmark networks that end in one long vector: it is a mean face, moved a little by the picture."""

from __future__ import annotations

import numpy as np

from livefuse.frame import F32
from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph, Tensor
from livefuse.weights.onnx.fill import constant, he
from livefuse.weights.synthesize.face_shape import face_68, face_106, face_468

_INSET = 1 / 6
"""The crops are half as wide again as the face's box: so much lies free on each side of it."""
_MOVED = he(0.02)


def landmarks_106(g: Graph) -> None:
    """2d106det: a half-width MobileNet whose own first layer normalises the raw pixels.

    Source: the file's size and insightface's `coordinate_reg` description; the counts of the last layers are a guess.
    """
    x = nn.batch_norm(g, g.input("data", ("batch", 3, 192, 192), (1, 3, 192, 192)), mean=127.5, variance=127.5**2)
    g.call_last("bn_data")  # by this name insightface knows that the pixels are normalised here
    x = nn.prelu(g, nn.conv(g, x, g.channels(16), stride=2, bias=False, norm=True))
    plan = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), *((256, 1),) * 5, (512, 2), (512, 1))
    for out, stride in plan:
        x = _separable(g, x, out, stride)
    x = nn.prelu(g, nn.conv(g, x, g.channels(64), stride=2, bias=False, norm=True))
    points = (_inset(face_106()) * 2 - 1).ravel()  # pixel = (value + 1) · 96
    g.output(nn.gemm(g, nn.flatten(g, x), 212, fill=_MOVED, shift=constant(points)), "fc1", ("batch", 212))


def peppa_wutz(g: Graph) -> None:
    """A small network in the place of an unpublished one: x and y of 68 points in a grid of 64, and their scores."""
    x = g.input("input", ("batch", 3, 256, 256), (1, 3, 256, 256))
    x = nn.prelu(g, nn.conv(g, x, g.channels(24), stride=2, bias=False, norm=True))
    for out, stride in ((32, 2), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)):
        x = _separable(g, x, out, stride)
    rows = np.concatenate([_inset(face_68()) * 64, np.full((68, 1), 0.9, np.float32)], axis=1)
    x = nn.gemm(g, nn.flatten(g, x), 204, fill=_MOVED, shift=constant(rows.ravel()))
    g.output(x, "output", ("batch", 204))


def points_to_68(g: Graph) -> None:
    """fan_68_5: five points under the ffhq template to 68 in the same frame."""
    x = g.input("input", (1, 5, 2))
    x = nn.flatten(g, x)
    for _ in range(2):
        x = nn.relu(g, nn.gemm(g, x, g.channels(440)))
    box = np.array(
        [[0.22, 0.40], [0.57, 0.50]], np.float32
    )  # where that template puts the unit face: its corner and size
    points = (box[0] + face_68() * box[1]).ravel()
    x = nn.gemm(g, x, 136, fill=_MOVED, shift=constant(points))
    g.output(nn.reshape(g, x, (1, 68, 2), (1, 68, 2)), "output", (1, 68, 2))


def facemesh(g: Graph) -> None:
    """FaceMesh: channels last outside, depthwise residual blocks inside, 468 points in pixels of its 192.

    Source: block plan after google-ai-edge/mediapipe's face_landmark model card; the counts are close, not the same.
    """
    image = g.input("input_1", ("batch", 192, 192, 3), (1, 192, 192, 3))
    x = nn.transpose(g, image, (0, 3, 1, 2))
    x = nn.prelu(g, nn.conv(g, x, g.channels(16), stride=2))
    for out in (16, 32, 64, 128, 128, 128):
        x = _residual(g, _residual(g, _narrowed(g, x, out) if out > 16 else x))
    x = nn.prelu(g, nn.conv(g, x, g.channels(32), 1))
    x = _residual(g, x)
    points = (np.concatenate([_inset(face_468()[:, :2]), face_468()[:, 2:]], axis=1) * 192).ravel()
    x = nn.conv(g, x, 1404, x.shape[2], pad=0, fill=he(1.0), shift=constant(points))
    g.output(nn.transpose(g, x, (0, 2, 3, 1)), "conv2d_21", ("batch", 1, 1, 1404))


def _inset(points: F32) -> F32:
    return (_INSET + points * (1 - 2 * _INSET)).astype(np.float32)


def _separable(g: Graph, x: Tensor, out: int, stride: int) -> Tensor:
    y = nn.conv(g, x, x.shape[1], 3, stride, groups=x.shape[1], bias=False, norm=True)
    return nn.prelu(g, nn.conv(g, nn.prelu(g, y), g.channels(out), 1, bias=False, norm=True))


def _residual(g: Graph, x: Tensor) -> Tensor:
    y = nn.conv(g, x, x.shape[1], groups=x.shape[1])
    return nn.prelu(g, nn.add(g, nn.conv(g, y, x.shape[1], 1, fill=he(0.5)), x))


def _narrowed(g: Graph, x: Tensor, out: int) -> Tensor:
    """Half the size; channels that are new start at zero in the shortcut."""
    y = nn.conv(g, x, x.shape[1], 3, 2, groups=x.shape[1])
    y = nn.conv(g, y, g.channels(out), 1)
    short = nn.pool(g, x, "Max")
    grown = y.shape[1] - x.shape[1]
    if grown:
        pads = g.constant([0, 0, 0, 0, 0, grown, 0, 0])
        short = g.op("Pad", [short, pads], y.shape, mode="constant")
    return nn.prelu(g, nn.add(g, y, short))
