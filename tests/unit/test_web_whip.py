"""WHIP and WHEP as their clients see them."""

from __future__ import annotations

from typing import Any

import pytest

from livefuse.daemon_config import IceServer, WebRtcConfig
from tests.unit.web_fakes import ANSWER, BEARER, OFFER, SDP, FakeChannel, FakeDaemon, FakePeers, ask

FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
CANDIDATE = "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n"
BOTH = pytest.mark.parametrize("kind", ["whep", "whip", "compare"])


@pytest.fixture(scope="module")
def served() -> tuple[FakeDaemon, Any]:
    daemon = FakeDaemon()
    return daemon, daemon.app


@pytest.fixture
def daemon(served: tuple[FakeDaemon, Any]) -> FakeDaemon:
    served[0].channels["live"] = FakeChannel("live")
    return served[0]


@pytest.fixture
def app(daemon: FakeDaemon, served: tuple[FakeDaemon, Any]) -> Any:
    return served[1]


def peers_of(daemon: FakeDaemon, kind: str) -> FakePeers:
    channel = daemon.channel("live")
    found: FakePeers = {"whep": channel.broadcast, "whip": channel.inlet, "compare": channel.compare}[kind]
    return found


def post(app: Any, kind: str, content: Any = OFFER, **headers: str) -> Any:
    said = {**BEARER, **SDP, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return ask(app, "POST", f"/live/{kind}", headers=said, content=content)


@BOTH
def test_an_offer_is_answered_and_ended(app: Any, daemon: FakeDaemon, kind: str) -> None:
    response = post(app, kind)
    assert response.status_code == 201
    assert response.headers["content-type"].startswith("application/sdp")
    assert response.text == ANSWER
    (peer,) = peers_of(daemon, kind).peers
    location = response.headers["location"]
    assert location == f"/live/{kind}/{peer}"
    assert response.headers["etag"].startswith('"')
    assert peer not in response.headers["etag"]
    assert ask(app, "DELETE", location, headers=BEARER).status_code == 200
    assert not peers_of(daemon, kind).peers
    again = ask(app, "DELETE", location, headers=BEARER)
    assert (again.status_code, again.json()["code"]) == (404, "LF0901")


@pytest.mark.parametrize("kind", ["whip", "compare"])
def test_publishing_and_comparing_need_the_token_and_watching_here_does_not(app: Any, kind: str) -> None:
    refused = ask(app, "POST", f"/live/{kind}", headers=SDP, content=OFFER)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, 'Bearer realm="livefuse"')
    location = post(app, kind).headers["location"]
    assert ask(app, "DELETE", location).status_code == 401
    assert ask(app, "OPTIONS", f"/live/{kind}").status_code == 401
    assert ask(app, "POST", "/live/whep", headers=SDP, content=OFFER).status_code == 201


@BOTH
@pytest.mark.parametrize("said", ["application/sdp; charset=utf-8", "Application/SDP", "application/sdp;v=1"])
def test_parameters_of_the_type_do_no_harm(app: Any, kind: str, said: str) -> None:
    assert post(app, kind, **{"Content-Type": said}).status_code == 201


@BOTH
@pytest.mark.parametrize("said", ["application/json", "application/trickle-ice-sdpfrag", "image/png"])
def test_another_type_is_refused(app: Any, kind: str, said: str) -> None:
    response = post(app, kind, **{"Content-Type": said})
    assert response.status_code == 415
    assert response.headers["accept-post"] == "application/sdp"


@BOTH
@pytest.mark.parametrize(
    "accept", ["application/sdp", "*/*", "application/*;q=0.1", "text/html, application/sdp;q=0.5", ""]
)
def test_what_accepts_sdp_is_answered(app: Any, kind: str, accept: str) -> None:
    assert post(app, kind, Accept=accept).status_code == 201


@BOTH
@pytest.mark.parametrize("accept", ["text/html", "application/json", "application/sdp;q=0", "application/sdp; q=0.00"])
def test_what_does_not_is_told(app: Any, daemon: FakeDaemon, kind: str, accept: str) -> None:
    assert post(app, kind, Accept=accept).status_code == 406
    assert not peers_of(daemon, kind).peers


@BOTH
@pytest.mark.parametrize("offer", ["", "  \r\n", "hello", b"\xff\xfe"])
def test_no_sdp_is_a_bad_offer(app: Any, kind: str, offer: Any) -> None:
    response = post(app, kind, offer)
    assert (response.status_code, response.json()["code"]) == (400, "LF0801")


@BOTH
def test_an_unknown_session_is_not_found(app: Any, kind: str) -> None:
    for method, path in (("POST", f"/other/{kind}"), ("OPTIONS", f"/other/{kind}"), ("DELETE", f"/other/{kind}/x")):
        response = ask(app, method, path, headers={**BEARER, **SDP}, content=OFFER if method == "POST" else None)
        assert (response.status_code, response.json()["code"]) == (404, "LF0901")


def test_a_full_session_says_when_to_come_back(app: Any, daemon: FakeDaemon) -> None:
    peers_of(daemon, "whep").most = 1
    assert post(app, "whep").status_code == 201
    response = post(app, "whep")
    assert (response.status_code, response.json()["code"]) == (503, "LF0802")
    assert int(response.headers["retry-after"]) > 0


@BOTH
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_are_told_which_there_are(app: Any, kind: str, method: str) -> None:
    response = ask(app, method, f"/live/{kind}", headers=BEARER)
    assert (response.status_code, response.headers["allow"]) == (405, "OPTIONS, POST")


@BOTH
def test_options_tell_what_may_be_posted_and_the_servers(kind: str) -> None:
    servers = (
        IceServer(urls=("stun:stun.example",)),
        IceServer(urls=("turn:turn.example",), username="u", credential="c"),
    )
    app = FakeDaemon(webrtc=WebRtcConfig(ice_servers=servers)).app
    for response in (ask(app, "OPTIONS", f"/live/{kind}", headers=BEARER), post(app, kind)):
        links = response.headers.get_list("link")
        assert links[0] == '<stun:stun.example>; rel="ice-server"'
        assert 'username="u"; credential="c"; credential-type="password"' in links[1]
    response = ask(app, "OPTIONS", f"/live/{kind}", headers=BEARER)
    assert (response.status_code, response.headers["accept-post"]) == (204, "application/sdp")


def test_turn_passwords_are_for_those_who_may_watch() -> None:
    server = IceServer(urls=("turn:turn.example",), username="u", credential="hidden")
    app = FakeDaemon(webrtc=WebRtcConfig(ice_servers=(server,))).app
    assert "link" not in ask(app, "OPTIONS", "/live/whep", client="192.168.1.9").headers


def test_no_servers_are_named_by_default(app: Any) -> None:
    assert "link" not in post(app, "whep").headers


# --- trickle


@BOTH
def test_candidates_may_follow(app: Any, daemon: FakeDaemon, kind: str) -> None:
    begun = post(app, kind)
    headers = {**BEARER, **FRAGMENT, "If-Match": begun.headers["etag"]}
    fragment = f"a=ice-ufrag:abcd\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n{CANDIDATE}"
    assert ask(app, "PATCH", begun.headers["location"], headers=headers, content=fragment).status_code == 204
    (peer,) = peers_of(daemon, kind).peers.values()
    assert peer.candidates == [CANDIDATE.strip()]


@BOTH
@pytest.mark.parametrize(
    ("etag", "fragment", "status"),
    [
        ("", CANDIDATE, 428),
        ('"another"', CANDIDATE, 412),
        ("*", "a=ice-ufrag:new1\r\na=ice-pwd:x\r\n", 422),
        ("*", "a=ice-ufrag:abc\r\n", 422),
        ("*", "", 400),
        ("*", CANDIDATE, 204),
    ],
)
def test_candidates_are_for_this_ice_session(app: Any, kind: str, etag: str, fragment: str, status: int) -> None:
    headers = {**BEARER, **FRAGMENT, **({"If-Match": etag} if etag else {})}
    response = ask(app, "PATCH", post(app, kind).headers["location"], headers=headers, content=fragment)
    assert response.status_code == status


@BOTH
def test_a_connection_that_ended_takes_no_candidates(app: Any, kind: str) -> None:
    location = post(app, kind).headers["location"]
    ask(app, "DELETE", location, headers=BEARER)
    headers = {**BEARER, **FRAGMENT, "If-Match": "*"}
    assert ask(app, "PATCH", location, headers=headers, content=CANDIDATE).status_code == 404
    assert ask(app, "PATCH", f"/live/{kind}/../../x", headers=headers, content=CANDIDATE).status_code in (404, 405)


def test_a_viewer_cannot_end_a_publisher(app: Any, daemon: FakeDaemon) -> None:
    peer = post(app, "whip").headers["location"].rpartition("/")[2]
    assert ask(app, "DELETE", f"/live/whep/{peer}").status_code == 404
    assert peers_of(daemon, "whip").peers
