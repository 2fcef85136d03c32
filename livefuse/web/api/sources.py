"""Where pictures can come from and go to on the daemon's machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import Field

from livefuse.sinks.url import CONTAINERS, ENCODER_OPTIONS, IMAGE_SUFFIXES
from livefuse.sinks.url import SCHEMES as SINK_SCHEMES
from livefuse.source.devices import Camera as Device
from livefuse.source.devices import list_cameras
from livefuse.source.url import CAMERA_OPTIONS, SCHEMES
from livefuse.web.api.told import Told, api_router
from livefuse.web.roles import control

if TYPE_CHECKING:
    from livefuse.daemon.daemon import Daemon


class CameraMode(Told):
    pixel_format: str
    video_size: str
    framerates: list[float]


class Camera(Told):
    """One camera. `note` says what stands in its way."""

    url: str = Field(description="opens it, counted")
    device_url: str = Field(description="opens it, by its device")
    name: str
    virtual: bool
    note: str
    modes: list[CameraMode]


class Sources(Told):
    cameras: list[Camera]
    schemes: list[str]
    camera_options: list[str] = Field(description="FFmpeg's names, as a query")


class SinkKinds(Told):
    schemes: list[str]
    video_suffixes: list[str]
    image_suffixes: list[str]
    encoder_options: list[str] = Field(description="FFmpeg's names, as a query")


def router(daemon: Daemon) -> APIRouter:
    """`/api/sources`, `/api/sinks`."""
    del daemon
    router = api_router("machine")

    @router.get("/sources")
    @control
    def list_sources() -> Sources:
        """The cameras of the daemon's machine, and what else a source may be."""
        cameras = [_camera(number, device) for number, device in enumerate(list_cameras())]
        return Sources(cameras=cameras, schemes=list(SCHEMES), camera_options=list(CAMERA_OPTIONS))

    @router.get("/sinks")
    @control
    async def list_sink_kinds() -> SinkKinds:
        """What an output may be."""
        return SinkKinds(
            schemes=list(SINK_SCHEMES),
            video_suffixes=list(CONTAINERS),
            image_suffixes=list(IMAGE_SUFFIXES),
            encoder_options=list(ENCODER_OPTIONS),
        )

    return router


def _camera(number: int, device: Device) -> Camera:
    modes = [
        CameraMode(
            pixel_format=mode.pixel_format,
            video_size=f"{mode.width}x{mode.height}",
            framerates=[float(rate) for rate in mode.rates],
        )
        for mode in device.modes
    ]
    return Camera(
        url=f"camera:{number}", device_url=device.url, name=device.name,
        virtual=device.is_virtual, note=device.note, modes=modes,
    )  # fmt: skip
