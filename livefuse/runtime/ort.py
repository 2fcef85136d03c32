"""ONNX Runtime: the CPU default."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import onnxruntime as ort

from livefuse.device.base import Lane
from livefuse.errors import EngineFailed
from livefuse.runtime.base import Feeds, Outputs


class OrtEngine:
    """An ONNX file in an ONNX Runtime session on the CPU.

    `threads` 0 takes a third of the cores, two at most: the networks here are small, run beside each other, and share the
    machine with the stages around them. `fixed` gives dynamic axes their sizes by name.
    Raises: EngineFailed if the file is no model that the runtime can load.
    """

    def __init__(self, path: Path, *, threads: int = 0, fixed: Mapping[str, int] | None = None) -> None:
        self.path = path
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or min(2, max(1, (os.cpu_count() or 1) // 3))
        options.inter_op_num_threads = 1
        for axis, size in (fixed or {}).items():
            options.add_free_dimension_override_by_name(axis, size)
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

        self._thread = ThreadPoolExecutor(1, f"livefuse-{path.stem}")

    def submit(self, lane: Lane, feeds: Feeds) -> Future[Outputs]:
        return self._thread.submit(self._run, dict(feeds))

    def run(self, lane: Lane, feeds: Feeds) -> Outputs:
        return self._run(feeds)

    def _run(self, feeds: Feeds) -> Outputs:
        try:
            results = self._session.run(None, dict(feeds))
        except Exception as error:
            shapes = {name: feed.shape for name, feed in feeds.items()}
            raise EngineFailed(f"{self.path.name}: failed on {shapes}: {error}") from error
        return dict(zip(self.outputs, results, strict=True))
