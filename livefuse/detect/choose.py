"""Which of the followed faces are swapped, and which identity of the cast each of them wears."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livefuse.config import TrackConfig
from livefuse.detect.claim import Claims
from livefuse.detect.likeness import Likeness
from livefuse.detect.lock import IdentityLock
from livefuse.detect.seat import Place, Seats
from livefuse.detect.trajectory import Trajectory
from livefuse.errors import BadValue
from livefuse.frame import F32

_LARGER = float(np.log(1.3))
_NEARER = 0.05  # of the picture's diagonal
_STAYS_TALL = 0.85
_AS_LARGE = 1.4  # somebody nearer to the camera, passing in front, is larger
_CLAIMED = 100.0  # more than any difference in size: a member of the cast goes before everybody else


class Chooser:
    """Says which tracks are wanted and in which role; the tracker sees to it that no answer flickers.

    Every choice holds on to what it chose: a rival must be clearly better, and for several frames. A choice that nobody
    meets (an `index` beyond the last face, a `like` that nobody resembles) chooses nobody.

    `likeness` remembers what faces look like; with it the tracker also refuses returns and jumps onto somebody else.
    `references` are claimed by whoever resembles them most, one face each: row i is worn as `roles[i]`. Roles default to
    0 for a single `like` photo and to 1, 2, ... for a cast. Faces that claim nothing are not swapped, unless `others`
    says that they wear role 0.
    Shapes: references (R, D), unit vectors of the likeness's recogniser.
    Raises: BadValue if `faces = "like"` has no reference, or references have no recogniser.
    """

    def __init__(
        self,
        track: TrackConfig,
        *,
        likeness: Likeness | None = None,
        references: F32 | None = None,
        roles: Sequence[int] | None = None,
        others: bool = False,
    ) -> None:
        self._config, self.likeness = track, likeness
        self._others = others
        self._claims = _claims(track, likeness, references, roles)
        self._lock = IdentityLock(round(track.look_seconds * 1e9))
        self._seat = Seats(_NEARER if track.faces == "centre" else _LARGER)
        self._place = Place(track.index)
        self._crowd = Seats(_LARGER)
        self._tall: set[int] = set()

    @property
    def at_once(self) -> bool:
        """Whether a new face's likeness is wanted in the frame that it appears in: single pictures have no other."""
        return self._claims is not None and self._config.look_seconds == 0

    def continue_from(self, previous: Chooser) -> None:
        """Keep to whom the chooser before has chosen, where both choose by the same rule: another `min_px` or `most`
        is no reason to swap somebody else."""
        ours, theirs = self._config, previous._config
        if ours.faces == theirs.faces == "one":
            self._lock.continue_from(previous._lock)
        if ours.faces == theirs.faces:
            self._seat.continue_from(previous._seat)
            self._crowd.continue_from(previous._crowd)
        if (ours.faces, ours.index) == (theirs.faces, theirs.index):
            self._place.continue_from(previous._place)
        self._tall = set(previous._tall) if ours.min_px == theirs.min_px else set()

    def __call__(self, tracks: Sequence[Trajectory], t_ns: int, width: int, height: int) -> dict[int, int]:
        """Role by id of the tracks that are wanted. `tracks` are all that the tracker knows, lost ones too."""
        known = self._tall_enough(tracks)
        present = [track for track in known if track.confirmed and not track.away]
        faces = [track for track in present if track.chosen or not _began_on_a_head(track, tracks)]
        roles: dict[int, int] = {}
        if self._claims is not None and self.likeness is not None:
            ids = [track.id for track in faces]
            roles = self._claims.update(ids, self.likeness.similarity(ids, self._claims.references))
        if self._claims is None or self._others:
            rest = [track for track in faces if track.id not in roles]
            roles |= dict.fromkeys(self._unclaimed(rest, known, t_ns, width, height), 0)
        return self._at_most(roles, present)

    def _unclaimed(
        self, faces: Sequence[Trajectory], known: Sequence[Trajectory], t_ns: int, width: int, height: int
    ) -> list[int]:
        """Who is wanted for reasons other than likeness."""
        kind = self._config.faces
        if kind == "all" or self._claims is not None:
            return [track.id for track in faces if track.missed == 0 or not track.never_chosen]
        if kind == "one":
            holder = self._lock.update(known, t_ns, width, height)
            return [] if holder is None else [holder]
        if kind == "index":
            holder = self._place.update({track.id: (float(track.centre[0]), track.size) for track in faces})
            return [] if holder is None else [holder]
        if kind == "centre":
            middle, diagonal = np.array([width, height]) / 2, float(np.hypot(width, height))
            return self._seat.update(
                {track.id: -float(np.hypot(*(track.centre - middle))) / diagonal for track in faces}, 1
            )
        return self._seat.update({track.id: float(np.log(track.size)) for track in faces}, 1)

    def _tall_enough(self, tracks: Sequence[Trajectory]) -> Sequence[Trajectory]:
        least_px = self._config.min_px
        if least_px == 0:
            return tracks
        self._tall = {
            track.id
            for track in tracks
            if track.state[3] - track.state[1] >= least_px * (_STAYS_TALL if track.id in self._tall else 1.0)
        }
        return [track for track in tracks if track.id in self._tall]

    def _at_most(self, roles: dict[int, int], present: Sequence[Trajectory]) -> dict[int, int]:
        """The largest of those wanted, if there are too many."""
        claimed = set(self._claims.holders) if self._claims is not None else set()
        value = {
            track.id: float(np.log(track.size)) + _CLAIMED * (track.id in claimed)
            for track in present
            if track.id in roles
        }
        return {track: roles[track] for track in self._crowd.update(value, self._config.most)}


def _claims(
    track: TrackConfig, likeness: Likeness | None, references: F32 | None, roles: Sequence[int] | None
) -> Claims | None:
    if references is None or not len(references):
        if track.faces == "like":
            raise BadValue(
                'track.faces = "like" without a photo of the person',
                hint="set track.like to a photo, or choose another way: one, all, largest, centre, index",
            )
        return None
    if likeness is None:
        raise BadValue(
            f"{len(references)} reference photos, but no recogniser to compare faces with",
            hint="set swap.recogniser to a recogniser's recipe",
        )
    if roles is None:
        roles = (0,) if track.faces == "like" and len(references) == 1 else range(1, len(references) + 1)
    if len(roles) != len(references):
        raise BadValue(f"{len(references)} reference photos for {len(roles)} roles", hint="give each role one photo")
    return Claims(references, roles, track.likeness)


def _began_on_a_head(track: Trajectory, tracks: Sequence[Trajectory]) -> bool:
    return track.never_chosen and any(_on_head(track, other) for other in tracks)


def _on_head(track: Trajectory, other: Trajectory) -> bool:
    """Whether a track began on the hair, hat or neck of an older one: detectors see faces there, people have one each."""
    if other.id >= track.id or not other.confirmed or other.away or track.size > _AS_LARGE * other.size:
        return False
    x1, y1, x2, y2 = other.state[:4]
    x, y = track.centre
    width, height = x2 - x1, y2 - y1
    return bool(x1 - 0.15 * width < x < x2 + 0.15 * width and y1 - 0.8 * height < y < y2 + 0.3 * height)
