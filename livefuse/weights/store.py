"""The model store: plain files under their own names in one folder, each checked against its recipe's sha256."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from livefuse.errors import DownloadFailed, LicenceNotAccepted, ModelCorrupt, ModelMissing
from livefuse.paths import Paths
from livefuse.weights.mirrors import in_folders, mirrors_from, place_in
from livefuse.weights.part import disk_errors_explained, sha256_of
from livefuse.weights.recipe import Recipe, all_recipes, pick_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from livefuse.weights.download import Progress

Status = Literal["missing", "present", "verified", "corrupt"]
"""present: the size is right and nobody has hashed it yet; verified: hashed, and unchanged since by size and time."""

LOCK_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A recipe and what the store has of it."""

    recipe: Recipe
    status: Status
    path: Path


class ModelStore:
    """Finds, fetches and checks model files. Every name may be a recipe's name or alias.

    `mirrors` are folders and http(s) URLs. Raises: RecipeInvalid.
    """

    def __init__(
        self,
        folder: Path,
        mirrors: Sequence[str] = (),
        *,
        recipes: Mapping[str, Recipe] | None = None,
        backoff_s: float = 0.5,
    ) -> None:
        self.folder, self.mirrors = folder, tuple(mirrors)
        self.recipes = dict(all_recipes() if recipes is None else recipes)
        self._backoff_s = backoff_s

    @classmethod
    def default(cls, paths: Paths | None = None) -> ModelStore:
        """The user's models folder, the built-in and the user's own recipes, the mirrors of LIVEFUSE_MODEL_MIRROR."""
        paths = paths or Paths.default()
        return cls(paths.models, mirrors_from(), recipes=all_recipes(paths.recipes))

    def recipe(self, name: str) -> Recipe:
        """Raises: ModelMissing for an unknown name."""
        return pick_recipe(name, self.recipes)

    def path(self, name: str) -> Path:
        """The file of a model, verified: hashed when seen for the first time, by size and time from then on.

        Raises: ModelMissing, ModelCorrupt.
        """
        recipe = self.recipe(name)
        status = self._settled(recipe)
        if status == "missing":
            raise self._missing([recipe])
        if status == "corrupt":
            raise ModelCorrupt(
                f"{self._file(recipe)} is not the file that the recipe {recipe.name} states",
                hint=f"`livefuse models pull {recipe.name}` replaces it",
            )
        return self._file(recipe)

    def status(self, name: str) -> Status:
        """What is known without reading the file."""
        recipe = self.recipe(name)
        try:
            size_bytes = self._file(recipe).stat().st_size
        except OSError:
            return "missing"
        if size_bytes != recipe.bytes:
            return "corrupt"
        return "verified" if self._is_marked(recipe) else "present"

    def verify(self, name: str) -> Status:
        """Hash the file, whatever was known before. A corrupt one stays where it is until it is pulled again."""
        recipe, status = self.recipe(name), self.status(name)
        return status if status in ("missing", "corrupt") else self._hashed(recipe)

    def list(self) -> list[StoredModel]:
        """All known models, by name, without reading files."""
        return [StoredModel(r, self.status(r.name), self._file(r)) for _, r in sorted(self.recipes.items())]

    def remove(self, name: str) -> bool:
        """Delete a model's file, and what an unfinished pull left; False when there was nothing. Raises: StoreUnwritable."""
        recipe = self.recipe(name)
        file = self._file(recipe)
        found = False
        with self._locked(recipe):
            for path in (file, file.with_name(file.name + ".part"), self._marker(recipe)):
                if path.exists():
                    path.unlink()
                    found = True
        return found

    def pull(self, name: str, *, progress: Progress | None = None, accept_licence: bool = False) -> Path:
        """Fetch a model unless it is here and right: mirrors first, then its public addresses.

        Raises: DownloadFailed, ModelCorrupt, StoreUnwritable, LicenceNotAccepted.
        """
        recipe = self.recipe(name)
        places = tuple(place_in(mirror, recipe.file) for mirror in self.mirrors) + recipe.urls
        return self._fetch(recipe, places, progress, accept_licence=accept_licence)

    def ensure(self, names: Iterable[str], *, auto_pull: bool = False) -> Sequence[Path]:
        """The files that a session needs, in the order of the names. What a mirror folder has is copied without being asked;
        the network is used only with `auto_pull`.

        Raises: ModelMissing with one command for all that lack, ModelCorrupt, and what `pull` raises.
        """
        recipes = [self.recipe(name) for name in names]
        local = {recipe.name: in_folders(self.mirrors, recipe.file, recipe.bytes) for recipe in recipes}
        lacking = [r for r in recipes if self.status(r.name) == "missing" and not local[r.name] and not auto_pull]
        if lacking:
            raise self._missing(lacking)
        return [self._ensured(recipe, local[recipe.name], auto_pull) for recipe in recipes]

    def _ensured(self, recipe: Recipe, local: tuple[Path, ...], auto_pull: bool) -> Path:
        if self._settled(recipe) == "verified":
            return self._file(recipe)
        if auto_pull:
            return self.pull(recipe.name)
        return self._fetch(recipe, local, None) if local else self.path(recipe.name)

    def _fetch(
        self, recipe: Recipe, places: tuple[str | Path, ...], progress: Progress | None, *, accept_licence: bool = False
    ) -> Path:
        from livefuse.weights.download import Fetch, no_progress  # httpx: 80 ms that a warm start need not pay

        target = self._file(recipe)
        if self._settled(recipe) == "verified":
            return target  # before the lock, which a read-only store cannot hold
        with self._locked(recipe):
            self._check_licence(recipe, accept_licence)
            if self._settled(recipe) != "verified":  # another process may have pulled it while we waited
                report = progress or no_progress
                Fetch(target, recipe.sha256, recipe.bytes, places, report, backoff_s=self._backoff_s).run()
                self._mark(recipe)
        return target

    def _check_licence(self, recipe: Recipe, accept: bool) -> None:
        record = self.folder / f".{recipe.file}.licence"
        if not recipe.non_commercial or record.exists():
            return
        if not accept:
            raise LicenceNotAccepted(
                f"{recipe.name} is for non-commercial use only ({recipe.licence}, {recipe.licence_url})",
                hint=f"`livefuse models pull {recipe.name} --accept-licence` if that is your use",
            )
        record.write_text(f"{recipe.licence} {recipe.licence_url}\n", "utf-8")

    def _missing(self, recipes: Sequence[Recipe]) -> ModelMissing:
        names = " ".join(recipe.name for recipe in recipes)
        return ModelMissing(
            f"not in {self.folder}: {', '.join(recipe.file for recipe in recipes)}",
            hint=f"`livefuse models pull {names}` ({sum(r.bytes for r in recipes) / 1e6:.1f} MB)",
        )

    def _file(self, recipe: Recipe) -> Path:
        return self.folder / recipe.file

    def _marker(self, recipe: Recipe) -> Path:
        return self.folder / f".{recipe.file}.verified"

    def _settled(self, recipe: Recipe) -> Status:
        """The status after hashing a file that nobody has hashed."""
        status = self.status(recipe.name)
        return self._hashed(recipe) if status == "present" else status

    def _hashed(self, recipe: Recipe) -> Status:
        right = sha256_of(self._file(recipe)) == recipe.sha256
        with suppress(OSError):  # a read-only store works, it is only hashed at every start
            self._mark(recipe) if right else self._marker(recipe).unlink(missing_ok=True)
        return "verified" if right else "corrupt"

    def _stamp(self, recipe: Recipe) -> dict[str, Any]:
        stat = self._file(recipe).stat()
        return {"sha256": recipe.sha256, "bytes": stat.st_size, "mtime_ns": stat.st_mtime_ns}

    def _is_marked(self, recipe: Recipe) -> bool:
        try:
            return bool(json.loads(self._marker(recipe).read_text("utf-8")) == self._stamp(recipe))
        except (OSError, ValueError):
            return False

    def _mark(self, recipe: Recipe) -> None:
        marker = self._marker(recipe)
        fresh = marker.with_name(f"{marker.name}.{os.getpid()}")
        fresh.write_text(json.dumps(self._stamp(recipe)), "utf-8")
        fresh.replace(marker)

    @contextmanager
    def _locked(self, recipe: Recipe) -> Iterator[None]:
        """One process at a time works on a model; the system drops the lock of one that dies."""
        import filelock

        with disk_errors_explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / f".{recipe.file}.lock", timeout=LOCK_TIMEOUT_S)
            try:
                with lock:
                    yield
            except filelock.Timeout as error:
                raise DownloadFailed(
                    f"another process has held {recipe.name} for {LOCK_TIMEOUT_S / 60:.0f} min",
                    hint=f"end it, then `livefuse models pull {recipe.name}` resumes",
                ) from error
