from __future__ import annotations

import threading

import pytest

from livefuse.mailbox import Closed, Every, Latest


def test_latest_keeps_the_newest_and_counts_what_it_replaced() -> None:
    box: Latest[int] = Latest()
    for item in (1, 2, 3):
        box.put(item)
    assert box.get() == 3
    assert box.dropped == 2


def test_latest_times_out_with_none() -> None:
    assert Latest[int]().get(timeout_s=0.01) is None


def test_latest_hands_out_what_it_holds_before_it_says_closed() -> None:
    box: Latest[int] = Latest()
    box.put(1)
    box.close()
    assert box.get() == 1
    with pytest.raises(Closed):
        box.get()


def test_put_after_close_is_ignored() -> None:
    box: Latest[int] = Latest()
    box.close()
    box.put(1)
    with pytest.raises(Closed):
        box.get()


def test_closing_wakes_a_waiting_reader() -> None:
    box: Latest[int] = Latest()
    woken = threading.Event()

    def read() -> None:
        with pytest.raises(Closed):
            box.get()
        woken.set()

    reader = threading.Thread(target=read)
    reader.start()
    box.close()
    reader.join(5)
    assert woken.is_set()


def test_every_loses_nothing_and_keeps_order() -> None:
    box: Every[int] = Every(depth=2)
    got: list[int] = []

    def read() -> None:
        while True:
            try:
                item = box.get()
            except Closed:
                return
            assert item is not None
            got.append(item)

    reader = threading.Thread(target=read)
    reader.start()
    for item in range(500):
        box.put(item)
    box.close()
    reader.join(5)
    assert got == list(range(500))
    assert box.dropped == 0


def test_every_lets_a_blocked_writer_go_when_the_reader_gives_up() -> None:
    box: Every[int] = Every(depth=1)
    box.put(1)
    writer = threading.Thread(target=box.put, args=(2,))
    writer.start()
    box.close()
    writer.join(5)
    assert not writer.is_alive()
    assert box.dropped == 1
