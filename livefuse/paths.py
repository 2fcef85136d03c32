"""Where livefuse keeps its files on this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

HOME_VARIABLE = "LIVEFUSE_HOME"


@dataclass(frozen=True, slots=True)
class Paths:
    """Folders; none is created before something is written into it."""

    config: Path
    data: Path
    cache: Path
    state: Path
    models: Path
    identities: Path

    @property
    def config_file(self) -> Path:
        """The user's own settings, read when `livefuse run` is given no other."""
        return self.config / "livefuse.toml"

    @property
    def recipes(self) -> Path:
        """The user's own model recipes; one wins over a built-in one of the same name."""
        return self.config / "recipes"

    def as_dict(self) -> dict[str, str]:
        return {name: str(folder) for name, folder in asdict(self).items()}

    @classmethod
    def default(cls, environ: Mapping[str, str] = os.environ) -> Paths:
        """The platform's own places, or everything under LIVEFUSE_HOME when that is set."""
        home = environ.get(HOME_VARIABLE, "")
        if home:
            root = Path(home).expanduser().absolute()
            return cls(*(root / name for name in ("config", "data", "cache", "state", "models", "identities")))
        import platformdirs  # 10 ms that `livefuse --help` need not pay

        dirs = platformdirs.PlatformDirs("livefuse", appauthor=False)
        data = dirs.user_data_path
        return cls(
            dirs.user_config_path,
            data,
            dirs.user_cache_path,
            dirs.user_state_path,
            data / "models",
            data / "identities",
        )
