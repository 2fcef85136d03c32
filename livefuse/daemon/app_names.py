"""What an app may call itself: its name stands in a question that the owner answers, and must not be able to lie there."""

from __future__ import annotations

import re
import unicodedata

from livefuse.errors import BadValue

MOST_CHARACTERS = 40
_MARKS_IN_A_ROW = 2


def checked_app_name(name: str) -> str:
    """The name, in composed form and with single spaces.

    Refused is what is not seen or moves what stands beside it: control and format characters (direction marks, zero-width
    ones), private ones, towers of accents. Source: Unicode UAX #44 table 12, UTS #39 section 5.4. Raises: BadValue.
    """
    if any(unicodedata.category(char)[0] == "C" or unicodedata.category(char) in ("Zl", "Zp") for char in name):
        raise BadValue("an app's name has a character that cannot be seen", hint="plain letters, digits and spaces")
    plain = re.sub(r"\s+", " ", unicodedata.normalize("NFC", name)).strip()
    if not plain or len(plain) > MOST_CHARACTERS:
        raise BadValue(f"an app's name has {len(plain)} characters", hint=f"1 to {MOST_CHARACTERS}")
    if any(unicodedata.category(char) in ("Pi", "Pf") or char in '"„`' for char in plain):
        raise BadValue("an app's name has quotation marks", hint="the question puts its own around it")
    if not any(char.isalnum() for char in plain):
        raise BadValue(f"{plain!r} is no name for an app", hint="plain letters, digits and spaces")
    if re.search(f"[^M]M{{{_MARKS_IN_A_ROW + 1}}}", "X" + "".join(unicodedata.category(char)[0] for char in plain)):
        raise BadValue("an app's name has too many accents on one letter", hint="plain letters, digits and spaces")
    return plain
