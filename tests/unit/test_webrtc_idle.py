"""Slates that viewers see between sessions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from livefuse.clock import MonotonicClock
from livefuse.frame import HostFrame
from livefuse.webrtc.idle import Slates


def test_a_slate_that_cannot_be_shown_does_not_end_them(caplog: pytest.LogCaptureFixture) -> None:
    tried, shown = 0, threading.Event()

    def show(slate: Callable[[], HostFrame]) -> None:
        nonlocal tried
        tried += 1
        if tried == 1:
            raise RuntimeError("the encoder gave up")
        slate()
        shown.set()

    slates = Slates(show, MonotonicClock())
    with caplog.at_level(logging.ERROR, "livefuse"):
        slates.show(True)
        assert shown.wait(20)
    slates.close()
    assert "the encoder gave up" in caplog.text
