"""What a job is: a file to be swapped, a model to be fetched or measured; as it is kept, shown and asked for."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from livefuse.config import Config
from livefuse.daemon.asked import AskedConfig, AskedText
from livefuse.errors import LivefuseError

JobKind = Literal["file", "pull", "measure"]
JobState = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]
ENDED: tuple[JobState, ...] = ("done", "failed", "cancelled", "interrupted")
STATES: tuple[JobState, ...] = ("queued", "running", *ENDED)


class FileJobRequest(BaseModel):
    """A picture or video to be swapped into a file, both on the daemon's machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str = Field(min_length=1, max_length=4096, description="absolute path of a picture or video")
    output: str = Field(
        "",
        max_length=4096,
        description="absolute path to write, which appears when it is complete; beside the input, with `-swapped` in its "
        "name, when empty",
    )
    overwrite: bool = Field(False, description="replace an output that exists")
    preset: AskedText = Field("", description="preset to begin with")
    identity: AskedText = Field("", description="stored identity to put on; short for `identity.photo`")
    config: AskedConfig = Field(
        default_factory=Config, description="settings over the preset's; `privacy.mode` is `open` unless said"
    )


class Progress(BaseModel):
    """How far a job is; what nobody knows is null."""

    frames: int = 0
    frames_total: int | None = None
    fps: float = 0.0
    bytes_done: int = 0
    bytes_total: int | None = None
    bytes_per_s: int | None = Field(None, description="measured over the last seconds")
    eta_s: float | None = Field(None, description="what is left at the rate of the last seconds")
    bottleneck: str = Field("", description="the stage that the others wait for")
    bottleneck_ms: float | None = Field(None, description="its median time for a frame, where it is known")


Report = Callable[[Progress], None]


class JobError(BaseModel):
    """Why a job failed, as errors are told everywhere."""

    code: str
    title: str
    detail: str
    hint: str = ""

    @classmethod
    def of(cls, error: LivefuseError) -> JobError:
        return cls(code=error.code, title=type(error).__name__, detail=error.message, hint=error.hint)


class Job(BaseModel):
    """A job and what became of it. `config` is what was said, on top of the defaults; times are UTC."""

    id: str = Field(default_factory=lambda: uuid.uuid4().hex)
    kind: JobKind
    state: JobState = "queued"
    input: str = ""
    output: str = ""
    overwrite: bool = False
    config: dict[str, Any] = Field(default_factory=dict)
    model: str = ""
    accept_licence: bool = False
    created: str = Field(default_factory=lambda: now())
    started: str = ""
    ended: str = ""
    progress: Progress = Progress()
    error: JobError | None = None
    notes: list[str] = Field(default_factory=list)


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
