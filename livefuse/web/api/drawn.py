"""Faces that come with livefuse: drawn, so that they belong to nobody."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Path, Response
from pydantic import Field

from livefuse.web.api.told import Told, api_router
from livefuse.web.roles import view

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon

_PEOPLE = {27: "Mika", 31: "Ravi", 46: "Ada"}
"""Chosen by looking: apart from each other, and from whom the drawn test camera shows."""

_SIDE_PX = 256
_PNG: dict[int | str, dict[str, Any]] = {200: {"description": "A PNG.", "content": {"image/png": {}}}}


class DrawnFace(Told):
    seed: int
    name: str
    photo: str = Field(description="to be put on: `identity.photo`, with the ground `synthetic`")


class DrawnList(Told):
    drawn: list[DrawnFace]


def router(daemon: Daemon) -> APIRouter:
    """`/api/drawn`."""
    del daemon
    router = api_router("identities")

    @router.get("/drawn")
    @view
    async def list_drawn() -> DrawnList:
        """Faces that anybody may put on, for nobody real has them."""
        return DrawnList(
            drawn=[DrawnFace(seed=seed, name=name, photo=f"synthetic:{seed}") for seed, name in _PEOPLE.items()]
        )

    @router.get("/drawn/{seed}/photo", response_class=Response, responses=_PNG)
    @view
    def get_drawn_photo(seed: Annotated[int, Path(ge=0, le=9999)]) -> Response:
        """What the person drawn from this seed looks like."""
        headers = {"Cache-Control": "private, max-age=86400"}  # the same for ever, until the drawing gets better
        return Response(_portrait(seed), media_type="image/png", headers=headers)

    return router


@lru_cache(maxsize=16)
def _portrait(seed: int) -> bytes:
    from livefuse.source.synthetic.portrait import draw_portrait
    from livefuse.swap.identity.video import png_of

    return png_of(draw_portrait(seed, _SIDE_PX)[0])
