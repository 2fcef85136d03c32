"""One WebRTC peer: its offer checked, its answer made, its life watched.

aiortc's parser trusts its input, so an offer is bounded and parsed here first. A peer is dropped when it does not connect
or when nothing has been heard of it for `webrtc.idle_s`.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InvalidAccessError, InvalidStateError, OperationError
from aiortc.sdp import MediaDescription, SessionDescription, candidate_from_sdp

from livefuse.errors import BadOffer
from livefuse.webrtc.ice import ice_links, new_connection

__all__ = ["Peer", "answered", "check_offer", "ice_links", "media_of", "new_connection"]

MAX_SDP_BYTES = 64 * 1024
_MOST_LINES = 2000
_MOST_MEDIA = 8
_MOST_CANDIDATES = 32
_MOST_SOURCES = 64  # lines on SSRCs; aiortc compares each with all before it, on the loop that carries the media
_HINT = "send the SDP of a browser's createOffer, or of any WHIP or WHEP client"
_UNUSABLE = (
    *(AssertionError, ValueError, LookupError, AttributeError, TypeError, StopIteration),
    *(InvalidAccessError, InvalidStateError, OperationError),
)
"""What aiortc raises over a description that it cannot use."""


def check_offer(sdp: str) -> RTCSessionDescription:
    """The offer, bounded: remote candidates that are no plain UDP address are left out, for nothing is looked up on a
    peer's behalf (its own checks make it known all the same). Raises: BadOffer."""
    if len(sdp) > MAX_SDP_BYTES or len(sdp.encode(errors="replace")) > MAX_SDP_BYTES:
        raise BadOffer(f"an offer of {len(sdp)} characters; {MAX_SDP_BYTES} bytes are the limit", hint=_HINT)
    lines = sdp.splitlines()
    if len(lines) > _MOST_LINES:
        raise BadOffer(f"an offer of {len(lines)} lines; {_MOST_LINES} are the limit", hint=_HINT)
    if not lines or not lines[0].startswith("v=0"):
        raise BadOffer("not a session description (SDP): its first line is not v=0", hint=_HINT)
    kept, candidates, sources = [], 0, 0
    for line in lines:
        if line.startswith("a=candidate:"):
            candidates += 1
            if candidates > _MOST_CANDIDATES or not _plain(line[len("a=candidate:") :]):
                continue
        elif line.startswith(("a=ssrc:", "a=ssrc-group:")):
            sources += 1
            if sources > _MOST_SOURCES:
                continue
        elif line.startswith("a=end-of-candidates"):  # more may still be learnt from the peer's own checks
            continue
        kept.append(line)
    offer = RTCSessionDescription(sdp="\r\n".join(kept) + "\r\n", type="offer")
    _check_media(media_of(offer), offer)
    return offer


def media_of(offer: RTCSessionDescription) -> list[MediaDescription]:
    """The offer's media sections. Raises: BadOffer."""
    try:
        media: list[MediaDescription] = SessionDescription.parse(offer.sdp).media
    except _UNUSABLE as error:
        raise BadOffer(f"not a session description (SDP) that can be read: {_words(error)}", hint=_HINT) from error
    return media


async def answered(
    connection: RTCPeerConnection, offer: RTCSessionDescription, *, receive: Collection[str] = ()
) -> str:
    """Apply the offer; the answer, with all candidates. On failure the connection is closed.

    `receive` names the kinds ("video", "audio") of which the first section is received. What nobody here has a use for
    (a second picture, sound without a track) is answered as inactive. Raises: BadOffer, PeerError.
    """
    ours, wanted = set(connection.getTransceivers()), set(receive)
    for transceiver in ours:  # all share one transport, which aiortc would stop if the offer begins with another kind
        transceiver._bundled = True
    try:
        await connection.setRemoteDescription(offer)
        for transceiver in connection.getTransceivers():
            if transceiver in ours:
                continue
            transceiver.direction = "recvonly" if transceiver.kind in wanted else "inactive"
            wanted.discard(transceiver.kind)
        await connection.setLocalDescription()
    except _UNUSABLE as error:
        await _give_up(connection)
        raise BadOffer(f"the offer cannot be answered: {_words(error)}", hint=_HINT) from error
    except BaseException:
        await _give_up(connection)
        raise
    return str(connection.localDescription.sdp)


async def _give_up(connection: RTCPeerConnection) -> None:
    """Close what may have been set up by half: aiortc trips over a section whose transport it had not come to."""
    inner: Any = connection
    made = inner._RTCPeerConnection__transceivers
    made[:] = [transceiver for transceiver in made if transceiver.receiver.transport is not None]
    await connection.close()


class Peer:
    """A connected browser or program. `id` is unguessable: it names the peer in the URL that ends it."""

    def __init__(self, connection: RTCPeerConnection, answer: str) -> None:
        self.id = secrets.token_urlsafe(18)
        self.answer = answer
        self.connection = connection
        self._since_s = time.monotonic()
        self._changed = asyncio.Event()
        self._guard: asyncio.Task[None] | None = None
        connection.on("connectionstatechange", self._changed.set)

    @property
    def state(self) -> str:
        return str(self.connection.connectionState)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._since_s

    def guard(self, idle_s: float, gone: Callable[[Peer], Awaitable[object]]) -> None:
        """Have `gone` awaited once when the peer hung up, failed, or was not heard of for `idle_s`."""
        self._guard = asyncio.ensure_future(self._watch(idle_s, gone))

    async def add_candidates(self, fragment: str) -> int:
        """Take the candidates of a trickled fragment (RFC 8840), and say how many. Raises: BadOffer."""
        if len(fragment) > MAX_SDP_BYTES:
            raise BadOffer(f"a fragment of {len(fragment)} characters", hint=_HINT)
        texts = [line[len("a=candidate:") :] for line in fragment.splitlines() if line.startswith("a=candidate:")]
        usable = [text for text in texts if _plain(text)]
        room = _MOST_CANDIDATES - len(self._ice_transport().getRemoteCandidates())
        for text in usable[: max(0, room)]:
            await self._ice_transport().addRemoteCandidate(candidate_from_sdp(text))
        return len(usable[: max(0, room)])

    async def close(self) -> None:
        """Hang up. May be called again."""
        guard, self._guard = self._guard, None
        if guard is not None and guard is not asyncio.current_task():
            guard.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await guard
        await self.connection.close()

    def record(self) -> dict[str, Any]:
        """What is known of it now. Only the beginning of the id is shown: whoever knows all of it may hang up."""
        return {"id": self.id[:8], "state": self.state, "seconds": round(self.seconds, 1)}

    def _ice_transport(self) -> Any:
        return self.connection.getTransceivers()[0].receiver.transport.transport

    def _heard(self) -> int:
        """Datagrams received: media, or the reports on it that every receiver sends about once a second."""
        transport: Any = self.connection.getTransceivers()[0].receiver.transport
        return int(transport._RTCDtlsTransport__rx_packets)

    async def _watch(self, idle_s: float, gone: Callable[[Peer], Awaitable[object]]) -> None:
        heard, since_s = 0, self.seconds
        while self.state not in ("failed", "closed") and self.seconds - since_s < idle_s:
            with contextlib.suppress(
                TimeoutError
            ):  # not wait_for: Python 3.11's loses a cancellation that meets the event
                async with asyncio.timeout(min(1.0, idle_s / 4)):
                    await self._changed.wait()
            self._changed.clear()
            if self._heard() != heard:
                heard, since_s = self._heard(), self.seconds
        await gone(self)


def _plain(text: str) -> bool:
    """Whether a candidate is a UDP address of one machine; names (mDNS too) and TCP are not ours to try."""
    try:
        candidate = candidate_from_sdp(text)
        address = ipaddress.ip_address(candidate.ip)
    except _UNUSABLE:
        return False
    single = not (address.is_multicast or address.is_unspecified or str(address) == "255.255.255.255")
    single = single and "%" not in candidate.ip  # a zone is ours to know, and would be looked up
    usable = candidate.protocol.lower() == "udp" and candidate.component == 1
    return single and usable and 0 < candidate.port < 65536 and candidate.type in ("host", "srflx", "relay")


def _check_media(media: list[MediaDescription], offer: RTCSessionDescription) -> None:
    kinds = [section.kind for section in media]
    if not media or len(media) > _MOST_MEDIA:
        raise BadOffer(f"{len(media)} media sections; 1 to {_MOST_MEDIA} are taken", hint=_HINT)
    if strange := set(kinds) - {"audio", "video", "application"}:
        raise BadOffer(f"a media section of kind {sorted(strange)[0][:32]!r}", hint=_HINT)
    if len(media) > 1 and "a=group:BUNDLE" not in offer.sdp:
        raise BadOffer("several media sections that are not bundled", hint="offer with bundlePolicy: max-bundle")
    for section in media:
        if section.ice is None or not section.ice.usernameFragment or not section.ice.password:
            raise BadOffer(f"no ICE user and password for {section.kind}", hint=_HINT)
        if section.dtls is None or not section.dtls.fingerprints:
            raise BadOffer(f"no DTLS fingerprint for {section.kind}", hint=_HINT)


def _words(error: BaseException) -> str:
    return str(error)[:200] or type(error).__name__
