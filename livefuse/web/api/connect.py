"""How to reach a session from elsewhere: addresses, commands, codes for phones, and the certificate to trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from livefuse.errors import NotHere
from livefuse.tls.trust import fetching, ways
from livefuse.web.accepting import CA_PATH, CA_TYPE
from livefuse.web.api.connect_ways import GROUPS, Called, Item, phone
from livefuse.web.api.told import Told, api_router
from livefuse.web.reach import Reach, reach
from livefuse.web.roles import Role, control, everybody
from livefuse.web.security import is_loopback
from livefuse.web.tokens import bearer

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon
    from livefuse.tls.serving import Tls

CA_FILE = "livefuse-ca.crt"
Code = Literal["phone", "phone-watch", "phone-studio", "ca"]

_SVG: dict[int | str, dict[str, object]] = {200: {"description": "A QR code.", "content": {"image/svg+xml": {}}}}


class Way(Told):
    """`kind` stays the same in all versions and languages."""

    kind: str
    label: str
    value: str
    note: str
    secret: bool = Field(description="holds the token that you sent: cover it until it is asked for")


class Trust(Told):
    """How something comes to trust the authority; `steps` are to be typed if `is_command`."""

    system: str
    name: str
    steps: tuple[str, ...]
    is_command: bool


class TlsState(Told):
    mode: Literal["", "own", "given"] = Field(description="own: of this machine's authority; given: the user's files")
    fingerprint: str = Field(description="SHA-256 of the authority's certificate, or of the given one")
    ca_url: str = Field(description="where a device fetches the authority's certificate")
    trust: list[Trust]
    fetch: list[str] = Field(description="commands that bring it to another computer")


class Connection(Told):
    session: str
    page: str = Field(description="how you came here")
    network: str = Field(description="how other machines come here; empty where none can")
    tls: TlsState
    ways: dict[str, list[Way]] = Field(description="watch, publish, obs, phone, command")


def router(daemon: Daemon) -> APIRouter:
    """`/api/connect`, `/ca.crt`."""
    router = api_router("connect")
    plain = APIRouter(include_in_schema=False)

    def named(session: str) -> str:
        return daemon.channel(session or next(iter(daemon.channels), "live")).name

    def called(request: Request) -> tuple[Called, Reach, Tls | None]:
        tls = _tls(request)
        serve = daemon.config.serve
        ways = reach(serve.host, serve.port, tls)
        return _called(request, ways, tls), ways, tls

    @router.get("/connect")
    @control
    def list_ways(request: Request, session: Annotated[str, Query(max_length=64)] = "") -> Connection:
        """All ways in and out of a session, with values to copy. The token in them is the one that you sent."""
        name = named(session)
        at, ways_here, tls = called(request)
        groups = {group: [_way(item) for item in items(name, at)] for group, items in GROUPS.items()}
        return Connection(session=name, page=at.page, network=at.network, tls=_tls_state(tls, ways_here), ways=groups)

    @router.get("/connect/qr", response_class=Response, responses=_SVG)
    @control
    def get_code(
        request: Request,
        what: Annotated[Code, Query(description="which address of the group `phone`")] = "phone",
        session: Annotated[str, Query(max_length=64)] = "",
    ) -> Response:
        """An address as a QR code. It holds the token only if you sent it as a header: a ticket must not become one."""
        from livefuse.qr import svg_qr

        items = {item.kind: item.value for item in phone(named(session), called(request)[0])}
        if what not in items:
            raise NotHere("no other device can reach this", hint="`livefuse serve --host 0.0.0.0 --tls`")
        return Response(svg_qr(items[what]), media_type="image/svg+xml")

    @plain.get(CA_PATH)
    @everybody
    async def get_ca(request: Request) -> Response:
        tls = _tls(request)
        if tls is None or not tls.is_own:
            raise NotHere("this daemon has no authority of its own", hint="`livefuse serve --tls` has")
        return Response(tls.pem, media_type=CA_TYPE)

    both = APIRouter()
    both.include_router(router)
    both.include_router(plain)
    return both


def _tls(request: Request) -> Tls | None:
    return getattr(request.app.state, "tls", None)


def _called(request: Request, ways: Reach, tls: Tls | None) -> Called:
    host = request.headers["host"]
    page = f"{request.url.scheme}://{host}"
    here = is_loopback(request.url.hostname or "")
    return Called(
        page=page,
        programs=(ways.local or page) if here else page,  # loopback is plain for programs: nothing to trust
        network=ways.network,
        ssh=ways.ssh,
        token=bearer(request.headers.get("authorization", "")),
        ca_file=CA_FILE if tls is not None and tls.is_own else "",
        free=request.app.state.entry.free(here) >= Role.VIEW,
    )


def _tls_state(tls: Tls | None, ways_here: Reach) -> TlsState:
    if tls is None:
        return TlsState(mode="", fingerprint="", ca_url="", trust=[], fetch=[])
    if not tls.is_own:
        return TlsState(mode="given", fingerprint=tls.fingerprint, ca_url="", trust=[], fetch=[])
    url = f"{ways_here.plain_network or ways_here.local}{CA_PATH}"
    told = [
        Trust(system=one.system, name=one.name, steps=one.steps, is_command=one.is_command)
        for one in ways(CA_FILE, url)
    ]
    return TlsState(mode="own", fingerprint=tls.fingerprint, ca_url=url, trust=told, fetch=fetching(url, CA_FILE))


def _way(item: Item) -> Way:
    return Way(**item._asdict())
