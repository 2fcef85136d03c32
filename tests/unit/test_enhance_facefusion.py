"""FaceFusion's way of enhancing, worked out here from its contract on whole frames."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from livefuse.align.templates import TEMPLATES, similarity_from_points
from livefuse.composite.profiles.facefusion import FaceFusion
from livefuse.device.base import Lane
from livefuse.enhance.facefusion import FaceFusionGround
from livefuse.frame import F32, U8, Crop, HostFrame
from tests.parity import reference
from tests.unit.enhance_faces import BACKEND, engine_of, restorer
from tests.unit.profile_faces import cut_crop, frontal

SIDE, SWAPPER_SIDE, BLEND = 128, 128, 0.8


def box_by_hand(side: int) -> F32:
    """blur 0.3, no padding: amount int(S * 0.5 * 0.3), a band of half of it, sigma a quarter of it."""
    amount = int(side * 0.5 * 0.3)
    mask = np.ones((side, side), np.float32)
    band = max(amount // 2, 1)
    mask[:band], mask[-band:], mask[:, :band], mask[:, -band:] = 0, 0, 0, 0
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), amount * 0.25), np.float32)


def pasted(frame: U8, face: U8 | F32, mask: F32, to_crop: F32) -> U8:
    """`paste_back`: bilinear, the frame's pixels under the corners' box, truncated."""
    height, width = frame.shape[:2]
    to_frame = cv2.invertAffineTransform(to_crop.astype(np.float64))
    side = face.shape[0]
    corners = np.array([[0, 0, 1], [side, 0, 1], [side, side, 1], [0, side, 1]]) @ to_frame.T
    x1, y1 = np.clip(np.floor(corners.min(0)).astype(int), 0, (width, height))
    x2, y2 = np.clip(np.ceil(corners.max(0)).astype(int), 0, (width, height))
    to_frame[:, 2] -= (x1, y1)
    size = (int(x2 - x1), int(y2 - y1))
    weight = cv2.warpAffine(mask, to_frame, size).clip(0, 1)[..., None]
    warped = cv2.warpAffine(face, to_frame, size, borderMode=cv2.BORDER_REPLICATE)
    out = frame.copy()
    out[y1:y2, x1:x2] = (frame[y1:y2, x1:x2] * (1 - weight) + warped * weight).astype(np.uint8)
    return out


def enhanced_by_hand(
    swapped: U8, points: npt.NDArray[np.float64], network: Callable[[F32], F32], blend: float, mask: F32
) -> U8:
    (to_input,) = similarity_from_points(points[None], TEMPLATES["arcface_128"].astype(np.float32) * SIDE)
    matrix = to_input.astype(np.float64)
    crop = cv2.warpAffine(swapped, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    fed = ((crop.astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)
    face = ((np.clip(network(fed), -1, 1) + 1) / 2 * 255).round().astype(np.uint8).transpose(1, 2, 0)
    paste = pasted(swapped, np.ascontiguousarray(face), mask, to_input)
    factor = 1 - (1 - blend)
    return np.asarray(cv2.addWeighted(swapped, 1 - factor, paste, factor, 0), np.uint8)


def a_frame() -> U8:
    noise = reference.smooth_noise(np.random.default_rng(7), 240, 320, 3, cell_px=30)
    return np.asarray(20 + 200 * noise, np.uint8)


def a_swapped_crop(frame: U8, points: F32) -> tuple[FaceFusion, Lane, Crop, F32]:
    profile, lane = FaceFusion(BACKEND), Lane(0)
    picture = BACKEND.upload(lane, HostFrame.of_rgb(frame))
    crop = cut_crop(profile, lane, picture, points, SWAPPER_SIDE)
    face = reference.smooth_noise(np.random.default_rng(2), SWAPPER_SIDE, SWAPPER_SIDE, 3).astype(np.float32)
    profile.finish(lane, crop, face, None)
    return profile, lane, crop, face


def carried(crop: Crop) -> npt.NDArray[np.float64]:
    """The five points in frame px as the crop carries them: a hundred-thousandth of a pixel off, which truncation shows."""
    back = cv2.invertAffineTransform(crop.to_crop.astype(np.float64))
    return np.asarray(crop.points @ back[:, :2].T + back[:, 2], np.float64)


def ours(
    frame: U8, points: F32, network: Callable[[F32], F32], blend: float, *, every: int = 1, visible: U8 | None = None
) -> tuple[U8, Crop]:
    profile, lane, crop, _ = a_swapped_crop(frame, points)
    crop.visible = visible
    picture = BACKEND.upload(lane, HostFrame.of_rgb(frame))
    ground = FaceFusionGround(BACKEND, SIDE, blend)
    stage = restorer(engine_of(network, SIDE), every=every, blend=blend, ground=ground)
    for t_ns in range(every):
        (done,) = stage(lane, picture, [crop], profile.paste, t_ns)
    assert done.whole
    assert done.mask is not None
    BACKEND.paste(lane, picture, done.image, done.mask, done.to_crop)
    return picture.planes[0], done


def darker_and_sharper(x: F32) -> F32:
    blurred = np.stack([cv2.GaussianBlur(np.ascontiguousarray(plane), (0, 0), 2) for plane in x])
    return np.asarray(1.9 * x - 0.9 * blurred - 0.11, np.float32)


NETWORKS = {"identity": lambda x: x, "constant": lambda x: np.full_like(x, 0.3), "sharper": darker_and_sharper}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("blend", [0.8, 1.0, 0.35])
@pytest.mark.parametrize(
    ("centre", "eyes_px", "degrees"), [((150, 110), 40, 6), ((30, 200), 60, -20), ((160, 120), 90, 0)]
)
def test_the_frame_is_facefusions(
    name: str, blend: float, centre: tuple[float, float], eyes_px: float, degrees: float
) -> None:
    frame, points = a_frame(), frontal(centre, eyes_px, degrees)
    _, _, crop, face = a_swapped_crop(frame, points)
    swapped = pasted(frame, face.clip(0, 1) * np.float32(255), box_by_hand(SWAPPER_SIDE), crop.to_crop)
    want = enhanced_by_hand(swapped, carried(crop), NETWORKS[name], blend, box_by_hand(SIDE))
    out, _ = ours(frame, points, NETWORKS[name], blend)
    assert np.array_equal(out, want)


def test_values_are_rounded_where_facefusion_rounds() -> None:
    """-0.3 is (0.7 / 2) * 255 = 89.25, rounded to 89; of it 0.8 and of the swap's own 178 the rest: 106.8, rounded to 107."""
    frame = np.full((240, 320, 3), 178, np.uint8)
    points = frontal((160, 110), 40)
    profile, lane = FaceFusion(BACKEND), Lane(0)
    picture = BACKEND.upload(lane, HostFrame.of_rgb(frame))
    crop = cut_crop(profile, lane, picture, points, SWAPPER_SIDE)
    profile.finish(lane, crop, np.full((SWAPPER_SIDE, SWAPPER_SIDE, 3), 178 / 255, np.float32), None)
    ground = FaceFusionGround(BACKEND, SIDE, BLEND)
    stage = restorer(engine_of(lambda x: np.full_like(x, -0.3), SIDE), blend=BLEND, ground=ground)
    (done,) = stage(lane, picture, [crop], profile.paste, 0)
    assert done.mask is not None
    BACKEND.paste(lane, picture, done.image, done.mask, done.to_crop)
    assert picture.planes[0][110, 160].tolist() in ([107] * 3, [106] * 3)
    assert picture.planes[0][2, 2].tolist() == [178] * 3


def test_what_hides_the_face_lowers_the_box() -> None:
    frame, points = a_frame(), frontal((150, 110), 40)
    half = np.full((SWAPPER_SIDE, SWAPPER_SIDE), 255, np.uint8)
    half[:, :40] = 0
    _, _, crop, face = a_swapped_crop(frame, points)
    swapped = pasted(frame, face.clip(0, 1) * np.float32(255), box_by_hand(SWAPPER_SIDE), crop.to_crop)
    mask = np.minimum(box_by_hand(SIDE), half.astype(np.float32) / 255)  # both crops lie on the same template
    want = enhanced_by_hand(swapped, carried(crop), NETWORKS["constant"], BLEND, mask)
    out, _ = ours(frame, points, NETWORKS["constant"], BLEND, visible=half)
    assert np.array_equal(out, want)


def test_between_runs_what_was_added_is_added_again() -> None:
    frame, points = a_frame(), frontal((150, 110), 40, 6)
    each, _ = ours(frame, points, darker_and_sharper, BLEND)
    fourth, _ = ours(frame, points, darker_and_sharper, BLEND, every=4)
    assert np.abs(each.astype(int) - fourth).max() <= 1
