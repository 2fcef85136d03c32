"""Sends one viewer's picture over aiortc's connection: attributes of one RTCRtpSender are replaced, its class is not.

aiortc's own loop builds, serialises and awaits every packet by itself. Here a picture's payloads are shared by all viewers,
its header extensions are packed once, and its packets leave in one go. A unit test names the private attributes used.
"""

from __future__ import annotations

import asyncio
import logging
import random
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiortc import RTCRtpSender, clock
from aiortc.codecs import HEADER_EXTENSIONS
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import pack_header_extensions
from aiortc.stats import RTCRemoteInboundRtpStreamStats

log = logging.getLogger("livefuse")

PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
PLAYOUT_AT_ONCE = bytes(3)
"""Least and most delay 0, 12 bits each, in units of 10 ms: the receiver shows pictures as they come."""

_ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
_FIXED = struct.Struct("!BBHLL")
_WAITING = 4
_HISTORY = 1024  # packets: about half a second at 10 Mb/s
_MOST_BUFFERED_BYTES = 1 << 19

if all(extension.uri != PLAYOUT_DELAY for extension in HEADER_EXTENSIONS["video"]):
    HEADER_EXTENSIONS["video"].append(RTCRtpHeaderExtensionParameters(id=5, uri=PLAYOUT_DELAY))


@dataclass(frozen=True, slots=True)
class Cut:
    """An encoded picture in RTP payloads; `timestamp` is in 1/90000 s."""

    payloads: list[bytes]
    timestamp: int
    key: bool


class Extensions:
    """The header extensions that were negotiated, and no others. Stands in for aiortc's map."""

    def __init__(self, playout_delay: bytes | None) -> None:
        self._playout_delay = playout_delay
        self._ids: dict[str, int] = {}
        self._mid = b""

    def configure(self, parameters: RTCRtpParameters) -> None:
        self._ids = {extension.uri: extension.id for extension in parameters.headerExtensions}
        self._mid = parameters.muxId.encode()

    def packed(self) -> bytes:
        """The extension block of packets that leave now."""
        sent_at = (clock.current_ntp_time() >> 14) & 0xFFFFFF
        values = {_MID: self._mid, _ABS_SEND_TIME: sent_at.to_bytes(3, "big"), PLAYOUT_DELAY: self._playout_delay}
        held = [(self._ids[uri], value) for uri, value in values.items() if value and uri in self._ids]
        if not held:
            return b""
        profile, value = pack_header_extensions(held)
        return struct.pack("!HH", profile, len(value) >> 2) + value


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
        playout_delay: bytes | None = PLAYOUT_AT_ONCE,
    ) -> None:
        self.rate: int | None = None
        self.dropped = self.sent_packets = self.sent_pictures = 0
        self._want_key, self._heard_rate = want_key, heard_rate
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
        inner._RTCRtpSender__encoder = _RateListener(self._heard)
        inner._RTCRtpSender__rtp_header_extensions_map = self._extensions

    def _heard(self, bits_per_second: int) -> None:
        self.rate = bits_per_second
        self._heard_rate()

    async def _run(self, codec: RTCRtpCodecParameters) -> None:
        inner = self._inner
        inner._RTCRtpSender__rtp_started.set()
        self._payload_type = codec.payloadType
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
