"""livefuse's own folders and settings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from livefuse.config import load_config
from livefuse.doctor.report import Finding
from livefuse.errors import ConfigError, NoConsent
from livefuse.paths import Paths
from livefuse.swap.consent import verify_log

SPACE_WANTED_BYTES = 1 << 30


def check_folders(paths: Paths | None = None) -> Iterator[Finding]:
    """Write access, and room where models go."""
    paths = paths or Paths.default()
    for name, text in paths.as_dict().items():
        yield _writable(name, Path(text))
    free_bytes = shutil.disk_usage(_nearest_existing(paths.models)).free
    free = f"{free_bytes / 1e9:.1f} GB free"
    if free_bytes > SPACE_WANTED_BYTES:
        yield Finding("space for models", "ok", free)
    else:
        yield Finding("space for models", "warn", free, "export LIVEFUSE_HOME=/path/on/another/disk")


def check_consent(paths: Paths | None = None) -> Iterator[Finding]:
    """Whether the log of consents is as it was written."""
    folder = (paths or Paths.default()).identities
    try:
        yield Finding("consent log", "ok", f"{verify_log(folder)} entries, each vouching for the one before")
    except NoConsent as error:
        yield Finding("consent log", "warn", error.message, f"ls -l '{folder}'")


def _writable(name: str, folder: Path) -> Finding:
    existing = _nearest_existing(folder)
    label = f"{name} folder"
    if not existing.is_dir():
        return Finding(
            label, "missing", f"{existing} is a file, a folder is needed there", f"mv '{existing}' '{existing}.old'"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding(label, "missing", f"{existing} is not writable", f"sudo chown -R \"$USER\" '{existing}'")
    return Finding(label, "ok", str(folder) if folder.exists() else f"{folder} (made when needed)")


def _nearest_existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())


def check_config(paths: Paths | None = None) -> Iterator[Finding]:
    """The user's settings file is optional; a broken one is told before a session stumbles over it."""
    file = (paths or Paths.default()).config_file
    if not file.is_file():
        yield Finding("config", "ok", f"none at {file}: defaults are used")
        return
    try:
        load_config(file)
    except ConfigError as error:
        yield Finding("config", "missing", error.message, f"${{EDITOR:-nano}} '{file}'  # {error.hint}")
    else:
        yield Finding("config", "ok", str(file))
