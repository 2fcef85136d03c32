"""From frames to pictures cut for RTP: one encode per codec in use, whoever watches.

Runs on the thread that hands it frames; requests for key frames and rates come from the event loop.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Any

from livefuse.clock import Clock, Reservoir
from livefuse.daemon_config import WebRtcConfig
from livefuse.frame import HostFrame
from livefuse.webrtc.encoder import Codec, LiveEncoder, Shape
from livefuse.webrtc.packing import h264_payloads, vp8_payloads
from livefuse.webrtc.rates import rates
from livefuse.webrtc.rtp import Cut

_KEYS_APART_NS = 200_000_000
_USUAL_FPS = Fraction(30)


class _Line:
    """One codec's encoder, and what is asked of it."""

    def __init__(self, codec: Codec) -> None:
        self.codec: Codec = codec
        self.encoder: LiveEncoder | None = None
        self.key_wanted = True
        self.rate: int | None = None
        self.keys = 0
        self.opened = 0
        self.keyed_ns = -_KEYS_APART_NS
        self.picture_id = 0
        self.scene = 0

    def cut(self, data: bytes, timestamp: int, key: bool) -> Cut:
        if self.codec == "h264":
            return Cut(h264_payloads(data), timestamp, key)
        self.picture_id = (self.picture_id + 1) & 0x7FFF
        return Cut(vp8_payloads(data, self.picture_id), timestamp, key)


class Feed:
    """Encodes for viewers. Time stamps follow the capture clock and go on from session to session."""

    def __init__(self, config: WebRtcConfig, clock: Clock) -> None:
        self.encode_ms = Reservoir(1024)
        self._config, self._clock = config, clock
        self._lines: Mapping[Codec, _Line] = {"h264": _Line("h264"), "vp8": _Line("vp8")}
        self._fps = _USUAL_FPS
        self._offset_ns: int | None = None
        self._last = -1
        self._lock = threading.Lock()

    def begin(self, fps: Fraction) -> None:
        """Another source of frames: its clock starts anew, ours does not."""
        with self._lock:
            self._offset_ns = None
            if (fps or _USUAL_FPS) != self._fps:
                self._fps = fps or _USUAL_FPS
                self._drop_encoders()

    def want_key(self, codec: Codec) -> None:
        """The next frame, or one at most 200 ms later, is a key frame. Any thread."""
        self._lines[codec].key_wanted = True

    def aim(self, codec: Codec, bits_per_second: int | None) -> None:
        """What the viewers of a codec can take; None: back to the beginning. Any thread."""
        self._lines[codec].rate = bits_per_second

    def target(self, codec: Codec) -> float:
        """What is aimed at now, bits per second. Any thread."""
        encoder = self._lines[codec].encoder
        return float(encoder.target) if encoder is not None else 0.0

    def encode(self, frame: HostFrame, codecs: Collection[Codec]) -> dict[Codec, Cut]:
        """One picture per codec. Encoders of codecs that nobody uses any more are given up."""
        with self._lock:
            self._drop_encoders(keep=codecs)
            timestamp = self._timestamp(frame)
            return {codec: self._encode(self._lines[codec], frame, timestamp) for codec in codecs}

    def rest(self) -> None:
        """Nobody watches: encoders are given up."""
        if any(line.encoder is not None for line in self._lines.values()):
            with self._lock:
                self._drop_encoders()

    def record(self) -> dict[str, Any]:
        """Of the codec that is in use, H.264 if both are."""
        lines = [line for line in self._lines.values() if line.encoder is not None]
        p50, p95, p99 = self.encode_ms.percentiles()
        encoders = [line.encoder for line in lines if line.encoder is not None]
        return {
            "codec": lines[0].codec if lines else None,
            "encoder": encoders[0].name if encoders else None,
            "bitrate": encoders[0].rates.start if encoders else None,
            "target_bitrate": encoders[0].target if encoders else None,
            "encode_ms": {"p50": p50, "p95": p95, "p99": p99},
            "encoded": self.encode_ms.count,
            "keyframes": sum(line.keys for line in self._lines.values()),
            "encoders_opened": sum(line.opened for line in self._lines.values()),
        }

    def _encode(self, line: _Line, frame: HostFrame, timestamp: int) -> Cut:
        began_ns = self._clock.now_ns()
        encoder = self._encoder(line, frame)
        new = frame.scene != line.scene  # nothing of what was before may shine through
        line.scene = frame.scene
        key = new or (line.key_wanted and began_ns - line.keyed_ns >= _KEYS_APART_NS)
        if key:
            line.key_wanted = False  # before encoding: what is asked for meanwhile counts again
        encoder.aim(line.rate if line.rate is not None else encoder.rates.start)
        encoded = encoder.encode(frame, timestamp, key=key)
        if encoded.key:
            line.keys += 1
            line.keyed_ns = began_ns
        line.opened += encoder.take_opened()
        self.encode_ms.add((self._clock.now_ns() - began_ns) / 1e6)
        return line.cut(encoded.data, timestamp, encoded.key)

    def _encoder(self, line: _Line, frame: HostFrame) -> LiveEncoder:
        shape = Shape.of(frame)
        if line.encoder is None or line.encoder.shape != shape:
            config = self._config
            bounds = (config.bitrate, config.min_bitrate, config.max_bitrate)
            line.encoder = LiveEncoder(
                line.codec,
                shape,
                rates(*bounds, frame.width, frame.height, self._fps),
                self._fps,
                encoder=config.encoder,
                preset=config.preset,
            )
        return line.encoder

    def _timestamp(self, frame: HostFrame) -> int:
        """1/90000 s of our clock at which the frame was due, increasing: a source that falls behind has its pts fall behind
        too, and viewers would take that for a slower stream."""
        if self._offset_ns is None:
            self._offset_ns = self._clock.now_ns() - frame.pts_ns
        due_ns = frame.scheduled_ns or frame.pts_ns + self._offset_ns
        self._last = max(due_ns * 9 // 100_000, self._last + 1)
        return self._last

    def _drop_encoders(self, keep: Collection[Codec] = ()) -> None:
        for line in self._lines.values():
            if line.codec not in keep:
                line.encoder = None
