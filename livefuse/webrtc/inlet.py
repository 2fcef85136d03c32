"""What is published to a channel over WHIP: one publisher at a time, its pictures handed to the session's source.

An inlet outlives sessions and publishers: whoever reads waits for the next one, and a newer publisher takes the older
one's place, so that a browser that lost its network need not wait for its ghost to time out.
"""

from __future__ import annotations

import logging
import secrets
import time
from fractions import Fraction
from typing import Any

import av
from aiortc import RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription

from livefuse.clock import Clock
from livefuse.daemon_config import WebRtcConfig
from livefuse.errors import BadOffer, PeerError
from livefuse.source.url import Location
from livefuse.source.webrtc import PublishedSource
from livefuse.webrtc.audio import AudioOut
from livefuse.webrtc.peer import Peer, answered, check_offer, media_of, new_connection
from livefuse.webrtc.publisher import Publisher
from livefuse.webrtc.rates import Rates, rates
from livefuse.webrtc.start_rate import with_start_rate

log = logging.getLogger("livefuse")

_USUAL = (1280, 720, Fraction(30))


class Inlet:
    """All methods belong to the event loop, except `open_source` and `record`, which any thread may call."""

    def __init__(self, name: str, config: WebRtcConfig, clock: Clock, *, host: str = "127.0.0.1") -> None:
        self.name = name
        self.published = 0
        self._config, self._clock, self._host = config, clock, host
        self._publisher: Publisher | None = None
        self._sources: tuple[PublishedSource, ...] = ()
        self._out: AudioOut | None = None
        self._closed = False

    @property
    def connected(self) -> bool:
        publisher = self._publisher
        return publisher is not None and publisher.connected

    def audio_feed(self, out: AudioOut | None) -> None:
        """Where a publisher's sound goes from now on; None drops it."""
        self._out = out

    def open_source(self, location: Location) -> PublishedSource:
        """A source of what is published, whenever it is. Raises: BadValue for options that make no sense."""
        source = PublishedSource(location, self._clock)
        if self._closed:
            source.close()
        self._sources = (*(held for held in self._sources if not held.closed), source)
        return source

    async def publish(self, offer: str) -> Peer:
        """Answer a publisher's offer; the one before is hung up. Raises: BadOffer, PeerError."""
        description = check_offer(offer)
        _check_sends(description)
        connection = new_connection(self._config, self._host)
        _prefer(connection, self._config.codec)
        publish_at = self._rates()
        publisher = Publisher(connection, publish_at, self._picture, self._sound)
        receive = {"video", "audio"} if self._config.audio else {"video"}
        answer = await answered(connection, description, receive=receive)
        peer = publisher.peer = Peer(connection, with_start_rate(answer, publish_at))
        if self._closed:
            await peer.close()
            raise PeerError(f"{self.name} is closing", hint="publish again once it is back")
        self.published += 1
        publisher.number = self.published
        before, self._publisher = self._publisher, publisher
        peer.guard(self._config.idle_s, self._gone)  # first: whatever befalls the one before, this one is watched
        if before is not None and before.peer is not None:
            log.info("%s: a newer publisher takes over", self.name)
            await before.peer.close()
        return peer

    def peer(self, peer_id: str) -> Peer | None:
        """The publisher, if it has this id."""
        publisher = self._publisher
        if publisher is None or publisher.peer is None:
            return None
        return publisher.peer if secrets.compare_digest(publisher.peer.id.encode(), peer_id.encode()) else None

    async def leave(self, peer_id: str) -> bool:
        """Hang the publisher up; False if it is another one's id."""
        peer = self.peer(peer_id)
        if peer is None:
            return False
        await self._gone(peer)
        return True

    async def close(self) -> None:
        """Hang up and end every source."""
        self._closed = True
        sources, self._sources = self._sources, ()
        for source in sources:
            source.close()
        if self._publisher is not None and self._publisher.peer is not None:
            await self._gone(self._publisher.peer)

    def record(self) -> dict[str, Any]:
        """`state` is aiortc's connection state, or "none" while nobody publishes."""
        publisher = self._publisher
        record: dict[str, Any] = {"state": "none"} if publisher is None else publisher.record()
        return record | {"published": self.published, "dropped": sum(source.dropped for source in self._sources)}

    def _rates(self) -> Rates:
        """For pictures of the size that is asked for."""
        config, sizes = self._config, [source.info for source in self._sources if not source.closed]
        width, height, fps = (sizes[-1].width, sizes[-1].height, sizes[-1].fps) if sizes else _USUAL
        return rates(config.bitrate, config.min_bitrate, config.max_bitrate, width, height, fps)

    async def _gone(self, peer: Peer) -> None:
        if self._publisher is not None and self._publisher.peer is peer:
            self._publisher = None
        await peer.close()

    def _picture(self, publisher: Publisher, frame: av.VideoFrame, arrived_ns: int) -> None:
        if publisher is self._publisher:
            at_ns = self._on_clock(arrived_ns)
            for source in self._sources:
                source.put(frame, at_ns, publisher.number)

    def _sound(self, publisher: Publisher, frame: av.AudioFrame, arrived_ns: int) -> None:
        out, shown = self._out, any(not source.closed for source in self._sources)
        if out is not None and shown and publisher is self._publisher:
            out.put(frame, self._on_clock(arrived_ns))

    def _on_clock(self, monotonic_ns: int) -> int:
        return self._clock.now_ns() - (time.monotonic_ns() - monotonic_ns)


def _check_sends(offer: RTCSessionDescription) -> None:
    if not any(section.kind == "video" and "send" in str(section.direction) for section in media_of(offer)):
        raise BadOffer("the offer sends no picture", hint="publish a video track (direction sendonly)")


def _prefer(connection: RTCPeerConnection, codec: str) -> None:
    """Take only the configured codec; by default what the publisher prefers of those that we have."""
    if codec == "auto":
        return
    transceiver = connection.addTransceiver("video", direction="recvonly")
    known = RTCRtpReceiver.getCapabilities("video")
    assert known is not None
    transceiver.setCodecPreferences([c for c in known.codecs if c.mimeType.lower() in (f"video/{codec}", "video/rtx")])
