"""Identities: people kept under names, each with the consent to use their face. Only with the token: these are faces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field

from livefuse.config import Ground, IdentityConfig
from livefuse.swap.identity.store import IdentityStore
from livefuse.swap.identity.stored import StoredIdentity, StoredLeftOut, StoredQuality
from livefuse.web.api.of_apps import said_by
from livefuse.web.api.told import Told, api_router
from livefuse.web.api.upload import PHOTO_TYPES, faces_of, keep_photo, reduced
from livefuse.web.roles import identities

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in PHOTO_TYPES},
    }
}
_PNG: dict[int | str, dict[str, Any]] = {200: {"description": "A PNG.", "content": {"image/png": {}}}}


class Consent(Told):
    """Who said when on what ground that this face may be used."""

    who: str
    when: str
    ground: Ground


class Shot(Told):
    """One photo, and how good it is. An outlier shows somebody else than the other photos do."""

    sha256: str
    source: str
    time_s: float | None
    quality: StoredQuality
    used: bool
    outlier: bool
    best: bool


class Identity(Told):
    name: str
    id: str
    created: str
    consent: Consent
    shots: list[Shot]
    left_out: list[StoredLeftOut]
    problem: str = Field("", description="why it cannot be used, if it cannot")


class FaceList(Told):
    faces: list[tuple[float, float, float, float]] = Field(
        description="from left to right: x1, y1, x2, y2 in parts of the photo's width and height"
    )


class Unnamed(Told):
    """A photo that was used without being stored under a name."""

    id: str
    consent: Consent


class IdentityList(Told):
    identities: list[Identity]
    unnamed: list[Unnamed]
    damaged: dict[str, str] = Field(description="what is wrong, by id, with those that cannot be used")


def router(daemon: Daemon) -> APIRouter:
    """`/api/identities`."""
    router = api_router("identities")

    @router.get("/identities")
    @identities
    def list_identities() -> IdentityList:
        """Everybody who is stored, and photos that were used without a name."""
        store = IdentityStore.default()
        damaged = store.damaged()
        told = [_told(stored, damaged.get(stored.id, "")) for stored in store.list()]
        loose = [
            Unnamed(id=one.id, consent=Consent(who=one.record.who, when=one.record.when, ground=one.record.ground))
            for one in store.unnamed()
        ]
        return IdentityList(identities=told, unnamed=loose, damaged=damaged)

    @router.get("/identities/{name}")
    @identities
    def get_identity(name: str) -> Identity:
        """One person, by name or id: the photos, and the consent to use them."""
        store = IdentityStore.default()
        stored = store.get(name)
        return _told(stored, store.damaged().get(stored.id, ""))

    @router.put("/identities/{name}", openapi_extra=_BODY, responses={201: {"model": Identity, "description": "New."}})
    @identities
    async def put_identity(
        name: str,
        request: Request,
        response: Response,
        consent: Annotated[Ground | None, Query(description="on what ground this face may be used")] = None,
        by: Annotated[str, Query(max_length=200, description="who says so")] = "",
        face: Annotated[int | None, Query(ge=0, description="which face of the photo, counted from the left")] = None,
        replace: Annotated[bool, Query(description="take the place of a stored identity of that name")] = False,
    ) -> Identity:
        """Store a person's face under a name, from a photo that is the body itself, with the consent to use it."""
        wanted = IdentityConfig(consent=consent, by=said_by(request, daemon, by), face=face)
        store = IdentityStore.default()
        await run_in_threadpool(store.check, name, [""], wanted, replace=replace)
        photo, kind = await request.body(), request.headers.get("content-type", "")
        stored, new = await run_in_threadpool(keep_photo, store, name, photo, kind, wanted, replace=replace)
        response.status_code = 201 if new else 200
        return _told(stored)

    @router.post("/faces", openapi_extra=_BODY)
    @identities
    async def find_faces(request: Request) -> FaceList:
        """Where the faces of a photo are, for somebody to choose one of several. The photo is not kept."""
        photo, kind = await request.body(), request.headers.get("content-type", "")
        return FaceList(faces=await run_in_threadpool(faces_of, photo, kind))

    @router.get("/identities/{name}/photo", response_class=Response, responses=_PNG)
    @identities
    def get_identity_photo(
        name: str,
        size: Annotated[
            int | None, Query(ge=32, le=1024, description="longer side, px, where the photo is larger")
        ] = None,
    ) -> Response:
        """The best shot as a picture made anew: whatever the upload was, this is a PNG and nothing else."""
        from livefuse.swap.identity.video import png_of

        store = IdentityStore.default()
        stored = store.get(name)
        store.require_consent(stored)
        headers = {"Content-Disposition": 'attachment; filename="photo.png"'}
        image = reduced(store.shot(stored, stored.best).image, size)
        return Response(png_of(image), media_type="image/png", headers=headers)

    @router.delete("/identities/{name}", status_code=204)
    @identities
    async def remove_identity(
        name: str, request: Request, by: Annotated[str, Query(max_length=200, description="who wants it removed")] = ""
    ) -> None:
        """Delete a person's photos; the log of consents keeps that there were some. Sessions that wear the face take it off,
        and close privacy."""
        await daemon.take_off_withdrawn()  # those that were put on a moment ago are known then
        await run_in_threadpool(IdentityStore.default().remove, name, by=said_by(request, daemon, by))
        await daemon.take_off_withdrawn()

    return router


def _told(stored: StoredIdentity, problem: str = "") -> Identity:
    shots = [
        Shot(
            sha256=shot.sha256, source=shot.source, time_s=shot.time_s, quality=shot.quality,
            used=shot in stored.used, outlier=shot.outlier, best=shot == stored.best,
        )
        for shot in stored.shots
    ]  # fmt: skip
    said = Consent(who=stored.who, when=stored.created, ground=stored.ground)
    return Identity(
        name=stored.name, id=stored.id, created=stored.created, consent=said,
        shots=shots, left_out=list(stored.left_out), problem=problem,
    )  # fmt: skip
