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
_METRIC = "livefuse_stage_seconds"
_CLOCKS_MS = 2.0
"""What a mean over other frames, and the page's clock, may be off by."""

_NAMES = {"sink": "encode and hand over", "wait": "wait for the encoder"}
_COUNTERS = (
    *("framesReceived", "framesDecoded", "framesDropped", "keyFramesDecoded", "freezeCount"),
    *("packetsReceived", "packetsLost", "nackCount", "pliCount", "bytesReceived"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a frame's way, in the mean. A `difference` lies between the instants of two witnesses."""

    name: str
    ms: float
    witness: Witness


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The mean time from glass to glass in its parts, in the order that a frame meets them.

    `witnessed_ms` is the sum of what the daemon and the browser timed themselves; `residual_ms` is what is left of the
    glass-to-glass time, and is told apart by the instants at which frames arrived.
    """

    parts: tuple[Part, ...]
    glass_ms: float
    witnessed_ms: float
    residual_ms: float

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def explains(self, frame_ms: float) -> bool:
        """What nobody timed is within one frame's time, and nothing takes less than no time."""
        return self.residual_ms <= frame_ms and all(part.ms >= -_CLOCKS_MS for part in self.parts)


def waterfall(figures: Figures, stages_ms: Mapping[str, float], received: Mapping[str, float]) -> Waterfall:
    """`stages_ms` are the session's mean stage times, `received` what getStats counted, both during the recording."""
    named = [*(name for name in _ORDER if name in stages_ms), *(name for name in stages_ms if name not in _ORDER)]
    daemon = [Part(_NAMES.get(name, name), stages_ms[name], "daemon") for name in named]
    handed_over_ms = sum(part.ms for part in daemon)
    buffered, decoded = buffer_ms(received), decode_ms(received)
    browser = [Part("jitter buffer", buffered, "browser"), Part("decode", decoded, "browser")]
    shown = Part("to the screen", figures.glass.mean - figures.to_compositor.mean, "browser")
    network = Part("network", figures.to_arrival.mean - handed_over_ms, "difference")
    drawn = Part("to the compositor", figures.arrival_to_compositor.mean - buffered - decoded, "difference")
    parts = [*daemon, network, *browser, drawn, shown]
    witnessed = sum(part.ms for part in parts if part.witness != "difference")
    rounded = tuple(Part(part.name, round(part.ms, 3), part.witness) for part in parts)
    glass = figures.glass.mean
    return Waterfall(rounded, round(glass, 3), round(witnessed, 3), round(glass - witnessed, 3))


def stage_means_ms(before: str, after: str) -> dict[str, float]:
    """Mean stage times per frame between two answers of `/metrics`. Source: Prometheus' text format, version 0.0.4."""
    sums, counts = _stage_seconds(before), _stage_seconds(after)
    grown = {
        stage: (total - sums.get(stage, (0, 0))[0], n - sums.get(stage, (0, 0))[1])
        for stage, (total, n) in counts.items()
    }
    frames = max((n for _, n in grown.values()), default=0)
    return {stage: 1e3 * total / frames for stage, (total, n) in grown.items() if n} if frames else {}


def _stage_seconds(text: str) -> dict[str, tuple[float, float]]:
    """Stage -> its sum in seconds and its count, of the one session that runs."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        if family.name == _METRIC:
            for sample in family.samples:
                kind = sample.name.removeprefix(_METRIC)
                if kind in ("_sum", "_count"):
                    found.setdefault(sample.labels["stage"], {})[kind] = sample.value
    return {stage: (values["_sum"], values["_count"]) for stage, values in found.items()}


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
