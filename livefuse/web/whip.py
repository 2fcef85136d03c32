"""WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-03): one HTTP exchange starts a WebRTC connection, in or out.

`POST /NAME/whep` plays a session, `POST /NAME/compare` plays it beside what its camera sees, `POST /NAME/whip` publishes
into it; DELETE on the Location that was answered ends it.
Candidates may be trickled by PATCH; ICE restarts are not offered.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from weakref import WeakValueDictionary

from fastapi import APIRouter, Request, Response

from livefuse.errors import BadOffer, BadValue, NotHere
from livefuse.web.limits import media_type
from livefuse.web.problems import Refused
from livefuse.web.revocation import until_lost
from livefuse.web.roles import Role, control, owner, role_with, view

if TYPE_CHECKING:
    from livefuse.daemon.channel import Channel
    from livefuse.daemon.daemon import Daemon
    from livefuse.webrtc.peer import Peer

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

Kind: TypeAlias = Literal["whep", "whip", "compare"]


def _sdp_body(kind: str) -> dict[str, Any]:
    return {"requestBody": {"required": True, "content": {kind: {"schema": {"type": "string"}}}}}


_CREATED: dict[int | str, dict[str, Any]] = {
    201: {"description": "The answer; Location ends the connection.", "content": {SDP: {}}}
}


def router(daemon: Daemon) -> APIRouter:
    """The routes of all sessions, those to come too."""
    router = APIRouter(tags=["webrtc"])
    peers = Peers(daemon)

    @router.post(
        "/{name}/whep", status_code=201, response_class=Response, responses=_CREATED, openapi_extra=_sdp_body(SDP)
    )
    @view
    async def play(name: str, request: Request) -> Response:
        """Watch a session (WHEP): an offer of SDP is answered with one."""
        return await peers.begin("whep", name, request)

    @router.post(
        "/{name}/whip", status_code=201, response_class=Response, responses=_CREATED, openapi_extra=_sdp_body(SDP)
    )
    @control
    async def publish(name: str, request: Request) -> Response:
        """Publish into a session whose source is `webrtc:` (WHIP); a newer publisher takes over."""
        return await peers.begin("whip", name, request)

    @router.patch("/{name}/whep/{peer}", status_code=204, response_class=Response, openapi_extra=_sdp_body(FRAGMENT))
    @view
    async def trickle_viewer(name: str, peer: str, request: Request) -> Response:
        """Further candidates of a viewer, with If-Match."""
        return await peers.trickle("whep", name, peer, request)

    @router.patch("/{name}/whip/{peer}", status_code=204, response_class=Response, openapi_extra=_sdp_body(FRAGMENT))
    @control
    async def trickle_publisher(name: str, peer: str, request: Request) -> Response:
        """Further candidates of a publisher, with If-Match."""
        return await peers.trickle("whip", name, peer, request)

    @router.delete("/{name}/whep/{peer}", response_class=Response)
    @view
    async def stop_playing(name: str, peer: str) -> Response:
        """Stop watching."""
        return await peers.end("whep", name, peer)

    @router.delete("/{name}/whip/{peer}", response_class=Response)
    @control
    async def stop_publishing(name: str, peer: str) -> Response:
        """Stop publishing."""
        return await peers.end("whip", name, peer)

    @router.post(
        "/{name}/compare", status_code=201, response_class=Response, responses=_CREATED, openapi_extra=_sdp_body(SDP)
    )
    @owner
    async def compare(name: str, request: Request) -> Response:
        """Watch the camera's picture (left half) beside the swapped one (right half) of the same frame, as by WHEP."""
        return await peers.begin("compare", name, request)

    @router.patch("/{name}/compare/{peer}", status_code=204, response_class=Response, openapi_extra=_sdp_body(FRAGMENT))
    @owner
    async def trickle_comparer(name: str, peer: str, request: Request) -> Response:
        """Further candidates of who compares, with If-Match."""
        return await peers.trickle("compare", name, peer, request)

    @router.delete("/{name}/compare/{peer}", response_class=Response)
    @owner
    async def stop_comparing(name: str, peer: str) -> Response:
        """Stop comparing."""
        return await peers.end("compare", name, peer)

    @router.options("/{name}/compare", status_code=204, response_class=Response)
    @owner
    async def ask_compare(name: str) -> Response:
        """What may be sent to compare, and which STUN and TURN servers there are."""
        return peers.offered(name)

    @router.options("/{name}/whep", status_code=204, response_class=Response)
    @view
    async def ask_whep(name: str) -> Response:
        """What a viewer may send, and which STUN and TURN servers there are."""
        return peers.offered(name)

    @router.options("/{name}/whip", status_code=204, response_class=Response)
    @control
    async def ask_whip(name: str) -> Response:
        """What a publisher may send, and which STUN and TURN servers there are."""
        return peers.offered(name)

    return router


class Peers:
    """The connections that were begun over HTTP, by the ids in their Locations."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._known: WeakValueDictionary[tuple[Kind, str, str], Peer] = WeakValueDictionary()
        self._watching: set[asyncio.Task[None]] = set()

    async def begin(self, kind: Kind, name: str, request: Request) -> Response:
        """Source: RFC 9725 section 4.2. Raises: NotHere, BadOffer, TooManyPeers, Refused."""
        channel = self._daemon.channel(name)
        _check_accept(request.headers.get("accept", ""))
        offer = await _text(request, SDP)
        peer = await _starter(kind, channel)(offer)
        self._known[kind, name, peer.id] = peer
        if request.state.app:
            self._end_with_right(request.state.app, kind, channel, peer)
        response = Response(peer.answer, 201, media_type=SDP)
        response.headers["Location"] = f"/{name}/{kind}/{peer.id}"
        response.headers["ETag"] = _etag(peer)
        self._add_links(response)
        return response

    async def trickle(self, kind: Kind, name: str, peer_id: str, request: Request) -> Response:
        """Source: RFC 9725 section 4.3. Raises: NotHere, BadOffer, Refused."""
        self._daemon.channel(name)
        peer = self._known.get((kind, name, peer_id))
        if peer is None or peer.state == "closed":
            raise _gone(kind)
        _check_match(request.headers.get("if-match", ""), _etag(peer))
        fragment = await _text(request, FRAGMENT)
        if _restarts(fragment, peer):
            hint = "DELETE the connection and POST a new offer"
            raise Refused(422, BadOffer("ICE restarts are not offered", hint=hint))
        await peer.add_candidates(fragment)
        return Response(status_code=204)

    async def end(self, kind: Kind, name: str, peer_id: str) -> Response:
        """Source: RFC 9725 section 4.2. Raises: NotHere."""
        channel = self._daemon.channel(name)
        if not await _ender(kind, channel)(peer_id):
            raise _gone(kind)
        self._known.pop((kind, name, peer_id), None)
        return Response(status_code=200)

    def _end_with_right(self, app: str, kind: Kind, channel: Channel, peer: Peer) -> None:
        """An app that was removed, or may no longer do this, is hung up on."""
        wanted = Role.CONTROL if kind == "whip" else Role.VIEW

        async def watch() -> None:
            await until_lost(lambda: peer.state != "closed" and role_with(self._daemon.apps.scopes(app)) >= wanted)
            await _ender(kind, channel)(peer.id)

        task = asyncio.create_task(watch(), name=f"the right of {app}")
        self._watching.add(task)
        task.add_done_callback(self._watching.discard)

    def offered(self, name: str) -> Response:
        """Source: RFC 9725 sections 4.2 and 4.6. Raises: NotHere."""
        self._daemon.channel(name)
        response = Response(status_code=204, headers={"Accept-Post": SDP, "Allow": "OPTIONS, POST"})
        self._add_links(response)
        return response

    def _add_links(self, response: Response) -> None:
        from livefuse.webrtc.ice import ice_links  # aiortc, which the first request need not wait for

        for link in ice_links(self._daemon.config.webrtc):
            response.headers.append("Link", link)


def _starter(kind: Kind, channel: Channel) -> Callable[[str], Awaitable[Peer]]:
    if kind == "whip":
        return channel.inlet.publish
    return channel.compare.watch if kind == "compare" else channel.broadcast.watch


def _ender(kind: Kind, channel: Channel) -> Callable[[str], Awaitable[bool]]:
    if kind == "whip":
        return channel.inlet.leave
    return channel.compare.leave if kind == "compare" else channel.broadcast.leave


async def _text(request: Request, wanted: str) -> str:
    kind = media_type(request.headers.get("content-type", ""))
    if kind != wanted:
        raise Refused(415, BadValue(f"a body of type {kind[:60]!r}", hint=f"send {wanted}"), {"Accept-Post": SDP})
    body = await request.body()
    if not body.strip():
        raise BadOffer("the body is empty", hint=f"send the {wanted} that your WebRTC library makes")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise BadOffer(f"the body is not UTF-8: byte {error.start}", hint=f"send {wanted}") from error


def _check_accept(accept: str) -> None:
    """Clients that accept no SDP cannot be answered. Source: RFC 9110 section 12.5.1."""
    for part in accept.split(","):
        kind, _, rest = part.partition(";")
        refused = rest.replace(" ", "").lower().rstrip("0") in ("q=", "q=0.", "q=.")
        if kind.strip().lower() in ("*/*", "application/*", SDP, "") and not refused:
            return
    raise Refused(406, BadValue(f"the answer is {SDP}, which Accept excludes", hint=f"Accept: {SDP}"))


def _check_match(said: str, etag: str) -> None:
    if not said:
        raise Refused(428, BadValue("If-Match is missing", hint="send the ETag of the connection as If-Match"))
    if said != "*" and etag not in (tag.strip() for tag in said.split(",")):
        raise Refused(412, BadValue("If-Match names another ICE session", hint="send the ETag of the connection"))


def _restarts(fragment: str, peer: Peer) -> bool:
    """Whether the fragment's ICE user name is another than the connection's. Source: RFC 9725 section 4.3.3."""
    said = {line.removeprefix("a=ice-ufrag:") for line in fragment.splitlines() if line.startswith("a=ice-ufrag:")}
    known = peer.connection.remoteDescription.sdp if peer.connection.remoteDescription else ""
    return any(f"a=ice-ufrag:{name.strip()}" not in (line.strip() for line in known.splitlines()) for name in said)


def _etag(peer: Peer) -> str:
    return f'"{hashlib.sha256(peer.id.encode()).hexdigest()[:16]}"'


def _gone(kind: Kind) -> NotHere:
    return NotHere("this connection has ended, or never was", hint=f"POST a new offer to the {kind.upper()} address")
