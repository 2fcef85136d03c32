"""One publisher: the receivers of its picture and sound, and what is known of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import av
from aiortc import RTCPeerConnection, RTCRtpReceiver
from aiortc.mediastreams import MediaStreamTrack

from livefuse.source.decode import LEAST_PX
from livefuse.webrtc.decoding import PictureDecoder, SoundDecoder
from livefuse.webrtc.jitter import VIDEO_CLOCK_HZ
from livefuse.webrtc.peer import Peer
from livefuse.webrtc.rates import Rates
from livefuse.webrtc.receiving import fast_receiver, fast_sound
from livefuse.webrtc.start_rate import expect

_WINDOW_NS = 2_000_000_000

PictureTap = Callable[["Publisher", av.VideoFrame, int], None]
SoundTap = Callable[["Publisher", av.AudioFrame, int], None]


class Publisher:
    """Set up before its connection is answered, so that nothing is received the slow way.

    `picture` and `sound` are called on the threads that decode, with the instant (of time.monotonic_ns) at which the last
    packet arrived.
    """

    def __init__(self, connection: RTCPeerConnection, expected: Rates, picture: PictureTap, sound: SoundTap) -> None:
        self.peer: Peer | None = None
        self.number = 0
        self._connection = connection
        self._expected, self._picture, self._sound = expected, picture, sound
        self._receiver: Any = None
        self.pictures: PictureDecoder | None = None
        self.sounds: SoundDecoder | None = None
        self._size = (0, 0)
        self._arrivals: deque[tuple[int, int]] = deque(maxlen=240)  # instant, bytes until then
        self._lock = threading.Lock()
        connection.on("track", self._announced)

    @property
    def connected(self) -> bool:
        return self.peer is not None and self.peer.state == "connected"

    def _announced(self, track: MediaStreamTrack) -> None:
        """The first track of a kind is the one that is received."""
        receiver = self._receiver_of(track)
        if track.kind == "video" and self.pictures is None:
            self._receiver = receiver
            expect(receiver, self._expected)
            self.pictures = fast_receiver(receiver, self._take)
        elif track.kind == "audio" and self.sounds is None:
            self.sounds = fast_sound(receiver, lambda frame, arrived_ns: self._sound(self, frame, arrived_ns))

    def _receiver_of(self, track: MediaStreamTrack) -> RTCRtpReceiver:
        return next(receiver for receiver in self._connection.getReceivers() if receiver.track is track)

    def _take(self, frame: av.VideoFrame, arrived_ns: int) -> None:
        if min(frame.width, frame.height) < LEAST_PX:
            return
        with self._lock:
            self._size = (frame.width, frame.height)
            self._arrivals.append((arrived_ns, self.pictures.received_bytes if self.pictures else 0))
        self._picture(self, frame, arrived_ns)

    def record(self) -> dict[str, Any]:
        """What is known of the picture; sizes and rates as received, before they are fitted into anything."""
        peer = self.peer.record() if self.peer is not None else {}
        if self.pictures is None:
            return peer
        pictures = self.pictures
        return peer | {
            "codec": pictures.codec.lower(),
            "width": self._size[0],
            "height": self._size[1],
            **self._rates(),
            "frames": pictures.frames,
            "undecoded": pictures.dropped,
            "errors": pictures.errors,
            "key_requests": pictures.key_requests,
            "audio": self.sounds is not None and self.sounds.frames > 0,
            **self._network(),
        }

    def _rates(self) -> dict[str, float]:
        """Over the last two seconds; `bitrate` is of encoded pictures, in bits per second."""
        now_ns = time.monotonic_ns()
        with self._lock:
            recent = [arrival for arrival in self._arrivals if now_ns - arrival[0] < _WINDOW_NS]
        span_ns = recent[-1][0] - recent[0][0] if recent else 0
        if not span_ns:
            return {"fps": 0.0, "bitrate": 0}
        bits = 8 * (recent[-1][1] - recent[0][1])
        return {"fps": round((len(recent) - 1) * 1e9 / span_ns, 2), "bitrate": round(bits * 1e9 / span_ns)}

    def _network(self) -> dict[str, float]:
        """Jitter and losses of the stream itself; what was sent again has a stream of its own."""
        streams = self._receiver._RTCRtpReceiver__remote_streams
        again = self._receiver._RTCRtpReceiver__rtx_ssrc
        own = [stream for ssrc, stream in list(streams.items()) if ssrc not in again]
        buffer = self._receiver._RTCRtpReceiver__jitter_buffer
        return {
            "jitter_ms": round(max((stream.jitter for stream in own), default=0) * 1000 / VIDEO_CLOCK_HZ, 2),
            "packets": sum(stream.packets_received for stream in own),
            "packets_lost": sum(max(0, stream.packets_lost) for stream in own),
            "given_up": buffer.given_up,
        }
