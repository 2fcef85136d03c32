"""Options that several commands share, and the flags that become configuration."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import typer

from livefuse.errors import BadValue, NoConsent


class Ground(StrEnum):
    """On what ground a face may be used."""

    self_ = "self"
    licence = "licence"
    public_domain = "public-domain"
    synthetic = "synthetic"


class PrivacyMode(StrEnum):
    closed = "closed"
    open = "open"


class FaceChoice(StrEnum):
    """Which faces are swapped."""

    one = "one"
    all = "all"
    largest = "largest"
    centre = "centre"
    nth = "index"
    like = "like"


class ProfileName(StrEnum):
    """Whose way of putting a learned swapper's crop back."""

    livefuse = "livefuse"
    insightface = "insightface"
    facefusion = "facefusion"
    deep_live_cam = "deep-live-cam"


class ColourMethod(StrEnum):
    """What the swapped face takes of the target's colours."""

    none = "none"
    lab = "lab"
    histogram = "histogram"
    relight = "relight"


Source = Annotated[str, typer.Option(help="camera:0, v4l2:/dev/video0, rtsp://..., a file, synthetic:...")]
Sinks = Annotated[list[str] | None, typer.Option("--sink", help="vcam:, file:OUT.mp4, rtmp://..., null:; repeatable.")]
FacePhoto = Annotated[
    str,
    typer.Option(
        "--face",
        help="The face to put on: a photo, a folder of one person's photos, a video, the name of a stored identity "
        "(`livefuse identity list`), or synthetic:SEED.",
    ),
]
Consent = Annotated[
    Ground | None,
    typer.Option("--consent", help="On what ground this face may be used; without it there is no swap."),
]
By = Annotated[str, typer.Option("--by", help="Who states the consent; your login name by default.")]
FaceIndex = Annotated[
    int | None, typer.Option("--face-index", min=0, help="Which face of the photo, counted from the left.")
]
Swapper = Annotated[str, typer.Option("--swapper", help="Swapper model.")]
Stats = Annotated[str, typer.Option("--stats", help="Write the record of the run to this JSON file.")]
Overlay = Annotated[bool, typer.Option("--overlay/--no-overlay", help="Draw the latency overlay.")]
Badge = Annotated[bool, typer.Option("--badge/--no-badge", help='Draw the visible "synthetic" badge.')]
_FACES = (
    "Which faces: the one locked face, all, the largest, nearest the centre, the n-th from the left, or like a photo."
)
Faces = Annotated[FaceChoice, typer.Option("--faces", help=_FACES)]
FacesIfSaid = Annotated[FaceChoice | None, typer.Option("--faces", help=_FACES)]
Like = Annotated[str, typer.Option("--like", help="Photo of the person to swap; means --faces like.")]
Profile = Annotated[
    ProfileName | None, typer.Option("--profile", help="Put the swapped crop back as this program does it.")
]
Enhance = Annotated[str, typer.Option("--enhance", help="Face enhancer model, e.g. gfpgan_1.4.")]
Occlusion = Annotated[
    list[str] | None,
    typer.Option("--occlusion", help="What finds hands before the face: estimate, none, or a model; repeatable."),
]
Colour = Annotated[
    ColourMethod | None, typer.Option("--colour", help="What the swapped face takes of the target's colours and light.")
]
Boost = Annotated[
    int | None, typer.Option("--boost", min=1, max=8, help="A learned swapper's face at n times its own size.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set any configuration key, e.g. detect.size=640."),
]


def require_consent(face: str, consent: Ground | None) -> None:
    """Photos need a ground, said now; a stored identity has its own. Raises: NoConsent, before anything is opened."""
    from pathlib import Path

    path = Path(face).expanduser()
    if face and consent is None and (path.suffix or path.exists() or len(path.parts) > 1):
        raise NoConsent(
            f"{face}: nobody has said on what ground this face may be used",
            hint="add --consent self (it is me), licence (agreed or licensed), public-domain (an old painting), "
            "or synthetic (nobody real). The answer is kept beside the identity",
        )


def finish(enhance: str, occlusion: list[str] | None, colour: ColourMethod | None, boost: int | None) -> dict[str, Any]:
    """The flags of what happens to a swapped face, as configuration; only those that were said."""
    said: dict[str, Any] = {"enhance.model": enhance} if enhance else {}
    if occlusion:
        said["mask.occlusion"] = tuple(name for name in occlusion if name != "none")
    if colour is not None:
        said["colour.method"] = colour.value
    if boost is not None:
        said["swap.boost"] = boost
    return said


def settings(flags: Mapping[str, Any], pairs: list[str] | None) -> dict[str, Any]:
    """What the environment says, then a command's flags, then its `--set key=value` words: the later ones win.

    Values of words are read as TOML where they can be. Raises: BadValue, UnknownKey.
    """
    import os

    from livefuse.config import environment_overrides, toml_value

    overrides = environment_overrides(os.environ) | dict(flags)
    for pair in pairs or []:
        key, found, value = pair.partition("=")
        if not found or not key:
            raise BadValue(f"--set {pair!r}", hint="write it as section.key=value, e.g. --set detect.size=640")
        overrides[key.strip()] = toml_value(value.strip())
    return overrides
