"""Files that pages send to be sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from livefuse.daemon.uploads import Upload, Uploads
from livefuse.errors import AlreadyHere
from livefuse.web.api.told import Told, api_router

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon

_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("video/*", "image/*", "application/octet-stream")
        },
    }
}


class UploadedFile(Told):
    """A file that is here."""

    name: str
    url: str = Field(description="opens it, as a source")
    bytes: int
    kind: Literal["video", "picture"]


class UploadList(Told):
    uploads: list[UploadedFile]
    used_bytes: int
    most_bytes: int = Field(description="serve.uploads_mb; 0 takes none")


def router(daemon: Daemon) -> APIRouter:
    """`/api/uploads`."""
    router = api_router("machine")
    uploads = Uploads(daemon.paths.state / "uploads", daemon.config.serve.uploads_mb << 20)

    @router.get("/uploads")
    def list_uploads() -> UploadList:
        """Videos and pictures that were sent to be sources."""
        here = uploads.list()
        used_bytes = sum(one.size_bytes for one in here)
        return UploadList(uploads=[_told(one) for one in here], used_bytes=used_bytes, most_bytes=uploads.most_bytes)

    @router.post("/uploads", status_code=201, openapi_extra=_BODY)
    async def add_upload(
        request: Request,
        response: Response,
        title: Annotated[str, Query(max_length=200, description="what the file is called where it comes from")] = "",
    ) -> UploadedFile:
        """Keep a video or picture, which is the body itself, to be a source. The daemon chooses its name."""
        kept = await uploads.take(request.stream(), title)
        response.headers["Location"] = f"/api/uploads/{kept.name}"
        return _told(kept)

    @router.delete("/uploads/{name}", status_code=204)
    async def remove_upload(name: str) -> None:
        """Delete one that no session shows."""
        path = str(uploads.get(name).path)
        showing = [channel.name for channel in daemon.channels.values() if channel.config.source == path]
        if showing:
            raise AlreadyHere(f"{name} is the source of {showing[0]}", hint="choose another source there first")
        uploads.remove(name)

    return router


def _told(upload: Upload) -> UploadedFile:
    kind: Literal["video", "picture"] = "picture" if upload.kind == "picture" else "video"
    return UploadedFile(name=upload.name, url=str(upload.path), bytes=upload.size_bytes, kind=kind)
