"""`livefuse swap`: a picture or a video to a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from livefuse.cli import options as o
from livefuse.errors import IdentityError


def swap(
    target: Annotated[str, typer.Argument(help="Picture or video to change.")],
    out: Annotated[Path, typer.Argument(help="Where the result goes; it appears when it is complete.")],
    face: o.FacePhoto = "",
    consent: o.Consent = None,
    swapper: o.Swapper = "mesh",
    profile: o.Profile = None,
    enhance: o.Enhance = "",
    occlusion: o.Occlusion = None,
    colour: o.Colour = None,
    boost: o.Boost = None,
    faces: o.Faces = o.FaceChoice.one,
    like: o.Like = "",
    privacy: Annotated[o.PrivacyMode, typer.Option(help="closed: cover frames without a swap.")] = o.PrivacyMode.open,
    overlay: o.Overlay = False,
    badge: o.Badge = True,
    face_index: o.FaceIndex = None,
    by: o.By = "",
    stats: o.Stats = "",
    setting: o.Settings = None,
) -> None:
    """Swap a face in a picture or video: every frame, sound and timing kept."""
    o.require_consent(face, consent)
    if not face and swapper == "mesh":
        raise IdentityError("no face to put on", hint="--face PHOTO --consent GROUND, or the name of a stored identity")
    from livefuse.cli.progress import run_with_progress
    from livefuse.config import make_config

    overrides = {
        "source": target,
        "sinks": (str(out),),
        "stats": stats,
        "swap.model": swapper,
        "privacy.mode": privacy.value,
        "profile.name": profile.value if profile else "livefuse",
        "track.faces": "like" if like else faces.value,
        "track.like": like,
        "overlay.enabled": overlay,
        "overlay.badge": badge,
        "identity.photo": face,
        "identity.consent": consent.value if consent else None,
        "identity.face": face_index,
        "identity.by": by,
    }
    overrides |= o.finish(enhance, occlusion, colour, boost)
    run_with_progress(make_config({}, o.settings(overrides, setting)), out)
