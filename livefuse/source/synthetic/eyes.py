"""Eyes, drawn per frame in frame pixels from chart coordinates: exact edges at any size.

Colours are planes (3, h, w) here: NumPy broadcasts an opacity over planes many times faster than over pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from livefuse.frame import F32, U8
from livefuse.source.synthetic.chart import Floats, smoothstep
from livefuse.source.synthetic.head import Layout
from livefuse.source.synthetic.identity import Identity
from livefuse.source.synthetic.light import Light
from livefuse.source.synthetic.pose import Expression
from livefuse.source.synthetic.texture import mix

IRIS_CM = 0.67
_BALL_CM, _BALL_PX = 2.2, 176  # the eyeball picture spans +-2.2 cm about the iris
_LIDS = 256
_SHEET_ROWS = 16  # one row would pass the 32767 columns that OpenCV can remap to


def lid_edges(side: F32, at: Layout, do: Expression) -> tuple[F32, F32]:
    """Heights v of the upper and the lower lid's edge at a distance from the middle of the face."""
    t = np.clip((side - at.eye_a) / at.eye_half, -1, 1)  # -1 at the inner corner, 1 at the outer
    axis = 0.10 - 0.10 * t
    upper = at.eye_upper * np.power(np.maximum(0, 1 - t * t), 0.62) * (1 - 0.10 * t)
    lower = at.eye_lower * np.power(np.maximum(0, 1 - t * t), 0.80) * (1 + 0.22 * t) * (1 - 0.35 * do.smile)
    shut = 1.0 - do.blink
    return np.asarray(axis - upper * shut + 0.92 * lower * do.blink, np.float32), np.asarray(axis + lower, np.float32)


def paint_eyeball(identity: Identity) -> U8:
    """(176, 176, 3) uint8: iris and pupil in the middle of the white."""
    rng = np.random.default_rng([identity.seed, 23])
    axis = (np.arange(_BALL_PX, dtype=np.float32) - (_BALL_PX - 1) / 2) * (2 * _BALL_CM / _BALL_PX)
    x, y = np.meshgrid(axis, axis)
    r = np.hypot(x, y) / IRIS_CM
    fade = smoothstep(1.0, 3.4, r)[..., None] * np.array([0.7, 1, 1], np.float32)
    ball: F32 = np.asarray(np.array([226, 220, 215], np.float32) - 34 * fade, np.float32)
    spokes = cv2.GaussianBlur(rng.standard_normal((1, 720), np.float32), (0, 0), 2.0, borderType=cv2.BORDER_REFLECT)[0]
    angle = (np.arctan2(y, x) + np.pi) * (719 / (2 * np.pi))
    fibre = np.interp(angle.ravel(), np.arange(720), spokes / spokes.std()).reshape(r.shape)
    tone = (
        1.02
        + 0.16 * fibre * smoothstep(0.3, 0.6, r)
        - 0.55 * smoothstep(0.72, 1.0, r)
        + 0.30 * smoothstep(-0.4, 0.9, y)
    )
    colour = np.array(identity.eye, np.float32)
    iris: F32 = np.asarray(colour * np.clip(tone, 0.2, 2)[..., None], np.float32)
    mix(iris, colour * (1.35, 1.15, 0.75), 0.45 * np.exp(-(((r - 0.48) / 0.12) ** 2)))
    mix(iris, (14, 11, 11), smoothstep(0.43, 0.37, r))
    mix(ball, iris, smoothstep(1.06, 0.94, r))
    return np.clip(ball, 0, 255).astype(np.uint8)


class EyePainter:
    """Draws the eyes of one identity."""

    def __init__(self, identity: Identity, at: Layout) -> None:
        self._at = at
        self._ball = paint_eyeball(identity)
        skin, hair = np.array(identity.skin, np.float32), np.array(identity.hair, np.float32)
        self._lid = _plane(skin * (0.93, 0.84, 0.83))
        self._rim = _plane(skin * (0.98, 0.80, 0.78))
        self._caruncle = _plane(skin * (0.92, 0.62, 0.60))
        self._lash, self._under = _plane(hair * 0.25 + 8), _plane(hair * 0.25 + 28)
        self._lashes = identity.lashes
        self._side = np.linspace(at.eye_a - at.eye_half - 0.6, at.eye_a + at.eye_half + 0.6, _LIDS, dtype=np.float32)

    def draw(self, eyes: Sequence[tuple[F32, F32, F32]], px: float, do: Expression, light: Light) -> None:
        """Paint into windows (paint (3, h, w), a, v), one per eye, whose pixels show chart points (a, v); px is the
        scale in px per cm. The windows are worked on as one sheet of pixels: half the calls."""
        total = sum(v.size for _, _, v in eyes)
        spare = -total % _SHEET_ROWS
        paint, a, v = (
            np.concatenate([e[i].reshape(planes, -1) for e in eyes] + [np.zeros((planes, spare), np.float32)], axis=-1)
            for i, planes in ((0, 3), (1, 1), (2, 1))
        )
        sheet = paint.reshape(3, _SHEET_ROWS, -1)
        self._draw(sheet, a.reshape(_SHEET_ROWS, -1), v.reshape(_SHEET_ROWS, -1), px, do, light)
        at = 0
        for part, _, _ in eyes:
            size = part[0].size
            part[...] = paint[:, at : at + size].reshape(part.shape)
            at += size

    def _draw(self, paint: F32, a: F32, v: F32, px: float, do: Expression, light: Light) -> None:
        side = np.abs(a)
        from_upper, from_lower, lit, span, pink, lash, under = self._profile(side, v, px, do)
        self._skin(paint, v, from_upper, from_lower, span, px, do)
        # (x, y) from the middle of the iris; each eye has its own
        x = a - np.copysign(np.float32(self._at.eye_a), a) - np.float32(do.gaze[0])
        y = v - np.float32(do.gaze[1])
        eye = self._eyeball(x, y)
        eye *= lit * (np.float32(0.50) + np.float32(0.50) * smoothstep(-0.05, 0.42, from_upper))
        _mix(eye, self._caruncle, pink)
        _catchlights(eye, x, y, px, light)
        _mix(paint, eye, _cover(from_upper, px) * _cover(from_lower, px) * span)
        line = smoothstep(1.0, 0.3, np.abs(from_upper + np.float32(0.03)) / (lash + np.float32(0.5 / px)))
        _mix(paint, self._lash, line * np.minimum(lash * 20, np.float32(0.92)))
        _mix(paint, self._under, under * np.exp(-(((from_lower + 0.09) / (0.045 + 0.5 / px)) ** 2)))

    def _profile(self, side: F32, v: F32, px: float, do: Expression) -> tuple[F32, ...]:
        """What depends on the distance from the middle alone, looked up per pixel: edges, light, ends, lashes."""
        at, s = self._at, self._side
        t = (s - at.eye_a) / at.eye_half
        upper, lower = lid_edges(s, at, do)
        lit = 1 - 0.30 * smoothstep(0.55, 1.05, np.abs(t))
        span = np.clip((1 - np.abs(t)) * at.eye_half * px + 0.5, 0, 1)
        pink = 0.85 * smoothstep(-0.74, -0.92, t)
        lash = (0.05 + 0.07 * self._lashes) * (0.75 + 0.45 * t) * smoothstep(-1.06, -0.7, t) * smoothstep(1.22, 0.95, t)
        under = (0.28 + 0.2 * self._lashes) * smoothstep(-0.5, 0.6, t) * smoothstep(1.1, 0.9, t)
        table = np.stack([upper, lower, lit, span, pink, np.maximum(lash, 1e-4), under]).astype(np.float32)
        x = (side - s[0]) * np.float32((_LIDS - 1) / (s[-1] - s[0]))
        y = np.zeros_like(x)
        first, second = (np.ascontiguousarray(rows.T)[None] for rows in (table[:4], table[3:]))
        looked = [cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) for part in (first, second)]
        up, low, lit, span, _, pink, lash, under = (*cv2.split(looked[0]), *cv2.split(looked[1]))
        return v - up, low - v, lit, span, pink, lash, under

    def _eyeball(self, x: F32, y: F32) -> F32:
        scale, middle = np.float32(_BALL_PX / (2 * _BALL_CM)), np.float32((_BALL_PX - 1) / 2)
        x, y = x * scale + middle, y * scale + middle
        seen = cv2.remap(self._ball, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.stack(cv2.split(seen)).astype(np.float32)

    def _skin(
        self, paint: F32, v: F32, from_upper: Floats, from_lower: Floats, span: F32, px: float, do: Expression
    ) -> None:
        """A closing lid unrolls over the eye; below, a moist rim."""
        if do.blink > 0.02:
            lid = smoothstep(0.05, -0.05, from_upper) * span
            lid *= smoothstep(-self._at.eye_upper - 0.30, -self._at.eye_upper - 0.05, v)
            _mix(paint, self._lid, np.float32(0.85 * do.blink) * lid)
        rim = np.exp(-(((from_lower + 0.04) / max(0.07, 0.5 / px)) ** 2)) * span
        _mix(paint, self._rim, np.float32(0.6) * rim)


def _plane(colour: Floats) -> F32:
    return np.asarray(colour, np.float32).reshape(3, 1, 1)


def _mix(paint: F32, other: F32, amount: Floats) -> None:
    paint += (other - paint) * amount


def _cover(inside_cm: Floats, px: float) -> Floats:
    """Opacity of a pixel whose middle lies `inside_cm` within an edge."""
    return np.minimum(np.maximum(inside_cm * np.float32(px) + np.float32(0.5), 0), 1)


def _catchlights(eye: F32, x: F32, y: F32, px: float, light: Light) -> None:
    key = light.key()
    soft = 0.06 + 0.5 / px
    white = np.array([252, 252, 255], np.float32).reshape(3, 1, 1)
    for size, kx, ky, amount in ((0.17, 0.30 * key[0], 0.42 * key[1], 0.95), (0.10, -0.35 * key[0], 0.22, 0.22)):
        across, down = x - np.float32(kx), y - np.float32(ky)
        r = np.sqrt(across * across + down * down)
        _mix(eye, white, np.float32(amount) * smoothstep(size + soft / 2, size - soft / 2, r))
