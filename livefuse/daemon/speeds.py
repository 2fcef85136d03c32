"""How fast each model runs on this machine: measured in a process of its own, and remembered with what it ran on."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from livefuse.daemon.job import Job, now
from livefuse.daemon.job_process import ProcessRun
from livefuse.paths import Paths
from livefuse.swap.consent import write_durably

if TYPE_CHECKING:
    from livefuse.bench.models import Row
    from livefuse.weights.store import ModelStore

log = logging.getLogger("livefuse")

_MOST = 2000


class Speed(BaseModel):
    """One measurement. Random weights in the same architecture are as fast as the real ones; a stand-in has only the bytes."""

    model: str
    sha256: str = Field(
        description="of the file; empty where the file was not here, and random weights ran in its place"
    )
    weights: Literal["real", "random", "stand-in"]
    runtime: str = Field(description="what ran it, with its version")
    provider: str = Field(description="the execution provider that ran most of its nodes")
    machine: str = Field(description="the processor or GPU")
    median_ms: float
    p95_ms: float
    load_ms: float
    runs: int
    gflop_per_s: float | None = None
    when: str = Field(default_factory=now)

    @property
    def key(self) -> tuple[str, ...]:
        """What a later measurement takes the place of."""
        return (self.model, self.sha256, self.weights, self.runtime, self.provider, self.machine)


class _Kept(BaseModel):
    schema_version: int = 1
    speeds: list[Speed] = []


class Speeds:
    """Those of this machine, in one JSON file of the state folder."""

    def __init__(self, file: Path) -> None:
        self._file = file

    @classmethod
    def default(cls) -> Speeds:
        return cls(Paths.default().state / "speeds.json")

    def all(self) -> list[Speed]:
        """Oldest first. Figures that cannot be read are no reason to fail: they are measured anew."""
        try:
            return _Kept.model_validate_json(self._file.read_bytes()).speeds
        except FileNotFoundError:
            return []
        except (OSError, ValidationError) as error:
            log.warning("the measured speeds in %s cannot be read: %s", self._file, type(error).__name__)
            return []

    def keep(self, speed: Speed) -> None:
        """In place of an older one of the same file, runtime and provider. Raises: OSError."""
        kept = [one for one in self.all() if one.key != speed.key] + [speed]
        self._file.parent.mkdir(parents=True, exist_ok=True)
        write_durably(self._file, _Kept(speeds=kept[-_MOST:]).model_dump_json(indent=1).encode())


def speeds_of(model: str, sha256: str, kept: Sequence[Speed]) -> list[Speed]:
    """Those that hold for a model whose file has this hash, the most telling first: of the very file, by the runtime that is
    installed, the newest."""
    fitting = [one for one in kept if one.model == model and (one.weights != "real" or one.sha256 == sha256)]
    here = runtime_name()
    return sorted(fitting, key=lambda one: (one.weights == "real", one.runtime == here, one.when), reverse=True)


def runtime_name() -> str:
    """The installed model runtime, with its version."""
    from livefuse.environment import versions

    return f"onnxruntime {versions()['onnxruntime']}"


def speed_of(row: Row, store: ModelStore) -> Speed:
    """What the bench has measured, with what it ran on."""
    from livefuse.environment import cpu_name, gpu_and_driver

    real = row.weights == "real"
    return Speed(
        model=row.name,
        sha256=store.stored(row.name).recorded_sha256 if real else "",
        weights=row.weights or "stand-in",
        runtime=runtime_name(),
        provider=row.provider,
        machine=cpu_name() if row.provider in ("cpu", "xnnpack", "dnnl") else gpu_and_driver()[0],
        median_ms=round(row.median_ms, 3),
        p95_ms=round(row.p95_ms, 3),
        load_ms=round(row.load_ms, 1),
        runs=row.runs,
        gflop_per_s=None if row.gflop_per_s is None else round(row.gflop_per_s, 1),
    )


class MeasureRun(ProcessRun):
    """A measurement as a job, see `livefuse.daemon.measure_job`."""

    module = "livefuse.daemon.measure_job"

    def __init__(self, job: Job, speeds: Speeds | None = None) -> None:
        super().__init__()
        self._job, self._speeds = job, speeds or Speeds.default()
        self._folder = ""

    def __call__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="livefuse-measure-")
        try:
            super().__call__()
        finally:
            self.tidy()

    def order(self) -> Mapping[str, Any]:
        return {"model": self._job.model, "providers": self._job.config["runtime"]["providers"], "folder": self._folder}

    def heard(self, said: Mapping[str, Any]) -> None:
        speed = Speed.model_validate(said["speed"])
        self._speeds.keep(speed)
        self._job.notes.append(f"{speed.median_ms:.1f} ms on {speed.provider} ({speed.machine})")

    def tidy(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
