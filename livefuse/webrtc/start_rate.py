"""What a publisher is told to begin with.

Browsers begin at 300 kb/s and add some 8 % a second: 720p takes half a minute to look right, and aiortc's estimate, which
begins with what it received in the first three seconds, holds them down to that. Where the way is narrower the estimate
says so within a second.
"""

from __future__ import annotations

import re
from typing import Any

from aiortc import RTCRtpReceiver
from aiortc.clock import current_ms

from livefuse.webrtc.rates import Rates

_RTPMAP = re.compile(r"a=rtpmap:(\d+) (?:VP8|H264)/90000")


def with_start_rate(answer: str, rates: Rates) -> str:
    """The answer with the start and least rate in each picture format's parameters. Chrome and what is built on it go by
    these names; others skip them."""
    said = f"x-google-start-bitrate={rates.start // 1000};x-google-min-bitrate={rates.least // 1000}"
    lines = answer.splitlines()
    formats = [found[1] for line in lines if (found := _RTPMAP.match(line))]
    kept = []
    for line in lines:
        name, _, values = line.partition(" ")
        if name in {f"a=fmtp:{number}" for number in formats}:
            formats.remove(name.partition(":")[2])
            line = f"{name} {values};{said}"
        kept.append(line)
    for number in formats:
        at = next(i for i, line in enumerate(kept) if line.startswith(f"a=rtpmap:{number} "))
        kept.insert(at + 1, f"a=fmtp:{number} {said}")
    return "\r\n".join(kept) + "\r\n"


def expect(receiver: RTCRtpReceiver, rates: Rates) -> None:
    """Have the receiver's estimate begin at the most, which the first sign of a queue cuts down to what comes through."""
    inner: Any = receiver
    inner._RTCRtpReceiver__remote_bitrate_estimator.rate_control.set_estimate(rates.most, current_ms())
