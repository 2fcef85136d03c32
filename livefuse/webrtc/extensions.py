"""RTP header extensions of the pictures we send, playout delay among them, which aiortc does not know."""

from __future__ import annotations

import struct

from aiortc import clock
from aiortc.codecs import HEADER_EXTENSIONS
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import pack_header_extensions

PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
PLAYOUT_AT_ONCE = bytes(3)
"""Least and most delay 0, 12 bits each, in units of 10 ms: the receiver shows pictures as they come."""

_ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
_MID = "urn:ietf:params:rtp-hdrext:sdes:mid"

if all(extension.uri != PLAYOUT_DELAY for extension in HEADER_EXTENSIONS["video"]):
    HEADER_EXTENSIONS["video"].append(RTCRtpHeaderExtensionParameters(id=5, uri=PLAYOUT_DELAY))


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
