"""What an engine is: a model made ready to run on one device.

`submit` is what keeps two cores, or a CPU and a GPU, busy: the network runs while its caller goes on with something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy.typing as npt

from livefuse.device.base import Lane

Feeds: TypeAlias = Mapping[str, npt.NDArray[Any]]
Outputs: TypeAlias = dict[str, npt.NDArray[Any]]
"""Nobody writes into these arrays while someone holds one of them or a view of one; the memory of arrays that were let
go is used again by later runs on the same lane."""


class Engine(Protocol):
    """Runs one model; runs do not overlap, and complete in the order in which they were asked for."""

    path: Path
    inputs: Mapping[str, tuple[int | str, ...]]
    """Input names and shapes; a string is a dynamic axis."""
    outputs: Sequence[str]
    placement: Mapping[str, int]
    """Nodes that each execution provider really runs; empty where the runtime cannot tell."""

    def submit(self, lane: Lane, feeds: Feeds) -> Future[Outputs]:
        """Start a run. `feeds` (shapes as in `inputs`) may not change before it is done. The future raises: EngineFailed."""
        ...

    def run(self, lane: Lane, feeds: Feeds) -> Outputs:
        """Run and wait. Raises: EngineFailed."""
        ...
