"""The stage that drives a swapped face to the target's expression: some swappers smooth it away."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from livefuse.align.templates import TEMPLATES
from livefuse.device.base import Backend, Lane, Picture
from livefuse.enhance.cut import Place, paste_swapped, place
from livefuse.enhance.expression.points import Motion, read_motion, restored
from livefuse.enhance.ground import SOLID, enhanced, opened, visible_box
from livefuse.enhance.network import read_face
from livefuse.errors import DegenerateFace
from livefuse.frame import F32, U8, Crop, Crops
from livefuse.runtime.base import Engine, Outputs
from livefuse.runtime.blob import Blob
from livefuse.swap.base import Paste
from livefuse.weights.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Part:
    """One of the three networks, and its recipe with the file's own names."""

    recipe: Recipe
    engine: Engine

    def name(self, role: str) -> str:
        """What the file calls the tensor of that role."""
        tensors = (*self.recipe.inputs, *self.recipe.outputs)
        return next(tensor.name for tensor in tensors if tensor.role == role)


@dataclass(frozen=True, slots=True)
class Portrait:
    """LivePortrait: how a face looks, how it moves, and the face that both make."""

    features: Part
    motion: Part
    generator: Part


@dataclass(slots=True)
class _Face:
    """A swapped face and the runs that look at it. Shapes: image (S, S, 3), the swap as it stands in the picture."""

    where: Place
    image: U8
    target: Future[Outputs]
    swap: Future[Outputs]
    volume: Future[Outputs]


class ExpressionRestorer:
    """Runs on every frame: an expression of some frames ago is the wrong one. Used by the pipeline's thread.

    `box` puts it back through FaceFusion's box instead of the swap's own mask.
    """

    def __init__(
        self, portrait: Portrait, backend: Backend, *, amount: float, areas: Collection[str], box: bool
    ) -> None:
        recipe = portrait.generator.recipe
        assert recipe.template is not None
        assert recipe.crop_px is not None  # the recipe was checked
        looked = portrait.motion.recipe
        assert looked.crop_px is not None
        self._portrait, self._backend, self._amount, self._areas, self._box = portrait, backend, amount, areas, box
        self._side, self._look_px, self._blob = recipe.crop_px, looked.crop_px, Blob(looked.normalisation)
        self._template = np.asarray(TEMPLATES[recipe.template] * recipe.crop_px, np.float32)

    def __call__(self, lane: Lane, picture: Picture, crops: Crops, paste: Paste, t_ns: int) -> Crops:
        """Raises: EngineFailed."""
        if self._amount == 0:
            return crops
        out = list(crops)
        faces = {i: self._look(lane, picture, crops, where, paste) for i, where in self._places(crops).items()}
        for i, face in faces.items():
            out[i] = self._restored(lane, face)
        return out

    def _places(self, crops: Crops) -> dict[int, Place]:
        """Faces that nothing shows through: what is under a thin swap would come back with it."""
        places = {}
        for i, crop in enumerate(crops):
            if not crop.swapped or crop.mask is None or int(crop.mask.max()) < SOLID:
                continue
            try:
                places[i] = place(crop, i, self._template)
            except DegenerateFace:
                continue  # no larger than a pixel: it has no expression
        return places

    def _look(self, lane: Lane, picture: Picture, crops: Crops, where: Place, paste: Paste) -> _Face:
        side, slot, portrait = self._side, where.slot, self._portrait
        image = lane.buffer(f"expression.image.{slot}", (side, side, 3))
        self._backend.warp(lane, picture, where.to_input.astype(np.float32), image)
        target = self._submit(lane, portrait.motion, f"target.{slot}", image)
        paste_swapped(lane, image, where.to_input, crops, paste)
        swap = self._submit(lane, portrait.motion, f"swap.{slot}", image)
        return _Face(where, image, target, swap, self._submit(lane, portrait.features, f"volume.{slot}", image))

    def _submit(self, lane: Lane, part: Part, name: str, image: U8) -> Future[Outputs]:
        px = self._look_px
        small = cv2.resize(
            image, (px, px), dst=lane.buffer("expression.small", (px, px, 3)), interpolation=cv2.INTER_AREA
        )
        blob = lane.buffer(f"expression.{name}", (1, *self._blob.shape(px, px)), np.float32)
        self._blob.fill(np.asarray(small, np.uint8), blob[0])
        return part.engine.submit(lane, {part.name("image"): blob})

    def _restored(self, lane: Lane, face: _Face) -> Crop:
        motion, generator = self._portrait.motion, self._portrait.generator
        driving, own = restored(
            self._motion(motion, face.target), self._motion(motion, face.swap), self._amount, self._areas
        )
        feeds: Mapping[str, npt.NDArray[Any]] = {
            generator.name("volume"): face.volume.result()[self._portrait.features.name("volume")],
            generator.name("driving"): driving,
            generator.name("own"): own,
        }
        made = generator.engine.run(lane, feeds)[generator.name("face")][0]
        return self._put(lane, face, read_face(made, generator.recipe.result))

    @staticmethod
    def _motion(part: Part, run: Future[Outputs]) -> Motion:
        return read_motion(run.result(), part.recipe)

    def _put(self, lane: Lane, face: _Face, made: F32) -> Crop:
        """The generated face where the swap is, in a crop of its own."""
        where, side = face.where, self._side
        from_crop = where.from_crop()
        swap = cv2.warpAffine(where.crop.mask, from_crop, (side, side), flags=cv2.INTER_LINEAR)
        weight = visible_box(where, side, from_crop) if self._box else swap.astype(np.float32) / np.float32(255)
        mask = lane.buffer(f"expression.mask.{where.slot}", (side, side))
        cv2.LUT(swap, opened(), dst=mask)
        if self._box:
            cv2.max(mask, cv2.compare(weight, 0, cv2.CMP_GT), dst=mask)
        if int(mask.max()) < SOLID:
            return where.crop  # too small to say anything about: the guard's answer must not change
        if self._box:
            np.trunc(made, out=made)  # FaceFusion keeps it in 8 bits before it pastes it
        mixed = face.image + weight[..., None] * (made - face.image)
        np.copyto(face.image, mixed if self._box else np.rint(mixed), casting="unsafe")
        return enhanced(where.crop, face.image, mask, where.to_input.astype(np.float32))
