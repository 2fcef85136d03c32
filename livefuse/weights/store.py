"""The model store: plain files under their own names in one folder, each checked against its recipe's sha256.

Where a recipe has none, the hash that a file had when it was first seen is remembered, and the file is held to that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from livefuse.errors import DownloadFailed, LicenceNotAccepted
from livefuse.paths import Paths
from livefuse.weights.emap import emap_beside, sidecar_of
from livefuse.weights.mirrors import in_folders, mirrors_from, place_in
from livefuse.weights.part import PartFile, disk_errors_explained, sha256_of
from livefuse.weights.recipe import Recipe, all_recipes, pick_recipe
from livefuse.weights.record import read_record, record_path, write_record
from livefuse.weights.stated import corrupt, missing, stated_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from livefuse.weights.download import Progress

Status = Literal["missing", "present", "verified", "unverified", "corrupt"]
"""present: nobody has hashed it yet; verified: hashed, and unchanged since by size and time; unverified: the same, but its
recipe has no sha256, so it is only known to be the file that it was when it was first seen."""

USABLE: tuple[Status, ...] = ("verified", "unverified")

LOCK_TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True)
class StoredModel:
    """A recipe and what the store has of it."""

    recipe: Recipe
    status: Status
    path: Path
    recorded_sha256: str = ""
    """What the file's hash was when somebody looked."""


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
            raise missing([recipe], self.folder)
        if status == "corrupt":
            raise corrupt(recipe, self._file(recipe))
        return self._file(recipe)

    def status(self, name: str) -> Status:
        """What is known without reading the file."""
        recipe = self.recipe(name)
        file = self._file(recipe)
        try:
            size_bytes = file.stat().st_size
        except OSError:
            return "missing"
        if recipe.bytes not in (None, size_bytes):
            return "corrupt"
        record = read_record(file)
        if record is None or not record.describes(file) or recipe.sha256 not in ("", record.sha256):
            return "present"
        return "verified" if recipe.sha256 else "unverified"

    def verify(self, name: str) -> Status:
        """Hash the file, whatever was known before. A corrupt one stays where it is until it is pulled again."""
        recipe, status = self.recipe(name), self.status(name)
        return status if status in ("missing", "corrupt") else self._hashed(recipe)

    def list(self) -> list[StoredModel]:
        """All known models, by name, without reading files."""
        return [self.stored(name) for name in sorted(self.recipes)]

    def stored(self, name: str) -> StoredModel:
        """One model's recipe and what is here of it, without reading the file. Raises: ModelMissing for an unknown name."""
        recipe = self.recipe(name)
        record = read_record(self._file(recipe))
        return StoredModel(recipe, self.status(recipe.name), self._file(recipe), record.sha256 if record else "")

    def part_bytes(self, name: str) -> int:
        """How much an unfinished pull has left that the next one goes on from: only where the file's sha256 is known, for
        otherwise nothing tells whether the rest belongs to it. Raises: ModelMissing for an unknown name."""
        recipe = self.recipe(name)
        file = self._file(recipe)
        return PartFile(file).size_bytes if stated_of(recipe, file).sha256 else 0

    def remove(self, name: str) -> bool:
        """Delete a model's file, and what an unfinished pull left; False when there was nothing. Raises: StoreUnwritable."""
        recipe = self.recipe(name)
        file = self._file(recipe)
        found = False
        with self._locked(recipe):
            for path in (file, file.with_name(file.name + ".part"), sidecar_of(file), record_path(file)):
                if path.exists():
                    path.unlink()
                    found = True
        return found

    def pull(self, name: str, *, progress: Progress | None = None, accept_licence: bool = False) -> Path:
        """Fetch a model unless it is here and right: mirrors first, then its public addresses.

        Raises: DownloadFailed, ModelCorrupt, StoreUnwritable, LicenceNotAccepted, ModelMissing where nobody serves it.
        """
        recipe = self.recipe(name)
        places = tuple(place_in(mirror, recipe.file) for mirror in self.mirrors) + recipe.urls
        if not places and self.status(recipe.name) == "missing":
            raise missing([recipe], self.folder)
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
            raise missing(lacking, self.folder)
        return [self._ensured(recipe, local[recipe.name], auto_pull) for recipe in recipes]

    def _ensured(self, recipe: Recipe, local: tuple[Path, ...], auto_pull: bool) -> Path:
        if self._settled(recipe) in USABLE:
            return self._file(recipe)
        if auto_pull:
            return self.pull(recipe.name)
        return self._fetch(recipe, local, None) if local else self.path(recipe.name)

    def add(self, recipe: Recipe, source: Path, *, accept_licence: bool = False) -> Path:
        """Copy the user's own file in, under a recipe that states its sha256; the recipe is known from then on.

        Raises: ModelCorrupt if the file is not what the recipe states, StoreUnwritable, LicenceNotAccepted.
        """
        self.recipes[recipe.name] = recipe
        command = f"livefuse models add {source}"
        return self._fetch(recipe, (source,), None, accept_licence=accept_licence, command=command)

    def needs_acceptance(self, recipe: Recipe) -> bool:
        """Whether the licence has yet to be accepted on this machine."""
        return recipe.non_commercial and not self._licence_record(recipe).exists()

    def _licence_record(self, recipe: Recipe) -> Path:
        return self.folder / f".{recipe.file}.licence"

    def _fetch(
        self,
        recipe: Recipe,
        places: tuple[str | Path, ...],
        progress: Progress | None,
        *,
        accept_licence: bool = False,
        command: str = "",
    ) -> Path:
        from livefuse.weights.download import Fetch, no_progress  # httpx: 80 ms that a warm start need not pay

        target = self._file(recipe)
        if self._settled(recipe) in USABLE:
            return target  # before the lock, which a read-only store cannot hold
        with self._locked(recipe):
            self._check_licence(recipe, accept_licence, command or f"livefuse models pull {recipe.name}")
            if self._settled(recipe) not in USABLE:  # another process may have pulled it while we waited
                stated, report = stated_of(recipe, target), progress or no_progress
                fetch = Fetch(target, stated.sha256, recipe.bytes, places, report, backoff_s=self._backoff_s)
                fetch.stated, fetch.otherwise = stated.by, stated.otherwise
                write_record(target, fetch.run())
                if recipe.source.emap:
                    emap_beside(target)
        return target

    def _check_licence(self, recipe: Recipe, accept: bool, command: str) -> None:
        if not self.needs_acceptance(recipe):
            return
        if not accept:
            raise LicenceNotAccepted(
                f"{recipe.name} is for non-commercial use only ({recipe.licence}, {recipe.licence_url})",
                hint=f"`{command} --accept-licence` if that is your use",
            )
        self._licence_record(recipe).write_text(f"{recipe.licence} {recipe.licence_url}\n", "utf-8")

    def _file(self, recipe: Recipe) -> Path:
        return self.folder / recipe.file

    def _settled(self, recipe: Recipe) -> Status:
        """The status after hashing a file that nobody has hashed."""
        status = self.status(recipe.name)
        return self._hashed(recipe) if status == "present" else status

    def _hashed(self, recipe: Recipe) -> Status:
        file = self._file(recipe)
        digest, wanted = sha256_of(file), stated_of(recipe, file).sha256
        right = wanted in ("", digest)
        write_record(file, digest if right else wanted, changed=not right)
        if not right:
            return "corrupt"
        return "verified" if recipe.sha256 else "unverified"

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
