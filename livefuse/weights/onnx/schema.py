"""The messages of an ONNX file that livefuse looks into, as protobuf classes made at import.

Why not the `onnx` package: it weighs more than the rest of what we need of it, and protobuf is here with ONNX Runtime. Only
the fields in the tables below have names; any other field of a file survives reading and writing as an unknown one.

Source: onnx/onnx.proto (https://github.com/onnx/onnx, Apache-2.0), whose field numbers are the file format.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

Message: TypeAlias = Any
"""A protobuf message whose fields are named in the tables here; protobuf's classes carry no types of their own."""

_PACKAGE = "livefuse_onnx"
# name: "field:number:type", `*` repeated, `+` repeated and packed. Enumerations are read as the integers they are on the wire.
_MESSAGES = {
    "ModelProto": "ir_version:1:int64 producer_name:2:string producer_version:3:string domain:4:string "
    "model_version:5:int64 doc_string:6:string graph:7:GraphProto opset_import:8:*OperatorSetIdProto "
    "metadata_props:14:*StringStringEntryProto",
    "GraphProto": "node:1:*NodeProto name:2:string initializer:5:*TensorProto doc_string:10:string "
    "input:11:*ValueInfoProto output:12:*ValueInfoProto value_info:13:*ValueInfoProto",
    "NodeProto": "input:1:*string output:2:*string name:3:string op_type:4:string attribute:5:*AttributeProto "
    "doc_string:6:string domain:7:string",
    "AttributeProto": "name:1:string f:2:float i:3:int64 s:4:bytes t:5:TensorProto g:6:GraphProto floats:7:*float "
    "ints:8:*int64 strings:9:*bytes tensors:10:*TensorProto graphs:11:*GraphProto doc_string:13:string type:20:int32 "
    "ref_attr_name:21:string",
    "TensorProto": "dims:1:*int64 data_type:2:int32 float_data:4:+float int32_data:5:+int32 string_data:6:*bytes "
    "int64_data:7:+int64 name:8:string raw_data:9:bytes double_data:10:+double uint64_data:11:+uint64 "
    "doc_string:12:string external_data:13:*StringStringEntryProto data_location:14:int32",
    "ValueInfoProto": "name:1:string type:2:TypeProto doc_string:3:string",
    "TypeProto": "tensor_type:1:TensorTypeProto denotation:6:string",
    "TensorTypeProto": "elem_type:1:int32 shape:2:TensorShapeProto",
    "TensorShapeProto": "dim:1:*DimensionProto",
    "DimensionProto": "dim_value:1:int64 dim_param:2:string denotation:3:string",
    "StringStringEntryProto": "key:1:string value:2:string",
    "OperatorSetIdProto": "domain:1:string version:2:int64",
}

DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 8: "string", 9: "bool",
    10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
}  # fmt: skip
"""TensorProto.DataType by number, under NumPy's names where NumPy has one."""
DTYPE_NUMBERS = {name: number for number, name in DTYPES.items()}
FLOAT, INT, STRING, TENSOR, FLOATS, INTS = 1, 2, 3, 4, 6, 7
"""AttributeProto.AttributeType."""
EXTERNAL = 1
"""TensorProto.DataLocation of weights that lie in another file."""


def _classes() -> dict[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            _add_field(message, *field.split(":"))
    # A pool of our own: the `onnx` package, where it is installed too, keeps its own classes of these names.
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


def _add_field(message: Message, name: str, number: str, kind: str) -> None:
    plain = kind.lstrip("*+")
    field = message.field.add(name=name, number=int(number))
    field.label = field.LABEL_OPTIONAL if plain == kind else field.LABEL_REPEATED
    field.options.packed = kind.startswith("+")
    if plain in _MESSAGES:
        field.type, field.type_name = field.TYPE_MESSAGE, f".{_PACKAGE}.{plain}"
    else:
        field.type = getattr(field, f"TYPE_{plain.upper()}")
    if not kind.startswith("+"):
        field.ClearField("options")


_CLASSES = _classes()
ModelProto = _CLASSES["ModelProto"]
GraphProto = _CLASSES["GraphProto"]
NodeProto = _CLASSES["NodeProto"]
AttributeProto = _CLASSES["AttributeProto"]
TensorProto = _CLASSES["TensorProto"]
ValueInfoProto = _CLASSES["ValueInfoProto"]
