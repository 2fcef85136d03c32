"""Paint for a head: skin, brows, lips, beard, freckles and hair, as one picture over the chart. Done once."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32, U8
from livefuse.source.synthetic import chart
from livefuse.source.synthetic.chart import Floats, bump, pair, smoothstep
from livefuse.source.synthetic.head import PARTING_A, Head, Layout, hair_edge, strand_fall
from livefuse.source.synthetic.identity import Identity

_FINE_SIGMA_PX = 4.0  # of a blur that a picture of fewer pixels shows as well
_LARGE_PX = 1 << 16  # from here on looking for where there is nothing costs less than painting it


def paint_head(head: Head, px_per_cm: float) -> U8:
    """(H, W, 3) uint8 RGB albedo over the chart."""
    identity, at = head.identity, head.layout
    a, v = chart.chart_grid(px_per_cm)
    rng = np.random.default_rng([identity.seed, 11])
    colour = _skin(a, v, identity, at, rng)
    _occlude(colour, head, a, v)
    if identity.beard:
        _beard(colour, a, v, identity, at, rng)
    _lips(colour, a, v, identity, at, rng)
    _nostrils(colour, a, v, identity, at)
    _lids(colour, a, v, identity, at)
    _brows(colour, a, v, identity, rng)
    _hair(colour, a, v, identity, rng, px_per_cm)
    return np.clip(colour, 0, 255).astype(np.uint8)


def mix(colour: F32, other: np.ndarray | tuple[float, float, float], amount: Floats) -> None:
    """Blend a colour or picture in, in place; of large pictures only where there is anything of it."""
    other = np.asarray(other, np.float32)
    if amount.size > _LARGE_PX:
        part = _extent(amount)
        colour, amount = colour[part], amount[part]
        other = other[part] if other.ndim == 3 else other
    colour += (other - colour) * amount[..., None]


def _extent(amount: Floats) -> tuple[slice, slice]:
    """The rows and columns that hold all that is not 0."""
    rows, columns = np.flatnonzero(amount.any(axis=1)), np.flatnonzero(amount.any(axis=0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def noise(rng: np.random.Generator, shape: tuple[int, int], sigma_x: float, sigma_y: float) -> F32:
    """Blurred white noise with unit deviation."""
    soft = _blurred(rng.standard_normal(shape, np.float32), sigma_x, sigma_y)
    return np.asarray(soft / max(float(soft.std()), 1e-6), np.float32)


def _blurred(picture: F32, sigma_x: float, sigma_y: float) -> F32:
    """A wide blur is done on a smaller picture: its kernel would have hundreds of taps, and what it leaves has no detail."""
    h, w = picture.shape
    small = max(1, w // max(1, int(sigma_x / _FINE_SIGMA_PX))), max(1, h // max(1, int(sigma_y / _FINE_SIGMA_PX)))
    if small != (w, h):
        picture = cv2.resize(picture, small, interpolation=cv2.INTER_AREA)
    sigma = max(sigma_x * small[0] / w, 0.01), max(sigma_y * small[1] / h, 0.01)
    soft = cv2.GaussianBlur(picture, (0, 0), sigma[0], sigmaY=sigma[1], borderType=cv2.BORDER_REFLECT)
    return np.asarray(soft if small == (w, h) else cv2.resize(soft, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)


def _skin(a: F32, v: F32, identity: Identity, at: Layout, rng: np.random.Generator) -> F32:
    scale = a.shape[1] / (chart.A_MAX - chart.A_MIN)
    base = np.array(identity.skin, np.float32)
    colour: F32 = np.ascontiguousarray(np.broadcast_to(base, (*a.shape, 3)))
    shape = (a.shape[0], a.shape[1])
    red = 0.50 * pair(a, v, 4.6, 3.4, 2.0, 1.7) + 0.42 * bump(a, v, 0, at.nose_v, 1.3, 0.9)
    red += 0.18 * bump(a, v, 0, 10.2, 1.6, 1.2) + 0.3 * pair(a, v, at.ala_a + 0.1, at.nose_v + 0.2, 0.5, 0.6)
    red += 0.10 * noise(rng, shape, 0.5 * scale, 0.5 * scale) + 0.5 * smoothstep(12.6, 13.4, np.abs(a))
    flush = base * np.array([1.0, 0.80, 0.79], np.float32)
    mix(colour, flush, np.clip(red, 0, 1))
    mix(colour, base * np.array([1.02, 1.03, 1.02], np.float32), np.clip(bump(a, v, 0, -4.5, 5, 2), 0, 1))
    under_eye = pair(a, v, at.eye_a - 0.3, 1.35, 1.5, 0.55) + 0.7 * pair(a, v, 1.75, 0.2, 0.5, 0.8)
    mix(colour, base * np.array([0.84, 0.77, 0.79], np.float32), np.clip((0.4 + 0.4 * identity.age) * under_eye, 0, 1))
    colour *= 1 + 0.018 * noise(rng, shape, 0.8, 0.8)[..., None] + 0.014 * noise(rng, shape, 3.0, 3.0)[..., None]
    if identity.freckles:
        _freckles(colour, a, v, identity, rng)
    if identity.age > 0.3:
        _lines(colour, a, v, identity)
    return colour


def _freckles(colour: F32, a: F32, v: F32, identity: Identity, rng: np.random.Generator) -> None:
    dots = np.clip(noise(rng, (a.shape[0], a.shape[1]), 1.1, 1.1) - 1.7, 0, 1)
    where = pair(a, v, 3.2, 2.6, 2.4, 1.5) + bump(a, v, 0, 2.2, 1.4, 1.3)
    mix(
        colour,
        np.array(identity.skin, np.float32) * (0.66, 0.52, 0.44),
        np.clip(dots * where * identity.freckles, 0, 0.5),
    )


def _lines(colour: F32, a: F32, v: F32, identity: Identity) -> None:
    dark = np.array(identity.skin, np.float32) * np.array([0.72, 0.62, 0.60], np.float32)
    for row, reach in ((-4.1, 3.9), (-4.9, 4.3), (-5.7, 3.6)):
        wave = v - row - 0.10 * np.cos(a * 0.8 + row)
        mix(colour, dark, 0.22 * identity.age * np.exp(-((wave / 0.09) ** 2) - (a / reach) ** 4))
    side = np.abs(a)
    for slope in (-0.35, 0.0, 0.35):  # at the outer corners of the eyes
        away = side - 5.1
        wave = v - 0.1 - slope * away
        mix(
            colour,
            dark,
            0.25 * identity.age * np.exp(-((wave / 0.08) ** 2)) * smoothstep(0, 0.3, away) * smoothstep(1.5, 0.6, away),
        )


def _occlude(colour: F32, head: Head, a: F32, v: F32) -> None:
    """Darken hollows: the difference to the smoothed surface stands in for ambient light that does not reach them."""
    hollow = np.zeros_like(head.radius)
    for sigma, gain in ((5.0, 0.9), (14.0, 0.35)):
        hollow += gain * np.clip(cv2.GaussianBlur(head.radius, (0, 0), sigma) - head.radius, 0, 1)
    x, y = chart.to_texel(a, v, head.radius.shape)
    amount = np.clip(0.85 * cv2.remap(hollow, x, y, cv2.INTER_LINEAR), 0, 0.55)
    amount *= 1 - 0.7 * bump(a, v, 0, 6.7, 3.2, 1.2)
    mix(colour, colour * np.array([0.56, 0.40, 0.36], np.float32), amount)


def _beard(colour: F32, a: F32, v: F32, identity: Identity, at: Layout, rng: np.random.Generator) -> None:
    side = np.abs(a)
    jaw = smoothstep(0, 1.6, v - (8.0 - 0.062 * side * side) + 0.35 * np.cos(a * 2.0))
    cheek = smoothstep(7.0, 9.0, side) * smoothstep(1.0, 3.5, v)
    under_nose = at.mouth_v - at.lip_upper - 0.75 + 0.12 * (side - 1.0) ** 2
    moustache = smoothstep(-0.35, 0.65, v - under_nose) * smoothstep(3.7, 2.6, side + 0.12 * (v - 6.0))
    moustache *= smoothstep(0.9, -0.4, v - (at.mouth_v + 0.6))
    chin = bump(a, v, 0, 9.9, 2.6, 1.8)
    where = np.clip(np.maximum.reduce([jaw, cheek * jaw, moustache, chin]), 0, 1) * smoothstep(12.8, 12.0, side)
    strands = 0.5 + 0.5 * np.tanh(1.4 * noise(rng, (a.shape[0], a.shape[1]), 0.8, 2.2))
    tone = np.array(identity.hair, np.float32) * 0.75 + 10
    amount = where * identity.beard * (0.55 + 0.45 * strands)
    mix(colour, tone, np.clip(amount, 0, 0.92))


def lip_edges(a: F32, at: Layout) -> tuple[F32, F32, F32]:
    """Heights v of the upper edge, the closed line between the lips, and the lower edge."""
    t = np.clip(np.abs(a) / at.mouth_half, 0, 1)
    body = np.sqrt(np.maximum(0, 1 - t * t))
    bow = 1 - 0.22 * np.exp(-((a / 0.38) ** 2)) + 0.10 * np.exp(-(((np.abs(a) - 0.62) / 0.42) ** 2))
    line = at.mouth_v + 0.10 * np.exp(-((a / 0.8) ** 2)) - 0.05 * np.exp(-(((np.abs(a) - 1.3) / 0.6) ** 2))
    upper = at.mouth_v - at.lip_upper * np.power(1 - t**1.5, 0.85) * bow
    lower = at.mouth_v + at.lip_lower * body * (1 - 0.18 * t) + 0.12 * body
    return np.asarray(upper, np.float32), np.asarray(line, np.float32), np.asarray(lower, np.float32)


def _lips(colour: F32, a: F32, v: F32, identity: Identity, at: Layout, rng: np.random.Generator) -> None:
    upper, line, lower = lip_edges(a, at)
    soft = 0.13
    inside = smoothstep(-soft, soft, v - upper) * smoothstep(-soft, soft, lower - v)
    inside *= smoothstep(0.12, -0.25, np.abs(a) - at.mouth_half)
    lip = np.array(identity.lip, np.float32)
    stripes = 1 + 0.045 * noise(rng, (a.shape[0], a.shape[1]), 0.9, 5.0)
    shade = np.where(v < line, 0.86, 1.0 + 0.10 * bump(a, v, 0, at.mouth_v + 0.5 * at.lip_lower, 1.1, 0.25))
    mix(colour, lip * (shade * stripes)[..., None], 0.88 * inside)
    seam = np.exp(-(((v - line) / 0.10) ** 2)) * smoothstep(0.25, -0.2, np.abs(a) - at.mouth_half)
    mix(colour, lip * 0.42, 0.85 * seam)
    mix(colour, lip * 0.5, 0.55 * pair(a, v, at.mouth_half + 0.03, at.mouth_v + 0.03, 0.22, 0.16))
    mix(
        colour,
        np.array(identity.skin, np.float32) * (0.74, 0.64, 0.62),
        0.45 * bump(a, v, 0, at.mouth_v + at.lip_lower + 0.5, 1.3, 0.24),
    )


def _nostrils(colour: F32, a: F32, v: F32, identity: Identity, at: Layout) -> None:
    skin = np.array(identity.skin, np.float32)
    side = np.abs(a)
    k = identity.nose_width
    shadow = np.exp(-(((side - 0.75 * k) / (0.85 * k)) ** 2) - ((v - at.nose_v - 0.74) / 0.34) ** 2)
    mix(colour, skin * (0.62, 0.48, 0.45), 0.5 * shadow)
    hole = ((side - 0.74 * k) / (0.40 * k)) ** 2 + ((v - at.nose_v - 0.66 - 0.18 * (side - 0.7 * k)) / 0.20) ** 2
    mix(colour, skin * (0.22, 0.13, 0.12), 0.92 * smoothstep(1.5, 0.5, hole))
    groove = side - (at.ala_a + 0.20) + 0.25 * (v - at.nose_v) ** 2
    mix(colour, skin * (0.66, 0.52, 0.48), 0.55 * np.exp(-((groove / 0.14) ** 2) - ((v - at.nose_v - 0.1) / 0.6) ** 2))


def _lids(colour: F32, a: F32, v: F32, identity: Identity, at: Layout) -> None:
    skin = np.array(identity.skin, np.float32)
    side = np.abs(a)
    t = np.clip((side - at.eye_a) / at.eye_half, -1.15, 1.15)
    arch = -at.eye_upper * (1 - 0.72 * t * t) - 0.36 + 0.10 * t
    crease = np.exp(-(((v - arch) / 0.10) ** 2)) * smoothstep(1.12, 0.8, np.abs(t))
    mix(colour, skin * (0.56, 0.42, 0.39), 0.55 * crease)
    lid = smoothstep(-0.1, 0.1, v - arch) * smoothstep(0.3, 0.0, v) * smoothstep(1.15, 0.9, np.abs(t))
    mix(colour, skin * (0.90, 0.80, 0.80), 0.5 * lid)
    mix(colour, skin * (0.78, 0.64, 0.62), 0.30 * pair(a, v, at.eye_a, -0.1, 1.9, 1.1))


def brow_edges(side: F32, identity: Identity) -> tuple[F32, F32]:
    """(centre height v, half thickness) of a brow at a distance from the middle of the face."""
    t = np.clip((side - 1.35) / 4.1, 0, 1)
    centre = -1.92 - 0.78 * np.sin(np.pi * np.power(t, 0.85) * 0.78) + 0.55 * np.power(t, 3.0)
    half = identity.brow_weight * 0.38 * np.power(np.sin(np.pi * np.clip(0.16 + 0.80 * t, 0, 1)), 0.7)
    return np.asarray(centre, np.float32), np.asarray(half, np.float32)


def _brows(colour: F32, a: F32, v: F32, identity: Identity, rng: np.random.Generator) -> None:
    side = np.abs(a)
    centre, half = brow_edges(side, identity)
    slanted = np.asarray(v * 0.8 + side * 0.9, np.float32)
    hairs = _stripes(rng, slanted, side, 9.0)
    edge = (np.abs(v - centre) / np.maximum(half, 0.05)) + 0.28 * hairs
    ends = smoothstep(1.15, 1.55, side) * smoothstep(5.55, 5.1, side)
    amount = smoothstep(1.25, 0.45, edge) * ends * (0.80 + 0.14 * hairs)
    tone = np.array(identity.hair, np.float32) * 0.72
    mix(colour, tone, np.clip(amount * min(1.0, 0.86 * identity.brow_weight + 0.05), 0, 0.95))


def _stripes(rng: np.random.Generator, along: F32, across: F32, per_cm: float) -> F32:
    """Irregular stripes of constant `along`, about `per_cm` of them, in -1..1."""
    line = np.convolve(rng.standard_normal(4096), np.hanning(5) / 2, "same")
    at = along * per_cm * 2 + 1.5 * np.sin(across * 3.1)
    return np.tanh(np.interp(at + 2048, np.arange(4096), line)).astype(np.float32)


def _hair(colour: F32, a: F32, v: F32, identity: Identity, rng: np.random.Generator, px_per_cm: float) -> None:
    base = np.array(identity.hair, np.float32)
    fine, locks = _strands(a, v, identity, rng, px_per_cm)
    calm = smoothstep(-11.6, -9.6, v)  # towards the crown the chart shrinks: strands would flicker
    fine, locks = fine * calm, locks * calm
    ragged = 0.2 + 0.8 * smoothstep(11.0, 6.0, np.abs(a))  # seen at a grazing angle a ragged edge breaks into dots
    edge = hair_edge(a, v, identity) + ragged * (0.08 if identity.style == "curly" else 0.16) * (fine + locks)
    crop = identity.style == "crop"
    cover = smoothstep(-0.10, {"crop": 0.9, "short": 0.8}.get(identity.style, 0.40), edge)
    contrast = 1.0 - 0.45 * float(base.mean()) / 255  # pale hair scatters light: its strands differ less
    tone = 1 + contrast * (0.13 * fine + 0.13 * locks - 0.20 * smoothstep(1.4, 0.0, edge))
    ring = np.exp(-(((v + 7.6 + 0.30 * locks) / 1.5) ** 2)) * smoothstep(12, 3, np.abs(a))
    gloss = (22.0 if not crop and identity.style != "curly" else 8.0) * ring * (0.75 + 0.3 * fine)
    hair = base * np.clip(tone, 0.4, 1.6)[..., None] + gloss[..., None] * np.array([1.0, 0.92, 0.82], np.float32)
    shadow = smoothstep(-1.5, 0.0, edge) * (1 - cover)  # hair shades the skin next to it
    mix(colour, colour * np.array([0.66, 0.52, 0.48], np.float32), 0.45 * shadow)
    mix(colour, hair, cover)


def _strands(a: F32, v: F32, identity: Identity, rng: np.random.Generator, px_per_cm: float) -> tuple[F32, F32]:
    """Noise drawn out along the hair: single strands and locks of them."""
    shape, k = (a.shape[0], a.shape[1]), px_per_cm
    sizes = {"curly": ((0.09, 0.10), (0.35, 0.35)), "crop": ((0.05, 0.05), (0.6, 0.6))}
    thin, thick = sizes.get(identity.style, ((0.045, 2.2), (0.22, 4.5)))
    fine, locks = noise(rng, shape, thin[0] * k, thin[1] * k), noise(rng, shape, thick[0] * k, thick[1] * k)
    if identity.style in sizes:
        return fine, locks
    return _sweep(fine, a, v, identity), _sweep(locks, a, v, identity)


def _sweep(field: F32, a: F32, v: F32, identity: Identity) -> F32:
    """Lay vertical strands along the hair's fall: sideways from a parting, or combed across, or straight down."""
    if identity.style == "long":  # a strand is what has the same height at the parting
        across, along = (v - strand_fall(a)) * 1.6, np.abs(a - PARTING_A) - 9
        x, y = chart.to_texel(np.asarray(across, np.float32), np.asarray(along, np.float32), field.shape)
    else:
        lean = 0.45 if identity.style == "short" else 0.05
        x, y = chart.to_texel(np.asarray(a + lean * (v + 6) * np.exp(-((a / 7) ** 2)), np.float32), v, field.shape)
    return np.asarray(cv2.remap(field, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), np.float32)
