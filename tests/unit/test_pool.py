from __future__ import annotations

import threading

import numpy as np

from livefuse.pool import FramePool


def test_a_buffer_returns_when_the_last_plane_is_let_go() -> None:
    pool = FramePool("yuv420p", 48, 64)
    planes = pool.take()
    chroma = planes[1]
    del planes
    other = pool.take()
    assert pool.buffers == 2, "a plane is still held, so its buffer may not be handed out again"
    del chroma, other
    first, second = pool.take(), pool.take()
    assert pool.buffers == 2
    assert not np.shares_memory(first[0], second[0])


def test_a_view_of_a_plane_keeps_the_buffer() -> None:
    pool = FramePool("rgb24", 8, 8)
    view = pool.take()[0][2:4, ::2]
    view[...] = 7
    pool.take()[0].fill(0)
    assert int(view.min()) == 7


def test_planes_do_not_overlap_and_have_the_format_s_shapes() -> None:
    planes = FramePool("yuv420p", 5, 7).take()
    assert [p.shape for p in planes] == [(5, 7), (3, 4), (3, 4)]
    for value, plane in enumerate(planes):
        plane.fill(value)
    assert [int(p.max()) for p in planes] == [0, 1, 2]


def test_many_threads_never_share_a_buffer() -> None:
    pool = FramePool("rgb24", 4, 4)
    wrong: list[int] = []

    def use(mark: int) -> None:
        for _ in range(300):
            plane = pool.take()[0]
            plane.fill(mark)
            if not (plane == mark).all():
                wrong.append(mark)

    threads = [threading.Thread(target=use, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not wrong
    assert pool.buffers <= 8
