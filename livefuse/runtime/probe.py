"""What the installed model runtime offers, asked without loading a model."""

from __future__ import annotations

import onnxruntime as ort

from livefuse.runtime.providers import short_name


def onnxruntime_providers(*, short: bool = False) -> list[str]:
    """ONNX Runtime's execution providers, the preferred first; `short` as a configuration writes them."""
    names = list(ort.get_available_providers())
    return [short_name(name) for name in names] if short else names


def tells_placement() -> bool:
    """Whether sessions can say which provider runs each node (ONNX Runtime 1.24 and later)."""
    return hasattr(ort.InferenceSession, "get_provider_graph_assignment_info")
