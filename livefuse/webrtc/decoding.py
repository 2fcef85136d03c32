"""Decoders on aiortc's own decoder thread, without its unbounded queue to the event loop.

That thread decodes where it would have waited for work, and hands pictures on itself: frames never pass through the loop,
and a decoder that is too slow goes on at the next key frame instead of falling behind for ever.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import av
from aiortc.codecs import get_decoder
from aiortc.mediastreams import VIDEO_TIME_BASE
from aiortc.rtcrtpparameters import RTCRtpCodecParameters
from aiortc.utils import uint32_add
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from livefuse.webrtc.bitstream import is_key_picture, shows_picture
from livefuse.webrtc.jitter import EncodedFrame

log = logging.getLogger("livefuse")

_WAITING = 32  # pictures: a hole of 250 ms at 60 fps, and what came meanwhile
_ASK_AGAIN_NS = 300_000_000
_SLICE_THREADS = 4
_DECODERS = {"H264": "h264", "VP8": "vp8"}

F = TypeVar("F")


@dataclass(frozen=True, slots=True)
class _Work:
    codec: RTCRtpCodecParameters
    data: bytes
    pts: int
    arrived_ns: int


class InPlaceDecoder(Generic[F]):
    """Takes the place of the queue between aiortc's receiver and its decoder thread; `get` runs on that thread.

    `deliver` gets each frame and the monotonic instant at which the last of it arrived.
    """

    def __init__(self, deliver: Callable[[F, int], None]) -> None:
        self.codec = ""
        self.frames = self.dropped = self.errors = self.received_bytes = 0
        self._deliver = deliver
        self._waiting: deque[_Work] = deque()
        self._ended = False
        self._changed = threading.Condition()

    def put(self, task: tuple[RTCRtpCodecParameters, EncodedFrame] | None) -> None:
        """aiortc's event loop hands over a frame, or None at the end."""
        with self._changed:
            if task is None:
                self._ended = True
                self._waiting.clear()
            else:
                self._take(*task)
            self._changed.notify()

    def get(self) -> None:
        """Decode until the end; aiortc's thread then ends its track."""
        while (work := self._next()) is not None:
            try:
                self._decode(work)
            except (av.FFmpegError, ValueError) as error:
                self.errors += 1
                log.debug("webrtc: %s cannot be decoded: %s", work.codec.mimeType, error)
                self._damaged()
            except Exception:  # the thread is aiortc's, which would end silently
                log.exception("webrtc: what was received could not be handed on")

    def _next(self) -> _Work | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._ended)
            return self._waiting.popleft() if self._waiting else None

    def _take(self, codec: RTCRtpCodecParameters, first: EncodedFrame) -> None:
        now_ns = time.monotonic_ns()
        for frame in (first, *first.following):
            self.received_bytes += len(frame.data)
            pts = first.timestamp + uint32_add(frame.rtp_timestamp, -first.rtp_timestamp)
            if self._wanted(codec, frame):
                self._waiting.append(_Work(codec, frame.data, pts, now_ns))
            else:
                self.dropped += 1

    def _hand_on(self, frame: F, work: _Work) -> None:
        self.frames += 1
        self.codec = work.codec.name
        self._deliver(frame, work.arrived_ns)

    def _wanted(self, codec: RTCRtpCodecParameters, frame: EncodedFrame) -> bool:
        return len(self._waiting) < _WAITING

    def _damaged(self) -> None:
        """A frame could not be decoded."""

    def _decode(self, work: _Work) -> None:
        raise AssertionError("each kind of sound or picture has its own decoder")


class PictureDecoder(InPlaceDecoder[av.VideoFrame]):
    """After a loss nothing is decoded until a key picture comes: what would be shown meanwhile is smeared, and a smeared
    face may be neither found nor covered. `ask` asks the sender for one."""

    def __init__(self, deliver: Callable[[av.VideoFrame, int], None], ask: Callable[[], None]) -> None:
        super().__init__(deliver)
        self.key_requests = 0
        self._ask = ask
        self._asked_ns = 0
        self._needs_key = True
        self._context: VideoCodecContext | None = None
        self._context_for = ""
        self._prelude = b""  # parameter sets that came by themselves

    def _wanted(self, codec: RTCRtpCodecParameters, frame: EncodedFrame) -> bool:
        if len(self._waiting) >= _WAITING:
            self.dropped += len(self._waiting)
            self._waiting.clear()
            self._needs_key = True
        if not shows_picture(codec.name, frame.data):
            return True
        self._needs_key = (self._needs_key or frame.after_loss) and not is_key_picture(codec.name, frame.data)
        if self._needs_key:
            self._ask_for_key()
        return not self._needs_key

    def _ask_for_key(self) -> None:
        now_ns = time.monotonic_ns()
        if now_ns - self._asked_ns >= _ASK_AGAIN_NS:
            self._asked_ns = now_ns
            self.key_requests += 1
            self._ask()

    def _damaged(self) -> None:
        with self._changed:
            self._needs_key = True
            self._ask_for_key()

    def _decode(self, work: _Work) -> None:
        data = self._prelude + work.data
        if not shows_picture(work.codec.name, work.data):
            self._prelude = data[-4096:]
            return
        self._prelude = b""
        packet = av.Packet(data)
        packet.pts, packet.time_base = work.pts, VIDEO_TIME_BASE
        for frame in self._context_of(work.codec.name).decode(packet):
            if frame.is_corrupt:
                self.errors += 1
                self._damaged()
            else:
                self._hand_on(frame, work)

    def _context_of(self, codec: str) -> VideoCodecContext:
        if self._context is None or codec != self._context_for:
            self._context = low_delay_decoder(codec)
            self._context_for = codec
        return self._context


class SoundDecoder(InPlaceDecoder[av.AudioFrame]):
    """Whatever of aiortc's sound codecs was agreed on."""

    def __init__(self, deliver: Callable[[av.AudioFrame, int], None]) -> None:
        super().__init__(deliver)
        self._decoder: Any = None
        self._decoder_for = ""

    def _decode(self, work: _Work) -> None:
        if self._decoder is None or self._decoder_for != work.codec.name:
            self._decoder, self._decoder_for = get_decoder(work.codec), work.codec.name
        for frame in self._decoder.decode(EncodedFrame(work.data, work.pts)):
            self._hand_on(frame, work)


def low_delay_decoder(codec: str) -> VideoCodecContext:
    """A decoder that gives each picture back at once. Threads share the slices of one picture: those that each take a
    picture of their own would hold as many back."""
    context = av.CodecContext.create(_DECODERS[codec], "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_type, context.thread_count = "SLICE", _SLICE_THREADS
    context.flags |= Flags.low_delay
    return context
