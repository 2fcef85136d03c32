"""Everything that an identity's sources give: photos, folders, videos and drawings, with those left out and why."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from livefuse.align.recogniser import SAME_PERSON
from livefuse.align.templates import five_points
from livefuse.config import IdentityConfig
from livefuse.errors import IdentityError, LivefuseError, NoFace, SeveralFaces, SourceError
from livefuse.frame import F32, U8
from livefuse.source.container import head_of
from livefuse.source.image import read_image
from livefuse.source.sniff import picture_in
from livefuse.swap.identity import Embed, FaceFinder, Shot
from livefuse.swap.identity.embedding import normed, outliers
from livefuse.swap.identity.face import Framing, area_px, choose, faces_in, shot_of
from livefuse.swap.identity.quality import BLURRED, quality_of
from livefuse.swap.identity.taken import Gathered, LeftOut, Taken, digested, is_there, read_bytes
from livefuse.swap.identity.video import png_of, shots_of_video

log = logging.getLogger("livefuse")

SYNTHETIC = "synthetic:"
MOST_PHOTOS = 48
"""Photos looked at; more do not make a better mean, and each takes some 5 MB."""
MOST_FILES = 10_000
"""Entries of a folder that are looked at."""
_SUFFIXES = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "bmp": ".bmp", "tiff": ".tif"}
_RIVALS = 4  # faces of one photo that are compared with the person of the others


def gather(sources: Sequence[str], config: IdentityConfig, find: FaceFinder, embed: Embed | None) -> Gathered:
    """Every shot that the sources give. A source that is alone must give one; of several some may fail.

    Raises: NoFace, SeveralFaces, IdentityError, SourceError.
    """
    if len(sources) > MOST_FILES:
        raise IdentityError(f"{len(sources):,} sources were given", hint=f"at most {MOST_FILES:,}")
    work = _Work(config.face, find, embed)
    for source in sources:
        work.add(source, alone=len(sources) == 1)
    work.settle_unclear()
    work.drop_blurred()
    if not work.taken:
        raise work.failure(sources)
    return Gathered(work.taken, work.left_out, _outliers(work.taken, embed))


def draw(source: str) -> Taken:
    """`synthetic:SEED`: a portrait of somebody who does not exist. Raises: IdentityError."""
    from livefuse.source.synthetic.portrait import draw_portrait

    text = source.removeprefix(SYNTHETIC)
    if not text.isdecimal():
        raise IdentityError(f"{source!r}: the seed is not a number", hint="`synthetic:7`")
    image, truth = draw_portrait(int(text), 512)
    landmarks = np.asarray(truth.landmarks[0], np.float32)
    points = five_points(landmarks)
    quality = quality_of(image, points, float(np.ptp(landmarks, axis=0).max()))
    png = png_of(image)
    shot = digested(Shot(image, landmarks, points, "", source, quality), png)
    side = image.shape[0]
    return Taken(shot, Framing((0, 0, side, side), (side, side)), ".png", png=png)


@dataclass(frozen=True, slots=True, eq=False)
class _Unclear:
    """A photo with several faces, none clearly the main one: the other photos may tell who is meant."""

    path: Path
    boxes: list[F32]
    error: SeveralFaces


class _Work:
    def __init__(self, index: int | None, find: FaceFinder, embed: Embed | None) -> None:
        self._index, self._find, self._embed = index, find, embed
        self._unclear: list[_Unclear] = []
        self._errors: list[LivefuseError] = []
        self.taken: list[Taken] = []
        self.left_out: list[LeftOut] = []

    def add(self, source: str, *, alone: bool) -> None:
        if source.startswith(SYNTHETIC):
            self._keep(draw(source))
            return
        path = Path(source).expanduser()
        if not is_there(path):
            raise IdentityError(f"cannot read the photo {path}: there is no such file", hint=_near(path))
        if path.is_dir():
            for photo in self._photos_of(path):
                self._try(photo)
        elif alone:
            self._take(path)
        else:
            self._try(path)

    def settle_unclear(self) -> None:
        """In photos with several faces, take the one most like the person of the clear photos."""
        if self._unclear and self._embed and self.taken:
            person = normed(normed(self._embed([one.shot for one in self.taken])).mean(axis=0))
            for unclear in self._unclear:
                self._settle(unclear, person, self._embed)
        else:
            for unclear in self._unclear:
                self._leave_out(unclear.path, unclear.error)

    def drop_blurred(self) -> None:
        """Blurred photos blur the person; they are used when there is nothing better."""
        sharp = [one for one in self.taken if one.shot.quality.sharpness >= BLURRED]
        if sharp and len(sharp) < len(self.taken):
            blurred = [one.shot for one in self.taken if one.shot.quality.sharpness < BLURRED]
            self.left_out += [LeftOut(s.title, f"blurred (sharpness {s.quality.sharpness:.2f})") for s in blurred]
            self.taken = sharp

    def failure(self, sources: Sequence[str]) -> LivefuseError:
        """Why there is nothing: in one photo's own words, or counted."""
        if len(self._errors) == 1:
            return self._errors[0]
        reasons = "; ".join(f"{one.source}: {one.reason}" for one in self.left_out[:5])
        more = f"; and {len(self.left_out) - 5} more" if len(self.left_out) > 5 else ""
        several = self._errors and all(isinstance(error, SeveralFaces) for error in self._errors)
        kind = SeveralFaces if several else NoFace
        return kind(
            f"no usable face in {', '.join(sources)}: {reasons}{more}",
            hint="use frontal, well-lit photos of one person, the face 80 px or larger",
        )

    def _try(self, path: Path) -> None:
        if len(self.taken) + len(self._unclear) >= MOST_PHOTOS:
            self.left_out.append(LeftOut(path.name, f"{MOST_PHOTOS} photos are the most"))
            return
        try:
            self._take(path)
        except (IdentityError, SourceError) as error:
            self._leave_out(path, error)

    def _take(self, path: Path) -> None:
        kind = picture_in(head_of(path))
        if kind is None:
            taken, left_out = shots_of_video(path, self._find, self._embed, self._index)
            self.left_out += left_out
            for one in taken:
                self._keep(one)
            return
        photo = read_image(path)
        boxes = faces_in(photo, self._find, path.name)
        try:
            box = choose(boxes, self._index, path.name)
        except SeveralFaces as error:
            self._unclear.append(_Unclear(path, boxes, error))
            return
        self._keep(self._taken(path, photo, box))

    def _taken(self, path: Path, photo: U8, box: F32) -> Taken:
        shot, framing = shot_of(photo, box, self._find, source=path.name)
        suffix = _SUFFIXES[picture_in(head_of(path)) or "png"]
        return Taken(digested(shot, read_bytes(path)), framing, suffix, file=path)

    def _keep(self, taken: Taken) -> None:
        same = next((one for one in self.taken if one.shot.photo_sha256 == taken.shot.photo_sha256), None)
        if same is None:
            self.taken.append(taken)
        else:
            self.left_out.append(LeftOut(taken.shot.title, f"the same photo as {same.shot.title}"))

    def _settle(self, unclear: _Unclear, person: F32, embed: Embed) -> None:
        photo = read_image(unclear.path)
        candidates = []
        for box in sorted(unclear.boxes, key=area_px, reverse=True)[:_RIVALS]:
            try:
                candidates.append(self._taken(unclear.path, photo, box))
            except IdentityError:
                log.debug("%s: a face beside the others is no use", unclear.path)
        alike = normed(embed([one.shot for one in candidates])) @ person if candidates else np.zeros(1)
        if alike.max() >= SAME_PERSON:
            self._keep(candidates[int(alike.argmax())])
        else:
            self.left_out.append(
                LeftOut(unclear.path.name, f"{len(unclear.boxes)} faces, none of them like the person")
            )

    def _leave_out(self, path: Path, error: LivefuseError) -> None:
        self._errors.append(error)
        self.left_out.append(LeftOut.of(path.name, error, path))

    def _photos_of(self, folder: Path) -> list[Path]:
        """The pictures right in a folder, by name; of too many, some evenly spread."""
        entries = sorted(_entries(folder))
        photos = [path for path in entries if _is_picture(path)]
        if not photos:
            raise IdentityError(
                f"no picture in the folder {folder}", hint="PNG, JPEG, WebP, BMP or TIFF; not in subfolders"
            )
        if len(photos) > MOST_PHOTOS:
            unread = len(photos) - MOST_PHOTOS
            self.left_out.append(LeftOut(folder.name, f"{unread} of {len(photos)} photos: {MOST_PHOTOS} are the most"))
            photos = [photos[i * len(photos) // MOST_PHOTOS] for i in range(MOST_PHOTOS)]
        return photos


def _near(path: Path) -> str:
    try:
        head_of(path)
    except SourceError as error:
        return error.hint
    except ValueError:  # a zero byte in the name
        pass
    return "check the path"


def _entries(folder: Path) -> list[Path]:
    found: list[Path] = []
    try:
        for path in folder.iterdir():
            if len(found) >= MOST_FILES:
                raise IdentityError(
                    f"the folder {folder} has more than {MOST_FILES:,} entries",
                    hint="make a folder of this person's photos",
                )
            found.append(path)
    except OSError as error:
        raise IdentityError(
            f"cannot read the folder {folder}: {error.strerror}", hint="check its permissions"
        ) from error
    return found


def _is_picture(path: Path) -> bool:
    if path.name.startswith(".") or not path.is_file():
        return False
    try:
        return picture_in(head_of(path)) is not None
    except SourceError as error:
        log.warning("%s was passed over: %s", path, error.message)
        return False


def _outliers(taken: list[Taken], embed: Embed | None) -> frozenset[int]:
    if embed is None or len(taken) < 2:
        return frozenset()
    return frozenset(outliers(embed([one.shot for one in taken]), SAME_PERSON))
