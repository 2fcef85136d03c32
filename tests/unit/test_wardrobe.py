"""What a wardrobe keeps. Looks themselves are tested with every family in tests/session/test_api.py."""

from __future__ import annotations

from livefuse.finishing import MOST_KEPT, kept


def test_what_was_loaded_is_kept_and_the_oldest_of_many_is_let_go() -> None:
    held: dict[object, int] = {}
    loaded: list[int] = []

    def ask(key: int) -> int:
        def load() -> int:
            loaded.append(key)
            return key * 10

        return kept(held, key, load)

    assert [ask(1), ask(1)] == [10, 10]
    assert loaded == [1]
    for key in range(2, MOST_KEPT + 2):
        ask(key)
    assert len(held) == MOST_KEPT
    ask(1)
    assert loaded[-1] == 1
