"""What a StreamSink and its sender process say to each other over two pipes.

To the process: one JSON line (the job), then per packet a HEADER and its bytes; the end of the pipe ends the stream.
From it: one word per line, `started`, `ready`, `ok` per packet, `closed`, or `error` with a JSON object.
"""

from __future__ import annotations

import base64
import json
import struct
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

HEADER = struct.Struct("<qqqI?")  # pts, dts and duration in the encoder's ticks; size in bytes; key frame


@dataclass(frozen=True, slots=True)
class Job:
    """What to send where. `head` describes the coded stream (see `shared`); `bitrate` is in bits per second."""

    url: str
    head: bytes
    fps: Fraction
    bitrate: int
    rtsp_transport: str = "tcp"

    def to_line(self) -> bytes:
        job = asdict(self) | {"fps": str(self.fps), "head": base64.b64encode(self.head).decode()}
        return json.dumps(job).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Job:
        job: dict[str, Any] = json.loads(line)
        return cls(fps=Fraction(job.pop("fps")), head=base64.b64decode(job.pop("head")), **job)
