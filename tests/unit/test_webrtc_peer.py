"""Offers that lie, addresses that are ours, and peers that come and go."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiortc import RTCSessionDescription

from livefuse.daemon_config import IceServer, WebRtcConfig
from livefuse.errors import BadOffer, BadValue, PeerError
from livefuse.webrtc.ice import credentials, ice_links, local_addresses, port_range
from livefuse.webrtc.peer import MAX_SDP_BYTES, Peer, answered, check_offer, new_connection
from tests.unit.webrtc_watching import offer_of, until

CANDIDATE = "a=candidate:1 1 udp 2130706431 {} {} typ host"


async def offered(kind: str = "video", direction: str = "recvonly") -> str:
    connection = new_connection(WebRtcConfig(), "127.0.0.1")
    connection.addTransceiver(kind, direction=direction)
    sdp = await offer_of(connection)
    await connection.close()
    return sdp


@pytest.fixture(scope="module")
def offer() -> str:
    return asyncio.run(offered())


def candidates(sdp: str) -> list[str]:
    return [line for line in sdp.splitlines() if line.startswith("a=candidate")]


def with_candidates(offer: str, *lines: str) -> str:
    return "".join(f"{line}\r\n" for line in [*(x for x in offer.splitlines() if x not in candidates(offer)), *lines])


def test_an_offer_passes_without_what_would_make_us_look_up_names(offer: str) -> None:
    named = [CANDIDATE.format("7d3c.local", 5000), CANDIDATE.format("tracker.example", 5000)]
    odd = [
        CANDIDATE.format("224.0.0.1", 5000),
        CANDIDATE.format("0.0.0.0", 5000),
        CANDIDATE.format("fe80::1%eth0", 5000),
        CANDIDATE.format("10.0.0.1", 0),
        CANDIDATE.format("10.0.0.1", 5000).replace("udp", "tcp"),
        CANDIDATE.format("10.0.0.1", 5000).replace(" 1 udp", " 2 udp"),
        "a=candidate:nonsense",
    ]
    good = CANDIDATE.format("10.0.0.1", 5000)
    checked = check_offer(with_candidates(offer, *named, *odd, good, "a=end-of-candidates"))
    assert candidates(checked.sdp) == [good]
    assert "end-of-candidates" not in checked.sdp
    assert checked.type == "offer"


def test_lines_on_sources_are_bounded(offer: str) -> None:
    """aiortc's parser takes time by their square, on the loop that carries the media."""
    many = [f"a=ssrc:{number} cname:x" for number in range(1500)]
    checked = check_offer(with_candidates(offer, *many))
    assert 1 < checked.sdp.count("a=ssrc:") <= 64


def test_remote_candidates_are_bounded(offer: str) -> None:
    many = [CANDIDATE.format(f"10.0.{number // 250}.{number % 250 + 1}", 5000) for number in range(900)]
    assert len(candidates(check_offer(with_candidates(offer, *many)).sdp)) == 32


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda offer: "",
        lambda offer: "{}",
        lambda offer: "v=0",
        lambda offer: "v=0\r\n" + "a=x\r\n" * 3000,
        lambda offer: offer + "a=" + "x" * MAX_SDP_BYTES,
        lambda offer: "v=0\r\n" + "\N{GRINNING FACE}" * (MAX_SDP_BYTES // 2),
        lambda offer: offer.replace("m=video", "m=video x"),
        lambda offer: re.sub(r"m=video \d+", "m=video 99999999999", offer).replace("UDP/TLS/RTP/SAVPF 97", "rtp 97"),
        lambda offer: offer.replace("SAVPF 97", "SAVPF 72"),
        lambda offer: offer.replace("SAVPF 97", "SAVPF 999"),
        lambda offer: offer.replace("a=rtpmap:97 VP8/90000", "a=rtpmap:97 VP8"),
        lambda offer: offer.replace("a=rtpmap:97 VP8/90000", "a=rtpmap:x VP8/90000"),
        lambda offer: offer.replace("a=fmtp:98 apt=97", "a=fmtp:250 apt=97"),
        lambda offer: offer.replace("a=setup:actpass", "a=setup:sideways"),
        lambda offer: offer.replace("c=IN IP4", "c=IN IP9"),
        lambda offer: offer.replace("a=extmap:1", "a=extmap:one"),
        lambda offer: re.sub(r"a=fingerprint.*\r\n", "", offer),
        lambda offer: re.sub(r"a=ice-ufrag.*\r\n", "", offer),
        lambda offer: re.sub(r"a=ice-pwd.*\r\n", "", offer),
        lambda offer: offer.replace("m=video", "m=text"),
        lambda offer: offer + offer[offer.index("m=video") :] * 9,
        lambda offer: (offer + offer[offer.index("m=video") :]).replace("a=group:BUNDLE 0\r\n", ""),
        lambda offer: offer[: offer.index("m=video")],
        lambda offer: offer[: offer.index("a=ice-ufrag")],
    ],
)
def test_offers_that_cannot_be_used_are_refused(offer: str, spoilt: Callable[[str], str]) -> None:
    with pytest.raises(BadOffer) as caught:
        check_offer(spoilt(offer))
    assert caught.value.hint


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda offer: re.sub(r"a=rtpmap:(\d+) (VP8|H264)", r"a=rtpmap:\1 AV1", offer),
        lambda offer: re.sub(r"a=mid:0\r\n", "", offer + offer[offer.index("m=video") :]),
        lambda offer: offer.replace("m=video", "m=application"),
    ],
)
def test_what_only_shows_when_answered_is_refused_and_leaves_nothing(offer: str, spoilt: Callable[[str], str]) -> None:
    async def scene() -> None:
        connection = new_connection(WebRtcConfig(), "127.0.0.1")
        connection.addTransceiver("video", direction="sendonly")
        with pytest.raises(BadOffer):
            await answered(connection, check_offer(spoilt(offer)))
        assert connection.connectionState == "closed"
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    asyncio.run(scene())


def test_an_offer_that_bundles_what_it_does_not_have_is_refused() -> None:
    async def scene() -> None:
        pair = new_connection(WebRtcConfig(), "127.0.0.1")
        for kind in ("video", "audio"):
            pair.addTransceiver(kind, direction="sendonly")
        merged = re.sub(r"m=audio.*\r\n", "", await offer_of(pair))  # its attributes now belong to the picture
        await pair.close()
        connection = new_connection(WebRtcConfig(), "127.0.0.1")
        with pytest.raises(BadOffer):
            await answered(connection, check_offer(merged), receive={"video"})
        assert connection.connectionState == "closed"

    asyncio.run(scene())


def test_what_nobody_asked_for_is_inactive(offer: str) -> None:
    sending = offer.replace("a=recvonly", "a=sendonly")
    second = sending[sending.index("m=video") :].replace("a=mid:0", "a=mid:1")
    twice = sending.replace("a=group:BUNDLE 0", "a=group:BUNDLE 0 1") + second

    async def scene() -> None:
        connection = new_connection(WebRtcConfig(), "127.0.0.1")
        answer = await answered(connection, check_offer(twice), receive=("video",))
        assert re.findall(r"a=(recvonly|inactive|sendonly|sendrecv)", answer) == ["recvonly", "inactive"]
        await connection.close()

    asyncio.run(scene())


def test_only_the_wanted_address_and_ports_are_bound(offer: str) -> None:
    async def scene() -> None:
        config = WebRtcConfig(ports="42410-42411")
        connections = [new_connection(config, "127.0.0.1") for _ in range(3)]
        answers = [await answered(connection, check_offer(offer)) for connection in connections[:2]]
        found = [line.split()[4:6] for answer in answers for line in candidates(answer)]
        assert sorted(found) == [["127.0.0.1", "42410"], ["127.0.0.1", "42411"]]
        assert all("a=end-of-candidates" in answer for answer in answers)
        with pytest.raises(PeerError, match="42410-42411"):
            await answered(connections[2], check_offer(offer))
        for connection in connections:
            await connection.close()

    asyncio.run(scene())


def test_no_address_that_can_be_bound_is_an_error(offer: str) -> None:
    async def scene() -> None:
        connection = new_connection(WebRtcConfig(addresses=("198.51.100.7",)), "127.0.0.1")
        with pytest.raises(PeerError, match=r"198\.51\.100\.7"):
            await answered(connection, check_offer(offer))

    asyncio.run(scene())


def test_addresses_follow_the_host() -> None:
    assert local_addresses(WebRtcConfig(), "127.0.0.1") == ["127.0.0.1"]
    assert local_addresses(WebRtcConfig(), "localhost") == ["127.0.0.1"]
    assert local_addresses(WebRtcConfig(), "::1") == ["::1"]
    assert "127.0.0.1" in local_addresses(WebRtcConfig(), "0.0.0.0")
    assert local_addresses(WebRtcConfig(addresses=("10.1.2.3",)), "0.0.0.0") == ["10.1.2.3"]
    with pytest.raises(PeerError, match="no-such-host"):
        local_addresses(WebRtcConfig(), "no-such-host.invalid")
    assert list(port_range(WebRtcConfig())) == [0]
    with pytest.raises(PeerError, match="5-4"):
        port_range(WebRtcConfig(ports="5-4"))


def test_no_server_is_asked_unless_named_and_no_name_is_looked_up(offer: str) -> None:
    """Every address that anything is sent to, and every look-up, while two peers connect."""
    asked: list[tuple[str, Any]] = []
    listening = [True]

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if listening[0] and event == "socket.sendto":
            asked.append((arguments[0].getsockname()[0], arguments[1]))
        elif listening[0] and event in ("socket.getaddrinfo", "socket.gethostbyname"):
            asked.append((event, arguments[:2]))

    async def scene() -> None:
        client = new_connection(WebRtcConfig(), "127.0.0.1")
        client.addTransceiver("video", direction="recvonly")
        theirs = with_candidates(await offer_of(client), CANDIDATE.format("trap.local", 9), CANDIDATE.format("trap", 9))
        connection = new_connection(WebRtcConfig(), "127.0.0.1")
        connection.addTransceiver("video", direction="sendonly")
        answer = await answered(connection, check_offer(theirs))
        await client.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: connection.connectionState == "connected")
        await client.close()
        await connection.close()

    sys.addaudithook(hear)
    try:
        asyncio.run(scene())
    finally:
        listening[0] = False
    sent = [entry for entry in asked if not entry[0].startswith("socket.")]
    assert sent
    assert {source for source, _ in sent} == {"127.0.0.1"}
    assert {address[0] for _, address in sent} == {"127.0.0.1"}
    # asyncio asks for the numbers of numeric addresses; names are never asked for
    assert all(re.fullmatch(r"[\d.:]+", str(arguments[0])) for name, arguments in asked if name.startswith("socket."))


def test_turn_secrets_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    server = IceServer(urls=("turn:turn.example",), secret="${TURN_SECRET}")
    monkeypatch.delenv("TURN_SECRET", raising=False)
    with pytest.raises(BadValue, match="TURN_SECRET"):
        credentials(server)
    monkeypatch.setenv("TURN_SECRET", "s3cret")
    assert credentials(server, 0) == credentials(IceServer(urls=server.urls, secret="s3cret"), 0)


def test_time_limited_turn_credentials() -> None:
    server = IceServer(urls=("turn:turn.example:3478?transport=udp",), secret="s3cret", ttl_s=600)
    username, credential = credentials(server, now_s=1_000_000)
    assert username == "1000600:livefuse"
    assert base64.b64decode(credential) == hmac.new(b"s3cret", b"1000600:livefuse", hashlib.sha1).digest()
    fixed = IceServer(urls=("turn:turn.example",), username="u", credential='p"w')
    assert credentials(fixed) == ("u", 'p"w')


def test_links_for_clients() -> None:
    servers = (
        IceServer(urls=("stun:stun.example:3478",)),
        IceServer(urls=("turn:turn.example",), username="u", credential='p"w'),
    )
    assert ice_links(WebRtcConfig(ice_servers=servers)) == [
        '<stun:stun.example:3478>; rel="ice-server"',
        '<turn:turn.example>; rel="ice-server"; username="u"; credential="p\\"w"; credential-type="password"',
    ]
    assert ice_links(WebRtcConfig()) == []


def test_a_stun_server_that_is_named_is_asked(offer: str) -> None:
    """By a server of our own, which says that we come from elsewhere."""

    async def scene() -> None:
        from aioice import stun

        class Server(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                request = stun.parse_message(data)
                reply = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
                reply.attributes["XOR-MAPPED-ADDRESS"] = ("203.0.113.9", 4242)
                self.transport.sendto(bytes(reply), addr)

        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Server, local_addr=("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        config = WebRtcConfig(ice_servers=(IceServer(urls=(f"stun:127.0.0.1:{port}",)),))
        connection = new_connection(config, "127.0.0.1")
        answer = await answered(connection, check_offer(offer))
        assert "203.0.113.9 4242 typ srflx" in answer
        await connection.close()
        transport.close()

    asyncio.run(scene())


def with_peer(offer: str, scene: Callable[[Peer], Awaitable[None]]) -> None:
    async def play() -> None:
        connection = new_connection(WebRtcConfig(), "127.0.0.1")
        connection.addTransceiver("video", direction="sendonly")
        peer = Peer(connection, await answered(connection, check_offer(offer)))
        try:
            await scene(peer)
        finally:
            await peer.close()
            await peer.close()
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})

    asyncio.run(play())


def test_a_peer_that_is_not_heard_of_is_gone_once(offer: str) -> None:
    async def scene(peer: Peer) -> None:
        gone: list[Peer] = []

        async def note(lost: Peer) -> None:
            gone.append(lost)
            await lost.close()

        peer.guard(0.2, note)
        await until(lambda: bool(gone))
        await asyncio.sleep(0.3)
        assert gone == [peer]
        assert peer.state == "closed"

    with_peer(offer, scene)


def test_ids_are_unguessable_and_not_told(offer: str) -> None:
    async def scene(peer: Peer) -> None:
        assert len(peer.id) >= 22
        assert peer.record()["id"] == peer.id[:8]
        assert peer.id not in str(peer.record())

    with_peer(offer, scene)


def test_trickled_candidates_are_taken_within_bounds(offer: str) -> None:
    async def scene(peer: Peer) -> None:
        before = len(peer.connection.getTransceivers()[0].receiver.transport.transport.getRemoteCandidates())
        fragment = "a=ice-ufrag:x\r\na=mid:0\r\n" + "".join(
            CANDIDATE.format(host, 5000) + "\r\n"
            for host in ("10.9.9.9", "name.local", *(f"10.9.8.{n}" for n in range(60)))
        )
        assert await peer.add_candidates(fragment) == 32 - before
        assert await peer.add_candidates(fragment) == 0
        with pytest.raises(BadOffer):
            await peer.add_candidates("a" * (MAX_SDP_BYTES + 1))

    with_peer(offer, scene)


def test_sockets_have_room_for_a_key_frame(offer: str) -> None:
    async def scene(peer: Peer) -> None:
        ice = peer.connection.getTransceivers()[0].receiver.transport.transport._connection
        (protocol,) = ice._protocols
        bound = protocol.transport.get_extra_info("socket")
        assert bound.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) >= 200_000

    with_peer(offer, scene)
