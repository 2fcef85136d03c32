"""Where the time from glass to glass goes, by three witnesses: the daemon's stage times, the blocks, and getStats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from livefuse.bench.webrtc.figures import Figures

Witness = Literal["daemon", "browser", "difference"]

_ORDER = (
    *("capture", "queue", "upload", "look", "overlap", "follow", "detect", "align"),
    *("lane", "swap", "enhance", "composite", "download", "wait", "sink"),
)
_NAMES = {"sink": "encode and hand over", "wait": "wait for the encoder"}
_COUNTERS = (
    *("framesReceived", "framesDecoded", "framesDropped", "keyFramesDecoded", "freezeCount"),
    *("packetsReceived", "packetsLost", "nackCount", "pliCount", "bytesReceived"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a frame's way. `difference` is what lies between two witnesses' instants."""

    name: str
    ms: float
    witness: Witness


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Parts whose sum is to be the median from glass to glass; `residual_ms` is what they leave unexplained."""

    parts: tuple[Part, ...]
    sum_ms: float
    glass_ms: float
    residual_ms: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def explains(self, frame_ms: float) -> bool:
        """Within one frame's time, and no part takes less than no time, beyond what a median may be off."""
        return abs(self.residual_ms) <= frame_ms and all(part.ms > -frame_ms / 4 for part in self.parts)


def waterfall(figures: Figures, record: Mapping[str, Any], received: Mapping[str, float], sink: str) -> Waterfall:
    """`record` is the session's, `sink` the output's name in it, `received` what getStats counted during the recording."""
    stages = record["stages_ms"]
    named = [*(name for name in _ORDER if name in stages), *(name for name in stages if name not in _ORDER)]
    parts = [Part(_NAMES.get(name, name), stages[name]["p50"], "daemon") for name in named]
    handed_over_ms = record["sinks"][sink]["latency_ms"]["p50"]
    buffered, decoded = buffer_ms(received), decode_ms(received)
    drawn = figures.arrival_to_compositor.p50 - buffered - decoded
    parts += [
        Part("network", figures.to_arrival.p50 - handed_over_ms, "difference"),
        Part("jitter buffer", buffered, "browser"),
        Part("decode", decoded, "browser"),
        Part("to the compositor", drawn, "difference"),
        Part("shown", figures.glass.p50 - figures.to_compositor.p50, "browser"),
    ]
    total = sum(part.ms for part in parts)
    rounded = tuple(Part(part.name, round(part.ms, 3), part.witness) for part in parts)
    return Waterfall(rounded, round(total, 3), figures.glass.p50, round(figures.glass.p50 - total, 3))


def buffer_ms(received: Mapping[str, float]) -> float:
    """Mean time of a whole frame in the jitter buffer: from its last packet on, as the time before is the network's."""
    frames = received.get("jitterBufferEmittedCount", 0)
    waited = received.get("jitterBufferDelay", 0.0) - received.get("totalAssemblyTime", 0.0)
    return 1e3 * waited / frames if frames else 0.0


def decode_ms(received: Mapping[str, float]) -> float:
    """Mean time of decoding a frame."""
    frames = received.get("framesDecoded", 0)
    return 1e3 * received.get("totalDecodeTime", 0.0) / frames if frames else 0.0


def counted(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float]:
    """What the counters of getStats grew by between two looks."""
    numbers = {name: value for name, value in after.items() if isinstance(value, int | float)}
    return {name: round(value - before.get(name, 0), 6) for name, value in numbers.items() if name != "timestamp"}


def receiver_figures(received: Mapping[str, float]) -> dict[str, float]:
    """The figures that people look for in getStats, over the recording alone."""
    frames = received.get("framesDecoded", 0) or 1
    mean_s = received.get("totalInterFrameDelay", 0.0) / frames
    variance = received.get("totalSquaredInterFrameDelay", 0.0) / frames - mean_s**2
    figures = {
        "jitter_buffer_ms": buffer_ms(received),
        "assembly_ms": 1e3 * received.get("totalAssemblyTime", 0.0) / frames,
        "decode_ms": decode_ms(received),
        "processing_ms": 1e3 * received.get("totalProcessingDelay", 0.0) / frames,
        "inter_frame_ms": 1e3 * mean_s,
        "inter_frame_sigma_ms": 1e3 * max(0.0, variance) ** 0.5,
        "qp": received.get("qpSum", 0.0) / frames,
    }
    return {name: round(value, 3) for name, value in figures.items()} | {n: received.get(n, 0) for n in _COUNTERS}
