"""What changes did, for people: the same words in the log and on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def reload_words(came: Mapping[str, Any]) -> list[str]:
    """What `reload` did, for people."""
    words = [f"{name}: {change_words(change)}" for name, change in came["changed"].items()]
    words += [f"added {name}" for name in came["added"]] + [f"removed {name}" for name in came["removed"]]
    words += [f"[{key}] takes effect when the daemon starts again" for key in came["restart"]]
    return words or ["nothing in the file has changed"]


def change_words(came: Mapping[str, Any]) -> str:
    """What a change did, for people."""
    if came.get("error"):
        return str(came["error"])
    if came.get("restarted"):
        return "restarted with the new settings"
    if came.get("live"):
        return "took effect while it runs: " + ", ".join(came["live"])
    return "taken over; nothing that runs was affected"
