"""What a learned swapper takes of an identity: an embedding, a converted embedding, or an aligned photo."""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

from livefuse.align.converter import Converter
from livefuse.align.recogniser import Recogniser, unit
from livefuse.align.templates import TEMPLATES, similarity_from_points
from livefuse.device.base import Backend, Lane
from livefuse.frame import F32, HostFrame
from livefuse.runtime.blob import Blob
from livefuse.swap.identity import Identity, Shot
from livefuse.swap.identity.embedding import mean_embedding
from livefuse.weights.recipe import Recipe

Latent = Literal["insightface", "facefusion"]


class IdentitySource(Protocol):
    def __call__(self, identity: Identity) -> F32:
        """What the model's identity input is fed, batch axis first. Raises: IdentityError."""
        ...


class EmbeddingSource:
    """Photos -> mean embedding -> converter -> emap -> length 1, each where the recipe asks for it.

    `latent` says how an embedding that went through an emap is scaled: insightface makes it a unit vector after the
    map, facefusion divides by the embedding's length before it. The network is sensitive to the difference.
    Source: insightface INSwapper.get; facefusion 3.8.1 face_swapper `prepare_source_embedding`.
    """

    def __init__(
        self,
        recipe: Recipe,
        recogniser: Recogniser,
        backend: Backend,
        *,
        converter: Converter | None = None,
        emap: F32 | None = None,
        latent: Latent = "insightface",
    ) -> None:
        self._unit, self._latent, self._emap = recipe.source.unit, latent, emap
        self._recogniser, self._converter, self._backend = recogniser, converter, backend

    def __call__(self, identity: Identity) -> F32:
        raw = mean_embedding(np.concatenate([self.embed(shot) for shot in identity.shots]))[None]
        if self._converter is not None:
            raw = self._converter(Lane(-1), raw)
        if self._emap is not None:
            return self._mapped(raw)
        return unit(raw) if self._unit else np.asarray(raw, np.float32)

    def embed(self, shot: Shot) -> F32:
        """The recogniser's own numbers for one photo. Shapes: -> (1, D)."""
        lane = Lane(-1)
        picture = self._backend.upload(lane, HostFrame.of_rgb(shot.image))
        return self._recogniser.raw(lane, picture, shot.points[None])

    def _mapped(self, raw: F32) -> F32:
        assert self._emap is not None
        if self._latent == "facefusion":
            return np.asarray(raw @ self._emap / np.linalg.norm(raw), np.float32)
        return unit(unit(raw) @ self._emap)


class ImageSource:
    """The identity's best photo, aligned and normalised, for models that look at it themselves."""

    def __init__(self, recipe: Recipe, backend: Backend) -> None:
        source, normalisation = recipe.source, recipe.source.normalisation or recipe.normalisation
        assert source.template is not None
        assert source.crop_px is not None  # the recipe was checked
        self._template, self._px = TEMPLATES[source.template] * source.crop_px, source.crop_px
        self._blob, self._backend = Blob(normalisation), backend

    def __call__(self, identity: Identity) -> F32:
        lane = Lane(-1)
        picture = self._backend.upload(lane, HostFrame.of_rgb(identity.image))
        (to_crop,) = similarity_from_points(identity.points[None], self._template)
        crop = np.empty((self._px, self._px, 3), np.uint8)
        self._backend.warp(lane, picture, to_crop, crop)
        out = np.empty((1, 3, self._px, self._px), np.float32)
        self._blob.fill(crop, out[0])
        return out
