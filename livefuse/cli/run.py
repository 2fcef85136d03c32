"""`livefuse run`: live."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from livefuse.cli import options as o


def run(
    config: Annotated[
        Path | None, typer.Argument(help="TOML configuration (default: your livefuse.toml); flags win over it.")
    ] = None,
    source: Annotated[str, typer.Option(help="camera:0, v4l2:/dev/video0, rtsp://..., a file, synthetic:...")] = "",
    face: o.FacePhoto = "",
    consent: o.Consent = None,
    sink: Annotated[list[str] | None, typer.Option(help="vcam:, file:OUT.mp4, rtmp://..., null:; repeatable.")] = None,
    swapper: o.Swapper = "",
    privacy: Annotated[o.PrivacyMode | None, typer.Option(help="closed: never the real face.")] = None,
    faces: o.FacesIfSaid = None,
    like: o.Like = "",
    profile: o.Profile = None,
    enhance: o.Enhance = "",
    occlusion: o.Occlusion = None,
    colour: o.Colour = None,
    boost: o.Boost = None,
    seconds: Annotated[float | None, typer.Option(min=0.05, help="Stop after this long.")] = None,
    overlay: Annotated[bool | None, typer.Option("--overlay/--no-overlay", help="Draw the latency overlay.")] = None,
    badge: Annotated[bool | None, typer.Option("--badge/--no-badge", help='Draw the "synthetic" badge.')] = None,
    face_index: o.FaceIndex = None,
    by: o.By = "",
    stats: o.Stats = "",
    setting: o.Settings = None,
) -> None:
    """Swap live, from a camera, stream or file to any number of outputs; Ctrl-C ends cleanly."""
    from livefuse.cli.live import run_live
    from livefuse.config import load_config, make_config
    from livefuse.paths import Paths

    flags = {
        "source": source,
        "sinks": tuple(sink) if sink else None,
        "seconds": seconds,
        "stats": stats,
        "swap.model": swapper,
        "privacy.mode": privacy.value if privacy else None,
        "profile.name": profile.value if profile else None,
        "track.faces": "like" if like else faces.value if faces else None,
        "track.like": like,
        "overlay.enabled": overlay,
        "overlay.badge": badge,
        "identity.photo": face,
        "identity.consent": consent.value if consent else None,
        "identity.face": face_index,
        "identity.by": by,
    }
    given = {key: value for key, value in flags.items() if value not in (None, "")}
    given |= o.finish(enhance, occlusion, colour, boost)
    overrides = o.settings(given, setting)
    file = config or (Paths.default().config_file if Paths.default().config_file.is_file() else None)
    decoded = load_config(file, overrides) if file else make_config({}, overrides)
    o.require_consent(decoded.identity.photo, o.Ground(decoded.identity.consent) if decoded.identity.consent else None)
    run_live(decoded)
