"""`/metrics` for Prometheus: the same records that everything else shows, under names that obey its conventions.

Counters begin anew when a session does, which Prometheus takes as it takes any restart.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from fastapi import APIRouter, Request, Response
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, InfoMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST as OPENMETRICS
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector

from livefuse import __version__
from livefuse.clock import BUCKETS_S
from livefuse.web.records import Records
from livefuse.web.roles import view

if TYPE_CHECKING:
    from livefuse.daemon.channel import Channel
    from livefuse.daemon.daemon import Daemon


Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily | InfoMetricFamily
Record: TypeAlias = Mapping[str, Any]
Buckets: TypeAlias = tuple[Sequence[int], float, int]
"""Cumulative counts per bound, the sum in seconds, the count of all."""
Counts: TypeAlias = Iterable[tuple[str, float]]

# A family's name, what it says, and the part of a snapshot's times that it is made of.
_TIMES = (
    ("livefuse_latency_seconds", "From the scheduled capture to the first sink's hand-over.", "latency"),
    ("livefuse_interframe_seconds", "Between two frames that left; its spread is jitter.", "interval"),
)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One session at one instant."""

    name: str
    running: bool
    record: Record
    viewers: int
    publishers: int
    age_s: float | None = None
    hold: str = ""
    idle: bool = False
    stages: Mapping[str, Buckets] = field(default_factory=dict)
    latency: Buckets | None = None
    interval: Buckets | None = None

    @classmethod
    def of(cls, channel: Channel, record: Record) -> Snapshot:
        session = channel.session
        times = session.histograms() if session else {}
        return cls(
            channel.name,
            channel.state == "running",
            record,
            channel.broadcast.viewers,
            int(channel.inlet.connected),
            session.frame_age_s() if session else None,
            channel.hold,
            channel.idle,
            times.get("stages", {}),
            times.get("latency"),
            times.get("interval"),
        )


def router(daemon: Daemon, records: Records) -> APIRouter:
    """`/metrics`."""
    router = APIRouter(tags=["stats"])

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    @view
    async def metrics(request: Request) -> Response:
        """All figures in Prometheus' text format, or in OpenMetrics where that is asked for."""
        snapshots = [Snapshot.of(channel, await records.record(channel)) for channel in list(daemon.channels.values())]
        text, media_type = await asyncio.to_thread(_text, daemon, snapshots, request.headers.get("accept", ""))
        return Response(text, media_type=media_type)

    return router


def _text(daemon: Daemon, snapshots: Sequence[Snapshot], accept: str) -> tuple[bytes, str]:
    registry = CollectorRegistry()
    registry.register(Families(snapshots, daemon.jobs.counts()))
    ProcessCollector(registry=registry)
    if "application/openmetrics-text" in accept:
        return generate_openmetrics(registry), OPENMETRICS  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


class Families(Collector):
    """What is exported of some snapshots."""

    def __init__(self, sessions: Sequence[Snapshot], jobs: Mapping[str, int]) -> None:
        self._sessions, self._jobs = sessions, jobs

    def collect(self) -> Iterator[Family]:
        yield InfoMetricFamily(
            "livefuse_build", "What runs here.", {"version": __version__, "python": platform.python_version()}
        )
        yield from self._states()
        yield from self._frames()
        yield from self._times()
        yield from self._network()
        jobs = GaugeMetricFamily("livefuse_jobs", "Jobs in each state.", labels=["state"])
        for state, count in self._jobs.items():
            jobs.add_metric([state], count)
        yield jobs

    def _states(self) -> Iterator[Family]:
        yield self._gauge("session_up", "Whether the session runs.", lambda s: int(s.running))
        yield self._gauge("idle", "Whether the session rests because nobody looks.", lambda s: int(s.idle))
        yield self._gauge(
            "held", "Whether slates leave instead of pictures: paused, or private.", lambda s: int(bool(s.hold))
        )
        yield self._gauge("viewers", "Viewers over WebRTC.", lambda s: s.viewers)
        yield self._gauge("publishers", "Publishers over WebRTC.", lambda s: s.publishers)
        yield self._gauge(
            "frame_age_seconds", "Time since the last frame left the pipeline, if any is meant to.", lambda s: s.age_s
        )
        yield self._gauge("inflight_frames", "Frames between capture and the end of the pipeline.", _in_flight)

    def _frames(self) -> Iterator[Family]:
        yield self._counter("captured_frames", "Frames that the source gave.", "", _captured)
        yield self._counter("frames", "What became of frames.", "result", _results)
        yield self._counter("verdict_frames", "Frames that left, by what was done with the face.", "verdict", _verdicts)
        yield self._counter("sink_frames", "Frames that a sink handed on.", "sink", _of_sinks("frames"))
        yield self._counter("sink_dropped_frames", "Frames that a sink was too slow for.", "sink", _of_sinks("dropped"))
        yield self._counter("slates", "Slates that covered a gap of the source.", "", _count("slates"))
        yield self._counter("reconnects", "Times that the source was opened again.", "", _count("reconnects"))

    def _times(self) -> Iterator[Family]:
        stages = HistogramMetricFamily(
            "livefuse_stage_seconds", "What each stage costs a frame.", labels=["session", "stage"]
        )
        for session in self._sessions:
            for stage, buckets in session.stages.items():
                _add(stages, [session.name, stage], buckets)
        yield stages
        for name, words, part in _TIMES:
            family = HistogramMetricFamily(name, words, labels=["session"])
            for session in self._sessions:
                if (found := getattr(session, part)) is not None:
                    _add(family, [session.name], found)
            yield family

    def _network(self) -> Iterator[Family]:
        yield self._gauge("rtp_rtt_seconds", "Round trip to the farthest viewer.", _worst("rtt_ms", 1e-3))
        yield self._gauge("rtp_fraction_lost", "Part of packets that the worst viewer lost.", _worst("fraction_lost"))
        yield self._gauge("target_bitrate", "Bits per second that the encoder aims at.", _target_bitrate)
        yield self._counter("keyframes", "Key frames sent to viewers.", "", _keyframes)
        encode = GaugeMetricFamily(
            "livefuse_encode_seconds", "Time to encode a frame for viewers, of late.", labels=["session", "quantile"]
        )
        for session in self._sessions:
            for name, took_ms in _webrtc(session.record).get("encode_ms", {}).items():
                encode.add_metric([session.name, str(int(name[1:]) / 100)], took_ms / 1e3)
        yield encode

    def _gauge(self, name: str, words: str, value: Callable[[Snapshot], float | None]) -> Family:
        family = GaugeMetricFamily(f"livefuse_{name}", words, labels=["session"])
        for session in self._sessions:
            if (number := value(session)) is not None:
                family.add_metric([session.name], number)
        return family

    def _counter(self, name: str, words: str, label: str, values: Callable[[Record], Counts]) -> Family:
        family = CounterMetricFamily(f"livefuse_{name}", words, labels=["session", *([label] if label else [])])
        for session in self._sessions:
            for key, count in values(session.record):
                family.add_metric([session.name, *([key] if label else [])], count)
        return family


def _add(family: HistogramMetricFamily, labels: Sequence[str], buckets: Buckets) -> None:
    counts, sum_s, total = buckets
    bounds = [(str(bound), count) for bound, count in zip(BUCKETS_S, counts, strict=True)]
    family.add_metric(labels, [*bounds, ("+Inf", total)], sum_s)


def _in_flight(session: Snapshot) -> float | None:
    frames = session.record.get("frames")
    if not frames:
        return None
    gone = frames["out"] + sum(frames["dropped"].get(cause, 0) for cause in ("capture", "deadline", "held", "idle"))
    return float(max(0, frames["captured"] - gone)) if session.running else 0.0


def _captured(record: Record) -> Counts:
    return [("", record["frames"]["captured"])] if "frames" in record else []


def _results(record: Record) -> Counts:
    if "frames" not in record:
        return []
    dropped = record["frames"]["dropped"]
    at_sinks = sum(sink["dropped"] for sink in record.get("sinks", {}).values())
    return [
        ("ok", record["frames"]["out"]),
        ("dropped_capture", dropped["capture"]),
        ("dropped_deadline", dropped["deadline"]),
        ("dropped_held", dropped.get("held", 0)),
        ("dropped_idle", dropped.get("idle", 0)),
        ("dropped_sink", at_sinks),
    ]


def _verdicts(record: Record) -> Counts:
    verdicts: Mapping[str, int] = record.get("frames", {}).get("verdicts", {})
    return verdicts.items()


def _of_sinks(count: str) -> Callable[[Record], Counts]:
    return lambda record: [(name, sink[count]) for name, sink in record.get("sinks", {}).items()]


def _count(key: str) -> Callable[[Record], Counts]:
    return lambda record: [("", record["frames"][key])] if "frames" in record else []


def _webrtc(record: Record) -> Record:
    found: Record = record.get("webrtc", {})
    return found


def _worst(key: str, factor: float = 1.0) -> Callable[[Snapshot], float | None]:
    """Of all viewers; nothing while none has reported."""

    def value(session: Snapshot) -> float | None:
        known = [one[key] for one in _webrtc(session.record).get("viewers", []) if one[key] is not None]
        return max(known) * factor if known else None

    return value


def _target_bitrate(session: Snapshot) -> float | None:
    bitrate: float | None = _webrtc(session.record).get("target_bitrate")
    return bitrate


def _keyframes(record: Record) -> Counts:
    return [("", _webrtc(record)["keyframes"])] if "keyframes" in _webrtc(record) else []
