"""One identity into its folder: photos, their consent records, and the description last."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

from livefuse import __version__
from livefuse.config import IdentityConfig
from livefuse.errors import IdentityError
from livefuse.swap import consent
from livefuse.swap.consent import ConsentRecord
from livefuse.swap.identity.gather import SYNTHETIC
from livefuse.swap.identity.stored import FILE, StoredIdentity, StoredShot, left_out_of, read_stored
from livefuse.swap.identity.taken import Gathered


def write_identity(
    staging: Path, name: str, gathered: Gathered, config: IdentityConfig
) -> tuple[StoredIdentity, list[ConsentRecord]]:
    """Everything of an identity into a folder that nobody looks at yet."""
    shots, records = [], []
    for i, taken in enumerate(gathered.taken):
        record = consent.require_ground(config, taken.shot.photo_sha256)
        consent.keep(staging, record, taken.content(), taken.suffix)
        records.append(record)
        shots.append(StoredShot.of(taken, outlier=i in gathered.outliers))
    stored = StoredIdentity(
        id=secrets.token_hex(8),
        name=name,
        created=consent.now(),
        who=records[0].who,
        ground=records[0].ground,
        livefuse_version=__version__,
        shots=tuple(shots),
        left_out=left_out_of(gathered.left_out),
    )
    consent.write_durably(staging / FILE, stored.model_dump_json().encode() + b"\n")
    return stored, records


def with_ground(config: IdentityConfig, sources: Sequence[str]) -> IdentityConfig:
    """A drawing needs nobody's leave."""
    drawn = bool(sources) and all(source.startswith(SYNTHETIC) for source in sources)
    photo = ", ".join(sources[:3])
    return config.model_copy(update={"photo": photo, **({"consent": "synthetic"} if drawn else {})})


def digests_in(home: Path) -> list[str]:
    """Of an identity's photos, as far as they can be told."""
    try:
        return [shot.sha256 for shot in read_stored(home).shots]
    except IdentityError:
        return [path.parent.name for path in sorted(home.rglob("photo.*"))]
