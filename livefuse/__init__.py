"""livefuse: the face of a consenting person, swapped in live video, every millisecond measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livefuse.api import FrameSwapper, swap_image
    from livefuse.config import Config, load_config, make_config
    from livefuse.enhance.upscale.image import upscale_image
    from livefuse.errors import LivefuseError
    from livefuse.session import Session

__version__ = "0.1.0"
__all__ = [
    "Config",
    "FrameSwapper",
    "LivefuseError",
    "Session",
    "__version__",
    "load_config",
    "make_config",
    "swap_image",
    "upscale_image",
]

_HOMES = {
    "Config": "livefuse.config",
    "FrameSwapper": "livefuse.api",
    "LivefuseError": "livefuse.errors",
    "Session": "livefuse.session",
    "load_config": "livefuse.config",
    "make_config": "livefuse.config",
    "swap_image": "livefuse.api",
    "upscale_image": "livefuse.enhance.upscale.image",
}


def __getattr__(name: str) -> Any:
    """Public names are loaded when they are first used, so that `import livefuse` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'livefuse' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
