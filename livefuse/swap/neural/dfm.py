"""DeepFaceLive models (.dfm): a network that was trained on one person and needs no photo of them.

Source: facefusion 3.8.1 deep_swapper; iperov/DeepFaceLive modelhub DFMModel.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from livefuse.align.cut import TemplateCut
from livefuse.composite.profiles.base import Profile
from livefuse.composite.profiles.colour_match import conditional_match
from livefuse.device.base import Lane, Picture
from livefuse.frame import F32, U8, Crop, Crops
from livefuse.runtime.base import Engine, Outputs
from livefuse.swap.base import worn
from livefuse.swap.identity import Identity
from livefuse.swap.neural.swapper import named
from livefuse.weights.recipe import Recipe

_SHARPEN, _SHARPEN_SIGMA = 1.75, 2.0
_ERODE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
_ERODE_TIMES, _MASK_SIGMA = 2, 6.25


class DfmSwapper:
    """Runs a DFM model on every face. The identity's photo is not looked at: it carries the consent only.

    `morph` 0..1 goes to models that can morph between target and identity.
    """

    def __init__(self, recipe: Recipe, engine: Engine, profile: Profile, *, morph: float = 1.0) -> None:
        assert recipe.template is not None
        assert recipe.crop_px is not None  # a swapper's recipe has them
        self.recipe, self.cut = recipe, TemplateCut(profile.cut, recipe.template, recipe.crop_px, profile.points)
        self._engine, self._profile, self._px = engine, profile, recipe.crop_px
        self._image, self._morph = named(recipe.inputs, "image"), recipe.input("morph")
        self._face = named(recipe.outputs, "face")
        self._masks = [name for name in (recipe.output("mask"), recipe.output("target_mask")) if name]
        self._morph_value = np.array([morph], np.float32)

    def prepare(self, identity: Identity) -> None:
        """The identity is in the model."""

    def __call__(self, lane: Lane, crops: Crops, identities: Sequence[Identity | None], t_ns: int) -> Crops:
        wearing = [crop for crop, _ in worn(crops, identities)]
        running = []
        for i, crop in enumerate(wearing):  # exports differ in whether they take a batch; all take one
            image = lane.buffer(f"dfm.image.{i}", (1, self._px, self._px, 3), np.float32)
            sharpened(crop.image, image[0])
            feeds = {self._image: image} | ({self._morph: self._morph_value} if self._morph else {})
            running.append(self._engine.submit(lane, feeds))
        for crop, one in zip(wearing, running, strict=True):
            self._finish(lane, crop, one.result())
        return crops

    def paste(self, lane: Lane, picture: Picture, crop: Crop) -> None:
        self._profile.paste(lane, picture, crop)

    def _finish(self, lane: Lane, crop: Crop, outputs: Outputs) -> None:
        face = np.clip(outputs[self._face][0] * 255, 0, 255).astype(np.uint8)[..., ::-1]
        matched = conditional_match(crop.image, np.ascontiguousarray(face))
        masks = [outputs[name][0].reshape(self._px, self._px) for name in self._masks]
        self._profile.finish(
            lane, crop, matched.astype(np.float32) / np.float32(255), soft_mask(masks) if masks else None
        )


def sharpened(rgb: U8, out: F32) -> None:
    """The network's input: unsharp-masked BGR 0..1. Shapes: rgb (h, w, 3) -> out (h, w, 3)."""
    blurred = cv2.GaussianBlur(rgb, (0, 0), _SHARPEN_SIGMA)
    sharp = cv2.addWeighted(rgb, _SHARPEN, blurred, 1 - _SHARPEN, 0)
    cv2.multiply(cv2.cvtColor(sharp, cv2.COLOR_RGB2BGR), (1 / 255,) * 4, dst=out, dtype=cv2.CV_32F)


def soft_mask(masks: Sequence[F32]) -> F32:
    """What all masks agree on, a little smaller, with a soft edge. Shapes: (h, w) each -> (h, w)."""
    mask = np.clip(np.minimum.reduce(list(masks)), 0, 1).astype(np.float32)
    mask = cv2.erode(mask, _ERODE, iterations=_ERODE_TIMES)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), _MASK_SIGMA), np.float32)
