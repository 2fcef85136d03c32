"""What a StreamSink and its broadcaster process say to each other over two pipes.

To the process: one JSON line (the job), then per frame a HEADER and the planes' bytes; the end of the pipe ends the
stream. From it: one word per line, `started`, `ready`, `ok` per frame, `closed`, or `error` with a JSON object.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from livefuse.frame import Colour
from livefuse.sinks.base import StreamInfo

HEADER = struct.Struct("<qq")  # pts_ns since the stream began, duration_ns


@dataclass(frozen=True, slots=True)
class Job:
    """What to send where; `bitrate` is in bits per second."""

    url: str
    info: StreamInfo
    codec: str
    preset: str
    bitrate: int
    gop: int
    rtsp_transport: str = "tcp"

    def to_line(self) -> bytes:
        job = asdict(self)
        job["info"]["fps"] = str(self.info.fps)
        return json.dumps(job).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Job:
        job: dict[str, Any] = json.loads(line)
        info = job.pop("info")
        fps, colour = Fraction(info.pop("fps")), Colour(**info.pop("colour"))
        return cls(info=StreamInfo(fps=fps, colour=colour, **info), **job)
