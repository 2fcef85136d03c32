"""ONNX Runtime's execution providers by name: what a configuration asks for, and what this installation has."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

from livefuse.errors import BadValue, EngineFailed

SUFFIX = "ExecutionProvider"
CPU = "CPUExecutionProvider"
CUDA_FAMILY = frozenset({"CUDAExecutionProvider", "TensorrtExecutionProvider", "NvTensorRTRTXExecutionProvider"})

PACKAGES = {
    "CPUExecutionProvider": "onnxruntime",
    "CUDAExecutionProvider": "onnxruntime-gpu",
    "TensorrtExecutionProvider": "onnxruntime-gpu",
    "NvTensorRTRTXExecutionProvider": "",
    "CoreMLExecutionProvider": "onnxruntime",
    "DmlExecutionProvider": "onnxruntime-directml",
    "OpenVINOExecutionProvider": "onnxruntime-openvino",
    "QNNExecutionProvider": "onnxruntime-qnn",
    "MIGraphXExecutionProvider": "onnxruntime-migraphx",
    "ROCMExecutionProvider": "onnxruntime-rocm",
    "WebGpuExecutionProvider": "onnxruntime-webgpu",
    "XnnpackExecutionProvider": "",
    "DnnlExecutionProvider": "",
    "VitisAIExecutionProvider": "",
    "NnapiExecutionProvider": "",
    "ACLExecutionProvider": "",
    "RknpuExecutionProvider": "",
    "CANNExecutionProvider": "onnxruntime-cann",
    "AzureExecutionProvider": "onnxruntime",
}
"""Package that brings each, empty where the runtime must be built from source or comes from the vendor."""

_OTHER_NAMES = {"directml": "dml", "trt": "tensorrt", "rtx": "nvtensorrtrtx", "tensorrt_rtx": "nvtensorrtrtx"}
_GRAPH_OPTIONS = ("enable_cuda_graph", "trt_cuda_graph_enable", "nv_cuda_graph_enable")
_PLATFORMS = {
    "CoreMLExecutionProvider": "on macOS only",
    "DmlExecutionProvider": "on Windows only",
}


@dataclass(frozen=True, slots=True)
class Provider:
    """One execution provider by its full name, with its own options."""

    name: str
    options: dict[str, str] = field(default_factory=dict)


def short_name(name: str) -> str:
    """`CUDAExecutionProvider` -> `cuda`: what a configuration writes."""
    return name.removesuffix(SUFFIX).lower()


def parse_provider(text: str, others: Sequence[str] = ()) -> Provider:
    """`cuda:device_id=1,cudnn_conv_algo_search=HEURISTIC`, by short or full name; `others` are names known besides ours.

    Raises: BadValue for a name that nobody knows, or options that are not `key=value`.
    """
    word, _, tail = text.strip().partition(":")
    known = {short_name(name): name for name in (*PACKAGES, *others)}
    short = short_name(word.strip()) if word.strip().endswith(SUFFIX) else word.strip().lower()
    name = known.get(_OTHER_NAMES.get(short, short))
    if name is None:
        near = difflib.get_close_matches(short, known, n=2, cutoff=0.5)
        hint = "did you mean " + " or ".join(f"`{n}`" for n in near) + "?" if near else "known: " + ", ".join(known)
        raise BadValue(f"runtime.providers: there is no execution provider {word!r}", hint=hint)
    return Provider(name, _options(tail, text))


def _options(tail: str, text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in tail.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            hint = "write `cuda:device_id=1,cudnn_conv_algo_search=HEURISTIC`"
            raise BadValue(f"runtime.providers: {text!r}: {part!r} is no `key=value`", hint=hint)
        options[key.strip()] = value.strip()
    return options


def requested(texts: Sequence[str], available: Sequence[str]) -> tuple[Provider, ...]:
    """What the configuration asks for, in its order.

    Raises: BadValue, also for a name given twice; EngineFailed naming what this installation has, and the package that
    brings what it lacks.
    """
    providers = tuple(parse_provider(text, available) for text in texts)
    if not providers:
        raise BadValue("runtime.providers is empty", hint='`providers = ["cpu"]`')
    names = [provider.name for provider in providers]
    for name in names:
        if names.count(name) > 1:
            raise BadValue(f"runtime.providers names {short_name(name)} twice", hint="give its options in one place")
        if name not in available:
            here = ", ".join(short_name(one) for one in available)
            raise EngineFailed(f"this ONNX Runtime has no {name}; it has {here}", hint=remedy(name))
    return providers


def remedy(name: str) -> str:
    """How to get a provider that is not installed."""
    package, where = PACKAGES.get(name, ""), _PLATFORMS.get(name, "")
    if not package:
        return f"no package on PyPI brings {name}: it takes an ONNX Runtime from the vendor or built from source"
    if package == "onnxruntime":
        return f"`pip install -U onnxruntime` brings it{', ' + where if where else ''}"
    # Every variant fills the same folder: the one that is installed last wins, so the other has to go first.
    install = f"`pip uninstall -y onnxruntime && pip install {package}`"
    return f"{install}{' (' + where + ')' if where else ''} brings {name}"


def graph_device(providers: Sequence[Provider]) -> tuple[str, int] | None:
    """(device type, index) whose memory a captured CUDA graph works in, if the options ask for one."""
    for provider in providers:
        graph = [provider.options.get(key, "0").lower() for key in _GRAPH_OPTIONS]
        if provider.name in CUDA_FAMILY and ("1" in graph or "true" in graph):
            return "cuda", int(provider.options.get("device_id", "0"))
    return None
