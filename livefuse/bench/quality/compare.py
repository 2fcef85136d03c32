"""Every variant on every clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livefuse.api import FrameSwapper
from livefuse.bench.quality.clips import Clip
from livefuse.bench.quality.figures import Figures
from livefuse.bench.quality.judges import Judges, ModelJudges
from livefuse.bench.quality.measure import Measure
from livefuse.bench.quality.original import Target, look_at
from livefuse.bench.quality.variants import Variant
from livefuse.config import Config, make_config
from livefuse.errors import DownloadFailed, LicenceNotAccepted, ModelMissing, NoFace
from livefuse.frame import F32, U8
from livefuse.paths import Paths
from livefuse.photos import photo_finder
from livefuse.swap.identity import load_identity

ALWAYS: Mapping[str, Any] = {"privacy.mode": "open", "overlay.badge": False, "overlay.enabled": False}
"""Nothing may change the picture but the swap: no cover, no badge."""
_NOT_HERE = (ModelMissing, LicenceNotAccepted, DownloadFailed)


@dataclass(frozen=True, slots=True)
class Result:
    """A variant on a clip. `figures` is None where it was skipped, and `reason` says why; `pictures` by frame index."""

    clip: str
    variant: Variant
    figures: Figures | None
    reason: str = ""
    pictures: dict[int, U8] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        figures = None if self.figures is None else self.figures.as_dict()
        settings = {key: list(v) if isinstance(v, tuple) else v for key, v in self.variant.settings.items()}
        named = {"clip": self.clip, "variant": self.variant.name, "settings": settings}
        return named | {"skipped": self.reason, "figures": figures}


@dataclass(slots=True)
class Compared:
    """`originals` are the windows' pictures of the frames that a sheet shows, by clip and frame index."""

    results: list[Result] = field(default_factory=list)
    originals: dict[str, dict[int, U8]] = field(default_factory=dict)


def compare(
    clips: Sequence[Clip],
    variants: Sequence[Variant],
    settings: Mapping[str, Any],
    *,
    shown_frames: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> Compared:
    """`settings` are the keys that all variants share; `shown_frames` is how many pictures of each clip are kept.

    Raises: SourceError, IdentityError, ModelError, EngineError, ConfigError, NoFace for a clip without one.
    """
    base = {**settings, **ALWAYS}
    config = make_config({}, base, origin="bench quality")
    configs = [make_config({}, {**base, **one.settings}, origin=f"variant {one.name}") for one in variants]
    progress("models and identity")
    judges = ModelJudges(config)
    identity = _embedding(config, judges)
    compared = Compared()
    for clip in clips:
        progress(f"{clip.name}: the original")
        targets = look_at(clip, judges)
        wanted = shown(targets, shown_frames)
        measure = Measure(clip, targets, judges, identity)
        compared.originals[clip.name] = _originals(clip, targets, wanted)
        for variant, varied in zip(variants, configs, strict=True):
            progress(f"{clip.name}: {variant.name}")
            compared.results.append(_result(clip, variant, varied, measure, wanted))
    return compared


def _result(clip: Clip, variant: Variant, config: Config, measure: Measure, wanted: Sequence[int]) -> Result:
    if variant.skipped:
        return Result(clip.name, variant, None, variant.skipped)
    try:
        swapper = FrameSwapper(config)
    except _NOT_HERE as error:
        return Result(clip.name, variant, None, error.message)
    watched = measure(swapper, wanted)
    return Result(clip.name, variant, watched.figures, pictures=watched.pictures)


def shown(targets: Sequence[Target | None], count: int) -> list[int]:
    """Indices of frames for a sheet, rising: evenly spread over those with a face. Where a hand passes, every other one is
    of the passing. Raises: NoFace."""
    faces = [target for target in targets if target is not None]
    if not faces:
        raise NoFace(f"none of the clip's {len(targets)} frames has a face", hint="name a clip that shows one")
    passing = [target.index for target in faces if not target.clear]
    hands = _spread(passing, count // 2)
    rest = [target.index for target in faces if target.clear] or [target.index for target in faces]
    return sorted({*hands, *_spread(rest, count - len(hands))})


def _spread(indices: Sequence[int], count: int) -> list[int]:
    """`count` of them, each from the middle of its share."""
    count = min(count, len(indices))
    return [indices[(2 * i + 1) * len(indices) // (2 * count)] for i in range(count)]


def _originals(clip: Clip, targets: Sequence[Target | None], wanted: Sequence[int]) -> dict[int, U8]:
    pictures: dict[int, U8] = {}
    if not wanted:
        return pictures
    for index, frame in enumerate(clip):
        target = targets[index]
        if target is not None and index in wanted:
            pictures[index] = target.window.cut(frame.rgb).copy()
        if index >= wanted[-1]:
            break
    return pictures


def _embedding(config: Config, judges: Judges) -> F32 | None:
    """Who is put on; None where a model has its person in its weights."""
    if not config.identity.photo:
        return None
    folder: Path = Paths.default().identities
    identity = load_identity(config.identity, photo_finder(config), folder)
    return judges.embed(identity.image, identity.points)
