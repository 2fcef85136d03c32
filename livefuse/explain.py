"""What an error code means, from the error classes themselves: `livefuse explain LF0101`."""

from __future__ import annotations

import difflib
import inspect
from dataclasses import asdict, dataclass
from typing import Any

from livefuse.errors import BadValue, LivefuseError


@dataclass(frozen=True, slots=True)
class Explanation:
    """`position` leads from the tree's root to the class; `narrower` are the classes right below it."""

    code: str
    name: str
    exit_code: int
    position: tuple[str, ...]
    narrower: tuple[str, ...]
    text: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.code} {self.name}", "", self.text, "", f"Exit code:  {self.exit_code}"]
        lines.append(f"In tree:    {' > '.join(self.position)}")
        if self.narrower:
            lines.append(f"Narrower:   {', '.join(self.narrower)}")
        return "\n".join(lines)


def all_errors() -> dict[str, type[LivefuseError]]:
    """Every error class by its code, in the order of codes."""
    known: dict[str, type[LivefuseError]] = {LivefuseError.code: LivefuseError}
    known |= LivefuseError.registry
    return {code: known[code] for code in sorted(known)}


def explain(term: str) -> Explanation:
    """Explain a code or a class name, in any case. Raises: BadValue that names the nearest and lists all."""
    known = all_errors()
    by_term = {key.lower(): error for code, error in known.items() for key in (code, error.__name__)}
    wanted = term.strip().lower()
    if wanted in by_term:
        return _explanation(by_term[wanted])
    near = difflib.get_close_matches(wanted, by_term, n=1, cutoff=0.5)
    nearest = f"did you mean {_label(by_term[near[0]])}? " if near else ""
    listed = "".join(f"\n    {_label(error)}" for error in known.values())
    raise BadValue(f"no error is called {term!r}", hint=f"{nearest}all codes:{listed}")


def _label(error: type[LivefuseError]) -> str:
    return f"{error.code} {error.__name__}"


def _explanation(error: type[LivefuseError]) -> Explanation:
    lineage = [cls for cls in reversed(error.__mro__) if issubclass(cls, LivefuseError)]
    narrower = sorted(error.__subclasses__(), key=lambda cls: cls.code)
    return Explanation(
        error.code,
        error.__name__,
        error.exit_code,
        tuple(cls.__name__ for cls in lineage),
        tuple(_label(cls) for cls in narrower),
        inspect.getdoc(error) or "",
    )
