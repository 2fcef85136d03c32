"""A model being measured in a process of its own: `python -m livefuse.daemon.measure_job`; `job_process` says why.

The order has `model`, `providers` and `folder`, which takes whatever is written meanwhile. Told is the `speed`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from typing import IO

from livefuse.config import RuntimeConfig
from livefuse.daemon.job_child import Teller, taken_up
from livefuse.daemon.speeds import speed_of
from livefuse.errors import JobFailed


def main(orders: IO[str] = sys.stdin, reports: IO[str] = sys.stdout) -> None:
    """Measure the model that the first line of `orders` names."""
    order, tell = taken_up(orders), Teller(reports)
    tempfile.tempdir = order["folder"]
    threading.Thread(target=_leave_at_end, args=(orders,), name="livefuse-orders", daemon=True).start()
    try:
        _measure(order["model"], RuntimeConfig(providers=tuple(order["providers"])), tell)
    except Exception as error:
        tell.failed(error)


def _leave_at_end(orders: IO[str]) -> None:
    orders.read()
    os._exit(1)  # a run of a network cannot be interrupted; the folder is the parent's to remove


def _measure(name: str, runtime: RuntimeConfig, tell: Teller) -> None:
    from livefuse.bench.models import Options, measure_models
    from livefuse.weights.store import ModelStore

    store = ModelStore.default()
    (row,) = measure_models(store, [name], Options(runtime=runtime))
    if row.status != "ok":
        raise JobFailed(f"{row.name} could not be measured: {row.reason}", hint="`livefuse bench models` says more")
    tell(speed=speed_of(row, store).model_dump(mode="json"))
    tell(done=True)


if __name__ == "__main__":
    main()
