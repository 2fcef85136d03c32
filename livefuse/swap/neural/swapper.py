"""One swapper for every model whose recipe says: an aligned face and an identity in, a face out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from livefuse.align.cut import TemplateCut
from livefuse.composite.profiles.base import Profile
from livefuse.device.base import Lane, Picture
from livefuse.errors import RecipeInvalid
from livefuse.frame import F32, Crop, Crops
from livefuse.runtime.base import Engine, Outputs
from livefuse.runtime.blob import Blob
from livefuse.swap.base import worn
from livefuse.swap.identity import Identity
from livefuse.swap.neural.boost import explode, implode
from livefuse.swap.neural.source import IdentitySource
from livefuse.weights.recipe import Recipe, Result, Role, Tensor

_PREPARED_KEPT = 16


class NeuralSwapper:
    """Runs a swapper model on every face of a frame, in one batch where the model takes one.

    Each identity's source is computed once, by `prepare`. How faces are cut and put back is the profile's affair. With
    `boost` k the face is cut k times as large and runs as k x k pictures, in the same batch.
    """

    def __init__(
        self, recipe: Recipe, engine: Engine, source: IdentitySource, profile: Profile, *, boost: int = 1
    ) -> None:
        assert recipe.template is not None
        assert recipe.crop_px is not None
        assert recipe.normalisation is not None  # a swapper's recipe has them
        self.recipe, self._boost = recipe, boost
        self.cut = TemplateCut(profile.cut, recipe.template, recipe.crop_px * boost, profile.points)
        self._engine, self._source, self._profile = engine, source, profile
        self._size_px, self._result = recipe.crop_px, recipe.result
        self._blob = Blob(recipe.normalisation, recipe.layout)
        self._image, self._identity = named(recipe.inputs, "image"), named(recipe.inputs, "identity")
        self._face, self._mask = named(recipe.outputs, "face"), recipe.output("mask") if profile.takes_mask else None
        # Some exports free the batch of the picture and not the identity's.
        self._batches = all(isinstance(shape[0], str) for shape in engine.inputs.values())
        self._sources: dict[Identity, F32] = {}

    def prepare(self, identity: Identity) -> None:
        if identity not in self._sources:
            while len(self._sources) >= _PREPARED_KEPT:
                self._sources.pop(next(iter(self._sources)), None)
            self._sources[identity] = self._source(identity)

    def __call__(self, lane: Lane, crops: Crops, identities: Sequence[Identity | None], t_ns: int) -> Crops:
        wearing = list(worn(crops, identities))
        if wearing:
            faces, masks = self._run(lane, wearing)
            for i, (crop, _) in enumerate(wearing):
                self._profile.finish(lane, crop, faces[i], None if masks is None else masks[i])
        return crops

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None:
        self._profile.paste(lane, picture, crop)

    def _run(self, lane: Lane, wearing: list[tuple[Crop, Identity]]) -> tuple[list[F32], list[F32] | None]:
        """Faces (h, w, 3) RGB 0..1 and, where the model gives them, masks (h, w)."""
        blob, sources = self._images(lane, wearing), self._stacked([identity for _, identity in wearing])
        n = len(blob)
        groups = [slice(0, n)] if self._batches else [slice(i, i + 1) for i in range(n)]
        running = [
            self._engine.submit(lane, {self._image: blob[group], self._identity: sources[group]}) for group in groups
        ]
        return self._read(lane, [one.result() for one in running])

    def _images(self, lane: Lane, wearing: list[tuple[Crop, Identity]]) -> F32:
        """Shapes: -> (faces * k * k, 3, S, S)."""
        size, phases = self._size_px, self._boost**2
        blob = lane.buffer("swap.images", (len(wearing) * phases, 3, size, size), np.float32)
        parts = lane.buffer("swap.parts", (phases, size, size, 3)) if phases > 1 else None
        for i, (crop, _) in enumerate(wearing):
            if parts is None:
                self._blob.fill(crop.image, blob[i])
                continue
            implode(crop.image, self._boost, parts)
            for phase in range(phases):
                self._blob.fill(parts[phase], blob[i * phases + phase])
        return blob

    def _stacked(self, identities: list[Identity]) -> F32:
        for identity in identities:
            self.prepare(identity)
        sources = [self._sources[identity] for identity in identities for _ in range(self._boost**2)]
        return sources[0] if len(sources) == 1 else np.concatenate(sources)

    def _read(self, lane: Lane, outputs: Sequence[Outputs]) -> tuple[list[F32], list[F32] | None]:
        planes = self._whole(lane, "face", [face for one in outputs for face in one[self._face]])
        faces = [to_image(lane, i, face, self._result) for i, face in enumerate(planes)]
        if self._mask is None:
            return faces, None
        masks = [mask.reshape(mask.shape[-2:]) for one in outputs for mask in one[self._mask]]
        return faces, self._whole(lane, "mask", masks)

    def _whole(self, lane: Lane, name: str, pictures: list[F32]) -> list[F32]:
        """One picture for each face."""
        k = self._boost
        if k == 1:
            return pictures
        shape = (*pictures[0].shape[:-2], self._size_px * k, self._size_px * k)
        whole = lane.buffer(f"swap.whole.{name}", (len(pictures) // (k * k), *shape), np.float32)
        for i, out in enumerate(whole):
            explode(pictures[i * k * k : (i + 1) * k * k], k, out)
        return list(whole)


def to_image(lane: Lane, index: int, planes: F32, result: Result) -> F32:
    """A model's picture as RGB 0..1, not clipped. Shapes: planes (3, h, w) -> (h, w, 3), any strides."""
    if (result.gain, result.offset) != (1.0, 0.0):
        scaled = lane.buffer(f"swap.face.{index}", planes.shape, np.float32)
        np.multiply(planes, np.float32(result.gain), out=scaled)
        scaled += np.float32(result.offset)
        planes = scaled
    return planes.transpose(1, 2, 0)[..., :: 1 if result.order == "rgb" else -1]


def named(tensors: Sequence[Tensor], role: Role) -> str:
    """The tensor of that role; where there is only one, it needs no role. Raises: RecipeInvalid."""
    wanted = [tensor.name for tensor in tensors if tensor.role == role or len(tensors) == 1]
    if not wanted:
        names = ", ".join(tensor.name for tensor in tensors)
        raise RecipeInvalid(f"which of {names} is the {role}?", hint=f'give one `role = "{role}"` in the recipe')
    return wanted[0]
