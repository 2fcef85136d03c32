"""Makes one aiortc receiver fast, from outside: its jitter buffer, its requests for lost packets and its decoder."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import av
from aiortc import RTCRtpReceiver

from livefuse.webrtc.decoding import PictureDecoder, SoundDecoder
from livefuse.webrtc.jitter import AudioJitterBuffer, PersistentNacks, VideoJitterBuffer


class Newest(asyncio.Queue[Any]):
    """The queue of a received track that holds the newest frame only; the end (None) stays."""

    def __init__(self) -> None:
        super().__init__(maxsize=1)
        self.dropped = 0

    async def put(self, item: Any) -> None:
        self.put_nowait(item)

    def put_nowait(self, item: Any) -> None:
        if self.full():
            held = self.get_nowait()
            if held is None:
                item = None
            self.dropped += 1
        super().put_nowait(item)


def fast_receiver(
    receiver: RTCRtpReceiver, deliver: Callable[[av.VideoFrame, int], None] | None = None
) -> PictureDecoder:
    """Make a video receiver fast, before its connection is up: call it when the track is announced.

    `deliver(frame, arrived_ns)` is called on the decoder's thread; without it frames go to the receiver's track, which
    then holds the newest one.
    """
    inner: Any = receiver
    buffer = VideoJitterBuffer()
    decoder = PictureDecoder(deliver or _to_track(inner), inner._RTCRtpReceiver__decoder_error.set)
    inner._RTCRtpReceiver__jitter_buffer = buffer
    inner._RTCRtpReceiver__nack_generator = PersistentNacks(buffer)
    inner._RTCRtpReceiver__decoder_queue = decoder
    return decoder


def fast_sound(receiver: RTCRtpReceiver, deliver: Callable[[av.AudioFrame, int], None]) -> SoundDecoder:
    """The same for sound: each frame goes to `deliver` as soon as it has arrived."""
    inner: Any = receiver
    decoder = SoundDecoder(deliver)
    inner._RTCRtpReceiver__jitter_buffer = AudioJitterBuffer()
    inner._RTCRtpReceiver__decoder_queue = decoder
    return decoder


def _to_track(receiver: Any) -> Callable[[av.VideoFrame, int], None]:
    loop, newest = asyncio.get_running_loop(), Newest()
    receiver._track._queue = newest

    def deliver(frame: av.VideoFrame, _: int) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(newest.put_nowait, frame)

    return deliver
