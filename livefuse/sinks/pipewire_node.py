"""A camera on PipeWire, as a process of its own: `python pipewire_node.py WIDTH HEIGHT FPS LABEL PARENT`.

Pictures (YUY2) come on standard input, one after another; on standard output it says `ready NODE`, `readers N` (0, or 1 for
at least one) and `error WORDS`. Started by path and with the standard library only, so that it is there at once; whatever
happens in libpipewire ends this process and not the one that swaps faces. It ends with its standard input or its parent.

GStreamer's pipewiresink is not used: that of Debian 12 (0.3.65) crashes when a program begins to look, that of 1.4.2 ends
when the last one has stopped.

Source: pipewire/stream.h, spa/utils/type.h, spa/param/format.h, spa/param/buffers.h, spa/buffer/buffer.h (PipeWire 1.4.2;
the same in 0.3.65).
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
import time
from ctypes import POINTER, Structure, c_char_p, c_int, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from typing import Any

_ID, _INT, _RECTANGLE, _FRACTION, _OBJECT, _CHOICE = 3, 4, 10, 11, 15, 19
_FORMAT, _PARAM_BUFFERS, _PARAM_META = 0x40003, 0x40004, 0x40005
_ENUM_FORMAT, _CHOSEN_FORMAT, _BUFFERS, _META = 3, 4, 5, 6
_HEADER, _HEADER_BYTES = 1, 32
_RANGE, _FLAGS = 1, 4
_YUY2, _VIDEO, _RAW = 4, 2, 1
_MEM_PTR, _MEM_FD = 1, 2
_OUTPUT, _ANY = 1, 0xFFFF_FFFF
_MAP_BUFFERS, _DRIVER = 4, 8
_ERROR, _PAUSED, _STREAMING = -1, 2, 3
_LOOK_S = 2.0


class _Chunk(Structure):
    _fields_ = (("offset", c_uint32), ("size", c_uint32), ("stride", c_int32), ("flags", c_int32))


class _Data(Structure):
    _fields_ = (
        ("type", c_uint32), ("flags", c_uint32), ("fd", c_int64), ("mapoffset", c_uint32), ("maxsize", c_uint32),
        ("data", c_void_p), ("chunk", POINTER(_Chunk)),
    )  # fmt: skip


class _Meta(Structure):
    _fields_ = (("type", c_uint32), ("size", c_uint32), ("data", c_void_p))


class _Header(Structure):
    _fields_ = (
        ("flags", c_uint32), ("offset", c_uint32), ("pts", c_int64), ("dts_offset", c_int64), ("seq", c_uint64),
    )  # fmt: skip


class _SpaBuffer(Structure):
    _fields_ = (("n_metas", c_uint32), ("n_datas", c_uint32), ("metas", POINTER(_Meta)), ("datas", POINTER(_Data)))


class _Buffer(Structure):
    _fields_ = (("buffer", POINTER(_SpaBuffer)), ("user_data", c_void_p), ("size", c_uint64), ("requested", c_uint64))


_STATE_CHANGED = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_int, c_char_p)
_PARAM_CHANGED = ctypes.CFUNCTYPE(None, c_void_p, c_uint32, c_void_p)


class _Events(Structure):
    _fields_ = (
        ("version", c_uint32), ("destroy", c_void_p), ("state_changed", _STATE_CHANGED), ("control_info", c_void_p),
        ("io_changed", c_void_p), ("param_changed", _PARAM_CHANGED), ("add_buffer", c_void_p),
        ("remove_buffer", c_void_p), ("process", c_void_p), ("drained", c_void_p), ("command", c_void_p),
        ("trigger_done", c_void_p),
    )  # fmt: skip


def _pod(kind: int, body: bytes) -> bytes:
    """Size, type, body, padded to eight bytes."""
    return struct.pack("=II", len(body), kind) + body + bytes(-len(body) % 8)


def _object(kind: int, param: int, properties: dict[int, bytes]) -> bytes:
    body = struct.pack("=II", kind, param)
    for key, value in properties.items():
        body += struct.pack("=II", key, 0) + value
    return _pod(_OBJECT, body)


def _choice(kind: int, *values: int) -> bytes:
    return _pod(_CHOICE, struct.pack("=IIII", kind, 0, 4, _INT) + struct.pack(f"={len(values)}i", *values))


def format_pod(width: int, height: int, fps: int) -> bytes:
    """The one format that is offered: a camera whose size changes breaks calls."""
    return _object(_FORMAT, _ENUM_FORMAT, {
        1: _pod(_ID, struct.pack("=I", _VIDEO)),
        2: _pod(_ID, struct.pack("=I", _RAW)),
        0x20001: _pod(_ID, struct.pack("=I", _YUY2)),
        0x20003: _pod(_RECTANGLE, struct.pack("=II", width, height)),
        0x20004: _pod(_FRACTION, struct.pack("=II", fps, 1)),
    })  # fmt: skip


def buffers_pod(width: int, height: int) -> bytes:
    """Memory that PipeWire gives and both sides map."""
    return _object(_PARAM_BUFFERS, _BUFFERS, {
        1: _choice(_RANGE, 4, 2, 16),
        2: _pod(_INT, struct.pack("=i", 1)),
        3: _pod(_INT, struct.pack("=i", width * height * 2)),
        4: _pod(_INT, struct.pack("=i", width * 2)),
        6: _choice(_FLAGS, 1 << _MEM_FD | 1 << _MEM_PTR),
    })  # fmt: skip


def header_pod() -> bytes:
    """Room for a time stamp beside each picture: Chromium's reader crashes where there is none."""
    return _object(_PARAM_META, _META, {
        1: _pod(_ID, struct.pack("=I", _HEADER)),
        2: _pod(_INT, struct.pack("=i", _HEADER_BYTES)),
    })  # fmt: skip


def _library() -> Any:
    pipewire = ctypes.CDLL("libpipewire-0.3.so.0")
    signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
        "pw_init": (None, (c_void_p, c_void_p)),
        "pw_thread_loop_new": (c_void_p, (c_char_p, c_void_p)),
        "pw_thread_loop_get_loop": (c_void_p, (c_void_p,)),
        "pw_thread_loop_start": (c_int, (c_void_p,)),
        "pw_thread_loop_lock": (None, (c_void_p,)),
        "pw_thread_loop_unlock": (None, (c_void_p,)),
        "pw_properties_new_string": (c_void_p, (c_char_p,)),
        "pw_stream_new_simple": (c_void_p, (c_void_p, c_char_p, c_void_p, POINTER(_Events), c_void_p)),
        "pw_stream_connect": (c_int, (c_void_p, c_int, c_uint32, c_int, POINTER(c_void_p), c_uint32)),
        "pw_stream_update_params": (c_int, (c_void_p, POINTER(c_void_p), c_uint32)),
        "pw_stream_get_node_id": (c_uint32, (c_void_p,)),
        "pw_stream_dequeue_buffer": (POINTER(_Buffer), (c_void_p,)),
        "pw_stream_queue_buffer": (c_int, (c_void_p, POINTER(_Buffer))),
        "pw_stream_trigger_process": (c_int, (c_void_p,)),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(pipewire, name)
        function.restype, function.argtypes = result, arguments
    return pipewire


def _say(words: str) -> None:
    os.write(1, f"{words}\n".encode())


class Node:
    """A stream that drives itself: every picture is one cycle of PipeWire's graph."""

    def __init__(self, width: int, height: int, fps: int, label: str) -> None:
        self.picture = bytearray(width * height * 2)
        self.failed = self.streaming = False
        self._stride = width * 2
        self._from = (ctypes.c_char * len(self.picture)).from_buffer(self.picture)
        self._format = ctypes.create_string_buffer(format_pod(width, height, fps))
        self._wanted = [ctypes.create_string_buffer(pod) for pod in (buffers_pod(width, height), header_pod())]
        self._seq = 0
        self._events = _Events(version=2)
        self._events.state_changed = _STATE_CHANGED(self._state_changed)
        self._events.param_changed = _PARAM_CHANGED(self._param_changed)
        self._pipewire = _library()
        self._pipewire.pw_init(None, None)
        self._connect(label)

    def show(self) -> None:
        """Hand `picture` on, unless whoever looks still holds all buffers."""
        pipewire = self._pipewire
        pipewire.pw_thread_loop_lock(self._loop)
        try:
            if not self.streaming or not (taken := pipewire.pw_stream_dequeue_buffer(self._stream)):
                return
            self._stamp(taken.contents.buffer.contents)
            data = taken.contents.buffer.contents.datas[0]
            if data.data and data.maxsize >= len(self.picture):
                ctypes.memmove(data.data, self._from, len(self.picture))
                chunk = data.chunk.contents
                chunk.offset, chunk.size, chunk.stride, chunk.flags = 0, len(self.picture), self._stride, 0
            pipewire.pw_stream_queue_buffer(self._stream, taken)
            pipewire.pw_stream_trigger_process(self._stream)
        finally:
            pipewire.pw_thread_loop_unlock(self._loop)

    def _stamp(self, buffer: _SpaBuffer) -> None:
        for meta in buffer.metas[: buffer.n_metas]:
            if meta.type == _HEADER and meta.data:
                header = _Header.from_address(meta.data)
                header.flags, header.offset, header.dts_offset = 0, 0, 0
                header.pts, header.seq = time.monotonic_ns(), self._seq
        self._seq += 1

    def _connect(self, label: str) -> None:
        pipewire = self._pipewire
        self._loop = pipewire.pw_thread_loop_new(b"livefuse", None)
        properties = (
            f'{{ media.class = "Video/Source", media.type = "Video", media.role = "Camera", node.name = "{label}", '
            f'node.description = "{label}", node.nick = "{label}", application.name = "livefuse", media.name = "{label}" }}'
        )
        pipewire.pw_thread_loop_lock(self._loop)
        self._stream = pipewire.pw_stream_new_simple(
            pipewire.pw_thread_loop_get_loop(self._loop), label.encode(),
            pipewire.pw_properties_new_string(properties.encode()), ctypes.byref(self._events), None,
        )  # fmt: skip
        offered = (c_void_p * 1)(ctypes.addressof(self._format))
        flags = _MAP_BUFFERS | _DRIVER
        if not self._stream or pipewire.pw_stream_connect(self._stream, _OUTPUT, _ANY, flags, offered, 1) < 0:
            _say("error no PipeWire session answers")
            self.failed = True
        pipewire.pw_thread_loop_start(self._loop)
        pipewire.pw_thread_loop_unlock(self._loop)

    def _state_changed(self, _: object, before: int, state: int, error: bytes | None) -> None:
        self.streaming = state == _STREAMING
        if state == _ERROR:
            self.failed = True
            _say(f"error {(error or b'PipeWire ended').decode('utf-8', 'replace')}")
        elif state >= _PAUSED and before < _PAUSED:
            _say(f"ready {self._pipewire.pw_stream_get_node_id(self._stream)}")
        elif _STREAMING in (state, before):
            _say(f"readers {int(self.streaming)}")

    def _param_changed(self, _: object, param: int, pod: int | None) -> None:
        if param == _CHOSEN_FORMAT and pod:
            wanted = (c_void_p * len(self._wanted))(*map(ctypes.addressof, self._wanted))
            self._pipewire.pw_stream_update_params(self._stream, wanted, len(self._wanted))


def _filled(picture: memoryview, parent: int, node: Node) -> bool:
    """Read one picture; whether it came whole."""
    at = 0
    while at < len(picture):
        if not select.select([0], [], [], _LOOK_S)[0]:
            if os.getppid() != parent or node.failed:
                return False
            continue
        count = os.readv(0, [picture[at:]])
        if not count:
            return False
        at += count
    return True


def main() -> None:
    width, height, fps, label, parent = sys.argv[1:6]
    try:
        node = Node(int(width), int(height), int(fps), label)
    except OSError as error:
        _say(f"error {error}")
        os._exit(1)
    picture = memoryview(node.picture)
    while not node.failed and _filled(picture, int(parent), node):
        node.show()
    os._exit(int(node.failed))  # PipeWire removes the camera with its connection; its threads need not be waited for


if __name__ == "__main__":
    main()
