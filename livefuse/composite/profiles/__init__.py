"""How a learned swapper's crop goes back into the picture: our own way, or exactly as another program does it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from livefuse.composite.profiles.base import Profile
    from livefuse.config import ProfileConfig
    from livefuse.device.base import Backend


def make_profile(config: ProfileConfig, backend: Backend, seam: float = 1.0) -> Profile:
    """The profile that the configuration names. `seam` 0..1 is how far our own has colours meet at the seam."""
    if config.name == "insightface":
        from livefuse.composite.profiles.insightface import InsightFace

        return InsightFace(backend)
    if config.name == "facefusion":
        from livefuse.composite.profiles.facefusion import FaceFusion

        return FaceFusion(backend, config.mask_blur, config.mask_padding)
    if config.name == "deep-live-cam":
        from livefuse.composite.profiles.deep_live_cam import DeepLiveCam

        return DeepLiveCam(backend, config.opacity, config.sharpness, config.mouth_mask)
    from livefuse.composite.profiles.livefuse import Livefuse

    return Livefuse(backend, seam)
