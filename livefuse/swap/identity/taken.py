"""What was taken from an identity's sources, and what was left out and why."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from livefuse.errors import IdentityError, LivefuseError
from livefuse.swap.identity import Shot
from livefuse.swap.identity.face import Framing


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A shot and the photo that it was cut from: a file as it came, or a picture made here (`png`)."""

    shot: Shot
    framing: Framing
    suffix: str
    file: Path | None = None
    png: bytes = b""

    def content(self) -> bytes:
        """The photo's bytes, those that were looked at. Raises: IdentityError when the file is another by now."""
        content = self.png if self.file is None else read_bytes(self.file)
        if hashlib.sha256(content).hexdigest() != self.shot.photo_sha256:
            raise IdentityError(f"{self.file} was changed while it was being read", hint="try again")
        return content


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A source, or a part of one, that gave no shot."""

    source: str
    reason: str

    @classmethod
    def of(cls, source: str, error: LivefuseError, path: Path) -> LeftOut:
        """The error in words, without the name that stands before it anyway."""
        return cls(source, error.message.removeprefix(f"{source}: ").removeprefix(f"{path} "))


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything that the sources gave. `outliers` are indices of `taken` that show somebody else than most."""

    taken: list[Taken] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    outliers: frozenset[int] = frozenset()

    @property
    def disagreeing(self) -> bool:
        """Nobody can say who is meant, as no group of photos is larger than the others."""
        return bool(self.outliers) and len(self.outliers) == len(self.taken)

    def used(self) -> list[Taken]:
        """Without the outliers, unless all are."""
        return [one for i, one in enumerate(self.taken) if self.disagreeing or i not in self.outliers]


def best_of(shots: Sequence[Shot]) -> int:
    """The index of the shot that shows the face best, the first among equals."""
    return max(range(len(shots)), key=lambda i: shots[i].quality.score)


def digested(shot: Shot, content: bytes) -> Shot:
    return replace(shot, photo_sha256=hashlib.sha256(content).hexdigest())


def is_there(path: Path) -> bool:
    """Whether there is such a file or folder; a word too long for a path names none."""
    try:
        return path.exists()
    except OSError:
        return False


def read_bytes(path: Path) -> bytes:
    """Raises: IdentityError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise IdentityError(f"cannot read the photo {path}: {error.strerror}", hint="check the path") from error
