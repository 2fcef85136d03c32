"""From a word (photo, folder, video, `synthetic:SEED`, stored name) to an identity."""

from __future__ import annotations

import logging
from pathlib import Path

from livefuse.config import IdentityConfig
from livefuse.errors import IdentityError
from livefuse.swap import consent
from livefuse.swap.consent import ConsentRecord
from livefuse.swap.identity import Embed, FaceFinder, Identity, Shot
from livefuse.swap.identity.gather import SYNTHETIC, gather
from livefuse.swap.identity.names import is_id, may_be_name
from livefuse.swap.identity.store import IdentityStore
from livefuse.swap.identity.taken import Gathered, best_of, is_there

log = logging.getLogger("livefuse")


def load(config: IdentityConfig, find: FaceFinder, folder: Path, embed: Embed | None) -> Identity:
    word = config.photo
    if not word:
        raise IdentityError("no identity was given", hint="`--face PHOTO --consent GROUND`")
    if names_stored(word):
        return IdentityStore(folder).load(word)
    drawn, path = word.startswith(SYNTHETIC), Path(word).expanduser()
    if drawn:
        # A drawing needs nobody's leave: its ground is known without asking.
        config = config.model_copy(update={"consent": "synthetic"})
    consent.stated_ground(config)
    gathered = gather([word], config, find, embed)
    report(gathered)
    used = gathered.used()
    records = {one.shot.photo_sha256: consent.require_ground(config, one.shot.photo_sha256) for one in used}
    for one in used:
        consent.store(folder, records[one.shot.photo_sha256], one.content(), one.suffix)
    name = word.replace(":", "-") if drawn else (path.name if path.is_dir() else path.stem)
    return assembled(name, [one.shot for one in used], records)


def names_stored(word: str) -> bool:
    """Whether a word is taken for the name or id of a stored identity: a file goes first."""
    drawn = word.startswith(SYNTHETIC)
    return not drawn and not is_there(Path(word).expanduser()) and (may_be_name(word) or is_id(word))


def standing_version(word: str, folder: Path) -> str:
    """What changes when a stored identity is replaced; empty for what is not stored.

    Raises: UnknownIdentity, IdentityError, NoConsent when it was withdrawn meanwhile.
    """
    if not names_stored(word):
        return ""
    store = IdentityStore(folder)
    stored = store.get(word)
    store.require_consent(stored)
    return f"{stored.id} {stored.created}"


def assembled(name: str, shots: list[Shot], records: dict[str, ConsentRecord]) -> Identity:
    """An identity with its best shot in front."""
    best = shots[best_of(shots)]
    digest = best.photo_sha256
    return Identity(name, best.image, best.landmarks, best.points, records[digest], digest, tuple(shots))


def report(gathered: Gathered) -> None:
    """Warn of what was left out: whoever gave ten photos believes that all ten are used."""
    for one in gathered.left_out:
        log.warning("%s was left out: %s", one.source, one.reason)
    titles = ", ".join(gathered.taken[i].shot.title for i in sorted(gathered.outliers))
    if gathered.disagreeing:
        log.warning("these photos show different people, and none is the most: %s", titles)
    elif titles:
        log.warning("left out, as another person than the other photos show: %s", titles)
