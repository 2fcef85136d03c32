"""A session's virtual camera: on or off, who looks, the one command that is missing, and pictures that can be measured."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from livefuse.daemon.camera_report import camera_report, camera_url, is_camera
from livefuse.errors import LivefuseError, NotHere
from livefuse.web.api.of_apps import check_change
from livefuse.web.api.told import Asked, Told, api_router
from livefuse.web.roles import control

if TYPE_CHECKING:
    from livefuse.daemon.channel import Channel
    from livefuse.daemon.daemon import Daemon


class Device(Told):
    kind: Literal["pipewire", "v4l2", "obs"]
    where: str = Field(description="device or node")


class Camera(Told):
    """`missing`: it is off, and `fix` is what it needs first; `lost`: it was there, and is tried again."""

    state: Literal["off", "on", "lost", "missing"]
    label: str = Field(description="the name by which programs list it")
    devices: list[Device] = Field(description="what is open")
    size: str
    fps: int
    readers: int | None = Field(description="how many programs look; null where nobody can tell. 1 may be several")
    frames: int = Field(description="pictures that were written, slates among them")
    shown: int = Field(description="frames that sessions have handed over")
    error: str = Field(description="why it, or one of its devices, is not there")
    fix: str = Field(description="the one command that is missing")
    more: str = Field(description="the command for the programs that do not see it as it is")
    apps: list[str] = Field(description="which kinds of program see it")
    test_s: float = Field(description="for how long its pictures are still marked")


class AskedCamera(Asked):
    url: str = Field(
        "vcam:", pattern=r"^(vcam|pipewire):", max_length=4096, description="vcam:, vcam:DEVICE, pipewire:"
    )
    size: str = Field("", pattern=r"^(\d{2,4}x\d{2,4})?$", description="even, at most 1920x1080; 1280x720 when empty")


class AskedTest(Asked):
    seconds: float = Field(10.0, gt=0, le=15, description="for how long pictures are marked")


def router(daemon: Daemon) -> APIRouter:
    """What is below `/api/sessions/NAME/camera`."""
    router = api_router("session")

    @router.get("/sessions/{name}/camera")
    @control
    async def get_camera(name: str) -> Camera:
        """The virtual camera as other programs see it."""
        return await _told(daemon.channel(name))

    @router.put("/sessions/{name}/camera")
    @control
    async def start_camera(name: str, body: AskedCamera, request: Request) -> Camera:
        """Show the session's pictures to other programs as a camera; one of another size takes its place."""
        channel, url = daemon.channel(name), camera_url(body.url, body.size)
        check_change(request, daemon, {"sinks": [url]}, channel.current)
        before = _cameras(channel)
        if before != [url]:
            await _with_cameras(channel, [])  # a device cannot be had twice
            try:
                await asyncio.to_thread(channel.cameras.open, url)
            except LivefuseError:
                await _with_cameras(channel, before)
                raise
            await _with_cameras(channel, [url])
        elif channel.cameras.one is None:
            await asyncio.to_thread(channel.cameras.open, url)
        return await _told(channel)

    @router.delete("/sessions/{name}/camera", status_code=204)
    @control
    async def stop_camera(name: str) -> None:
        """Take the camera away from other programs."""
        channel = daemon.channel(name)
        if not _cameras(channel):
            raise NotHere(f"{name} has no virtual camera", hint=f"PUT /api/sessions/{name}/camera starts one")
        await _with_cameras(channel, [])

    @router.post("/sessions/{name}/camera/test")
    @control
    async def test_camera(name: str, body: AskedTest) -> Camera:
        """Draw number and time into the camera's pictures for a few seconds, so that whoever looks can measure it."""
        channel = daemon.channel(name)
        camera = channel.cameras.one
        if camera is None:
            raise NotHere(f"the virtual camera of {name} is off", hint="start it first")
        camera.mark(body.seconds)
        return await _told(channel)

    return router


def _cameras(channel: Channel) -> list[str]:
    return [url for url in channel.config.sinks if is_camera(url)]


async def _with_cameras(channel: Channel, cameras: Sequence[str]) -> None:
    others = [url for url in channel.config.sinks if not is_camera(url)]
    if [*others, *cameras] != list(channel.config.sinks):
        await channel.change({"sinks": [*others, *cameras]})


async def _told(channel: Channel) -> Camera:
    report = await asyncio.to_thread(camera_report, channel.cameras.one)
    return Camera.model_validate(report, from_attributes=True)
