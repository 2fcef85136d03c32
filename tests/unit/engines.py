"""An engine that is a function, for tests of what is around a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from livefuse.device.base import Lane
from livefuse.runtime.base import Feeds, Outputs

Arrays = Mapping[str, npt.NDArray[Any]]


class FunctionEngine:
    """Answers each run with `answer(feeds)` and keeps a copy of what it was fed."""

    path = Path("function.onnx")
    placement: Mapping[str, int] = {}

    def __init__(self, inputs: Mapping[str, tuple[int | str, ...]], answer: Callable[[Feeds], Arrays]) -> None:
        self.inputs, self._answer = inputs, answer
        self.outputs: Sequence[str] = ()
        self.fed: list[dict[str, npt.NDArray[Any]]] = []

    def submit(self, lane: Lane, feeds: Feeds) -> Future[Outputs]:
        future: Future[Outputs] = Future()
        future.set_result(self.run(lane, feeds))
        return future

    def run(self, lane: Lane, feeds: Feeds) -> Outputs:
        self.fed.append({name: feed.copy() for name, feed in feeds.items()})
        return {name: np.asarray(output) for name, output in self._answer(feeds).items()}


def brightest(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Centre of brightness (x, y) of a (3, h, w) or (h, w, 3) input: where a lone bright dot lies."""
    grey = image.sum(axis=0 if image.shape[0] == 3 else 2).astype(np.float64)
    grey -= grey.min()
    rows, cols = np.indices(grey.shape)
    return np.array([(grey * cols).sum(), (grey * rows).sum()]) / grey.sum()
