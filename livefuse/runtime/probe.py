"""What the installed model runtime offers, asked without loading a model."""

from __future__ import annotations

import onnxruntime as ort


def onnxruntime_providers() -> list[str]:
    """ONNX Runtime's execution providers, the preferred first."""
    return list(ort.get_available_providers())
