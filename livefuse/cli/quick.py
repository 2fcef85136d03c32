"""`livefuse ctl panic`, `pause` and `resume` without the command tree: its import takes longer than their request."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from livefuse.errors import LivefuseError

HOLDS = ("panic", "pause", "resume")
WORDS = {"panic": "private: everybody sees the slate", "pause": "paused", "": "shown again"}


def quick(arguments: Sequence[str]) -> int | None:
    """The exit code; None for whatever is better left to the whole command line, which tells what is wrong too."""
    match list(arguments):
        case ["ctl", what] if what in HOLDS:
            session = ""
        case ["ctl", what, "--session" | "-s", session] if what in HOLDS and session and not session.startswith("-"):
            pass
        case _:
            return None
    try:
        told = hold(what, session)
    except LivefuseError:
        return None
    sys.stderr.write("".join(f"{line}\n" for line in lines(told, session)))
    return 0


def hold(what: str, session: str, daemon: str = "") -> Mapping[str, Any]:
    """One request, without an HTTP library. Raises: what the daemon refuses, DaemonUnreachable, BadValue."""
    from livefuse.finding import find_daemon, segment

    told: Mapping[str, Any] = find_daemon(daemon).press(
        f"/api/sessions/{segment(session)}/{what}" if session else f"/api/{what}"
    )
    return told


def lines(told: Mapping[str, Any], session: str) -> list[str]:
    """What is said to people of it."""
    held = [told] if session else told["sessions"]
    said = [f"{one['session']}: {WORDS[one['hold']]}" for one in held] or ["no session runs there"]
    stuck = [one["session"] for one in held if not one["covered"]]
    return said + [f"{name}: an output is stuck in a picture; it shows the slate after that" for name in stuck]
