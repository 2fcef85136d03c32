"""How different two colours look."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from livefuse.frame import U8

F64: TypeAlias = npt.NDArray[np.float64]

_FAR = 25.0**7
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_CODES = np.arange(256) / 255
_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4)


def lab_of(rgb: U8) -> F64:
    """CIE L*a*b* of sRGB pixels under its white, D65. Shapes: (..., 3) uint8 -> (..., 3).

    OpenCV's conversion is by a coarse table, up to 0.2 off. Source: IEC 61966-2-1; CIE 15:2004, section 8.2.1.
    """
    xyz = _LINEAR[rgb] @ (_TO_XYZ / _TO_XYZ.sum(axis=1, keepdims=True)).T
    root = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(root, -1, 0)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)


def ciede2000(one: npt.ArrayLike, other: npt.ArrayLike) -> F64:
    """Colour difference of L*a*b* colours; about 1 is just visible side by side.

    Shapes: (..., 3) twice -> (...).
    Source: Sharma, Wu, Dalal 2005, "The CIEDE2000 color-difference formula", eqs. 2-22, kL = kC = kH = 1.
    """
    (l1, a1, b1), (l2, a2, b2) = (np.moveaxis(np.asarray(lab, np.float64), -1, 0) for lab in (one, other))
    grey = 1.5 - 0.5 * _chroma_weight((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2)  # 1 + G: near-greys gain chroma
    c1, c2 = np.hypot(grey * a1, b1), np.hypot(grey * a2, b2)
    h1, h2 = (np.degrees(np.arctan2(b, grey * a)) % 360 for a, b in ((a1, b1), (a2, b2)))
    colourless = c1 * c2 == 0
    turn = np.where(colourless, 0, (h2 - h1 + 180) % 360 - 180)
    turn = np.where((turn == -180) & (h2 > h1), 180, turn)  # exactly opposite hues: eq. 10 keeps the difference
    hue = np.where(colourless, h1 + h2, _mean_hue(h1, h2))
    lightness, chroma = (l1 + l2) / 2, (c1 + c2) / 2
    dl = (l2 - l1) / _lightness_scale(lightness)
    dc = (c2 - c1) / (1 + 0.045 * chroma)
    dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn) / 2) / (1 + 0.015 * chroma * _hue_weight(hue))
    bend = -np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2)))) * 2 * _chroma_weight(chroma)
    return np.asarray(np.sqrt(np.maximum(dl**2 + dc**2 + dh**2 + bend * dc * dh, 0)), np.float64)


def _chroma_weight(chroma: F64) -> F64:
    return np.asarray(np.sqrt(chroma**7 / (chroma**7 + _FAR)), np.float64)


def _mean_hue(h1: F64, h2: F64) -> F64:
    """Half-way on the shorter arc, degrees; eq. 14."""
    total = h1 + h2
    near = np.abs(h1 - h2) <= 180
    return np.asarray(np.where(near, total, np.where(total < 360, total + 360, total - 360)) / 2, np.float64)


def _lightness_scale(lightness: F64) -> F64:
    from_middle = (lightness - 50) ** 2
    return np.asarray(1 + 0.015 * from_middle / np.sqrt(20 + from_middle), np.float64)


def _hue_weight(hue: F64) -> F64:
    """T, eq. 15."""
    terms = ((-0.17, 1, -30), (0.24, 2, 0), (0.32, 3, 6), (-0.20, 4, -63))
    return np.asarray(1 + sum(k * np.cos(np.radians(n * hue + shift)) for k, n, shift in terms), np.float64)
