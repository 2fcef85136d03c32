"""Files that ONNX Runtime's optimiser wrote hold its own fused operators, which nothing else runs and its GPU providers only
in part. Here they become standard ONNX again: a convolution and its activation.

Source: ONNX Runtime contrib_ops.md, `com.microsoft.FusedConv`.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from livefuse.errors import ModelCorrupt
from livefuse.weights.onnx.model import Model
from livefuse.weights.onnx.rewritten import rewritten
from livefuse.weights.onnx.schema import FLOAT, Message, NodeProto, TensorProto

_DOMAIN, _FUSED = "com.microsoft", "FusedConv"
_MADE_OF_IT = ("activation", "activation_params")
_PARAMETERS: dict[str, tuple[str, ...]] = {
    "Relu": (), "Sigmoid": (), "Tanh": (), "Clip": ("min", "max"), "LeakyRelu": ("alpha",), "HardSigmoid": ("alpha", "beta"),
}  # fmt: skip
_FLOAT32 = 1
_SUM = 3  # the optional fourth input is added before the activation


def standard_file(path: Path, cache: Path) -> Path:
    """The file itself, or where it holds fused operators a copy without, made once in `cache` for a file of its size and time.

    Raises: ModelMissing, ModelCorrupt, StoreUnwritable.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(_FUSED.encode()) < 0:  # most files: half a gigabyte need not be parsed to know that
            return path
    return rewritten(path, cache, "standard", unfuse)


def unfuse(model: Model) -> None:
    """Replace every FusedConv in place. Raises: ModelCorrupt for an activation that is not known."""
    graph = model.proto.graph
    plain = [each for node in graph.node for each in _plain(model, node)]
    del graph.node[:]
    graph.node.extend(plain)
    for i in reversed(range(len(model.proto.opset_import))):
        if model.proto.opset_import[i].domain.startswith(_DOMAIN):
            del model.proto.opset_import[i]


def _plain(model: Model, node: Message) -> Iterator[Message]:
    if node.op_type != _FUSED or node.domain != _DOMAIN:
        yield node
        return
    given = {attribute.name: attribute for attribute in node.attribute}
    kind = given["activation"].s.decode() if "activation" in given else ""
    if kind not in _PARAMETERS:
        raise ModelCorrupt(
            f"{model.path}: {_FUSED} with the activation {kind!r}", hint="export the model anew, unoptimised"
        )
    result = node.output[0]
    convolved = f"{result}.convolved"
    kept = [attribute for attribute in node.attribute if attribute.name not in _MADE_OF_IT]
    yield NodeProto(
        op_type="Conv", input=node.input[:_SUM], output=[convolved], attribute=kept, name=f"{node.name}.conv"
    )
    if len(node.input) > _SUM and node.input[_SUM]:
        added = f"{result}.added"
        yield NodeProto(op_type="Add", input=[convolved, node.input[_SUM]], output=[added])
        convolved = added
    values = list(given["activation_params"].floats) if "activation_params" in given else []
    yield _activation(model, kind, convolved, result, dict(zip(_PARAMETERS[kind], values, strict=False)))


def _activation(model: Model, kind: str, source: str, result: str, values: dict[str, float]) -> Message:
    node = NodeProto(op_type=kind, input=[source], output=[result])
    if kind != "Clip" or model.opset < 11:
        for name, value in values.items():
            node.attribute.add(name=name, f=value, type=FLOAT)
        return node
    for name, value in values.items():  # from opset 11 on a Clip's limits are inputs
        limit = f"{result}.{name}"
        model.proto.graph.initializer.append(TensorProto(name=limit, data_type=_FLOAT32, float_data=[value]))
        node.input.append(limit)
    return node
