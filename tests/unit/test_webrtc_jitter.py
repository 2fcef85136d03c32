"""Jitter buffers and requests for lost packets: worked by hand, packet by packet."""

from __future__ import annotations

import inspect
import itertools
import random

import pytest
from aiortc import RTCPeerConnection, rtcrtpreceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from livefuse.webrtc.jitter import AudioJitterBuffer, EncodedFrame, PersistentNacks, VideoJitterBuffer

FRAME = 3000  # 1/30 s of a 90 kHz clock


def packet(number: int, picture: int, *, marker: bool = False, data: bytes | None = None) -> RtpPacket:
    made = RtpPacket(sequence_number=number & 0xFFFF, timestamp=picture * FRAME & 0xFFFFFFFF, marker=int(marker))
    made._data = str(number).encode() + b" " if data is None else data  # type: ignore[attr-defined]
    return made


class Feed:
    """Puts packets in and keeps what comes out."""

    def __init__(self, buffer: VideoJitterBuffer | AudioJitterBuffer) -> None:
        self.buffer, self.plis = buffer, 0
        self.out: list[EncodedFrame] = []

    def __call__(self, *packets: RtpPacket) -> list[bytes]:
        """What these packets made complete."""
        before = len(self.out)
        for each in packets:
            pli, frame = self.buffer.add(each)
            self.plis += pli
            if frame is not None:
                assert isinstance(frame, EncodedFrame)
                self.out += [frame, *frame.following]
        return [frame.data for frame in self.out[before:]]


def test_a_picture_leaves_with_its_last_packet_and_not_a_frame_later() -> None:
    shipped, feed = JitterBuffer(capacity=512, is_video=True), Feed(VideoJitterBuffer())
    pair = (packet(7, 1), packet(8, 1, marker=True))
    assert [shipped.add(each)[1] for each in pair] == [None, None]  # what aiortc does; fails if it no longer needs this
    assert feed(pair[0]) == []
    assert feed(pair[1]) == [b"7 8 "]
    assert feed(packet(9, 2, marker=True)) == [b"9 "]
    assert feed.plis == 0


def test_without_marker_the_next_timestamp_ends_a_picture() -> None:
    feed = Feed(VideoJitterBuffer())
    assert feed(packet(1, 1), packet(2, 1)) == []
    assert feed(packet(3, 2)) == [b"1 2 "]
    assert feed(packet(4, 3, marker=True)) == [b"3 ", b"4 "]


def test_reordered_packets_are_put_in_order() -> None:
    feed = Feed(VideoJitterBuffer())
    feed(packet(1, 1, marker=True))
    assert feed(packet(4, 2, marker=True), packet(2, 2)) == []
    assert feed(packet(3, 2)) == [b"2 3 4 "]


def test_what_a_hole_held_up_leaves_at_once_when_it_is_filled() -> None:
    feed = Feed(VideoJitterBuffer())
    feed(packet(1, 1, marker=True))
    assert feed(*(packet(n, n, marker=True) for n in range(3, 7))) == []
    assert feed(packet(2, 2, marker=True)) == [b"2 ", b"3 ", b"4 ", b"5 ", b"6 "]
    assert not any(frame.after_loss for frame in feed.out)
    assert feed.plis == 0


def test_duplicates_and_latecomers_change_nothing() -> None:
    feed = Feed(VideoJitterBuffer())
    one, two, three = packet(1, 1), packet(2, 1, marker=True), packet(3, 2, marker=True)
    assert feed(one, one, two) == [b"1 2 "]
    assert feed(one, two, packet(0xFFF0, 0)) == []
    assert feed(three, three) == [b"3 "]
    assert feed.plis == 0


def test_old_packets_that_come_again_in_numbers_do_not_empty_the_buffer() -> None:
    """Chrome probes the bandwidth with packets of long ago."""
    feed = Feed(VideoJitterBuffer())
    feed(*(packet(n, n, marker=True) for n in range(500)), packet(500, 500))
    assert feed(*(packet(n, n, marker=True) for n in range(90))) == []
    assert feed(packet(501, 500, marker=True)) == [b"500 501 "]
    assert feed.plis == 0


def test_numbers_and_times_wrap() -> None:
    feed = Feed(VideoJitterBuffer())
    last = (1 << 32) // FRAME  # the picture whose successor's time begins again near 0
    feed(packet(0xFFF9, last - 3, marker=True))
    for n in range(6):
        number, picture = 0xFFFA + 2 * n, last - 2 + n
        assert feed(packet(number + 1, picture, marker=True), packet(number, picture)) == [
            f"{number} {number + 1} ".encode()
        ]
    assert feed.plis == 0
    assert feed.buffer.given_up == 0


def test_a_hole_is_given_up_after_its_time_and_a_key_picture_asked_for() -> None:
    feed = Feed(VideoJitterBuffer(patience_ms=100))
    feed(packet(1, 1, marker=True))
    assert feed(packet(2, 2), packet(4, 2, marker=True), packet(5, 3), packet(6, 3, marker=True)) == []
    assert feed(packet(7, 4, marker=True), packet(8, 5, marker=True)) == []  # 100 ms: not more
    assert feed.plis == 0
    assert feed(packet(9, 6, marker=True)) == [b"5 6 ", b"7 ", b"8 ", b"9 "]
    assert feed.plis == 1
    assert feed.buffer.given_up == 1
    assert [frame.after_loss for frame in feed.out] == [False, True, False, False, False]
    assert feed(packet(3, 2)) == []  # too late
    assert feed(packet(10, 7, marker=True)) == [b"10 "]


def test_a_lost_picture_with_a_torn_one_behind_it_goes_with_it() -> None:
    feed = Feed(VideoJitterBuffer(patience_ms=100))
    feed(packet(1, 1, marker=True))
    feed(packet(3, 3), packet(5, 3, marker=True), packet(6, 4, marker=True), packet(7, 5, marker=True))
    assert feed(packet(8, 7, marker=True)) == [b"6 ", b"7 ", b"8 "]


def test_padding_makes_no_pictures() -> None:
    """An empty packet would put FFmpeg's decoder into draining."""
    feed = Feed(VideoJitterBuffer())
    assert feed(packet(1, 1, marker=True), packet(2, 1, data=b""), packet(3, 1, data=b"")) == [b"1 "]
    assert feed(packet(4, 2, marker=True)) == [b"4 "]
    assert feed(packet(5, 2, data=b"", marker=True)) == []


@pytest.mark.parametrize("start", [3000, 40_000, 9])
def test_a_sender_that_starts_over_with_other_numbers_is_followed(start: int) -> None:
    feed = Feed(VideoJitterBuffer())
    feed(*(packet(n, n, marker=True) for n in range(10)))
    out = feed(*(packet(start + n, 100 + n, marker=True) for n in range(200)))
    assert out[-1] == f"{start + 199} ".encode()
    if start > 9:
        assert feed.plis
        assert any(frame.after_loss for frame in feed.out)


def test_a_jump_ahead_goes_on_from_there() -> None:
    feed = Feed(VideoJitterBuffer(capacity=64))
    feed(packet(1, 1, marker=True), packet(2, 2))
    assert feed(packet(500, 9, marker=True)) == [b"500 "]
    assert feed.plis == 1
    assert feed.out[-1].after_loss


def test_sound_leaves_at_once_and_a_lost_packet_holds_up_three() -> None:
    feed = Feed(AudioJitterBuffer())
    assert feed(packet(1, 1), packet(2, 2)) == [b"1 ", b"2 "]
    assert feed(packet(4, 4)) == []
    assert feed(packet(3, 3)) == [b"3 ", b"4 "]
    assert feed(packet(6, 6), packet(7, 7)) == []
    assert feed(packet(8, 8)) == [b"6 ", b"7 ", b"8 "]
    assert feed(packet(5, 5)) == []
    assert feed.plis == 0  # nobody sends sound again


class Lossy:
    """A sender of `packets_per_picture`, a path that loses some, and answers to requests after `delay` packets."""

    def __init__(self, loss: float, *, answers: bool, delay: int = 12) -> None:
        self.buffer = VideoJitterBuffer()
        self.now_ns = 0
        self.nacks = PersistentNacks(self.buffer, now_ns=lambda: self.now_ns)
        self.feed = Feed(self.buffer)
        self._loss, self._answers, self._delay = loss, answers, delay
        self._chance = random.Random(5)
        self.late: list[tuple[int, RtpPacket]] = []
        self.asked = 0

    def run(self, pictures: int, packets_per_picture: int = 4) -> None:
        sent: dict[int, RtpPacket] = {}
        for number in range(pictures * packets_per_picture):
            picture, place = divmod(number, packets_per_picture)
            made = sent[number] = packet(number, picture, marker=place == packets_per_picture - 1)
            self.now_ns += 33_000_000 // packets_per_picture
            for due, again in [each for each in self.late if each[0] <= number]:
                self.late.remove((due, again))
                self._arrive(again, number, sent)
            self._arrive(made, number, sent)

    def _arrive(self, made: RtpPacket, now: int, sent: dict[int, RtpPacket]) -> None:
        if self._chance.random() < self._loss:
            return
        if self.nacks.add(made):
            self.asked += 1
            if self._answers:
                self.late += [(now + self._delay, sent[n]) for n in sorted(self.nacks.missing) if n in sent]
        self.feed(made)


def test_five_percent_loss_is_made_good_by_asking_again() -> None:
    """12 packets are 100 ms at 30 fps. Requests and answers get lost like everything else."""
    path = Lossy(0.05, answers=True)
    path.run(600)
    whole = [frame for frame in path.feed.out if len(frame.data.split()) == 4]
    assert len(whole) == len(path.feed.out) >= 590
    assert path.feed.plis <= 2
    times = [frame.timestamp for frame in path.feed.out]
    assert times == sorted(times)


def test_loss_without_answers_costs_key_pictures_but_never_stands_still() -> None:
    path = Lossy(0.05, answers=False)
    path.run(600)
    times = [frame.timestamp for frame in path.feed.out]
    assert max(b - a for a, b in itertools.pairwise(times)) <= 12 * FRAME
    assert path.feed.plis == path.buffer.given_up > 10
    assert sum(frame.after_loss for frame in path.feed.out) > 10
    assert all(len(frame.data.split()) == 4 for frame in path.feed.out)


def test_a_missing_packet_is_asked_for_again_until_it_would_come_too_late() -> None:
    buffer, now_ns = VideoJitterBuffer(patience_ms=1000), 0
    nacks = PersistentNacks(buffer, again_ms=50, now_ns=lambda: now_ns)
    feed, asked = Feed(buffer), []
    for number in [*range(5), *range(6, 60)]:  # 5 is lost; a packet each 33 ms
        now_ns += 33_000_000
        made = packet(number, number, marker=True)
        if nacks.add(made):
            asked.append(number)
            assert nacks.missing == {5}
        feed(made)
    assert asked[:3] == [6, 8, 10]
    assert asked[-1] < 38
    assert nacks.missing == set()
    assert feed.buffer.passed(5)


def test_aiortc_still_has_the_private_names_that_are_replaced() -> None:
    source = inspect.getsource(rtcrtpreceiver)
    for use in (
        "self.__jitter_buffer.add(packet)",
        "self.__nack_generator.add(packet)",
        "sorted(self.__nack_generator.missing)",
        "packet._data = depayload(",
        "self.__decoder_queue.put((codec, encoded_frame))",
        "self.__decoder_queue,\n                    self._track._queue,",
        "task = input_q.get()",
        "self.__decoder_error.is_set()",
        "self.__timestamp_mapper.map(",
        "self.__remote_streams[packet.ssrc]",
        "self.__rtx_ssrc",
    ):
        assert use in source, use
    assert RTCPeerConnection.__module__ == "aiortc.rtcpeerconnection"
