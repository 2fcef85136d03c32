"""Sends one viewer's picture over aiortc's connection: attributes of one RTCRtpSender are replaced, its class is not.

aiortc's own loop builds, serialises and awaits every packet by itself. Here a picture's payloads are shared by all viewers,
its header extensions are packed once, and its packets leave in one go. A unit test names the private attributes used.
"""

from __future__ import annotations

import asyncio
import logging
import random
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiortc import RTCRtpSender, clock
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.rtp import AnyRtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSrPacket
from aiortc.stats import RTCRemoteInboundRtpStreamStats

from livefuse.webrtc.estimate import Estimate
from livefuse.webrtc.extensions import PLAYOUT_AT_ONCE, Extensions

log = logging.getLogger("livefuse")

_FIXED = struct.Struct("!BBHLL")
_WAITING = 4
_HISTORY = 1024  # packets: about half a second at 10 Mb/s
_MOST_BUFFERED_BYTES = 1 << 19


@dataclass(frozen=True, slots=True)
class Cut:
    """An encoded picture in RTP payloads; `timestamp` is in 1/90000 s."""

    payloads: list[bytes]
    timestamp: int
    key: bool


class _RateListener:
    """What aiortc's sender takes for its encoder: receivers' estimates arrive here."""

    def __init__(self, heard: Callable[[int], None]) -> None:
        self._heard = heard
        self._rate = 0

    @property
    def target_bitrate(self) -> int:
        return self._rate

    @target_bitrate.setter
    def target_bitrate(self, bits_per_second: int) -> None:
        self._rate = bits_per_second
        self._heard(bits_per_second)


class RtpStream:
    """One viewer's stream. Event loop only.

    At most four pictures wait. A viewer that falls behind loses them all and goes on at the next key frame, which
    `want_key` is called for.
    """

    def __init__(
        self,
        sender: RTCRtpSender,
        *,
        want_key: Callable[[], None],
        heard_rate: Callable[[], None],
        target: Callable[[], float],
        playout_delay: bytes | None = PLAYOUT_AT_ONCE,
    ) -> None:
        self.estimate = Estimate()
        self.dropped = self.sent_packets = self.sent_pictures = 0
        self._want_key, self._heard_rate, self._target = want_key, heard_rate, target
        self._lately: deque[tuple[float, int]] = deque(maxlen=240)  # pictures: a second of them, at any rate
        self._inner: Any = sender
        self._extensions = Extensions(playout_delay)
        self._queue: deque[Cut] = deque()
        self._filled = asyncio.Event()
        self._live, self._broken = False, True
        self._sequence = random.randrange(1 << 15)
        self._origin = random.getrandbits(32)
        self._payload_type = 0
        self._history: list[tuple[int, int, int, bytes] | None] = [None] * _HISTORY
        self._take_over()

    def push(self, cut: Cut) -> None:
        """The next picture."""
        if not self._live:
            return
        if len(self._queue) >= _WAITING or self._congested():
            self.dropped += len(self._queue)
            self._queue.clear()
            self._broken = True
            self._want_key()
        if self._broken and not cut.key:
            self.dropped += 1
            return
        self._broken = False
        self._queue.append(cut)
        self._filled.set()

    def forget(self) -> None:
        """Send none of what waits, and nothing again that was lost on the way; go on at a key frame."""
        self.dropped += len(self._queue)
        self._queue.clear()
        self._history = [None] * _HISTORY
        self._broken = True
        self._want_key()

    def loss(self) -> tuple[float | None, float | None]:
        """Round trip in ms, and the fraction of packets lost lately, as the viewer reports; None before its first report."""
        report = self._inner._RTCRtpSender__stats.get(f"remote-inbound-rtp_{id(self._inner)}")
        if not isinstance(report, RTCRemoteInboundRtpStreamStats):
            return None, None
        rtt_s = report.roundTripTime
        return None if rtt_s is None else rtt_s * 1e3, report.fractionLost / 256

    def _take_over(self) -> None:
        inner = self._inner
        inner._run_rtp, inner._retransmit, inner._send_keyframe = self._run, self._retransmit, self._want_key
        self._handle_rtcp, inner._handle_rtcp_packet = inner._handle_rtcp_packet, self._reported
        inner._RTCRtpSender__encoder = _RateListener(self._heard)
        inner._RTCRtpSender__rtp_header_extensions_map = self._extensions

    def _heard(self, bits_per_second: int) -> None:
        self.estimate.hear(bits_per_second, self._sent_lately(), self._target())
        self._heard_rate()

    async def _reported(self, packet: AnyRtcpPacket) -> None:
        if isinstance(packet, RtcpRrPacket | RtcpSrPacket):
            for report in packet.reports:
                if report.ssrc == self._inner._ssrc:
                    rtt_s = self._round_trip_s(report)
                    self.estimate.report(report.fraction_lost / 256, rtt_s, self._sent_lately(), self._target())
                    self._heard_rate()
        await self._handle_rtcp(packet)

    def _round_trip_s(self, report: RtcpReceiverInfo) -> float | None:
        """Source: RFC 3550, section 6.4.1."""
        inner = self._inner
        if not report.dlsr or report.lsr != inner._RTCRtpSender__lsr:
            return None
        return max(0.0, time.time() - inner._RTCRtpSender__lsr_time - report.dlsr / 65536)

    def _sent_lately(self) -> float:
        """Bits per second over the last second."""
        since_s = time.monotonic() - 1
        while self._lately and self._lately[0][0] < since_s:
            self._lately.popleft()
        return 8.0 * sum(size for _, size in self._lately)

    async def _run(self, codec: RTCRtpCodecParameters) -> None:
        inner = self._inner
        inner._RTCRtpSender__rtp_started.set()
        self._payload_type = codec.payloadType or 0
        self._live = True
        self._want_key()
        try:
            while True:
                await self._filled.wait()
                while self._queue:
                    self._send(self._queue.popleft())
                    await asyncio.sleep(0)  # a key frame for many viewers must not keep the loop from its other work
                self._filled.clear()
        except (asyncio.CancelledError, ConnectionError):
            pass  # as aiortc's own loop ends: `stop` waits for the event below
        except Exception:
            log.exception("webrtc: sending to a viewer failed")
        finally:
            self._live = False
            inner._RTCRtpSender__rtp_exited.set()

    def _send(self, cut: Cut) -> None:
        inner, out = self._inner, self._route()
        timestamp = (self._origin + cut.timestamp) & 0xFFFFFFFF
        extensions = self._extensions.packed()
        sequence, kind, ssrc, history = self._sequence, self._payload_type, inner._ssrc, self._history
        last, sent_bytes = len(cut.payloads) - 1, 0
        for at, payload in enumerate(cut.payloads):
            marker = 0x80 if at == last else 0
            history[sequence % _HISTORY] = (sequence, timestamp, marker, payload)
            out(_header(marker | kind, sequence, timestamp, ssrc, extensions) + payload)
            sequence = (sequence + 1) & 0xFFFF
            sent_bytes += len(payload)
        self._sequence = sequence
        self._lately.append((time.monotonic(), sent_bytes))
        self.sent_packets += last + 1
        self.sent_pictures += 1
        inner._RTCRtpSender__octet_count += sent_bytes
        inner._RTCRtpSender__packet_count += last + 1
        inner._RTCRtpSender__ntp_timestamp = clock.current_ntp_time()
        inner._RTCRtpSender__rtp_timestamp = timestamp

    async def _retransmit(self, sequence: int) -> None:
        """A lost packet again, as RTX where that was negotiated (RFC 4588, section 4)."""
        held = self._history[sequence % _HISTORY]
        if held is None or held[0] != sequence:
            return
        _, timestamp, marker, payload = held
        inner, extensions = self._inner, self._extensions.packed()
        kind = inner._RTCRtpSender__rtx_payload_type
        if kind is None:
            packet = _header(marker | self._payload_type, sequence, timestamp, inner._ssrc, extensions) + payload
        else:
            again = inner._RTCRtpSender__rtx_sequence_number
            inner._RTCRtpSender__rtx_sequence_number = (again + 1) & 0xFFFF
            packet = _header(marker | kind, again, timestamp, inner._rtx_ssrc, extensions)
            packet += struct.pack("!H", sequence) + payload
        self._route()(packet)

    def _route(self) -> Callable[[bytes], None]:
        """What protects a packet and sends it between the addresses that ICE chose. Raises: ConnectionError."""
        dtls = self._inner.transport
        pair = dtls.transport._connection._nominated.get(1)
        if pair is None or dtls.state != "connected":
            raise ConnectionError("the viewer is not connected")
        protect, sendto, address = dtls._tx_srtp.protect, pair.protocol.transport.sendto, pair.remote_addr

        def out(packet: bytes) -> None:
            protected = protect(packet)
            sendto(protected, address)
            dtls._RTCDtlsTransport__tx_bytes += len(protected)
            dtls._RTCDtlsTransport__tx_packets += 1

        return out

    def _congested(self) -> bool:
        """Whether the system has not taken what was sent before."""
        pair = self._inner.transport.transport._connection._nominated.get(1)
        buffered = getattr(pair and pair.protocol.transport, "get_write_buffer_size", None)
        return buffered is not None and buffered() > _MOST_BUFFERED_BYTES


def _header(marker_and_type: int, sequence: int, timestamp: int, ssrc: int, extensions: bytes) -> bytes:
    """Source: RFC 3550, section 5.1."""
    first = 0x90 if extensions else 0x80
    return _FIXED.pack(first, marker_and_type, sequence, timestamp, ssrc) + extensions
