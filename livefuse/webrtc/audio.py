"""Sound beside the picture: one Opus encode for all viewers, delayed as the picture is.

Sound of the instant t leaves at t + the picture's measured latency, less what browsers hold sound back by. Pictures are
shown at once (playout delay 0), so browsers do not align the two themselves: what is sent in step is seen in step.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
from av.packet import Packet

from livefuse.clock import Clock
from livefuse.source.base import Source, SourceInfo
from livefuse.webrtc.audio_file import FileSound, SoundedSource
from livefuse.webrtc.opus import I16, OpusTrack, Stereo
from livefuse.webrtc.sound_line import Arrivals, SoundLine, samples_in
from livefuse.webrtc.sound_player import SoundPlayer

BROWSERS_HOLD_NS = 60_000_000
"""Measured in Chromium 150 on one machine: 59 to 77 ms in its jitter buffer for sound, under 1 ms in the picture's."""


class AudioOut:
    """Give each viewer a `track`, and feed it from one source: a publisher's frames (`put`), or a file (`follow`).

    `latency_ns` is the picture's, asked for each packet; sound leaves `lead_ns` before it where it is there in time. Costs nothing while nobody listens or nothing sounds.
    """

    def __init__(self, latency_ns: Callable[[], int], clock: Clock, *, lead_ns: int = BROWSERS_HOLD_NS) -> None:
        self._latency_ns, self._clock, self._lead_ns = latency_ns, clock, lead_ns
        self._line = SoundLine()
        self._arrivals = Arrivals()
        self._stereo = Stereo()
        self._tracks: tuple[OpusTrack, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: SoundPlayer | None = None
        self._file: FileSound | None = None
        self._silent = False
        self.wanted = threading.Event()

    def silence(self, silent: bool) -> None:
        """Let nothing be heard from now on, or again what is said from now on. Event loop only."""
        self._silent = silent
        if self._thread is not None:
            self._thread.silence(silent)
        if silent:
            for track in self._tracks:
                track.clear()

    def track(self) -> OpusTrack:
        """The sound of one viewer, for its connection's `addTrack`. Event loop only."""
        self._loop = asyncio.get_running_loop()
        track = OpusTrack(self._left)
        self._tracks = (*self._tracks, track)
        if self._thread is None:
            self._thread = SoundPlayer(
                self._line, self._clock, self._latency_ns, self._encoded, self.wanted, lead_ns=self._lead_ns
            )
            if self._silent:
                self._thread.silence(True)
            self._thread.start()
        self.wanted.set()
        return track

    @property
    def listeners(self) -> int:
        return len(self._tracks)

    def put(self, frame: av.AudioFrame, arrived_ns: int) -> None:
        """A publisher's frame, which had arrived whole at `arrived_ns`. Any one thread."""
        if not self.wanted.is_set() or (self._file is not None and self._file.is_alive()):
            return
        length_ns = frame.samples * 1_000_000_000 // frame.sample_rate
        stamp_ns = round((frame.pts or 0) * (frame.time_base or 0) * 1_000_000_000)
        at_ns = self._arrivals.at_ns(stamp_ns, arrived_ns - length_ns)
        samples = self._stereo.of(frame)
        if len(samples):
            self.feed(samples, at_ns)

    def feed(self, samples: I16, at_ns: int) -> None:
        """48 kHz stereo; the first sample belongs to the instant `at_ns` of the clock. Shapes: (n, 2)."""
        if self.wanted.is_set():
            self._line.write(samples, samples_in(at_ns))

    def follow(self, source: Source) -> Source:
        """The same source; if it is a file with sound, that is heard while it is read, from now on this one's."""
        if not (source.info.audio and source.info.path):
            return source
        return SoundedSource(source, self._clock, functools.partial(self._play_file, source.info))

    def _play_file(self, info: SourceInfo, offset_ns: Callable[[], int]) -> FileSound:
        before = self._file
        if before is not None:
            before.close()
        self._file = FileSound(Path(info.path), info.shift_ns, self.feed, offset_ns, self._clock, self.wanted)
        self._file.start()
        return self._file

    def close(self) -> None:
        """End every track and thread. Event loop only."""
        if self._file is not None:
            self._file.close()
        for track in self._tracks:
            track.stop()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.close()

    def record(self) -> dict[str, Any]:
        """`silences` and `skips` count packets of silence put in and times that something was left out."""
        player = self._thread
        counts = {"packets": 0, "silences": 0, "skips": 0, "delay_ms": 0.0} if player is None else player.record()
        dropped = sum(track.dropped for track in self._tracks)
        told = {
            "listeners": self.listeners,
            "silent": self._silent,
            "dropped": dropped,
            "anchored": self._line.anchored,
        }
        return told | counts

    def _left(self, track: OpusTrack) -> None:
        self._tracks = tuple(held for held in self._tracks if held is not track)
        if not self._tracks:
            self.wanted.clear()

    def _encoded(self, packet: Packet[Any], clean: bool) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._hand_out, packet, clean)

    def _hand_out(self, packet: Packet[Any], clean: bool) -> None:
        if self._silent and not clean:  # encoded before, or with the last of what was heard
            return
        for track in self._tracks:
            track.push(packet)
