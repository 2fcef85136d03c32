"""A small OBS that speaks its WebSocket protocol, with authentication, error codes and hanging up."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

SALT, CHALLENGE = "lM1GncleQOaCu9lT1yeUZhFYnqhsLLP1G5lAGo3ixaI=", "+IxH4CnCiqpX1rM9scsNynZzbOe4KhDeYcTNS3PDaeY="


class FakeOBS:
    """What it was told, and what it says. `rpc` is the version it speaks, `hang_up_at` the request it does not answer."""

    def __init__(self, password: str = "") -> None:
        self.password, self.rpc = password, 1
        self.offsets: dict[str, float] = {"Mic/Aux": 0, "Second mic": 20, "Music": 0}
        self.kinds = {"Mic/Aux": "pulse_input_capture", "Second mic": "alsa_input_capture", "Music": "ffmpeg_source"}
        self.hang_up_at = ""
        self.asked: list[str] = []
        self.connections = 0
        self.url = ""

    @contextmanager
    def running(self, port: int = 0) -> Iterator[FakeOBS]:
        def choose(_: ServerConnection, offered: Any) -> Any:
            return "obswebsocket.json" if "obswebsocket.json" in offered else None

        with serve(self._talk, "127.0.0.1", port, select_subprotocol=choose) as server:
            self.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def _talk(self, socket: ServerConnection) -> None:
        self.connections += 1
        try:
            self._greet(socket)
            while True:
                told = json.loads(socket.recv())["d"]
                self.asked.append(told["requestType"])
                if told["requestType"] == self.hang_up_at:
                    socket.close(1001)
                    return
                socket.send(json.dumps({"op": 5, "d": {"eventType": "MediaInputPlaybackStarted", "eventIntent": 256}}))
                answer = {"requestType": told["requestType"], "requestId": told["requestId"]} | self._answer(told)
                socket.send(json.dumps({"op": 7, "d": answer}))
        except ConnectionClosed:
            return

    def _greet(self, socket: ServerConnection) -> None:
        hello: dict[str, Any] = {"obsWebSocketVersion": "5.5.2", "rpcVersion": self.rpc}
        if self.password:
            hello["authentication"] = {"challenge": CHALLENGE, "salt": SALT}
        socket.send(json.dumps({"op": 0, "d": hello}))
        said = json.loads(socket.recv())
        assert said["op"] == 1
        if said["d"]["rpcVersion"] != self.rpc:
            socket.close(4010)
        elif self.password and said["d"].get("authentication") != self._proof():
            socket.close(4009, "Authentication failed.")
        else:
            socket.send(json.dumps({"op": 2, "d": {"negotiatedRpcVersion": 1}}))

    def _proof(self) -> str:
        def digest(text: str) -> str:
            return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

        return digest(digest(self.password + SALT) + CHALLENGE)

    def _answer(self, told: dict[str, Any]) -> dict[str, Any]:
        kind, data = told["requestType"], told.get("requestData", {})
        name = data.get("inputName", "")
        if kind == "GetVersion":
            return _well({"obsVersion": "31.0.2", "obsWebSocketVersion": "5.5.2"})
        if kind == "GetSpecialInputs":
            return _well(
                {"desktop1": "Desktop", "mic1": "Mic/Aux" if "Mic/Aux" in self.offsets else None, "mic2": None}
            )
        if kind == "GetInputList":
            return _well({"inputs": [{"inputName": n, "unversionedInputKind": self.kinds[n]} for n in self.offsets]})
        if name not in self.offsets:
            return _ill(600, "No source was found by the name of `" + name + "`.")
        if kind == "GetInputAudioSyncOffset":
            return _well({"inputAudioSyncOffset": self.offsets[name]})
        if kind == "SetInputAudioSyncOffset":
            if not -950 <= data["inputAudioSyncOffset"] <= 20000:
                return _ill(402, "The field value of `inputAudioSyncOffset` is out of range.")
            self.offsets[name] = data["inputAudioSyncOffset"]
            return _well({})
        return _ill(204, "")


def _well(data: dict[str, Any]) -> dict[str, Any]:
    return {"requestStatus": {"result": True, "code": 100}, "responseData": data}


def _ill(code: int, comment: str) -> dict[str, Any]:
    return {"requestStatus": {"result": False, "code": code, **({"comment": comment} if comment else {})}}
