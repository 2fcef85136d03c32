"""A client of obs-websocket, protocol 5.

Source: https://github.com/obsproject/obs-websocket/blob/master/docs/generated/protocol.md
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from livefuse.errors import ObsFailed

URL = "ws://127.0.0.1:4455"
RPC_VERSION = 1
_ANSWER_S = 5.0
_HELLO, _IDENTIFY, _IDENTIFIED, _REQUEST, _RESPONSE = 0, 1, 2, 6, 7
_WRONG_PASSWORD, _WRONG_VERSION = 4009, 4010
_NOT_FOUND = 600
_PASSWORD = (
    "OBS shows it: Tools, WebSocket Server Settings, Show Connect Info; --password-file or OBS_PASSWORD takes it"
)


class Obs:
    """A running OBS. Use it in a `with` block. Raises: ObsFailed, here and everywhere below."""

    def __init__(self, url: str = URL, password: str = "") -> None:
        self.url, self._password = url, password
        self._open = ExitStack()
        try:
            self._socket: ClientConnection = self._open.enter_context(
                connect(
                    url,
                    subprotocols=[Subprotocol("obswebsocket.json")],
                    open_timeout=_ANSWER_S,
                    close_timeout=1,
                    proxy=None,
                )
            )
        except InvalidURI as error:
            raise ObsFailed(f"{url!r} is no address of OBS", hint=f"write it as {URL}") from error
        except InvalidHandshake as error:
            raise ObsFailed(
                f"what answers at {url} is not OBS: {error}", hint="is another program at that port?"
            ) from error
        except (OSError, TimeoutError, WebSocketException) as error:
            hint = "start OBS (28 or newer), and there: Tools, WebSocket Server Settings, Enable"
            raise ObsFailed(f"OBS does not answer at {url}: {error or 'no answer'}", hint=hint) from error
        try:
            self._identify()
        except ObsFailed:
            self._open.close()
            raise

    def ask(self, request: str, /, **data: Any) -> dict[str, Any]:
        """What OBS answers to a request of its protocol."""
        known = uuid.uuid4().hex
        self._send(_REQUEST, {"requestType": request, "requestId": known, "requestData": data})
        while True:
            op, told = self._heard()
            if op == _RESPONSE and told.get("requestId") == known:
                break
        status = told["requestStatus"]
        if not status["result"]:
            words = status.get("comment") or f"code {status.get('code')}"
            named = ", ".join(f"{key} {value!r}" for key, value in data.items())
            hint = (
                "`livefuse obs status` lists what there is"
                if status.get("code") == _NOT_FOUND
                else "is OBS up to date?"
            )
            raise ObsFailed(f"OBS refuses {request} ({named}): {words}", hint=hint)
        answer: dict[str, Any] = told.get("responseData") or {}
        return answer

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> Obs:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _identify(self) -> None:
        op, hello = self._heard()
        if op != _HELLO:
            raise ObsFailed(f"what answers at {self.url} does not greet as OBS does", hint="is another program there?")
        said: dict[str, Any] = {"rpcVersion": RPC_VERSION, "eventSubscriptions": 0}
        asked = hello.get("authentication")
        if asked and not self._password:
            raise ObsFailed(f"OBS at {self.url} wants a password", hint=_PASSWORD)
        if asked:
            said["authentication"] = proof(self._password, asked["salt"], asked["challenge"])
        self._send(_IDENTIFY, said)
        while self._heard()[0] != _IDENTIFIED:
            pass

    def _send(self, op: int, data: Mapping[str, Any]) -> None:
        try:
            self._socket.send(json.dumps({"op": op, "d": data}))
        except ConnectionClosed as error:
            raise self._closed(error) from error

    def _heard(self) -> tuple[int, dict[str, Any]]:
        try:
            told = json.loads(self._socket.recv(timeout=_ANSWER_S))
            return int(told["op"]), dict(told["d"])
        except ConnectionClosed as error:
            raise self._closed(error) from error
        except TimeoutError as error:
            raise ObsFailed(
                f"OBS at {self.url} did not answer in time", hint="is it busy, or a dialog open?"
            ) from error
        except (ValueError, TypeError, KeyError) as error:
            raise ObsFailed(
                f"what answers at {self.url} is not OBS", hint="is another program at that port?"
            ) from error

    def _closed(self, error: ConnectionClosed) -> ObsFailed:
        code = error.rcvd.code if error.rcvd else 0
        if code == _WRONG_PASSWORD:
            return ObsFailed(f"the password is not that of OBS at {self.url}", hint=_PASSWORD)
        if code == _WRONG_VERSION:
            return ObsFailed(f"OBS at {self.url} speaks another version of its protocol", hint="use OBS 28 or newer")
        return ObsFailed(f"OBS at {self.url} hung up ({code or 'without a word'})", hint="was it closed?")


def proof(password: str, salt: str, challenge: str) -> str:
    """That one knows the password, without telling it."""
    return _digest(_digest(password + salt) + challenge)


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
