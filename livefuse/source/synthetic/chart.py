"""The head's chart: two coordinates (a, v) on a star-shaped surface, close to centimetres across the front of a face.

Head space: cm, x to the image's right, y down, z towards the camera; the origin lies between the ears at eye height.
The surface is a radius over the chart: cylindrical between `TOP` and `BOTTOM`, closed by a dome above and a bowl below,
so that the crown and the underside of the chin are as regular as the cheeks. `a` is x / (z + 1.6 rho) instead of an
angle: no arc tangent per ray, and a nearly even scale as far as behind the ears.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from livefuse.frame import F32

Floats: TypeAlias = npt.NDArray[np.floating[Any]]

TOP, BOTTOM = -3.0, 7.0
A_SCALE, A_BACK, DOME = 23.6, 1.6, 9.0
A_MIN, A_MAX, V_MIN, V_MAX = -18.0, 18.0, -12.0, 16.0


def chart_grid(px_per_cm: float) -> tuple[F32, F32]:
    """(a, v) of every texel of a picture that covers the chart."""
    width, height = chart_size(px_per_cm)
    a = np.linspace(A_MIN, A_MAX, width, dtype=np.float32)
    v = np.linspace(V_MIN, V_MAX, height, dtype=np.float32)
    aa, vv = np.meshgrid(a, v)
    return aa, vv


def chart_size(px_per_cm: float) -> tuple[int, int]:
    """(width, height) of a picture that covers the chart."""
    return round((A_MAX - A_MIN) * px_per_cm) + 1, round((V_MAX - V_MIN) * px_per_cm) + 1


def to_texel(a: Floats, v: Floats, shape: tuple[int, ...]) -> tuple[F32, F32]:
    """Where a chart point lies in a picture of the chart."""
    height, width = shape[:2]
    return (
        np.asarray((a - A_MIN) * np.float32((width - 1) / (A_MAX - A_MIN)), np.float32),
        np.asarray((v - V_MIN) * np.float32((height - 1) / (V_MAX - V_MIN)), np.float32),
    )


def azimuth(a: Floats) -> F32:
    """Angle about the vertical axis, 0 in front."""
    u = np.clip(a / A_SCALE, -0.8, 0.8)
    k = A_BACK
    t = (1 + k) * u / (1 + np.sqrt(np.maximum(0, 1 - (k * k - 1) * u * u)))
    return np.asarray(2 * np.arctan(t), np.float32)


def to_head(a: Floats, v: Floats, radius: Floats) -> F32:
    """Chart points at a radius -> (..., 3) head space."""
    phi = azimuth(a)
    sine = np.clip((v - np.clip(v, TOP, BOTTOM)) / DOME, -1, 1)
    rho = radius * np.sqrt(1 - sine * sine)
    y = np.clip(v, TOP, BOTTOM) + radius * sine
    return np.stack([rho * np.sin(phi), y, rho * np.cos(phi)], axis=-1).astype(np.float32)


def bump(a: Floats, v: Floats, ca: float, cv: float, sa: float, sv: float) -> F32:
    """A Gaussian hill of height 1."""
    return np.exp(-(((a - ca) / sa) ** 2) - ((v - cv) / sv) ** 2).astype(np.float32)


def pair(a: Floats, v: Floats, ca: float, cv: float, sa: float, sv: float) -> F32:
    """Two hills, left and right of the middle."""
    return bump(np.abs(a), v, ca, cv, sa, sv)


def smoothstep(low: float, high: float, x: Floats) -> F32:
    t = np.minimum(np.maximum((x - low) * np.float32(1 / (high - low)), 0), 1)  # np.clip costs more on small arrays
    return np.asarray(t * t * (3 - 2 * t), np.float32)
