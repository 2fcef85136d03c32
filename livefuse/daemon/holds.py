"""What is held back, kept in the state folder: a panic that ends in a crash must not end in pictures."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import get_args

from livefuse.gate import HoldKind
from livefuse.swap.consent import write_durably

log = logging.getLogger("livefuse")


class Holds:
    """By session, and of all: those that are made later begin held too. All but `write` belongs to the event loop.

    A file that cannot be read holds everything back: nobody knows what was private.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._all: HoldKind = ""
        self._of: dict[str, HoldKind] = {}
        self._writing = threading.Lock()
        self._told = ""
        self._read()

    def of(self, session: str) -> HoldKind:
        """How a session begins that has this name."""
        return self._of.get(session, self._all)

    def say(self, session: str, kind: HoldKind) -> None:
        """One session is held, or let go."""
        self._of[session] = kind

    def say_all(self, kind: HoldKind) -> None:
        """All are, also those to come."""
        self._all, self._of = kind, {}

    def forget(self, session: str) -> None:
        """It is no more; another of its name is another."""
        self._of.pop(session, None)

    def write(self) -> None:
        """Keep what was said; a folder that cannot be written is said once in the log."""
        with self._writing:  # whoever comes last writes what holds last
            held = {name: kind for name, kind in dict(self._of).items() if kind != self._all}
            try:
                if not held and not self._all:
                    self.file.unlink(missing_ok=True)
                    return
                self.file.parent.mkdir(parents=True, exist_ok=True)
                write_durably(self.file, json.dumps({"all": self._all, "sessions": held}).encode())
            except OSError as error:
                if str(error) != self._told:
                    self._told = str(error)
                    log.warning("what is held back cannot be kept in %s: %s", self.file, error.strerror)

    def _read(self) -> None:
        try:
            tree = json.loads(self.file.read_text("utf-8"))
            kinds = [tree["all"], *tree["sessions"].values()]
            if any(kind not in get_args(HoldKind) for kind in kinds):
                raise ValueError("an unknown kind of hold")
            self._all, self._of = tree["all"], dict(tree["sessions"])
        except (FileNotFoundError, NotADirectoryError):  # nothing was held
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.warning("%s cannot be read (%s): every session begins private", self.file, error)
            self._all = "panic"
