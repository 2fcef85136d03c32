"""What identities may be called. A name is a label in a file: it is never a part of a path."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection

from livefuse.errors import IdentityError, UnknownIdentity

MOST_LETTERS = 48
_WORDS = re.compile(r"[^\W_]+(?:[ _-][^\W_]+)*")
_ID = re.compile(r"[0-9a-f]{16}")


def checked_name(name: str) -> str:
    """The name as it is kept. Raises: IdentityError."""
    name = unicodedata.normalize("NFC", name)
    if len(name) > MOST_LETTERS:
        raise IdentityError(f"the name {name[:20]!r}... has {len(name)} letters", hint=f"at most {MOST_LETTERS}")
    if not _WORDS.fullmatch(name):
        raise IdentityError(
            f"{name!r} cannot be an identity's name",
            hint="plain words: letters and digits of any script, with single spaces, - or _ between, e.g. `Mona Lisa`",
        )
    if is_id(name):
        raise IdentityError(f"{name!r} looks like an identity's id", hint="take a name that a person would say")
    return name


def may_be_name(word: str) -> bool:
    """Whether this can name a stored identity, rather than a file."""
    return len(word) <= MOST_LETTERS and bool(_WORDS.fullmatch(unicodedata.normalize("NFC", word)))


def is_id(word: str) -> bool:
    return bool(_ID.fullmatch(word))


def same_name(one: str, other: str) -> bool:
    """Names differ by more than case."""
    return unicodedata.normalize("NFC", one).casefold() == unicodedata.normalize("NFC", other).casefold()


def unknown(word: str, names: Collection[str]) -> UnknownIdentity:
    """The error for a word that names nothing, with the nearest that does."""
    folded = {name.casefold(): name for name in names}
    near = [folded[key] for key in difflib.get_close_matches(word.casefold(), folded, n=3, cutoff=0.5)]
    if near:
        hint = "did you mean " + " or ".join(f"`{name}`" for name in near) + "?"
    elif names:
        hint = "stored: " + ", ".join(sorted(names)[:12]) + "; `livefuse identity list` shows all"
    else:
        hint = "nothing is stored yet: `livefuse identity add NAME PHOTO... --consent GROUND`"
    return UnknownIdentity(f"no file and no stored identity is called {word!r}", hint=hint)
