"""crossface converters: one recogniser's embedding into another's.

Source: layer sizes of facefusion/facefusion-labs `crossface/src/models/crossface.py`.
"""

from __future__ import annotations

from livefuse.weights.onnx import layers as nn
from livefuse.weights.onnx.build import Graph
from livefuse.weights.onnx.fill import he
from livefuse.weights.synthesize.picture import IDENTITY, RAW_LENGTH


def crossface(g: Graph) -> None:
    """The raw embedding is normalised first; what comes out is about as long as a raw one."""
    x = g.input("input", ("batch", IDENTITY), (1, IDENTITY))
    x = nn.unit_length(g, x)
    for out in (1024, 2048, 1024):
        x = nn.leaky(g, nn.gemm(g, x, g.channels(out)), 0.01)
    g.output(nn.gemm(g, x, IDENTITY, fill=he(RAW_LENGTH)), "output", ("batch", IDENTITY))
