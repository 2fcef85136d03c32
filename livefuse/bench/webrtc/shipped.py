"""The same session and the same page, with aiortc as it comes: the other side of the comparison.

    python -m livefuse.bench.webrtc.shipped CONFIG

A track of the kind that aiortc's examples have: `VideoStreamTrack.next_timestamp` sets the pace, each tick sends the newest
picture, aiortc's own encoder makes it smaller. Nothing of `livefuse.webrtc` is involved. Prints one JSON line when ready.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import uvicorn
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from livefuse.config import Config
from livefuse.daemon_config import DaemonConfig, load_daemon_config
from livefuse.frame import HostFrame
from livefuse.session import Session
from livefuse.sinks.base import StreamInfo

STATIC = Path(__file__).parents[2] / "web" / "static"
NAME = "live"


class NewestSink:
    """Keeps the newest picture, and says when there is a first one."""

    name = "webrtc"

    def __init__(self) -> None:
        self.newest: HostFrame | None = None
        self.first = threading.Event()

    def open(self, info: StreamInfo) -> None: ...

    def write(self, frame: HostFrame) -> None:
        self.newest = frame
        self.first.set()

    def close(self) -> None: ...

    def abort(self) -> None: ...


class ShippedTrack(VideoStreamTrack):
    """A track as aiortc's examples write it. The newest picture is taken after the wait, which is the kinder order."""

    def __init__(self, sink: NewestSink) -> None:
        super().__init__()
        self._sink = sink

    async def recv(self) -> av.VideoFrame:
        await asyncio.to_thread(self._sink.first.wait)
        pts, time_base = await self.next_timestamp()
        assert self._sink.newest is not None
        picture = picture_of(self._sink.newest)
        picture.pts, picture.time_base = pts, time_base
        return picture


def picture_of(frame: HostFrame) -> av.VideoFrame:
    """A copy for the encoder, without a detour over RGB."""
    picture = av.VideoFrame(frame.width, frame.height, frame.format)
    for to, plane in zip(picture.planes, frame.planes, strict=True):
        rows = np.frombuffer(memoryview(to), np.uint8).reshape(-1, to.line_size)
        rows[: plane.shape[0], : plane.shape[1]] = plane
    return picture


class Shipped:
    """One session, its viewers, and the HTTP routes that the player needs."""

    def __init__(self, config: Config, codec: str) -> None:
        self.sink = NewestSink()
        self.session = Session(config, sinks=[self.sink])
        self.codec = codec
        self.peers: set[RTCPeerConnection] = set()

    async def watch(self, sdp: str) -> str:
        connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.peers.add(connection)
        connection.addTrack(ShippedTrack(self.sink))
        if self.codec != "auto":
            known = RTCRtpSender.getCapabilities("video").codecs
            wanted = [codec for codec in known if codec.mimeType.lower() == f"video/{self.codec}"]
            connection.getTransceivers()[0].setCodecPreferences(wanted)
        await connection.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await connection.setLocalDescription(await connection.createAnswer())
        return str(connection.localDescription.sdp)

    def app(self) -> FastAPI:
        app = FastAPI()
        app.mount("/static", StaticFiles(directory=STATIC))

        @app.post(f"/{NAME}/whep")
        async def whep(request: Request) -> Response:
            answer = await self.watch((await request.body()).decode())
            headers = {"Location": f"/{NAME}/whep/viewer"}
            return Response(answer, 201, headers, media_type="application/sdp")

        @app.delete(f"/{NAME}/whep/viewer")
        @app.options(f"/{NAME}/whep")
        async def nothing() -> Response:
            return Response(status_code=204)

        @app.get(f"/api/sessions/{NAME}/stats")
        async def stats() -> dict[str, Any]:
            return self.session.record()

        @app.get("/metrics")
        async def metrics() -> PlainTextResponse:
            return PlainTextResponse(stage_metrics(self.session))

        @app.get("/readyz")
        async def ready() -> Response:
            return Response(status_code=200 if self.sink.first.is_set() else 503)

        @app.get(f"/{NAME}")
        async def player() -> FileResponse:
            return FileResponse(STATIC / "player.html")

        return app

    async def close(self) -> None:
        await asyncio.gather(*(connection.close() for connection in self.peers))


def stage_metrics(session: Session) -> str:
    """The session's stage times, as the daemon's `/metrics` has them."""
    lines = ["# TYPE livefuse_stage_seconds histogram"]
    for stage, (_, total_s, count) in session.histograms()["stages"].items():
        lines += [
            f'livefuse_stage_seconds_{kind}{{stage="{stage}"}} {n}' for kind, n in (("sum", total_s), ("count", count))
        ]
    return "\n".join(lines) + "\n"


async def serve(config: DaemonConfig) -> None:
    """Until the session ends or the process is told to."""
    shipped = Shipped(config.sessions[NAME], config.webrtc.codec)
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(shipped.app(), log_level="warning"))
    http = asyncio.create_task(server.serve(sockets=[listening]))
    session = asyncio.create_task(shipped.session.run())
    print(json.dumps({"url": url}), flush=True)  # noqa: T201 a process of its own, whose parent reads this
    await asyncio.wait((http, session), return_when=asyncio.FIRST_COMPLETED)
    shipped.session.stop()
    server.should_exit = True
    await shipped.close()
    await asyncio.gather(http, session)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m livefuse.bench.webrtc.shipped")
    parser.add_argument("config", type=Path)
    logging.basicConfig(level=logging.WARNING)
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(load_daemon_config(parser.parse_args().config)))


if __name__ == "__main__":
    main()
