"""Presets: parts of a configuration under names, laid over a session with one request; kept, passed on, taken back."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from livefuse.daemon.asked import AskedConfig, AskedText
from livefuse.daemon.history import named
from livefuse.daemon.preset_parts import Part, differences, notable, part_of, parts_in, to_apply
from livefuse.daemon.preset_text import MOST_CHARACTERS, as_json, as_toml, read_preset
from livefuse.errors import AlreadyHere, BadValue, ConfigError, NotHere
from livefuse.web.api.of_apps import check_change
from livefuse.web.api.told import Asked, Change, Told, api_router, said
from livefuse.web.roles import control

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon
    from livefuse.daemon.presets import Presets


class PresetCard(Told):
    """One preset at a glance."""

    name: str
    number: int | None = Field(description="the key that applies it, 1 to 9")
    parts: list[str] = Field(description="look, faces, identity, source, outputs, privacy, other")
    notable: dict[str, Any] = Field(description="what it says that is not so by default, by key; secrets as ***")
    changed: datetime
    problem: str = Field("", description="why it cannot be applied, if it cannot")


class PresetList(Told):
    presets: list[str]
    cards: list[PresetCard] = Field(description="the same, at a glance")


class Preset(Told):
    name: str
    config: dict[str, Any] = Field(description="what it says, and nothing more")


class Saving(Asked):
    """Which parts of a session a preset takes."""

    session: str = Field(max_length=64)
    parts: tuple[Part, ...] = Field(("look",), min_length=1, max_length=6)
    overwrite: bool = Field(False, description="take the place of a preset of that name")


class Importing(Asked):
    """A preset as a file: TOML or JSON, as it was exported or written by hand."""

    text: AskedText = Field(min_length=1, max_length=MOST_CHARACTERS)
    name: str = Field("", max_length=48, description="what to call it; otherwise the file says")
    overwrite: bool = Field(False, description="take the place of a preset of that name")


class NewName(Asked):
    to: str = Field(max_length=48)


class Number(Asked):
    number: int | None = Field(ge=1, le=9, description="the key that applies it; null for none")


class KeyChange(Told):
    """A key that would change."""

    key: str
    before: Any
    after: Any
    restart: bool = Field(description="whether the session has to begin anew for it")
    about: str


class Preview(Told):
    changes: list[KeyChange]
    restart: bool


Written = Annotated[Literal["toml", "json"], Query(alias="format", description="how it is written")]
_FORMATS = {"toml": ("application/toml", as_toml), "json": ("application/json", as_json)}
_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The preset, as an attachment.", "content": {"application/toml": {}, "application/json": {}}}
}
_MADE: dict[int | str, dict[str, Any]] = {201: {"model": Preset, "description": "It is new."}}


def router(daemon: Daemon) -> APIRouter:
    """`/api/presets`."""
    router = api_router("presets")
    _add_list(router, daemon, daemon.presets)
    _add_files(router, daemon.presets)
    _add_sessions(router, daemon)
    return router


def _add_list(router: APIRouter, daemon: Daemon, presets: Presets) -> None:
    @router.get("/presets")
    @control
    def list_presets() -> PresetList:
        """Their names, and what each is about."""
        numbers = presets.numbers()
        cards = []
        for name in presets.names():
            with suppress(NotHere):  # somebody removes it this moment
                cards.append(_card(presets, name, numbers.get(name)))
        return PresetList(presets=[card.name for card in cards], cards=cards)

    @router.get("/presets/{preset}")
    @control
    def get_preset(preset: str) -> Preset:
        """What a preset says."""
        return Preset(name=preset, config=presets.get(preset))

    @router.put("/presets/{preset}", responses=_MADE)
    @control
    def put_preset(preset: str, body: AskedConfig, request: Request, response: Response) -> Preset:
        """Keep settings under a name, in place of what it said before. Passwords in addresses are refused."""
        check_change(request, daemon, said(body))
        if presets.put(preset, body.model_dump(mode="json", exclude_unset=True)):
            response.status_code = 201
        return Preset(name=preset, config=presets.get(preset))

    @router.delete("/presets/{preset}", status_code=204)
    @control
    def remove_preset(preset: str) -> None:
        """Forget a preset."""
        presets.remove(preset)

    @router.post("/presets/{preset}/rename")
    @control
    def rename_preset(preset: str, body: NewName) -> Preset:
        """Call a preset something else; its number stays its own."""
        presets.rename(preset, body.to)
        return Preset(name=body.to, config=presets.get(body.to))

    @router.post("/presets/{preset}/duplicate", status_code=201)
    @control
    def duplicate_preset(preset: str, body: NewName) -> Preset:
        """Keep the same under another name as well."""
        presets.duplicate(preset, body.to)
        return Preset(name=body.to, config=presets.get(body.to))

    @router.post("/presets/{preset}/number")
    @control
    def number_preset(preset: str, body: Number) -> PresetCard:
        """Give a preset the number that its key has; whichever had that number takes this one's."""
        presets.number(preset, body.number)
        return _card(presets, preset, body.number)


def _add_files(router: APIRouter, presets: Presets) -> None:
    @router.get("/presets/{preset}/export", response_class=Response, responses=_EXPORT)
    @control
    def export_preset(preset: str, written: Written = "toml") -> Response:
        """A preset as a file to keep or to pass on."""
        kind, as_text = _FORMATS[written]
        headers = {"Content-Disposition": f'attachment; filename="{preset}.{written}"'}
        return Response(as_text(preset, presets.get(preset)), media_type=kind, headers=headers)

    @router.post("/presets/import", status_code=201)
    def import_preset(body: Importing) -> Preset:
        """Take in a preset that somebody passed on. Every unknown key is named; passwords in addresses are refused."""
        named_in_file, tree = read_preset(body.text)
        name = body.name or named_in_file
        if not name:
            raise BadValue("the file does not say what the preset is called", hint="say `name`")
        _keep(presets, name, tree, overwrite=body.overwrite)
        return Preset(name=name, config=presets.get(name))


def _add_sessions(router: APIRouter, daemon: Daemon) -> None:
    @router.post("/presets/{preset}/save", status_code=201)
    @control
    async def save_preset(preset: str, body: Saving, request: Request) -> Preset:
        """Keep parts of what a session runs on under a name. Passwords in addresses are refused."""
        tree = part_of(daemon.channel(body.session).config, body.parts)
        check_change(request, daemon, tree)  # else an app could keep open privacy for the time after it was closed
        _keep(daemon.presets, preset, tree, overwrite=body.overwrite)
        return Preset(name=preset, config=daemon.presets.get(preset))

    @router.get("/sessions/{name}/preset/{preset}")
    @control
    async def preview_preset(name: str, preset: str) -> Preview:
        """What laying a preset over a session would change."""
        changes = differences(daemon.channel(name).config, daemon.presets.get(preset))
        told = [KeyChange(key=c.key, before=c.before, after=c.after, restart=c.restart, about=c.about) for c in changes]
        return Preview(changes=told, restart=any(change.restart for change in changes))

    @router.post("/sessions/{name}/preset/{preset}")
    @control
    async def apply_preset(name: str, preset: str) -> Change:
        """Lay a preset over a session while it runs."""
        channel = daemon.channel(name)
        with named(f"preset {preset}"):
            return Change(**await channel.change(to_apply(daemon.presets.get(preset))))


def _keep(presets: Presets, name: str, tree: dict[str, Any], *, overwrite: bool) -> None:
    if not overwrite and name in presets.names():
        raise AlreadyHere(f"there is a preset {name!r} already", hint='take another name, or say `"overwrite": true`')
    presets.put(name, tree)


def _card(presets: Presets, name: str, number: int | None) -> PresetCard:
    changed = datetime.fromtimestamp(presets.changed(name), UTC)
    try:
        tree = presets.get(name)
    except ConfigError as error:
        return PresetCard(name=name, number=number, parts=[], notable={}, changed=changed, problem=error.message)
    return PresetCard(name=name, number=number, parts=parts_in(tree), notable=notable(tree), changed=changed)
