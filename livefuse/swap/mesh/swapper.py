"""The `mesh` swapper: warp the identity's photo onto the face, relight it, leave a soft seam."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from livefuse.align.cut import RegionCut
from livefuse.config import SwapConfig
from livefuse.device.base import Backend, Lane, Picture
from livefuse.errors import DegenerateFace
from livefuse.frame import F32, U8, Crop, Crops
from livefuse.swap.base import worn
from livefuse.swap.forget import forget
from livefuse.swap.identity import Identity
from livefuse.swap.mesh import light, mask, profile, topology, warp
from livefuse.swap.mesh.detail import Sharpness
from livefuse.swap.mesh.light import Light
from livefuse.swap.mesh.prepared import LEVELS, SKIN_LEVEL, Prepared, prepare
from livefuse.swap.mesh.topology import FaceFrame

_PREPARED_KEPT = 8
# Steps in which a spline that folds gives way, and the finer ones in which it comes back, frame by frame.
_LOOSEN, _TIGHTEN, _LOOSEST = 2.0, 1.1, 2000.0
_MARGIN_PX = 3


@dataclass(slots=True)
class _Layer:
    """One identity on one track: its light and sharpness, and how far it has faded in (0..1)."""

    prepared: Prepared
    opacity: float = 0.0
    light: Light = field(default_factory=Light)
    looseness: float = 1.0
    frames: int = 0
    sharpness: Sharpness = field(default_factory=Sharpness)


@dataclass(slots=True)
class _Track:
    """The layers on one face, the newest last, when it was last seen, and whether it is turned away."""

    layers: list[_Layer]
    seen_ns: int
    in_profile: bool = False


@dataclass(frozen=True, slots=True)
class _Target:
    """One face of a frame: the part of the crop that a mask may cover, and what is in it.

    Shapes: image (h, w, 3), a view of the crop; landmarks (66, 2), contour (n, 2) in px of that view; centres (n, 2) and
    points (gh * gw, 2) in face units: the spline's control points and the lattice it is evaluated on.
    """

    image: U8
    box: tuple[slice, slice]
    landmarks: F32
    contour: F32
    frame: FaceFrame
    centres: F32
    points: F32
    cells: tuple[int, int]


class MeshSwapper:
    """Swaps faces without learned weights. Used by one thread; `prepare` may be called from another."""

    def __init__(self, config: SwapConfig, backend: Backend, *, fade_in: bool = False) -> None:
        """`fade_in` lets a new face appear gradually, over the real one: only where that may be seen (privacy open)."""
        self.config, self.cut = config, RegionCut(backend)
        self._backend = backend
        self._fade_in = fade_in
        self._keep_mouth = config.keep_mouth is not False
        self._spline = warp.Spline(topology.stiffness())
        self._prepared: dict[tuple[str, str, int], Prepared] = {}
        self._tracks: dict[int, _Track] = {}

    def prepare(self, identity: Identity) -> None:
        """Do an identity's one-off work now. Raises: DegenerateFace."""
        self.prepared(identity)

    def prepared(self, identity: Identity) -> Prepared:
        """An identity made ready for the warp, from memory where it was made before. Raises: DegenerateFace."""
        key = (identity.photo_sha256, identity.name, hash(identity.landmarks.tobytes()))
        if key not in self._prepared:
            while len(self._prepared) >= _PREPARED_KEPT:
                self._prepared.pop(next(iter(self._prepared)), None)
            self._prepared[key] = prepare(identity, self.config.seam, shut_mouth=self._keep_mouth)
        return self._prepared[key]

    def __call__(self, lane: Lane, crops: Crops, identities: Sequence[Identity | None], t_ns: int) -> Crops:
        """Swap, in place, every crop whose role has an identity."""
        for slot, (crop, identity) in enumerate(worn(crops, identities)):
            self._swap(lane, slot, crop, self._track(crop.track, self.prepared(identity), t_ns))
        forget(self._tracks, t_ns)
        return crops

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None:
        assert crop.mask is not None  # of a swapped crop
        self._backend.paste(lane, picture, crop.image, crop.mask, crop.to_crop)

    def _track(self, number: int, prepared: Prepared, t_ns: int) -> _Track:
        track = self._tracks.setdefault(number, _Track([], t_ns))
        track.seen_ns = t_ns
        if not track.layers:
            track.layers = [_Layer(prepared, opacity=0.0 if self._fade_in else 1.0)]
        elif track.layers[-1].prepared is not prepared:
            track.layers = [track.layers[-1], _Layer(prepared)]
        newest = track.layers[-1]
        newest.opacity = min(1.0, newest.opacity + 1 / (self.config.fade_frames + 1))
        if newest.opacity >= 1:
            track.layers = [newest]
        return track

    def _swap(self, lane: Lane, slot: int, crop: Crop, track: _Track) -> None:
        try:
            target = _look(crop)
        except DegenerateFace:
            return  # nothing to hang the photo on: the crop stays unswapped, and the privacy guard covers it
        residual = track.layers[-1].prepared.fit.residual(target.landmarks)
        track.in_profile = profile.is_profile(residual, track.in_profile)
        if track.in_profile:
            return  # as above
        shape = target.image.shape[:2]
        image, opacity = lane.buffer("mesh.image", (*shape, 3)), lane.buffer("mesh.opacity", shape)
        for i, layer in enumerate(track.layers):
            if i == 0:
                self._render(lane, target, layer, image, opacity)
                if layer.opacity < 1:
                    cv2.multiply(opacity, layer.opacity, dst=opacity)
                continue
            over, over_opacity = lane.buffer("mesh.over", (*shape, 3)), lane.buffer("mesh.over_opacity", shape)
            self._render(lane, target, layer, over, over_opacity)
            cv2.addWeighted(over, layer.opacity, image, 1 - layer.opacity, 0, dst=image)
            cv2.addWeighted(over_opacity, layer.opacity, opacity, 1 - layer.opacity, 0, dst=opacity)
        cv2.copyTo(image, opacity, target.image)  # what no mask covers stays the target's, for stages that look at it
        crop.mask = lane.buffer(f"mesh.mask.{slot}", crop.image.shape[:2])
        crop.mask.fill(0)
        crop.mask[target.box] = opacity
        crop.swapped = True

    def _render(self, lane: Lane, target: _Target, layer: _Layer, image: U8, opacity: U8) -> None:
        """One identity on one face at full strength: colours into `image`, opacity into `opacity`."""
        lattice, jacobian, typical = self._map(target, layer)
        level = _level(typical)
        there = warp.enlarge(lane, warp.Lattice(_at_level(lattice.padded, 0.5**level), lattice.size))
        warped = lane.buffer("mesh.warped", (*opacity.shape, 4))
        photo, border = layer.prepared.levels[level], cv2.BORDER_CONSTANT
        cv2.remap(photo, there, None, cv2.INTER_LINEAR, dst=warped, borderMode=border)
        cv2.mixChannels([warped], [image, opacity], [0, 0, 1, 1, 2, 2, 3, 3])
        # Light and sharpness change slowly and are smoothed: each is measured on every other frame, in turn.
        layer.frames += 1
        layer.sharpness.match(image, target.image, target.frame, measured=layer.frames % 2 == 1)
        if self.config.colour > 0:
            tone = layer.light.tone
            if tone is None or layer.frames % 2 == 0:
                tone = layer.light.follow(_compare(target, lattice, layer.prepared))
            light.relight(lane, image, tone, target.frame, self.config.colour)
        sound = mask.soundness(jacobian, typical)
        if sound is not None:
            fade = lane.buffer("mesh.fade", opacity.shape, np.float32)
            cv2.resize(sound, lattice.size, dst=fade, interpolation=cv2.INTER_LINEAR)
            cv2.multiply(opacity, fade, dst=opacity, dtype=cv2.CV_8U)
        self._keep_target(lane, target, opacity)

    def _map(self, target: _Target, layer: _Layer) -> tuple[warp.Lattice, warp.Jacobian, float]:
        """The map to the photo, its distortion and typical area ratio. A turned head hides what a frontal photo shows: no
        map meets all landmarks there without folding, so they are followed as closely as a sound one can."""
        layer.looseness = max(1.0, layer.looseness / _TIGHTEN)
        while True:
            lattice = self._map_with(target, layer.prepared, layer.looseness)
            jacobian = warp.jacobian(lattice)
            typical = float(np.median(jacobian.area))
            if layer.looseness >= _LOOSEST or mask.is_sound(jacobian, typical):
                return lattice, jacobian, typical
            layer.looseness *= _LOOSEN

    def _map_with(self, target: _Target, prepared: Prepared, looseness: float) -> warp.Lattice:
        h, w = target.image.shape[:2]
        coefficients = self._spline.fit(target.centres, prepared.controls / prepared.unit_px, looseness)
        field = warp.evaluate(coefficients, target.centres, target.points) * np.float32(prepared.unit_px)
        return warp.Lattice(field.reshape(*target.cells, 2), (w, h))

    def _keep_target(self, lane: Lane, target: _Target, opacity: U8) -> None:
        unit, points = target.frame.unit_px, target.landmarks
        mask.clip_outside(lane, opacity, target.contour)
        if self._keep_mouth:
            amount = mask.mouth_kept(mask.mouth_gap(points))
            mask.keep(lane, opacity, points[topology.INNER_LIPS], amount, 0.03 * unit)
        if self.config.keep_eyes:
            for eye in (topology.EYE_LEFT, topology.EYE_RIGHT):
                mask.keep(lane, opacity, points[eye], 1.0, 0.04 * unit)


def _look(crop: Crop) -> _Target:
    frame = topology.face_frame(crop.landmarks)
    controls = topology.control_points(crop.landmarks, frame)
    contour = mask.contour_of(controls)
    h, w = crop.image.shape[:2]
    x1, y1 = np.clip(np.floor(contour.min(0)).astype(int) - _MARGIN_PX, 0, (w - 2, h - 2)).tolist()
    x2, y2 = np.clip(np.ceil(contour.max(0)).astype(int) + _MARGIN_PX + 1, (x1 + 2, y1 + 2), (w, h)).tolist()
    corner, unit = np.array([x1, y1], np.float32), np.float32(frame.unit_px)
    points, cells = warp.lattice_points((x2 - x1, y2 - y1))
    return _Target(
        image=crop.image[y1:y2, x1:x2],
        box=(slice(y1, y2), slice(x1, x2)),
        landmarks=crop.landmarks - corner,
        contour=contour - corner,
        frame=frame.moved(-corner),
        centres=(controls - frame.origin) / unit,
        points=np.asarray((points + (corner - frame.origin)) / unit, np.float32),
        cells=cells,
    )


def _level(area_ratio: float) -> int:
    """The photo's level whose pixels are about the crop's: no sparkle from skipped pixels, no needless blur."""
    return int(np.clip(round(np.log2(max(area_ratio, 1e-6)) / 2), 0, LEVELS - 1))


def _at_level(field: F32, scale: float) -> F32:
    return field if scale == 1 else (field + np.float32(0.5)) * np.float32(scale) - np.float32(0.5)


def _compare(target: _Target, lattice: warp.Lattice, prepared: Prepared) -> light.Look:
    """Target and photo on the light lattice."""
    places = light.lattice_points(target.frame)
    linear, replicate = cv2.INTER_LINEAR, cv2.BORDER_REPLICATE
    there = _at_level(warp.sample(lattice, places), 0.5**SKIN_LEVEL)
    photo = cv2.remap(prepared.levels[SKIN_LEVEL], there, None, linear).astype(np.float32)
    skin = cv2.remap(prepared.skin, there, None, linear).astype(np.float32) / 255
    # Whole steps: averaging over them is many times as fast as over fractions.
    h, w = target.image.shape[:2]
    step = max(1, min(round(target.frame.unit_px * light.CELL_UNITS), h, w))
    whole = target.image[: h // step * step, : w // step * step]
    small = cv2.resize(whole, (w // step, h // step), interpolation=cv2.INTER_AREA)
    seen = cv2.remap(small, _shrunk(places, step), None, linear, borderMode=replicate)
    return light.Look(seen.astype(np.float32), photo[..., :3], skin, photo[..., 3] / 255)


def _shrunk(places: F32, step: int) -> F32:
    """Pixel centres in an image shrunk by a whole factor."""
    return (places + np.float32(0.5)) / np.float32(step) - np.float32(0.5)
