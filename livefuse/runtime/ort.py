"""ONNX Runtime: the CPU default, and any execution provider that the installed one has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import onnxruntime as ort

from livefuse.config import RuntimeConfig
from livefuse.device.base import Lane
from livefuse.errors import EngineFailed
from livefuse.runtime.base import Feeds, Outputs
from livefuse.runtime.binding import Array, DeviceSlot, HostSlot, Ring, Shapes, Slot, as_single
from livefuse.runtime.ort_session import open_session
from livefuse.runtime.placement import node_counts
from livefuse.runtime.providers import CPU, graph_device, requested
from livefuse.runtime.tensors import ordered, tensors

_GRAPH_ID, _NO_GRAPH = "gpu_graph_id", -1
_MOST_SIGNATURES = 256


class OrtEngine:
    """An ONNX file in an ONNX Runtime session.

    `threads` 0 takes the configuration's, and if that is 0 too a third of the cores, two at most: the networks here are
    small, run beside each other, and share the machine with the stages around them. `fixed` gives dynamic axes their sizes
    by name. Half-precision inputs take float32 feeds, and outputs come as float32 unless `keep_half`: one conversion each.
    The first run on shapes that are new allocates; those after it do not. With `inline`, `submit` runs on the caller's thread:
    for callers that have nothing else to do, the way to another thread and back costs more than it saves.

    Raises: EngineFailed if the file is no model that the runtime can load, a provider is not installed, or with
    `config.strict` does not run every node; BadValue for a provider that nobody knows.
    """

    def __init__(
        self,
        path: Path,
        *,
        config: RuntimeConfig | None = None,
        threads: int = 0,
        fixed: Mapping[str, int] | None = None,
        keep_half: bool = False,
        inline: bool = False,
    ) -> None:
        config = config or RuntimeConfig()
        wanted = requested(config.providers, ort.get_available_providers())
        self.path, self._keep_half = path, keep_half
        self._session, assignment = open_session(
            path, wanted, strict=config.strict, threads=threads or config.threads, fixed=fixed or {}
        )
        self.placement: Mapping[str, int] = node_counts(assignment)
        self._in = tensors(self._session.get_inputs(), path.name)
        self._out = tensors(self._session.get_outputs(), path.name)
        self.inputs: Mapping[str, tuple[int | str, ...]] = {tensor.name: tensor.shape for tensor in self._in}
        self.outputs: Sequence[str] = [tensor.name for tensor in self._out]

        self._copies_at_bind = self._session.get_providers() != [CPU]
        # A model that its provider could not load is on the CPU, where there is no memory of the device.
        self._graph_device = graph_device(wanted) if self._copies_at_bind else None
        self._graphs = 0
        self._shapes: dict[Shapes, Shapes | None] = {}
        """Output shapes by input shapes, as runs have shown them; None where the same input shapes gave several. What a
        file declares is not believed: exported detectors state the sizes of the picture they were traced with."""
        self._rings: WeakKeyDictionary[Lane, Ring] = WeakKeyDictionary()
        self._running, self._counting = threading.Lock(), threading.Lock()
        self._queued = 0
        self._thread = None if inline else ThreadPoolExecutor(1, f"livefuse-{path.stem}")

    def submit(self, lane: Lane, feeds: Feeds) -> Future[Outputs]:
        if self._thread is None:
            return _done(lambda: self._run(lane, feeds))
        with self._counting:
            self._queued += 1
        return self._thread.submit(self._run_queued, lane, dict(feeds))

    def run(self, lane: Lane, feeds: Feeds) -> Outputs:
        # What was submitted before comes first; otherwise the caller's own thread saves the way to ours and back.
        return self.submit(lane, feeds).result() if self._queued else self._run(lane, feeds)

    def _run_queued(self, lane: Lane, feeds: Feeds) -> Outputs:
        try:
            return self._run(lane, feeds)
        finally:
            with self._counting:
                self._queued -= 1

    def _run(self, lane: Lane, feeds: Feeds) -> Outputs:
        arrays = ordered(feeds, self._in, self.path.name)
        signature = tuple([array.shape for array in arrays])
        with self._running:
            shapes = self._shapes.get(signature)
            if shapes is None:
                return self._run_unbound(signature, arrays)
            slot = self._ring(lane).take(signature, shapes)
            try:
                return slot.run(arrays)
            except Exception:  # bound outputs of the wrong size, or a fault of the model: then this fails as well
                outputs = self._run_unbound(signature, arrays)
                if self._shapes[signature] != shapes:
                    self._shapes[signature] = None  # sizes depend on what is in the picture
                return outputs

    def _run_unbound(self, signature: Shapes, arrays: Sequence[Array]) -> Outputs:
        """A run into memory of the runtime's own, which shows the outputs' shapes."""
        feeds = {i.name: np.ascontiguousarray(a, i.dtype) for i, a in zip(self._in, arrays, strict=True)}
        try:
            results = self._session.run(None, feeds, _run_options(_NO_GRAPH) if self._graph_device else None)
        except Exception as error:
            shapes = {name: feed.shape for name, feed in feeds.items()}
            raise EngineFailed(f"{self.path.name}: failed on {shapes}: {error}") from error
        if len(self._shapes) >= _MOST_SIGNATURES:
            self._shapes.clear()
        if self._shapes.get(signature, ()) is not None:
            self._shapes[signature] = tuple([result.shape for result in results])
        if not self._keep_half:
            results = [as_single(result) for result in results]
        return dict(zip(self.outputs, results, strict=True))

    def _ring(self, lane: Lane) -> Ring:
        ring = self._rings.get(lane)
        if ring is None:
            ring = self._rings[lane] = Ring(self._new_slot)
        return ring

    def _new_slot(self, feeds: Shapes, shapes: Shapes) -> Slot:
        model = (self._session, self._in, self._out, feeds, shapes)
        if not self._graph_device:
            return HostSlot(*model, keep_half=self._keep_half, copies_at_bind=self._copies_at_bind)
        device = self._graph_device
        self._graphs += 1  # a graph belongs to the addresses it was captured with
        return DeviceSlot(
            *model,
            values=lambda shape, dtype: ort.OrtValue.ortvalue_from_shape_and_type(shape, dtype.type, *device),
            run_options=_run_options(self._graphs),
            keep_half=self._keep_half,
        )


def _run_options(graph: int) -> Any:
    options = ort.RunOptions()
    options.add_run_config_entry(_GRAPH_ID, str(graph))
    return options


def _done(run: Callable[[], Outputs]) -> Future[Outputs]:
    """A future that is over before it is seen."""
    future: Future[Outputs] = Future()
    try:
        future.set_result(run())
    except Exception as error:
        future.set_exception(error)
    return future
