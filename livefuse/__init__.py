"""livefuse: the face of a consenting person, swapped in live video, every millisecond measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from livefuse.config import Config, load_config
    from livefuse.errors import LivefuseError
    from livefuse.session import Session

__version__ = "0.1.0"
__all__ = ["Config", "LivefuseError", "Session", "__version__", "load_config"]

_HOMES = {
    "Config": "livefuse.config",
    "LivefuseError": "livefuse.errors",
    "Session": "livefuse.session",
    "load_config": "livefuse.config",
}


def __getattr__(name: str) -> Any:
    """Public names are loaded when they are first used, so that `import livefuse` costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'livefuse' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
