"""One viewer: which codec it gets, and its stream."""

from __future__ import annotations

from typing import Any

from aiortc import MediaStreamTrack, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver, RTCSessionDescription
from aiortc.codecs import CODECS, is_rtx
from aiortc.rtcpeerconnection import find_common_codecs
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.sdp import MediaDescription

from livefuse.daemon_config import WebRtcConfig
from livefuse.errors import BadOffer
from livefuse.webrtc.encoder import Codec
from livefuse.webrtc.peer import Peer, media_of
from livefuse.webrtc.rtp import RtpStream

_CONSTRAINED_BASELINE = "42e01f"


class Viewer(Peer):
    """A peer that is shown a broadcast."""

    def __init__(
        self,
        connection: RTCPeerConnection,
        answer: str,
        codec: Codec,
        stream: RtpStream,
        sound: MediaStreamTrack | None = None,
    ) -> None:
        super().__init__(connection, answer)
        self.codec: Codec = codec
        self.stream = stream
        self._sound = sound

    async def close(self) -> None:
        await super().close()
        if self._sound is not None:  # which aiortc stops only once it has been sent
            self._sound.stop()

    def record(self) -> dict[str, Any]:
        rtt_ms, fraction_lost = self.stream.loss()
        return super().record() | {
            "codec": self.codec,
            "rtt_ms": rtt_ms,
            "fraction_lost": fraction_lost,
            "estimate": self.stream.estimate.said,
            "cap": self.stream.estimate.cap,
            "sent_packets": self.stream.sent_packets,
            "sent_pictures": self.stream.sent_pictures,
            "dropped": self.stream.dropped,
        }


def chosen_codec(offer: RTCSessionDescription, config: WebRtcConfig) -> Codec:
    """H.264 where the viewer takes the profile that we send, else VP8, unless the configuration says which.

    Raises: BadOffer.
    """
    pictures = [section for section in media_of(offer) if section.kind == "video"]
    if not pictures:
        raise BadOffer("the offer asks for no video", hint='add a transceiver: addTransceiver("video", ...)')
    if pictures[0].direction not in ("recvonly", "sendrecv"):
        raise BadOffer(f"the offer's video is {pictures[0].direction}", hint="a viewer offers recvonly")
    names = {codec.name.lower() for codec in _common(pictures[0])}
    wanted: tuple[Codec, ...] = ("h264", "vp8") if config.codec == "auto" else (config.codec,)
    for codec in wanted:
        if codec in names:
            return codec
    raise BadOffer(f"the viewer takes no {' or '.join(wanted)}", hint="check `webrtc.codec`")


def prefer(transceiver: RTCRtpTransceiver, codec: Codec) -> None:
    """Have the answer name this codec, with retransmission."""
    known = RTCRtpSender.getCapabilities("video").codecs
    ours = [held for held in known if held.name.lower() == codec]
    ours.sort(key=lambda held: held.parameters.get("profile-level-id") != _CONSTRAINED_BASELINE)
    transceiver.setCodecPreferences([*ours, *(held for held in known if is_rtx(held))])


def opus(offer: RTCSessionDescription) -> list[RTCRtpCodecCapability]:
    """Our Opus, if the offer wants to receive it; else nothing."""
    for section in media_of(offer):
        if section.kind == "audio" and section.direction in ("recvonly", "sendrecv"):
            if any(codec.name.lower() == "opus" for codec in section.rtp.codecs):
                return [held for held in RTCRtpSender.getCapabilities("audio").codecs if held.name.lower() == "opus"]
            return []
    return []


def _common(section: MediaDescription) -> list[Any]:
    return find_common_codecs(CODECS["video"], section.rtp.codecs)
