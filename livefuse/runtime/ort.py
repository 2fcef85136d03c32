"""ONNX Runtime: the CPU default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt
import onnxruntime as ort

from livefuse.device.base import Lane
from livefuse.errors import EngineFailed


class OrtEngine:
    """An ONNX file in an ONNX Runtime session on the CPU.

    Raises: EngineFailed if the file is no model that the runtime can load.
    """

    def __init__(self, path: Path, *, threads: int = 0) -> None:
        self.path = path
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Spinning threads would burn the core that the capture and sink threads need between our short runs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the runtime raises half a dozen private classes
            raise EngineFailed(
                f"{path.name}: ONNX Runtime cannot load it: {error}", hint="`livefuse models verify` checks the file"
            ) from error
        self.inputs: Mapping[str, tuple[int | str, ...]] = {i.name: tuple(i.shape) for i in self._session.get_inputs()}
        self.outputs: Sequence[str] = [o.name for o in self._session.get_outputs()]

    def run(self, lane: Lane, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        try:
            results = self._session.run(None, dict(feeds))
        except Exception as error:
            shapes = {name: feed.shape for name, feed in feeds.items()}
            raise EngineFailed(f"{self.path.name}: failed on {shapes}: {error}") from error
        return dict(zip(self.outputs, results, strict=True))
