"""Runs models. Nothing outside this folder and `device` knows which runtime does it."""

import os

# ONNX Runtime's own wheels report to Microsoft over HTTPS, on by default, and keep an identifier of the machine in ~/.cache;
# this is read when it loads. Source: Privacy.md in the wheel of 1.31.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
