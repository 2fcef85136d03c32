"""A model server whose downloads stop in the middle, until they are let go."""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from livefuse.weights.add.writing import as_toml
from livefuse.weights.recipe import Recipe

CONTENT = b"\x08" + random.Random("trickle").randbytes(400_000)
_PACE_S = 0.02
_DROP_BYTES = 512


class Trickling:
    """`offsets` are where each answer began; `free` lets everything through."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.free = Event()
        self.url = ""


@contextmanager
def trickling() -> Iterator[Trickling]:
    """Half of the file at once, then drops."""
    told = Trickling()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            offset = int(asked[1]) if asked else 0
            told.offsets.append(offset)
            self.send_response(206 if asked else 200)
            self.send_header("Content-Length", str(len(CONTENT) - offset))
            if asked:
                self.send_header("Content-Range", f"bytes {offset}-{len(CONTENT) - 1}/{len(CONTENT)}")
            self.end_headers()
            try:
                self._send(offset)
            except OSError:
                self.close_connection = True  # the client had enough

        def _send(self, offset: int) -> None:
            at = max(offset, len(CONTENT) // 2)
            self.wfile.write(CONTENT[offset:at])
            while at < len(CONTENT) and not told.free.is_set():
                self.wfile.write(CONTENT[at : at + _DROP_BYTES])
                at += _DROP_BYTES
                time.sleep(_PACE_S)
            self.wfile.write(CONTENT[at:])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        told.free.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


def write_recipe(folder: Path, url: str, *, non_commercial: bool = False) -> None:
    """The recipe `trickle` of what it serves."""
    recipe = Recipe.model_validate(
        {
            "name": "trickle", "kind": "matte", "description": "noise", "file": "trickle.onnx",
            "urls": [f"{url}/trickle.onnx"], "sha256": hashlib.sha256(CONTENT).hexdigest(), "bytes": len(CONTENT),
            "licence": "MIT", "licence_url": "https://example.test/LICENSE", "non_commercial": non_commercial,
            "inputs": [{"name": "x", "shape": [1]}], "outputs": [{"name": "y", "shape": [1]}],
            "crop_px": 64, "normalisation": {"order": "rgb"},
        }
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "trickle.toml").write_text(as_toml(recipe, "for tests"), "utf-8")
