"""The 66 landmarks as points of the same surface that is drawn, moved by the same expression.

Order: what OpenSeeFace's network puts out, which is iBUG's 68 points without the two outer corners of the mouth (48 and
54 there): 0-16 jaw, 17-26 brows, 27-30 bridge of the nose, 31-35 its base, 36-47 eyes, 48-52 upper and 53-57 lower edge
of the lips, 58 image-left corner, 59-61 upper inner edge, 62 image-right corner, 63-65 lower inner edge.
Source: Sagonas et al. 2013, 300 Faces in-the-Wild, figure 1.
"""

from __future__ import annotations

import cv2
import numpy as np

from livefuse.frame import F32
from livefuse.source.synthetic import chart
from livefuse.source.synthetic.eyes import lid_edges
from livefuse.source.synthetic.head import Head, Layout
from livefuse.source.synthetic.identity import Identity
from livefuse.source.synthetic.pose import Expression, Pose
from livefuse.source.synthetic.texture import brow_edges, lip_edges
from livefuse.source.synthetic.warp import forward

COUNT = 66
EYES = np.s_[36:48]
_JAW_FROM, _JAW_TO = np.radians(199.0), np.radians(-19.0)
_MIRROR_BROWS = [4, 3, 2, 1, 0]


class Landmarks:
    """Neutral landmarks of one head; `project` puts them into a frame."""

    def __init__(self, head: Head) -> None:
        at = head.layout
        self._at = at
        jaw = _jaw(head)
        brows = _brows(head.identity)
        lips = _lips(at)
        self._neutral = np.concatenate([jaw, brows, _nose(at, head.identity), np.zeros((12, 2)), lips]).astype(
            np.float32
        )
        self._neutral[EYES] = _eyes(at, Expression())
        self._lower = np.zeros(COUNT, np.bool_)
        self._lower[3:14] = True
        self._lower[[53, 54, 55, 56, 57, 63, 64, 65]] = True
        x, y = chart.to_texel(self._neutral[:, 0], self._neutral[:, 1], head.skin.shape)
        self._radius = cv2.remap(head.skin, x[None], y[None], cv2.INTER_LINEAR)[0]
        self._normal = cv2.remap(head.normal, x[None], y[None], cv2.INTER_LINEAR)[0]

    def project(self, pose: Pose, do: Expression) -> tuple[F32, np.ndarray]:
        """(66, 2) frame px and (66,) bool: whether each faces the camera."""
        neutral = self._neutral.copy()
        neutral[EYES] = _eyes(self._at, do)
        moved = forward(neutral, self._lower, self._at, do)
        seen = pose.project(chart.to_head(moved[:, 0], moved[:, 1], self._radius))
        facing = (self._normal @ pose.rotation.T)[:, 2] > 0.02
        return np.ascontiguousarray(seen[:, :2]), facing


def _jaw(head: Head) -> F32:
    """The chart points that make the outline of the face from in front, at 17 even angles about the nose."""
    a, v = chart.chart_grid(3.0)
    x, y = chart.to_texel(a, v, head.skin.shape)
    at = chart.to_head(a, v, np.asarray(cv2.remap(head.skin, x, y, cv2.INTER_LINEAR), np.float32)).reshape(-1, 3)
    keep = (at[:, 2] > 0) & (np.abs(a).ravel() < 13.0)
    at, a, v = at[keep], a.ravel()[keep], v.ravel()[keep]
    # a silhouette is flat in depth: lean towards the camera, so that the points lie where they can be seen
    reach = np.hypot(at[:, 0], at[:, 1] - 2.5) + 0.05 * at[:, 2]
    angle = np.arctan2(at[:, 1] - 2.5, at[:, 0])
    points = []
    for want in np.linspace(_JAW_FROM, _JAW_TO, 17):
        off = np.abs((angle - want + np.pi) % (2 * np.pi) - np.pi)
        best = np.argsort(reach - 60 * np.maximum(off - 0.05, 0))[-6:]
        points.append((a[best].mean(), v[best].mean()))
    jaw = np.array(points, np.float32)
    jaw[6:11, 1] -= 0.3  # annotators, and the network, put the chin on its edge rather than under it
    mirrored = jaw[::-1] * np.array([-1, 1], np.float32)
    return np.asarray((jaw + mirrored) / 2, np.float32)


def _brows(identity: Identity) -> F32:
    side = np.linspace(5.2, 1.45, 5).astype(np.float32)
    centre, half = brow_edges(side, identity)
    left = np.stack([-side, centre - 0.3 * half], axis=-1)
    return np.concatenate([left, left[_MIRROR_BROWS] * np.array([-1, 1])]).astype(np.float32)


def _nose(at: Layout, identity: Identity) -> F32:
    bridge = [(0.0, v) for v in np.linspace(-0.1, at.nose_v - 0.25, 4)]
    k, base = identity.nose_width, at.nose_v
    row = [
        (-1.3 * k, base + 0.42),
        (-0.68 * k, base + 0.56),
        (0.0, base + 0.66),
        (0.68 * k, base + 0.56),
        (1.3 * k, base + 0.42),
    ]
    return np.array(bridge + row, np.float32)


def _eyes(at: Layout, do: Expression) -> F32:
    """Outer corner, lid, lid, inner corner, lower lid, lower lid of the image-left eye; then from the inner corner."""
    t = np.array([1, 0.36, -0.36, -1, -0.36, 0.36], np.float32) * 0.98
    side = at.eye_a + t * at.eye_half
    upper, lower = lid_edges(side, at, do)
    v = np.where(np.arange(6) < 4, upper, lower)
    left = np.stack([-side, v], axis=-1)
    right = left[[3, 2, 1, 0, 5, 4]] * np.array([-1, 1])
    return np.concatenate([left, right]).astype(np.float32)


def _lips(at: Layout) -> F32:
    """Upper edge from left to right, lower edge back, then the inner edges the same way, with the corners."""
    above = np.array([-0.64, -0.22, 0.0, 0.22, 0.64], np.float32) * at.mouth_half
    below = np.array([0.64, 0.30, 0.0, -0.30, -0.64], np.float32) * at.mouth_half
    inner = np.array([-0.97, -0.46, 0.0, 0.46, 0.97, 0.46, 0.0, -0.46], np.float32) * at.mouth_half
    parts = [(above, lip_edges(above, at)[0]), (below, lip_edges(below, at)[2]), (inner, lip_edges(inner, at)[1])]
    return np.concatenate([np.stack(p, axis=-1) for p in parts]).astype(np.float32)
