"""Reads and writes ONNX files through protobuf: the `onnx` package is not needed at run time."""
