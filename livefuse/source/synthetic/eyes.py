"""Eyes, drawn per frame in frame pixels from chart coordinates: exact edges at any size."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32, U8
from livefuse.source.synthetic.chart import smoothstep
from livefuse.source.synthetic.head import Layout
from livefuse.source.synthetic.identity import Identity
from livefuse.source.synthetic.light import Light
from livefuse.source.synthetic.pose import Expression
from livefuse.source.synthetic.texture import mix

IRIS_CM = 0.67
_BALL_CM, _BALL_PX = 2.2, 176  # the eyeball picture spans +-2.2 cm about the iris


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
    white = np.array([232, 226, 222], np.float32) - 34 * smoothstep(1.0, 3.4, r)[..., None] * np.array(
        [0.7, 1, 1], np.float32
    )
    spokes = cv2.GaussianBlur(rng.standard_normal((1, 720), np.float32), (0, 0), 2.0, borderType=cv2.BORDER_REFLECT)[0]
    angle = (np.arctan2(y, x) + np.pi) * (719 / (2 * np.pi))
    fibre = np.interp(angle.ravel(), np.arange(720), spokes / spokes.std()).reshape(r.shape)
    tone = (
        1.02
        + 0.16 * fibre * smoothstep(0.3, 0.6, r)
        - 0.55 * smoothstep(0.72, 1.0, r)
        + 0.30 * smoothstep(-0.4, 0.9, y)
    )
    iris = np.array(identity.eye, np.float32) * np.clip(tone, 0.2, 2)[..., None]
    collar = np.exp(-(((r - 0.48) / 0.12) ** 2))
    mix(iris, np.array(identity.eye, np.float32) * (1.35, 1.15, 0.75), 0.45 * collar)
    mix(iris, (14, 11, 11), smoothstep(0.43, 0.37, r))
    mix(white, iris, smoothstep(1.06, 0.94, r))
    return np.clip(white, 0, 255).astype(np.uint8)


def draw_eye(
    paint: F32, a: F32, v: F32, px: float, ball: U8, identity: Identity, at: Layout, do: Expression, light: Light
) -> None:
    """Paint one eye into `paint` (h, w, 3), whose pixels show chart points (a, v); px is the scale in px per cm."""
    side = np.abs(a)
    left = -1.0 if float(a[a.shape[0] // 2, a.shape[1] // 2]) < 0 else 1.0
    upper, lower = lid_edges(side, at, do)
    from_upper, from_lower = v - upper, lower - v
    span = np.clip((side - (at.eye_a - at.eye_half)) * px + 0.5, 0, 1) * np.clip(
        (at.eye_a + at.eye_half - side) * px + 0.5, 0, 1
    )
    open_ = np.clip(from_upper * px + 0.5, 0, 1) * np.clip(from_lower * px + 0.5, 0, 1) * span
    _lid_skin(paint, v, from_upper, from_lower, span, px, identity, at, do)
    gx, gy = left * at.eye_a + do.gaze[0], 0.0 + do.gaze[1]
    scale = np.float32(_BALL_PX / (2 * _BALL_CM))
    mx, my = (a - gx) * scale + (_BALL_PX - 1) / 2, (v - gy) * scale + (_BALL_PX - 1) / 2
    seen = cv2.remap(
        ball, mx.astype(np.float32), my.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    eye = seen.astype(np.float32)
    ends = np.abs(side - at.eye_a) / at.eye_half
    shadow = (0.52 + 0.48 * smoothstep(-0.05, 0.42, from_upper)) * (1 - 0.30 * smoothstep(0.55, 1.05, ends))
    eye *= shadow[..., None]
    caruncle = smoothstep(at.eye_a - at.eye_half + 0.42, at.eye_a - at.eye_half + 0.12, side)
    mix(eye, np.array(identity.skin, np.float32) * (0.92, 0.62, 0.60), 0.85 * caruncle)
    _catchlights(eye, a, v, gx, gy, px, light)
    mix(paint, eye, open_.astype(np.float32))
    _lashes(paint, side, from_upper, from_lower, px, identity, at, do)


def _lid_skin(
    paint: F32,
    v: F32,
    from_upper: F32,
    from_lower: F32,
    span: F32,
    px: float,
    identity: Identity,
    at: Layout,
    do: Expression,
) -> None:
    """A closing lid unrolls over the eye; below, a moist rim."""
    skin = np.array(identity.skin, np.float32)
    if do.blink > 0.02:
        lid = smoothstep(0.05, -0.05, from_upper) * smoothstep(-at.eye_upper - 0.30, -at.eye_upper - 0.05, v) * span
        mix(paint, skin * (0.93, 0.84, 0.83), np.float32(0.85) * do.blink * lid)
    rim = np.exp(-(((from_lower + 0.04) / max(0.07, 0.5 / px)) ** 2)) * span
    mix(paint, skin * (0.98, 0.80, 0.78), 0.6 * rim)


def _catchlights(eye: F32, a: F32, v: F32, gx: float, gy: float, px: float, light: Light) -> None:
    key = light.key()
    soft = 0.06 + 0.5 / px
    for size, x, y, amount in ((0.17, 0.30 * key[0], 0.42 * key[1], 0.95), (0.10, -0.35 * key[0], 0.22, 0.22)):
        r = np.hypot(a - gx - x, v - gy - y)
        mix(eye, (252, 252, 255), np.asarray(amount * smoothstep(size + soft / 2, size - soft / 2, r), np.float32))


def _lashes(
    paint: F32, side: F32, from_upper: F32, from_lower: F32, px: float, identity: Identity, at: Layout, do: Expression
) -> None:
    t = (side - at.eye_a) / at.eye_half
    tone = np.array(identity.hair, np.float32) * 0.25 + 8
    within = smoothstep(-1.06, -0.7, t) * smoothstep(1.22, 0.95, t)
    thick = (0.05 + 0.07 * identity.lashes) * (0.75 + 0.45 * t)
    grow = 0.5 / px
    line = smoothstep(1.0, 0.3, np.abs(from_upper + 0.35 * thick) / (thick + grow)) * within
    mix(paint, tone, np.float32(0.92) * line)
    under = np.exp(-(((from_lower + 0.09) / (0.045 + grow)) ** 2)) * smoothstep(-0.5, 0.6, t) * smoothstep(1.1, 0.9, t)
    mix(paint, tone + 20, np.float32(0.28 + 0.2 * identity.lashes) * under)
