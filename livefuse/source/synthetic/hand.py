"""A hand that passes in front of a face: rounded bones blended into one height field, lit like the heads."""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32, U8
from livefuse.source.synthetic.chart import smoothstep
from livefuse.source.synthetic.identity import Identity
from livefuse.source.synthetic.light import GAIN_ONE, Light, shade
from livefuse.source.synthetic.texture import mix, noise

_PERIOD_S, _CROSSING_S = 5.0, 2.6
_SPRITE_CM = (15.0, 33.0)
_PALM_CM = (7.0, 13.0)  # the palm's middle in the sprite, which crosses the face

# (x1, y1, x2, y2, radius at each end), cm in the sprite: four fingers, thumb, palm, forearm
_BONES = (
    (4.1, 9.8, 3.2, 3.6, 0.98, 0.72),
    (6.1, 9.4, 5.8, 2.2, 1.02, 0.75),
    (8.1, 9.6, 8.4, 2.9, 1.00, 0.72),
    (9.9, 10.4, 11.0, 5.2, 0.90, 0.62),
    (4.0, 15.6, 1.5, 10.9, 1.30, 0.82),
    (4.6, 11.2, 5.6, 17.0, 1.7, 1.9),
    (6.6, 11.0, 7.0, 17.0, 1.8, 1.9),
    (8.7, 11.6, 8.4, 16.6, 1.7, 1.8),
    (7.0, 17.0, 7.2, 34.0, 2.5, 3.2),
)


def paint_hand(identity: Identity, px_per_cm: float) -> tuple[U8, U8]:
    """RGB (h, w, 3) and opacity (h, w), uint8."""
    w, h = round(_SPRITE_CM[0] * px_per_cm), round(_SPRITE_CM[1] * px_per_cm)
    x = np.broadcast_to((np.arange(w, dtype=np.float32)[None] + 0.5) / px_per_cm, (h, w))
    y = np.broadcast_to((np.arange(h, dtype=np.float32)[:, None] + 0.5) / px_per_cm, (h, w))
    rise = np.full((h, w), 0.0, np.float32)
    nearest = np.full((h, w), -9.0, np.float32)
    for bone in _BONES:
        inside, along = _capsule(x, y, *bone)
        radius = bone[4] + (bone[5] - bone[4]) * along
        rise = rise + np.sqrt(np.maximum(0, 1 - np.clip(1 - inside / radius, 0, 1) ** 2)) ** 4 * radius**4
        nearest = np.maximum(nearest, inside)
    height = cv2.GaussianBlur(np.power(rise, 0.25), (0, 0), 0.10 * px_per_cm)
    gx, gy = (
        cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=px_per_cm / 8),
        cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=px_per_cm / 8),
    )
    normal = np.stack([-gx, -gy, np.full_like(gx, 0.9)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    lit = shade(np.dstack([normal, np.full_like(gx, 0.5)]).astype(np.float32), np.eye(3, dtype=np.float32), Light())
    paint = _skin(x, y, identity, px_per_cm)
    rgb = np.clip(paint * (lit[..., :3] / np.float32(GAIN_ONE)) + lit[..., 3:], 0, 255).astype(np.uint8)
    return rgb, np.clip(255 * smoothstep(-0.7 / px_per_cm, 0.7 / px_per_cm, nearest), 0, 255).astype(np.uint8)


def _capsule(x: F32, y: F32, x1: float, y1: float, x2: float, y2: float, r1: float, r2: float) -> tuple[F32, F32]:
    """Depth inside a bone's outline in cm (< 0 outside) and the position along it, 0..1."""
    dx, dy = x2 - x1, y2 - y1
    along = np.clip(((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy), 0, 1)
    away = np.hypot(x - x1 - along * dx, y - y1 - along * dy)
    return np.asarray(r1 + (r2 - r1) * along - away, np.float32), np.asarray(along, np.float32)


def _skin(x: F32, y: F32, identity: Identity, px_per_cm: float) -> F32:
    rng = np.random.default_rng([identity.seed, 71])
    base = np.array(identity.skin, np.float32)
    paint: F32 = np.ascontiguousarray(np.broadcast_to(base, (*x.shape, 3)))
    shape = (x.shape[0], x.shape[1])
    paint *= (
        1
        + 0.02 * noise(rng, shape, 0.8, 0.8)[..., None]
        + 0.03 * noise(rng, shape, 0.5 * px_per_cm, 0.5 * px_per_cm)[..., None]
    )
    for x1, y1, x2, y2, _, r2 in _BONES[:5]:
        for part in (0.42, 0.72):
            kx, ky = x1 + part * (x2 - x1), y1 + part * (y2 - y1)
            fold = np.exp(-(((y - ky - 0.08 * (x - kx) ** 2) / 0.16) ** 2) - ((x - kx) / 0.7) ** 2)
            mix(paint, base * (0.72, 0.58, 0.54), 0.35 * fold)
        ux, uy = (x2 - x1) / np.hypot(x2 - x1, y2 - y1), (y2 - y1) / np.hypot(x2 - x1, y2 - y1)
        s, t = (x - x2) * ux + (y - y2) * uy, (x - x2) * uy - (y - y2) * ux
        nail = smoothstep(1.15, 0.9, ((s - 0.05) / (0.62 * r2 / 0.72)) ** 4 + (t / (0.60 * r2)) ** 4)
        mix(paint, base * (1.06, 0.92, 0.90) + 8, 0.8 * nail)
    cuff = smoothstep(25.0, 25.2, y - 0.05 * (x - 7) ** 2)
    mix(paint, np.array(identity.cloth, np.float32) * 0.95, cuff)
    return paint


class Hand:
    """The moving hand: where it is at a time, as a picture over a part of the frame."""

    def __init__(self, identity: Identity, px_per_cm: float) -> None:
        self._k = px_per_cm
        self._rgb, self._alpha = paint_hand(identity, min(24.0, max(6.0, px_per_cm)))
        self._sprite_k = min(24.0, max(6.0, px_per_cm))

    def at(self, t_s: float, face_x: float, face_y: float) -> tuple[int, int, U8, U8] | None:
        """(x, y, rgb, alpha) of the hand as it crosses a face centred at (face_x, face_y) px; None between crossings."""
        u = (t_s % _PERIOD_S - 0.4) / _CROSSING_S
        if not 0 <= u <= 1:
            return None
        k = self._k
        x = face_x + (16.0 - 24.0 * u) * k
        y = face_y + (22.0 - 21.0 * np.sin(np.pi * u) + 2.0 * u) * k
        turn = -0.55 + 0.75 * u
        scale = k / self._sprite_k
        c, s = scale * np.cos(turn), scale * np.sin(turn)
        px, py = _PALM_CM[0] * self._sprite_k, _PALM_CM[1] * self._sprite_k
        forward = np.array([[c, -s, x - c * px + s * py], [s, c, y - s * px - c * py]], np.float32)
        h, w = self._alpha.shape
        corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32) @ forward[:, :2].T + forward[:, 2]
        x1, y1 = (int(np.floor(corners[:, i].min() / 2)) * 2 for i in (0, 1))
        size = int(np.ceil(corners[:, 0].max())) - x1, int(np.ceil(corners[:, 1].max())) - y1
        forward[:, 2] -= (x1, y1)
        rgb = cv2.warpAffine(self._rgb, forward, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(self._alpha, forward, size, flags=cv2.INTER_LINEAR)
        return x1, y1, rgb, alpha
