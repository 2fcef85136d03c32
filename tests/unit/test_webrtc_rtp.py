"""What is on the wire: payloads, header extensions, retransmissions; and that aiortc still has what we replace in it."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import pytest
from aiortc.codecs import HEADER_EXTENSIONS
from aiortc.codecs.h264 import h264_depayload
from aiortc.codecs.vpx import VpxPayloadDescriptor
from aiortc.rtcrtpparameters import RTCRtpCodecParameters, RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import RtpPacket, unpack_header_extensions

from livefuse.daemon_config import WebRtcConfig
from livefuse.webrtc.estimate import Estimate
from livefuse.webrtc.extensions import PLAYOUT_DELAY, Extensions
from livefuse.webrtc.packing import PAYLOAD_BYTES, h264_payloads, vp8_payloads
from livefuse.webrtc.peer import new_connection
from livefuse.webrtc.rtp import Cut, RtpStream

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
SENT_AT = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"


def unit(kind: int, length: int) -> bytes:
    return bytes([0x60 | kind]) + bytes(1 + (at * 7 + kind) % 255 for at in range(length - 1))


def annex_b(*units: bytes) -> bytes:
    return b"".join((b"\0\0\0\1" if at == 0 else b"\0\0\1") + held for at, held in enumerate(units))


@pytest.mark.parametrize(
    "lengths", [(20,), (20, 5, 300), (20, 5, 9000), (1197, 1200, 1201, 30), (40_000,), (1199, 2, 2)]
)
def test_h264_arrives_as_it_was_and_no_payload_is_too_large(lengths: tuple[int, ...]) -> None:
    units = [unit(7 if at == 0 else 1, length) for at, length in enumerate(lengths)]
    payloads = h264_payloads(annex_b(*units))
    assert max(map(len, payloads)) <= PAYLOAD_BYTES
    assert b"".join(h264_depayload(payload) for payload in payloads) == b"".join(b"\0\0\0\1" + held for held in units)


def test_parameter_sets_share_a_payload_and_fragments_are_even() -> None:
    payloads = h264_payloads(annex_b(unit(7, 20), unit(8, 5), unit(5, 5000)))
    assert payloads[0][0] & 0x1F == 24  # STAP-A
    fragments = payloads[1:]
    assert len(fragments) == 5
    assert max(map(len, fragments)) - min(map(len, fragments)) < 16
    assert [held[1] >> 6 for held in fragments] == [2, 0, 0, 0, 1]  # start, middle, end


def test_nothing_is_no_payload() -> None:
    assert h264_payloads(b"") == []
    assert vp8_payloads(b"", 1) == []


def test_vp8_arrives_as_it_was() -> None:
    data = bytes(range(256)) * 20
    parsed = [VpxPayloadDescriptor.parse(payload) for payload in vp8_payloads(data, 0x7ABC)]
    assert b"".join(rest for _, rest in parsed) == data
    assert [descriptor.partition_start for descriptor, _ in parsed] == [1] + [0] * (len(parsed) - 1)
    assert {descriptor.picture_id for descriptor, _ in parsed} == {0x7ABC}


def extensions(*uris: str, playout_delay: bytes | None = bytes(3)) -> dict[int, bytes]:
    """What is packed if these are negotiated, with ids 1, 2, 3..."""
    held = Extensions(playout_delay)
    agreed = [RTCRtpHeaderExtensionParameters(id=at + 1, uri=uri) for at, uri in enumerate(uris)]
    held.configure(RTCRtpParameters(headerExtensions=agreed, muxId="0"))
    packed = held.packed()
    if not packed:
        return {}
    profile, words = struct.unpack("!HH", packed[:4])
    assert len(packed) == 4 + 4 * words
    return dict(unpack_header_extensions(profile, packed[4:]))


def test_only_negotiated_extensions_are_sent() -> None:
    assert extensions() == {}
    assert extensions("urn:something-else") == {}
    assert extensions(MID) == {1: b"0"}
    every = extensions(MID, SENT_AT, PLAYOUT_DELAY)
    assert every[1] == b"0"
    assert len(every[2]) == 3
    assert every[3] == b"\0\0\0"  # least 0, most 0, 12 bits each
    assert 3 not in extensions(MID, SENT_AT, PLAYOUT_DELAY, playout_delay=None)


def test_playout_delay_is_offered_once() -> None:
    held = [extension for extension in HEADER_EXTENSIONS["video"] if extension.uri == PLAYOUT_DELAY]
    assert len(held) == 1
    every = [extension.id for kind in HEADER_EXTENSIONS.values() for extension in kind if extension.uri != MID]
    assert len(every) == len(set(every))


def test_aiortc_has_what_is_replaced() -> None:
    """If this fails, aiortc was updated: read its changes before touching the names."""
    assert version("aiortc").startswith("1.16.")

    async def scene() -> None:
        connection: Any = new_connection(WebRtcConfig(), "127.0.0.1")
        sender: Any = connection.addTransceiver("video", direction="sendonly").sender
        names = "encoder rtp_header_extensions_map rtp_started rtp_exited rtx_payload_type rtx_sequence_number stats"
        for name in f"{names} octet_count packet_count ntp_timestamp rtp_timestamp lsr lsr_time".split():
            assert hasattr(sender, f"_RTCRtpSender__{name}"), name
        for name in ("_run_rtp", "_retransmit", "_send_keyframe", "_handle_rtcp_packet", "_ssrc", "_rtx_ssrc"):
            assert hasattr(sender, name), name
        dtls = sender.transport
        for name in ("_tx_srtp", "_RTCDtlsTransport__rx_packets", "_RTCDtlsTransport__tx_bytes"):
            assert hasattr(dtls, name), name
        ice = dtls.transport._connection
        for name in ("get_component_candidates", "query_consent", "_closing", "_nominated", "_protocols"):
            assert hasattr(ice, name), name
        assert ice.stun_server is None
        assert hasattr(connection, "_RTCPeerConnection__gather")
        assert hasattr(connection, "_RTCPeerConnection__iceTransports")
        await connection.close()

    asyncio.run(scene())


class Wire:
    """A stream whose packets go nowhere but here."""

    def __init__(self) -> None:
        self.connection = new_connection(WebRtcConfig(), "127.0.0.1")
        self.sender: Any = self.connection.addTransceiver("video", direction="sendonly").sender
        self.packets: list[RtpPacket] = []
        self.keys = 0
        self.stream = RtpStream(self.sender, want_key=self._key, heard_rate=lambda: None, target=lambda: 1e6)
        self.stream._route = lambda: lambda packet: self.packets.append(RtpPacket.parse(packet))  # type: ignore[method-assign]

    def _key(self) -> None:
        self.keys += 1


def on_wire(scene: Callable[[Wire], Any]) -> None:
    async def play() -> None:
        wire = Wire()
        codec = RTCRtpCodecParameters(mimeType="video/H264", clockRate=90000, payloadType=102)
        task = asyncio.ensure_future(wire.sender._run_rtp(codec))
        await asyncio.sleep(0)
        await scene(wire)
        task.cancel()
        await task  # ends quietly, as aiortc's own does
        assert wire.sender._RTCRtpSender__rtp_exited.is_set()
        await wire.connection.close()

    asyncio.run(play())


def cut(*payloads: bytes, key: bool = False, at: int = 0) -> Cut:
    return Cut(list(payloads), at, key)


def test_a_stream_begins_at_a_key_frame_and_marks_the_end_of_pictures() -> None:
    async def scene(wire: Wire) -> None:
        assert wire.keys == 1
        wire.stream.push(cut(b"lost"))
        wire.stream.push(cut(b"a", b"b", key=True, at=3000))
        wire.stream.push(cut(b"c", at=6000))
        await asyncio.sleep(0.01)
        assert [packet.payload for packet in wire.packets] == [b"a", b"b", b"c"]
        assert [packet.marker for packet in wire.packets] == [0, 1, 1]
        assert (wire.packets[2].timestamp - wire.packets[1].timestamp) % (1 << 32) == 3000
        numbers = [packet.sequence_number for packet in wire.packets]
        assert numbers == [(numbers[0] + step) & 0xFFFF for step in range(3)]
        assert {packet.payload_type for packet in wire.packets} == {102}
        assert (wire.stream.dropped, wire.stream.sent_pictures, wire.stream.sent_packets) == (1, 2, 3)

    on_wire(scene)


def test_a_full_queue_is_emptied_and_waits_for_a_key_frame() -> None:
    async def scene(wire: Wire) -> None:
        wire.stream.push(cut(b"key", key=True))
        for number in range(3):
            wire.stream.push(cut(b"%d" % number))
        wire.stream.push(cut(b"one too many"))
        assert wire.stream.dropped == 5
        assert wire.keys == 2
        wire.stream.push(cut(b"still broken"))
        await asyncio.sleep(0.01)
        assert wire.packets == []
        wire.stream.push(cut(b"again", key=True))
        wire.stream.push(cut(b"and on"))
        await asyncio.sleep(0.01)
        assert [packet.payload for packet in wire.packets] == [b"again", b"and on"]

    on_wire(scene)


def test_a_lost_packet_is_sent_again_with_its_own_number() -> None:
    async def scene(wire: Wire) -> None:
        wire.stream.push(cut(b"a", b"b", key=True))
        await asyncio.sleep(0.01)
        lost = wire.packets[0].sequence_number
        await wire.sender._retransmit(lost)
        assert (wire.packets[-1].sequence_number, wire.packets[-1].payload) == (lost, b"a")
        wire.sender._RTCRtpSender__rtx_payload_type = 103
        await wire.sender._retransmit(lost)
        again = wire.packets[-1]
        assert (again.payload_type, again.ssrc) == (103, wire.sender._rtx_ssrc)
        assert again.payload == struct.pack("!H", lost) + b"a"  # RFC 4588, section 4
        sent = len(wire.packets)
        await wire.sender._retransmit((lost + 500) & 0xFFFF)
        assert len(wire.packets) == sent

    on_wire(scene)


def cap_of(held: Estimate) -> int | None:
    return held.cap


def test_a_low_estimate_counts_only_where_the_way_was_in_use() -> None:
    held = Estimate()
    held.hear(14_000, sent=12_000, target=2e6)  # a slate: the receiver has seen nothing more
    held.hear(9_000, sent=12_000, target=2e6)
    held.hear(9_500, sent=2e6, target=2e6)  # stays low, though more is arriving
    assert cap_of(held) is None
    held.hear(1_500_000, sent=2e6, target=2e6)
    held.hear(1_200_000, sent=2e6, target=2e6)  # lowered under load: the way is full
    assert cap_of(held) == 1_200_000
    held.hear(1_250_000, sent=1.2e6, target=1.2e6)
    assert cap_of(held) == 1_250_000
    held.hear(3_000_000, sent=1.2e6, target=1.25e6)
    assert cap_of(held) == 3_000_000


def test_an_estimate_without_an_encoder_is_only_noted() -> None:
    held = Estimate()
    held.hear(9_000, sent=0, target=0)
    assert (held.said, held.cap) == (9_000, None)


def test_loss_and_long_round_trips_lower_the_rate_when_they_stay() -> None:
    lossy = Estimate()
    lossy.report(0.05, 0.05, sent=1e6, target=1e6)
    lossy.report(0.3, 0.05, sent=1e6, target=1e6)  # once may be chance
    assert cap_of(lossy) is None
    lossy.report(0.2, 0.05, sent=1e6, target=1e6)
    assert cap_of(lossy) == 900_000
    slow = Estimate()
    for rtt_s in (0.05, 0.4, None, 0.4, 0.5):
        slow.report(0.0, rtt_s, sent=1e6, target=1e6)
    assert slow.cap == 850_000
    far = Estimate()  # long, but not longer than ever
    for _ in range(5):
        far.report(0.0, 0.3, sent=1e6, target=1e6)
    assert cap_of(far) is None
