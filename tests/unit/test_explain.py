from __future__ import annotations

import re

import pytest

import livefuse.errors
from livefuse.errors import BadValue, LivefuseError, SourceStalled
from livefuse.explain import all_errors, explain

OURS = {code: error for code, error in all_errors().items() if error.__module__ == "livefuse.errors"}


@pytest.mark.parametrize("code", OURS)
def test_every_error_is_explained_by_code_and_by_name_in_any_case(code: str) -> None:
    error = OURS[code]
    explanation = explain(code)
    assert explanation == explain(code.lower()) == explain(error.__name__) == explain(error.__name__.lower())
    assert (explanation.code, explanation.name, explanation.exit_code) == (code, error.__name__, error.exit_code)
    assert len(explanation.text) > 20, "an error needs a docstring that helps"
    assert explanation.text in str(explanation)


def test_codes_are_unique_and_drawn_in_the_tree() -> None:
    drawn = dict(re.findall(r"(\w+) +(LF\d{4})", livefuse.errors.__doc__ or ""))
    classes = [
        cls for cls in vars(livefuse.errors).values() if isinstance(cls, type) and issubclass(cls, LivefuseError)
    ]
    assert len({cls.code for cls in classes}) == len(classes)
    assert drawn == {cls.__name__: cls.code for cls in classes if cls is not LivefuseError}


def test_position_and_what_is_narrower() -> None:
    stalled = explain("LF0205")
    assert stalled.position == ("LivefuseError", "SourceError", "SourceLost", "SourceStalled")
    assert stalled.exit_code == SourceStalled.exit_code == 3
    assert "LF0205 SourceStalled" in explain("SourceLost").narrower
    assert "LivefuseError > SourceError > SourceLost" in str(explain("LF0204"))


def test_unknown_gives_the_nearest_and_the_list() -> None:
    with pytest.raises(BadValue, match="'UnknwonKey'") as caught:
        explain("UnknwonKey")
    assert "did you mean LF0101 UnknownKey?" in caught.value.hint
    assert all(code in caught.value.hint for code in OURS)


def test_nothing_near_still_lists() -> None:
    with pytest.raises(BadValue) as caught:
        explain("%")
    assert "did you mean" not in caught.value.hint
    assert "LF0502 ModelCorrupt" in caught.value.hint
