"""Where five facial points lie in a model's crop, and the transform that brings them there."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from livefuse.errors import DegenerateFace
from livefuse.frame import F32

_LEAST_SPREAD_PX = 1.0


def _template(*xy: float) -> F32:
    template = np.array(xy, np.float32).reshape(5, 2)
    template.flags.writeable = False
    return template


# fmt: off
TEMPLATES: dict[str, F32] = {
    "arcface_112_v1": _template(
        .35473214, .45658929, .64526786, .45658929, .50000000, .61154464, .37913393, .77687500, .62086607, .77687500),
    "arcface_112_v2": _template(
        .34191607, .46157411, .65653393, .45983393, .50022500, .64050536, .37097589, .82469196, .63151696, .82325089),
    "arcface_128": _template(
        .36167656, .40387734, .63696719, .40235469, .50019687, .56044219, .38710391, .72160547, .61507734, .72034453),
    "dfl_whole_face": _template(
        .35342266, .39285716, .62797622, .39285716, .48660713, .54017860, .38839287, .68750011, .59821427, .68750011),
    "ffhq_512": _template(
        .37691676, .46864664, .62285697, .46912813, .50123859, .61331904, .39308822, .72541100, .61150205, .72490465),
    "mtcnn_512": _template(
        .36562865, .46733799, .63305391, .46585885, .50019127, .61942959, .39032951, .77598822, .61178945, .77476328),
    "styleganex_384": _template(
        .42353745, .52289879, .57725008, .52319972, .50123859, .61331904, .43364461, .68337652, .57015325, .68306005),
}
# fmt: on
"""Normalised to the crop's side; order: image-left eye, image-right eye, nose, image-left and image-right mouth corner.

Source: facefusion 3.8.1 face_helper.py; arcface_112_v2 * 112 is insightface's arcface_dst.
"""


def similarity_from_points(points: npt.NDArray[np.floating], template: npt.NDArray[np.floating]) -> F32:
    """Least-squares rotation, uniform scale and shift that carry frame points onto a template.

    Shapes: points (K, P, 2), frame px; template (P, 2), crop px -> (K, 2, 3), frame px -> crop px.
    Raises: DegenerateFace if a face's points lie closer together than 1 px (the scale is then noise) or are not finite.
    Source: Umeyama 1991, eqs. 40-42, without reflection; in the plane the rotation is an angle and needs no SVD.
    """
    source, target = (np.ascontiguousarray(one, np.float64).view(np.complex128)[..., 0] for one in (points, template))
    centre, goal = source.mean(axis=1), target.mean()
    p, q = source - centre[:, None], target - goal
    spread = (p.real**2 + p.imag**2).sum(axis=1)
    _refuse_degenerate(np.sqrt(spread / source.shape[1]))
    turn = (p.conj() @ q) / spread  # scale and rotation as one complex number
    shift = goal - turn * centre
    out = np.empty((len(source), 2, 3), np.float32)
    out[:, 0, 0], out[:, 0, 1], out[:, 0, 2] = turn.real, -turn.imag, shift.real
    out[:, 1, 0], out[:, 1, 1], out[:, 1, 2] = turn.imag, turn.real, shift.imag
    return out


def _refuse_degenerate(spread_px: npt.NDArray[np.float64]) -> None:
    bad = ~(spread_px >= _LEAST_SPREAD_PX)  # NaN is bad too
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise DegenerateFace(
            f"the points of face {i} lie within {spread_px[i]:.2f} px of each other",
            hint="use a larger or clearer picture of the face",
        )


def transform_points(matrix: F32, points: npt.NDArray[np.floating]) -> F32:
    """Shapes: matrix (2, 3), points (..., 2) -> (..., 2)."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float32)


MOUTH_CORNERS = (58, 62)
"""Landmarks 48-52 are the upper lip's outer edge, 53-57 the lower lip's, 58-65 the inner edge from corner to corner: the
network leaves out iBUG's outer corners (48 and 54 there), so everything after 47 is shifted against iBUG-68."""


def five_points(landmarks: F32) -> F32:
    """The five template points of 66 landmarks. Shapes: (..., 66, 2) -> (..., 5, 2)."""
    eyes = (landmarks[..., 36:42, :].mean(axis=-2), landmarks[..., 42:48, :].mean(axis=-2))
    corners = (landmarks[..., i, :] for i in MOUTH_CORNERS)
    return np.stack((*eyes, landmarks[..., 30, :], *corners), axis=-2)
