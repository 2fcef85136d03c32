"""A model's graph as conversion wants it: simplified, and with the type of every tensor known.

ONNX Runtime folds constants and batch norms first: fewer operators are left to be rounded. The `onnx` package (extra
`[convert]`) infers types; it is also what ONNX Runtime's quantiser is written with, so both precisions need it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path

from livefuse.errors import EngineFailed, ModelError
from livefuse.runtime.offline import simplify
from livefuse.weights.emap import find_emap
from livefuse.weights.onnx.model import Model, read_model, write_model
from livefuse.weights.onnx.schema import DTYPE_NUMBERS, Message, ModelProto, ValueInfoProto
from livefuse.weights.onnx.unfuse import unfuse

FLOAT, HALF = DTYPE_NUMBERS["float32"], DTYPE_NUMBERS["float16"]
STANDARD = ("", "ai.onnx")
_SHAPE_VALUES = 64
"""Weights of so many values or fewer may be shapes, which inference reads; larger ones it needs the size of alone."""


def need_onnx() -> None:
    """Raises: ModelError naming the extra that brings the package."""
    try:
        importlib.import_module("onnx")
    except ImportError as error:
        raise ModelError(
            f"converting needs the package `onnx`: {error}", hint='`pip install "livefuse[convert]"`'
        ) from error


def prepared(source: Path, folder: Path, *, opset: int = 0) -> Path:
    """A simplified copy in `folder`, in `opset` at least; the identity's matrix stays its last weight.

    Raises: ModelCorrupt, EngineFailed.
    """
    plain, simple = folder / "plain.onnx", folder / "simple.onnx"
    original = read_model(source)
    _without_weights_as_inputs(original)
    unfuse(original)
    emap = _emap(original)
    write_model(original, plain)
    del original
    simplify(plain, simple)
    plain.unlink()
    model = read_model(simple)
    keep_emap(model, emap)
    _drop_unused_domains(model)
    raise_opset(model, opset)
    _name_nodes(model)
    mark = model.proto.metadata_props.add()  # what the quantiser looks for, and asks for on the log if it is not there
    mark.key, mark.value = "onnx.quant.pre_process", "onnxruntime.quant"
    write_model(model, simple)
    return simple


def take_emap(path: Path) -> Message | None:
    """The identity's matrix, out of the file: sessions warn of what no node uses. None for models without."""
    model = read_model(path)
    emap = _emap(model)
    if emap is not None:
        weights = model.proto.graph.initializer
        _remove(weights, (i for i, weight in enumerate(weights) if weight.name == emap.name))
        write_model(model, path)
    return emap


def keep_emap(model: Model, emap: Message | None) -> None:
    """Put the matrix back where optimisers dropped it: at the end, where other programs look for it."""
    weights = model.proto.graph.initializer
    if emap is None:
        return
    for place in reversed([i for i, weight in enumerate(weights) if weight.name == emap.name]):
        del weights[place]
    weights.append(emap)


def types_of(model: Model) -> dict[str, Message]:
    """The type and shape of every tensor by its name, as ValueInfoProto. Raises: EngineFailed where one cannot be told."""
    need_onnx()
    import onnx

    skeleton = onnx.load_model_from_string(_skeleton(model).SerializeToString())
    try:
        inferred = onnx.shape_inference.infer_shapes(skeleton, check_type=True, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise EngineFailed(f"{model.path.name}: its types do not fit together: {error}", hint=_EXPORT) from error
    graph = inferred.graph
    known: dict[str, Message] = {}
    for info in (*graph.input, *graph.value_info, *graph.output):
        known[info.name] = ValueInfoProto.FromString(info.SerializeToString())
    for weight in model.proto.graph.initializer:
        known.setdefault(weight.name, _info(weight))
    produced = [name for node in model.proto.graph.node for name in node.output if name]
    unknown = next((name for name in produced if name not in known), None)
    if unknown is not None:
        raise EngineFailed(f"{model.path.name}: nothing tells the type of {unknown!r}", hint=_EXPORT)
    return known


def raise_opset(model: Model, opset: int) -> None:
    """Rewrite an older graph for a later version of the operators, in place. Raises: EngineFailed."""
    if model.opset >= opset:
        return
    need_onnx()
    import onnx
    import onnx.version_converter

    skeleton = onnx.load_model_from_string(_skeleton(model).SerializeToString())
    try:
        raised = onnx.version_converter.convert_version(skeleton, opset)
    except Exception as error:  # its C++ raises bare RuntimeErrors
        raise EngineFailed(
            f"{model.path.name}: opset {model.opset} cannot be raised to {opset}: {error}", hint=_EXPORT
        ) from error
    later = ModelProto.FromString(raised.SerializeToString())
    graph = model.proto.graph
    emap = _emap(model)
    small = {weight.name for weight in later.graph.initializer}
    weights = [weight for weight in graph.initializer if weight.name not in small]
    weights = [*later.graph.initializer, *weights]
    del graph.node[:], graph.initializer[:], graph.value_info[:], model.proto.opset_import[:]
    graph.node.extend(later.graph.node)
    graph.initializer.extend(weights)
    model.proto.opset_import.extend(later.opset_import)
    model.proto.ir_version = max(model.proto.ir_version, later.ir_version)
    keep_emap(model, emap)


def element(info: Message) -> int:
    return int(info.type.tensor_type.elem_type)


_EXPORT = "another export of the model, in standard ONNX operators, may do"


def _skeleton(model: Model) -> Message:
    """The graph without its large weights, which become inputs: half a gigabyte need not be copied to infer types."""
    source, copy = model.proto, ModelProto()
    copy.ir_version = max(source.ir_version, 4)  # before 4 every weight had to be an input too
    copy.opset_import.extend(source.opset_import)
    copy.graph.name = source.graph.name or "graph"
    copy.graph.node.extend(source.graph.node)
    copy.graph.input.extend(source.graph.input)
    copy.graph.output.extend(source.graph.output)
    for weight in source.graph.initializer:
        values = 1
        for size in weight.dims:
            values *= size
        if values <= _SHAPE_VALUES:
            copy.graph.initializer.append(weight)
        else:
            copy.graph.input.append(_info(weight))
    return copy


def _info(weight: Message) -> Message:
    info = ValueInfoProto(name=weight.name)
    info.type.tensor_type.elem_type = weight.data_type
    info.type.tensor_type.shape.SetInParent()
    for size in weight.dims:
        info.type.tensor_type.shape.dim.add(dim_value=size)
    return info


def _emap(model: Model) -> Message | None:
    name = find_emap(model)
    if name is None or name in {each for node in model.proto.graph.node for each in node.input}:
        return None
    (weight,) = [weight for weight in model.proto.graph.initializer if weight.name == name]
    kept = type(weight)()
    kept.CopyFrom(weight)
    return kept


def _without_weights_as_inputs(model: Model) -> None:
    """Old exports list their weights as inputs, which nobody feeds; the simplifier would take them for changeable."""
    weights = {weight.name for weight in model.proto.graph.initializer}
    _remove(model.proto.graph.input, (i for i, info in enumerate(model.proto.graph.input) if info.name in weights))
    model.proto.ir_version = max(model.proto.ir_version, 4)


def _drop_unused_domains(model: Model) -> None:
    used = {node.domain for node in model.proto.graph.node}
    imports = model.proto.opset_import
    _remove(imports, (i for i, one in enumerate(imports) if one.domain not in used and one.domain not in STANDARD))


def _name_nodes(model: Model) -> None:
    """The quantiser leaves nodes out by name."""
    seen: set[str] = set()
    for place, node in enumerate(model.proto.graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{place}"
        seen.add(node.name)


def _remove(repeated: Message, places: Iterable[int]) -> None:
    for place in sorted(places, reverse=True):
        del repeated[place]
