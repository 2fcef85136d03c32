"""Who a synthetic face is: everything about its looks that follows from one seed.

A handful of hand-tuned archetypes, varied by the seed, rather than free random draws: neighbouring seeds are sure to
look like different people, and no draw is a freak.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

Rgb: TypeAlias = tuple[float, float, float]
HairStyle: TypeAlias = Literal["short", "long", "bob", "crop", "curly"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Colours are sRGB 0..255; proportions are factors around 1; the rest are amounts 0..1."""

    seed: int
    skin: Rgb
    lip: Rgb
    hair: Rgb
    eye: Rgb
    cloth: Rgb
    style: HairStyle
    face_width: float = 1.0
    jaw_width: float = 1.0
    nose_width: float = 1.0
    nose_length: float = 1.0
    lip_fullness: float = 1.0
    mouth_width: float = 1.0
    eye_open: float = 1.0
    brow_weight: float = 1.0
    beard: float = 0.0
    freckles: float = 0.0
    age: float = 0.0
    lashes: float = 0.5


_ARCHETYPES: tuple[Identity, ...] = (
    Identity(
        0, (226, 176, 150), (186, 96, 92), (92, 58, 36), (96, 128, 112), (52, 78, 104), "long",
        jaw_width=0.93, nose_width=0.92, lip_fullness=1.12, eye_open=1.08, brow_weight=0.8, freckles=0.35, lashes=1.0,
    ),
    Identity(
        0, (146, 98, 72), (128, 72, 68), (30, 25, 24), (70, 44, 28), (126, 60, 48), "crop",
        jaw_width=1.06, nose_width=1.15, lip_fullness=1.2, brow_weight=1.15, beard=0.75, lashes=0.35,
    ),
    Identity(
        0, (230, 190, 164), (190, 112, 104), (176, 128, 70), (86, 124, 168), (70, 92, 70), "short",
        face_width=0.98, jaw_width=1.04, nose_length=1.05, lip_fullness=0.88, brow_weight=1.0, beard=0.2, age=0.25,
    ),
    Identity(
        0, (222, 178, 142), (180, 92, 88), (28, 24, 26), (58, 38, 28), (150, 132, 116), "bob",
        jaw_width=0.95, nose_width=1.0, nose_length=0.94, lip_fullness=1.05, eye_open=0.94, brow_weight=0.85, lashes=0.9,
    ),
    Identity(
        0, (112, 74, 54), (120, 60, 62), (34, 26, 24), (54, 34, 24), (168, 128, 52), "curly",
        jaw_width=0.94, nose_width=1.12, lip_fullness=1.3, eye_open=1.06, brow_weight=0.85, lashes=1.0,
    ),
    Identity(
        0, (228, 182, 160), (182, 108, 104), (168, 166, 164), (104, 124, 140), (74, 70, 92), "short",
        face_width=1.02, jaw_width=1.02, nose_width=1.06, nose_length=1.06, lip_fullness=0.82, brow_weight=1.05,
        beard=0.55, age=0.9,
    ),
)  # fmt: skip


def identity_of(seed: int) -> Identity:
    """The person with this seed; the first six are the archetypes themselves."""
    base = _ARCHETYPES[seed % len(_ARCHETYPES)]
    if 0 <= seed < len(_ARCHETYPES):
        return replace(base, seed=seed)
    rng = np.random.default_rng(seed)
    return replace(
        base,
        seed=seed,
        face_width=base.face_width * float(rng.uniform(0.96, 1.05)),
        jaw_width=base.jaw_width * float(rng.uniform(0.94, 1.06)),
        nose_width=base.nose_width * float(rng.uniform(0.92, 1.08)),
        nose_length=base.nose_length * float(rng.uniform(0.95, 1.05)),
        lip_fullness=base.lip_fullness * float(rng.uniform(0.9, 1.1)),
        mouth_width=base.mouth_width * float(rng.uniform(0.94, 1.07)),
        eye_open=base.eye_open * float(rng.uniform(0.93, 1.07)),
        brow_weight=base.brow_weight * float(rng.uniform(0.8, 1.2)),
        skin=_vary(base.skin, rng, 0.06),
        lip=_vary(base.lip, rng, 0.08),
        hair=_vary(base.hair, rng, 0.25),
        eye=_vary(base.eye, rng, 0.25),
        cloth=_vary(base.cloth, rng, 0.5),
    )


def _vary(colour: Rgb, rng: np.random.Generator, spread: float) -> Rgb:
    gains = float(rng.uniform(1 - spread, 1 + spread)) * rng.uniform(1 - spread / 3, 1 + spread / 3, 3)
    r, g, b = (float(min(245.0, max(12.0, c * k))) for c, k in zip(colour, gains, strict=True))
    return r, g, b
