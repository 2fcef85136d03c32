"""The head's surface: skull and jaw from profile curves, features as smooth hills, hair as extra thickness."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from livefuse.frame import F32
from livefuse.source.synthetic import chart
from livefuse.source.synthetic.chart import Floats, bump, pair, smoothstep
from livefuse.source.synthetic.identity import Identity

RELIEF_PX_PER_CM = 10.0

# (v, half width, depth in front, depth behind): cm, measured along the chart's radius
_PROFILE = np.array(
    [
        (-12.0, 8.35, 8.35, 8.35),
        (-11.4, 8.3, 8.4, 8.4),
        (-10.5, 8.2, 8.5, 8.6),
        (-8.0, 7.8, 8.9, 9.2),
        (-6.0, 7.5, 9.15, 9.5),
        (-4.0, 7.35, 9.3, 9.7),
        (-2.0, 7.3, 9.35, 9.6),
        (0.0, 7.2, 9.2, 9.2),
        (2.0, 7.0, 9.15, 8.4),
        (4.0, 6.7, 9.2, 7.2),
        (6.0, 6.2, 9.2, 6.2),
        (7.0, 5.8, 9.15, 5.8),
        (8.5, 5.15, 9.05, 5.3),
        (9.5, 4.75, 9.15, 5.0),
        (10.3, 4.45, 9.25, 4.8),
        (11.0, 4.2, 9.0, 4.7),
        (11.6, 4.1, 8.3, 4.6),
        (12.3, 3.9, 6.6, 4.3),  # the throat falls away steeply: the neck behind it is drawn with the body
        (13.1, 3.4, 4.4, 3.6),
        (14.2, 2.3, 2.5, 2.3),
        (16.0, 1.0, 1.0, 1.0),
    ],
    np.float32,
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one identity's features lie on the chart, neutral; shared by relief, paint and landmarks."""

    eye_a: float
    eye_half: float
    eye_upper: float
    eye_lower: float
    nose_v: float
    ala_a: float
    mouth_v: float
    mouth_half: float
    lip_upper: float
    lip_lower: float
    chin_v: float


def layout_of(identity: Identity) -> Layout:
    return Layout(
        eye_a=3.3,
        eye_half=1.62,
        eye_upper=0.64 * identity.eye_open,
        eye_lower=0.40 * identity.eye_open,
        nose_v=4.15 + 2.4 * (identity.nose_length - 1),
        ala_a=1.5 * identity.nose_width,
        mouth_v=6.75,
        mouth_half=2.6 * identity.mouth_width,
        lip_upper=0.82 * identity.lip_fullness,
        lip_lower=1.0 * identity.lip_fullness,
        chin_v=11.2,
    )


@dataclass(frozen=True, slots=True)
class Head:
    """Shapes, over the chart: skin and radius (H, W) float32 cm, without and with hair; normal (H, W, 3) float32; hair
    (H, W) float32, 0 on skin, 1 under hair."""

    identity: Identity
    layout: Layout
    skin: F32
    radius: F32
    normal: F32
    hair: F32


def build_head(identity: Identity) -> Head:
    layout = layout_of(identity)
    a, v = chart.chart_grid(RELIEF_PX_PER_CM)
    skin = _skull(a, v, identity) + _features(a, v, identity, layout)
    hair = hair_cover(a, v, identity, {"crop": 1.5}.get(identity.style, 2.6))
    radius = skin + hair * _hair_thickness(a, v, identity)
    radius = np.asarray(cv2.GaussianBlur(radius, (0, 0), 0.9), np.float32)
    return Head(identity, layout, np.asarray(skin, np.float32), radius, _normals(a, v, radius), hair)


def hair_edge(a: F32, v: F32, identity: Identity) -> F32:
    """Distance in cm to the hairline, > 0 under hair."""
    side = np.abs(a)
    style = identity.style
    if style == "long":
        above: Floats = (-7.1 + strand_fall(a) - v) / (1.0 + 0.1 * side)
    elif style == "bob":
        above = -3.5 + 0.016 * a * a - v
    else:
        top = {"crop": -6.7, "curly": -6.1, "short": -6.9}[style]
        line = top + 0.2 * np.cos(a * 1.1) + 0.045 * np.maximum(side - 3.0, 0) ** 2
        above = (line - v) / (1.0 + 0.05 * side)
    if style in ("long", "bob", "curly"):  # falls in front of the ears, then behind the jaw
        start, rise, low = {"long": (8.2, 0.5, 3.5), "bob": (7.7, 0.4, 3.5), "curly": (8.0, 0.45, 3.5)}[style]
        inner = start + 0.06 * np.maximum(v, -6) + rise * np.maximum(v - low, 0) + 0.8 * np.maximum(v - 7.5, 0)
        return np.minimum(_soft_max(above, side - inner), 8.8 - v).astype(np.float32)
    burn = np.minimum(np.minimum(side - 10.3 + 0.10 * (v + 4), 12.6 - side), (1.4 - v) * 0.8)
    round_ear = np.minimum(-1.7 - v + 0.2 * np.maximum(side - 12.5, 0), side - 10.6)
    nape = np.minimum(side - 16.2, 8.0 - v)
    return _soft_max(_soft_max(above, burn), np.maximum(round_ear, nape))


PARTING_A = 1.3


def strand_fall(a: F32) -> F32:
    """How far long hair has dropped where it lies at a: the shape of its strands and of its edge."""
    return np.asarray(0.0042 * np.power(np.abs(a - PARTING_A) + 1e-3, 3.1), np.float32)


def _soft_max(p: Floats, q: Floats) -> F32:
    """The larger one, with a rounded inner corner."""
    h = np.maximum(0.9 - np.abs(p - q), 0) / 0.9
    return np.asarray(np.maximum(p, q) + h * h * 0.9 * 0.25, np.float32)


def hair_cover(a: F32, v: F32, identity: Identity, softness: float) -> F32:
    """1 under hair, 0 on skin, soft over `softness` cm at the hairline."""
    return smoothstep(0.0, softness, hair_edge(a, v, identity))


def _skull(a: F32, v: F32, identity: Identity) -> F32:
    rows = v[:, 0]
    wide, front, back = (_curve(rows, column) for column in (1, 2, 3))
    wide = wide * identity.face_width * (1 + (identity.jaw_width - 1) * smoothstep(2.0, 6.5, rows))
    phi = chart.azimuth(a[0])
    sine, cosine = np.abs(np.sin(phi)), np.abs(np.cos(phi))
    deep = np.where(np.cos(phi)[None] > 0, front[:, None], back[:, None])
    p = 2.25 - 0.25 * (smoothstep(-9.5, -11.8, rows) + smoothstep(13.0, 15.8, rows))[:, None]  # round at the poles
    inverse = (sine[None] / wide[:, None]) ** p + (cosine[None] / deep) ** p
    return np.asarray(inverse ** (-1 / p), np.float32)


def _curve(rows: F32, column: int) -> F32:
    dense = np.interp(rows, _PROFILE[:, 0], _PROFILE[:, column]).astype(np.float32)[:, None]
    blurred = cv2.GaussianBlur(dense, (1, 31), sigmaX=0.1, sigmaY=5.0, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred[:, 0], np.float32)


def _features(a: F32, v: F32, identity: Identity, at: Layout) -> F32:
    relief = _brow_and_eyes(a, v, at) + _nose(a, v, identity, at) + _mouth_and_chin(a, v, at)
    relief += 0.40 * pair(a, v, 5.0, 2.4, 1.9, 1.5) - 0.30 * pair(a, v, 5.4, 5.6, 1.6, 1.8)  # cheekbone, hollow
    relief -= 0.22 * pair(a, v, 7.2, -2.6, 1.3, 1.8)  # temple
    relief += 0.14 * pair(a, v, 3.4, 4.6, 1.5, 1.3)  # the cheek beside the nose
    fold = np.abs(a) - (at.ala_a + 0.35 + 0.62 * (v - 4.2))
    depth = (0.10 + 0.10 * identity.age) * smoothstep(3.6, 4.8, v) * (1 - smoothstep(6.0, 7.4, v))
    relief -= depth * np.exp(-((fold / 0.32) ** 2))
    if has_ears(identity):
        relief += _ears(a, v)
    return np.asarray(relief, np.float32)


def _brow_and_eyes(a: F32, v: F32, at: Layout) -> F32:
    relief = 0.34 * pair(a, v, 3.2, -2.0, 2.3, 0.85) + 0.10 * bump(a, v, 0, -2.0, 1.2, 0.9)
    relief -= 0.62 * pair(a, v, at.eye_a, 0.0, 1.9, 1.15) + 0.50 * pair(a, v, 1.65, -0.1, 0.75, 0.9)
    relief += 0.52 * pair(a, v, at.eye_a, 0.05, 1.25, 0.85)
    relief -= 0.10 * pair(a, v, at.eye_a, -0.95, 1.4, 0.22)  # the crease of the upper lid
    return np.asarray(relief + 0.06 * pair(a, v, at.eye_a, 0.95, 1.3, 0.3), np.float32)


def _nose(a: F32, v: F32, identity: Identity, at: Layout) -> F32:
    tip = at.nose_v
    stops = np.array([-2.6, -1.4, -0.4, 1.0, tip - 1.3, tip - 0.35, tip + 0.15, tip + 0.55, tip + 0.95, tip + 1.4])
    height = np.array([0.0, 0.12, 0.38, 0.95, 1.72, 2.16, 2.10, 1.35, 0.42, 0.0])
    ridge = _smooth_rows(v, stops, height)
    spread = _smooth_rows(v, np.array([-2.0, 0.0, tip - 1.2, tip, tip + 1.2]), np.array([0.62, 0.58, 0.78, 0.98, 1.0]))
    spread = spread * identity.nose_width
    relief = ridge * np.exp(-((np.abs(a) / spread) ** 1.8))
    relief += 0.30 * bump(a, v, 0, 1.6, 1.9, 2.2)  # the flanks run out into the cheeks
    relief += 0.80 * pair(a, v, at.ala_a - 0.25, tip + 0.02, 0.50, 0.55)
    relief -= 0.14 * pair(a, v, at.ala_a + 0.42, tip, 0.26, 0.5)
    return np.asarray(relief - 0.45 * pair(a, v, 0.66 * identity.nose_width, tip + 0.62, 0.34, 0.22), np.float32)


def _mouth_and_chin(a: F32, v: F32, at: Layout) -> F32:
    m, upper, lower = at.mouth_v, at.lip_upper, at.lip_lower
    relief = 0.35 * bump(a, v, 0, m, 2.9, 1.7)  # the teeth behind the lips
    relief += 0.34 * bump(a, v, 0, m - 0.45 * upper, 1.9, 0.42) + 0.10 * pair(a, v, 0.55, m - 0.7 * upper, 0.4, 0.3)
    relief += 0.44 * bump(a, v, 0, m + 0.5 * lower, 1.55, 0.46)
    relief -= 0.26 * np.exp(-(((v - m) / 0.16) ** 2) - (a / (0.9 * at.mouth_half)) ** 6)
    relief -= 0.20 * pair(a, v, at.mouth_half + 0.1, m + 0.1, 0.42, 0.5)
    relief -= 0.13 * bump(a, v, 0, m - upper - 0.6, 0.30, 0.55)
    relief += 0.06 * pair(a, v, 0.52, m - upper - 0.6, 0.26, 0.55)
    relief -= 0.30 * bump(a, v, 0, m + lower + 0.95, 1.6, 0.45)
    return np.asarray(relief + 0.34 * bump(a, v, 0, 10.0, 1.6, 0.95), np.float32)


def has_ears(identity: Identity) -> bool:
    """Whether the hair leaves the ears free."""
    return identity.style in ("short", "crop")


def _ears(a: F32, v: F32) -> F32:
    side = np.abs(a)
    tilt = side - 0.12 * (v - 1.2)
    outer = np.exp(-(((tilt - 14.2) / 1.25) ** 4) - ((v - 1.0) / (2.75 - 0.12 * (tilt - 14.2))) ** 4)
    inner = np.exp(-(((tilt - 13.7) / 0.75) ** 2) - ((v - 0.6) / 1.6) ** 2)
    return np.asarray(1.35 * outer - 0.7 * inner, np.float32)


def _hair_thickness(a: F32, v: F32, identity: Identity) -> F32:
    base, crown = {
        "crop": (0.12, 0.25),
        "short": (0.45, 1.3),
        "long": (0.55, 0.75),
        "bob": (0.55, 0.9),
        "curly": (0.9, 1.8),
    }[identity.style]
    thick = base + crown * smoothstep(-3.0, -8.5, v)
    if identity.style in ("long", "bob", "curly"):
        thick = thick + (0.7 if identity.style != "curly" else 1.2) * smoothstep(6.5, 10.0, np.abs(a)) * smoothstep(
            -5.0, 3.0, v
        )
    if identity.style == "short":
        thick = thick + 0.7 * bump(a, v, 1.5, -8.6, 5.0, 1.8)  # a quiff
    if identity.style == "long":
        thick = thick - 0.25 * np.exp(-(((a - PARTING_A) / 0.35) ** 2)) * smoothstep(-6.0, -7.5, v)  # the parting
    if identity.style == "curly":
        thick = thick + 0.16 * np.sin(a * 2.6 + 1.3 * np.sin(v * 1.7)) * np.sin(v * 2.3 + 1.1 * np.sin(a * 1.9))
    return np.asarray(thick, np.float32)


def _smooth_rows(v: F32, stops: np.ndarray, values: np.ndarray) -> F32:
    """A smooth curve of v through the stops, as a picture."""
    dense = np.interp(v[:, 0], stops, values).astype(np.float32)[:, None]
    dense = cv2.GaussianBlur(dense, (1, 25), sigmaX=0.1, sigmaY=2.5, borderType=cv2.BORDER_REPLICATE)
    return np.broadcast_to(np.asarray(dense, np.float32).reshape(-1, 1), v.shape)


def _normals(a: F32, v: F32, radius: F32) -> F32:
    at = chart.to_head(a, v, radius)
    down, across = np.gradient(at, axis=(0, 1))
    normal = np.cross(across, down)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-6)
    outwards = np.sign(np.sum(normal * (at - np.array([0, 1.0, 0], np.float32)), axis=-1, keepdims=True))
    return np.ascontiguousarray(normal * outwards, np.float32)
