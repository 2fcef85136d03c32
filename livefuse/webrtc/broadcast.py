"""A session's pictures, shown to any number of viewers: one encode for all of them.

Frames come on the session's sink thread, which encodes; packets are handed to the event loop, where each viewer's stream
sends them. Between sessions viewers stay connected and see a slate.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Collection
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from aiortc import RTCSessionDescription

from livefuse.clock import Clock
from livefuse.daemon_config import WebRtcConfig
from livefuse.errors import PeerError, TooManyPeers
from livefuse.frame import HostFrame
from livefuse.sinks.base import StreamInfo
from livefuse.webrtc.encoder import Codec
from livefuse.webrtc.extensions import PLAYOUT_AT_ONCE
from livefuse.webrtc.feed import Feed
from livefuse.webrtc.idle import Draw, Slates
from livefuse.webrtc.peer import Peer, answered, check_offer, new_connection
from livefuse.webrtc.rtp import Cut, RtpStream
from livefuse.webrtc.sink import WebRtcSink
from livefuse.webrtc.viewer import Viewer, chosen_codec, opus, prefer

if TYPE_CHECKING:
    from livefuse.webrtc.audio import AudioOut

_MOST_HANDED_OVER = 4  # pictures that the event loop has not taken yet
_SMOOTH = 0.1
_NOTHING_YET = "nothing to show yet"
_ENDED = "paused"


class Broadcast:
    """Viewers come and go by `watch` and `leave`, sessions by `sink`; neither knows of the other."""

    def __init__(
        self, name: str, config: WebRtcConfig, clock: Clock, *, host: str = "127.0.0.1", draw: Draw | None = None
    ) -> None:
        self.name = name
        self.audio: AudioOut | None = None
        self.video_latency_ns = 0
        self.dropped = 0
        self._config, self._clock, self._host = config, clock, host
        self._feed = Feed(config, clock)
        self._slates = Slates(self._show, clock, draw)
        self._viewers: dict[str, Viewer] = {}
        self._answering = 0
        self._closed = False
        self._codecs: frozenset[Codec] = frozenset()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._handed = self._taken = 0
        self._shown: WebRtcSink | None = None
        self._turn = threading.Lock()
        self._slates.say(_NOTHING_YET)

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    @property
    def onlookers(self) -> int:
        """Viewers, and those who will be in a moment."""
        return len(self._viewers) + self._answering

    def sink(self) -> WebRtcSink:
        """A sink for one session."""
        return WebRtcSink(self)

    def show_slate(self, words: str) -> None:
        """What viewers read while no session shows anything."""
        self._slates.say(words)

    async def watch(self, offer: str) -> Peer:
        """Let somebody watch. Raises: BadOffer, TooManyPeers, PeerError."""
        described = check_offer(offer)
        codec = chosen_codec(described, self._config)
        if len(self._viewers) + self._answering >= self._config.max_viewers:
            raise TooManyPeers(
                f"`{self.name}` has {self._config.max_viewers} viewers already", hint="raise `webrtc.max_viewers`"
            )
        self._loop = asyncio.get_running_loop()
        self._answering += 1
        try:
            viewer = await self._answer(described, codec)
        finally:
            self._answering -= 1
        if self._closed:  # meanwhile: nobody would ever hang up on this viewer
            await viewer.close()
            raise PeerError(f"`{self.name}` is closing", hint="watch again once it is back")
        self._viewers[viewer.id] = viewer
        viewer.guard(self._config.idle_s, lambda peer: self.leave(peer.id))
        self._changed()
        return viewer

    async def _answer(self, offer: RTCSessionDescription, codec: Codec) -> Viewer:
        connection = new_connection(self._config, self._host)
        transceiver = connection.addTransceiver("video", direction="sendonly")
        prefer(transceiver, codec)
        stream = RtpStream(
            transceiver.sender,
            want_key=lambda: self._want_key(codec),
            heard_rate=lambda: self._aim(codec),
            target=lambda: self._feed.target(codec),
            playout_delay=PLAYOUT_AT_ONCE if self._config.playout_delay else None,
        )
        sound = None
        if self.audio is not None and self._config.audio and (codecs := opus(offer)):
            sound = self.audio.track()
            connection.addTransceiver(sound, direction="sendonly").setCodecPreferences(codecs)
        try:
            return Viewer(connection, await answered(connection, offer), codec, stream, sound)
        except BaseException:
            if sound is not None:
                sound.stop()
            raise

    async def leave(self, peer_id: str) -> bool:
        """Hang up on a viewer; whether there was one."""
        viewer = self._viewers.pop(peer_id, None)
        if viewer is None:
            return False
        self._changed()
        await viewer.close()
        return True

    def forget(self) -> None:
        """Send nothing more of what was there before, not even to a viewer who asks for a lost packet again. Event loop only."""
        for viewer in self._viewers.values():
            viewer.stream.forget()

    async def close(self) -> None:
        """Hang up on everybody, for good."""
        self._closed = True
        for peer_id in list(self._viewers):
            await self.leave(peer_id)
        await asyncio.to_thread(self._slates.close)
        self._feed.rest()

    def record(self) -> dict[str, Any]:
        """What the stats show."""
        viewers = [viewer.record() for viewer in list(self._viewers.values())]
        counts = {"dropped": self.dropped + sum(viewer["dropped"] for viewer in viewers)}
        latency = {"video_latency_ms": self.video_latency_ns / 1e6}
        return {"viewers": viewers} | self._feed.record() | counts | latency

    def _changed(self) -> None:
        """Viewers came or went."""
        self._codecs = frozenset(viewer.codec for viewer in self._viewers.values())
        for codec in self._codecs:
            self._aim(codec)
        self._slates.show(bool(self._viewers) and self._shown is None)

    def _want_key(self, codec: Codec) -> None:
        self._feed.want_key(codec)
        self._slates.hurry()

    def _aim(self, codec: Codec) -> None:
        """The least of what the ways to this codec's viewers take; nothing, until one of them was judged."""
        streams = [viewer.stream for viewer in self._viewers.values() if viewer.codec == codec]
        caps = [stream.estimate.cap for stream in streams if stream.estimate.cap is not None]
        self._feed.aim(codec, min(caps) if caps else None)

    def begin(self, sink: WebRtcSink, info: StreamInfo) -> None:
        """A session begins, and takes the place of the one before."""
        with self._turn:  # after this no slate leaves
            self._shown = sink
            self._slates.fit(info.width, info.height)
            self._slates.show(False)
            self._feed.begin(info.fps)

    def end(self, sink: WebRtcSink) -> None:
        """The session has ended: a slate takes its place."""
        with self._turn:
            if self._shown is not sink:
                return
            self._shown = None
            self._feed.begin(Fraction(0))
            self._slates.say(_ENDED)
            self._slates.show(bool(self._viewers))

    def take(self, sink: WebRtcSink, frame: HostFrame) -> None:
        """A session's frame, on its sink's thread."""
        codecs = self._codecs
        if not codecs:
            self._feed.rest()
            return
        with self._turn:
            if self._shown is not sink:
                return
            self._hand_over(frame, codecs, lambda: sink.admits(frame))
        if frame.scheduled_ns:
            self._measure(self._clock.now_ns() - frame.scheduled_ns)

    def _show(self, slate: Callable[[], HostFrame]) -> None:
        """A slate, on the slates' thread."""
        with self._turn:
            if self._shown is None and self._codecs:
                self._hand_over(slate(), self._codecs, lambda: True)

    def _hand_over(self, frame: HostFrame, codecs: Collection[Codec], may: Callable[[], bool]) -> None:
        """Encode, and have the event loop send it, if it still `may` then. A loop that does not keep up loses pictures, up to
        a key frame."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if self._handed - self._taken >= _MOST_HANDED_OVER:
            self.dropped += 1
            for codec in codecs:
                self._feed.want_key(codec)
            return
        for codec, cut in self._feed.encode(frame, codecs).items():
            self._handed += 1
            loop.call_soon_threadsafe(self._hand_out, codec, cut, may)

    def _hand_out(self, codec: Codec, cut: Cut, may: Callable[[], bool]) -> None:
        self._taken += 1
        streams = [viewer.stream for viewer in self._viewers.values() if viewer.codec == codec]
        if may():
            for stream in streams:
                stream.push(cut)
            return
        self.dropped += 1
        for stream in streams:  # held back since it was encoded: what follows must not be a difference to it
            stream.forget()

    def _measure(self, latency_ns: int) -> None:
        before = self.video_latency_ns
        self.video_latency_ns = round(before + _SMOOTH * (latency_ns - before)) if before else latency_ns
