"""Settings as requests bring them. JSON can hold half of a character, which no answer, page or file can: taken in, it would
make every later list of sessions or jobs fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator

from livefuse.config import Config, IdentityConfig
from livefuse.sections import Section

AnySection = TypeVar("AnySection", bound=Section)


def whole_text(text: str) -> str:
    """The text. Raises: ValueError for half of a surrogate pair, and for a NUL, which no path can hold."""
    if "\0" in text:
        raise ValueError("a NUL character is no text")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("half of a surrogate pair is no text") from error
    return text


def _whole(section: AnySection) -> AnySection:
    whole_tree(section.model_dump(exclude_unset=True))
    return section


def whole_tree(value: Any) -> None:
    """Look at every text in nested settings. Raises: ValueError, as `whole_text`."""
    if isinstance(value, str):
        whole_text(value)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            whole_text(str(name))
            whole_tree(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            whole_tree(inner)


AskedText = Annotated[str, AfterValidator(whole_text)]
AskedConfig = Annotated[Config, AfterValidator(_whole)]
AskedIdentity = Annotated[IdentityConfig, AfterValidator(_whole)]
