"""What an engine is: a model made ready to run on one device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy.typing as npt

from livefuse.device.base import Lane


class Engine(Protocol):
    """Runs one model. `run` enqueues on the lane; on the CPU the outputs are ready when it returns."""

    path: Path
    inputs: Mapping[str, tuple[int | str, ...]]
    """Input names and shapes; a string is a dynamic axis."""
    outputs: Sequence[str]

    def run(self, lane: Lane, feeds: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        """Shapes as in `inputs`. Raises: EngineFailed."""
        ...
