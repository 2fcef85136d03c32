"""What is remembered of faces does not grow without end."""

from __future__ import annotations

from dataclasses import dataclass

from livefuse.swap.forget import forget, is_old

SECOND_NS = 1_000_000_000


@dataclass
class Face:
    seen_ns: int


def test_a_face_is_forgotten_a_second_after_it_was_seen() -> None:
    held = {1: Face(0), 2: Face(SECOND_NS // 2)}
    forget(held, SECOND_NS)
    assert list(held) == [1, 2]
    forget(held, SECOND_NS + 1)
    assert list(held) == [2]


def test_a_clock_that_starts_anew_forgets_too() -> None:
    assert is_old(Face(10 * SECOND_NS), 0)


def test_of_faces_without_a_time_the_first_go() -> None:
    held = {number: Face(0) for number in range(1000)}
    forget(held, 0)
    assert len(held) == 64
    assert min(held) == 936
