"""A recipe says everything that code needs to know of one model. Recipes are data (TOML): no code branches on a name."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from livefuse.errors import ModelMissing, RecipeInvalid
from livefuse.paths import Paths
from livefuse.weights.rules import broken_rule

Kind = Literal[
    "detector", "landmarker", "recogniser", "converter", "swapper",
    "matte", "occluder", "parser", "enhancer", "upscaler", "expression",
]  # fmt: skip
"""matte: person or background; occluder: face or what is before it; parser: the parts of a face."""
Decode = Literal[
    "yunet",
    "scrfd",
    "yoloface",
    "openseeface",
    "fan",
    "peppa_wutz",
    "landmarks_106",
    "facemesh",
    "points_to_68",
    "dfm",
    "logits",
]
IdentityKind = Literal["none", "embedding", "converted", "image"]
Role = Literal[
    "image", "identity", "morph", "points", "face", "mask", "target_mask", "landmarks", "heatmaps", "embedding",
    "fidelity", "volume", "pitch", "yaw", "roll", "scale", "translation", "expression", "keypoints", "driving", "own",
]  # fmt: skip
Template = Literal[
    "arcface_112_v1", "arcface_112_v2", "arcface_128", "dfl_whole_face", "ffhq_512", "mtcnn_512", "styleganex_384"
]
HashFrom = Literal["file", "second-hand", "unknown"]
"""file: hashed by whoever wrote the recipe; second-hand: somebody else's word."""
Triple = tuple[float, float, float]
PlainName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]


def _public_address(url: str) -> str:
    parts = urlsplit(url)
    loopback = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or not (parts.scheme == "https" or loopback):
        raise ValueError("must be an https:// address")
    return url


Address = Annotated[str, AfterValidator(_public_address)]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tensor(_Table):
    """A named input or output of the graph; a string in the shape is a dynamic axis.

    The name `#0` is the first one whatever the file calls it, `#1` the second: `bind.bound` finds out.
    """

    name: str = Field(min_length=1)
    shape: tuple[int | str, ...]
    dtype: Literal["float32", "float16", "float64", "int64"] = "float32"
    role: Role | None = Field(None, description="what it carries, where a model has several")


class Normalisation(_Table):
    """What the model's image input expects: `(pixel * scale - mean) / std`, pixel 0..255, means in `order`."""

    order: Literal["rgb", "bgr"]
    scale: float = Field(1.0, gt=0)
    mean: Triple = (0.0, 0.0, 0.0)
    std: Triple = (1.0, 1.0, 1.0)

    def affine(self) -> tuple[Triple, Triple]:
        """The same as one multiplication and one addition per channel: `pixel * gain + offset`."""
        gain = [self.scale / std for std in self.std]
        offset = [-mean / std for mean, std in zip(self.mean, self.std, strict=True)]
        return (gain[0], gain[1], gain[2]), (offset[0], offset[1], offset[2])


class Source(_Table):
    """What a swapper wants to know of the identity.

    An embedding is `recogniser`'s, passed through `converter` where there is one, through the model's own `emap` where it
    has one, and scaled to length 1 with `unit`. An image is the photo in `template`, `crop_px` large, normalised.
    """

    recogniser: PlainName | None = None
    converter: PlainName | None = None
    emap: bool = False
    unit: bool = True
    template: Template | None = None
    crop_px: int | None = Field(None, ge=16, le=4096)
    normalisation: Normalisation | None = None


class Result(_Table):
    """What comes out of a swapper, enhancer or upscaler: `value * gain + offset` is in 0..1."""

    gain: float = 1.0
    offset: float = 0.0
    order: Literal["rgb", "bgr"] = "rgb"


class Recipe(_Table):
    """One model: where it comes from, what it may be used for, and what goes in and out."""

    name: PlainName
    aliases: tuple[PlainName, ...] = ()
    kind: Kind
    description: str = Field(min_length=1)
    file: PlainName
    urls: tuple[Address, ...] = ()
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")] = ""
    bytes: int | None = Field(None, gt=0, description="what the file must have; unknown is allowed, as for sha256")
    hash_from: HashFrom = Field("file", description="who has seen the sha256")
    licence: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+ ()-]*$")]
    licence_url: Address
    non_commercial: bool
    inputs: tuple[Tensor, ...] = Field(min_length=1)
    outputs: tuple[Tensor, ...] = Field(min_length=1)
    layout: Literal["nchw", "nhwc"] = "nchw"
    normalisation: Normalisation | None = None
    decode: Decode | None = Field(None, description="how outputs are read, where kind and shapes do not say")
    template: Template | None = None
    crop_px: int | None = Field(None, ge=16, le=4096)
    identity: IdentityKind = "none"
    source: Source = Source()
    result: Result = Result()
    partners: tuple[PlainName, ...] = Field((), description="recipes of the networks that it cannot do without")
    scale: int | None = Field(None, ge=1, le=8, description="how many times larger an upscaler makes its picture")
    tile: tuple[int, int, int] | None = Field(
        None, description="an upscaler's tiles as others cut them: side, padding around the picture, overlap; px"
    )
    parameters: int | None = Field(None, gt=0, description="learned numbers, for tables")
    gmac: float | None = Field(None, gt=0, description="10^9 multiply-adds of one run at the recipe's own size")
    synthesis: PlainName | None = Field(
        None, description="architecture that `livefuse models synthesize` writes for it"
    )
    family: PlainName | None = Field(None, description="the recipe that `livefuse models add` derived this one from")

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        broken = broken_rule(self)
        if broken:
            raise ValueError(broken)
        return self

    @property
    def fetchable(self) -> bool:
        """Whether anybody serves the file; otherwise it is the user's to add, or the recipe stands for a family."""
        return bool(self.urls)

    def input(self, role: Role) -> str | None:
        """The name of the input of that role."""
        return next((tensor.name for tensor in self.inputs if tensor.role == role), None)

    def output(self, role: Role) -> str | None:
        """The name of the output of that role."""
        return next((tensor.name for tensor in self.outputs if tensor.role == role), None)


def builtin_folder() -> Path:
    """Recipes that come with livefuse: inside the installed package, or `engines/recipes` of a checkout."""
    installed = Path(__file__).parent / "builtin"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "engines" / "recipes"


def read_recipe(path: Path) -> Recipe:
    """Parse one file; its name must be the recipe's. Raises: RecipeInvalid."""
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise RecipeInvalid(f"cannot read the recipe {path}: {error.strerror}", hint="check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeInvalid(f"{path} is not valid TOML: {error}", hint="compare it with a built-in recipe") from error
    try:
        recipe = Recipe.model_validate(tree)
    except ValidationError as error:
        raise _explained(error, path) from error
    if recipe.name != path.stem:
        raise RecipeInvalid(f"{path}: name = {recipe.name!r}", hint=f"the file's name asks for {path.stem!r}")
    return recipe


def all_recipes(user_folder: Path | None = None) -> dict[str, Recipe]:
    """Every recipe by name: the built-in ones, then the user's own, which win. Raises: RecipeInvalid."""
    user = Paths.default().recipes if user_folder is None else user_folder
    return builtin_recipes() | recipes_in(user)


def builtin_recipes() -> dict[str, Recipe]:
    """Those that come with livefuse, by name."""
    return recipes_in(builtin_folder())


def recipes_in(folder: Path) -> dict[str, Recipe]:
    """Every recipe of a folder, which need not be there. Raises: RecipeInvalid."""
    return {recipe.name: recipe for recipe in map(read_recipe, sorted(folder.glob("*.toml")))}


def load_recipe(name: str) -> Recipe:
    """The recipe of that name or alias. Raises: ModelMissing for an unknown name, RecipeInvalid."""
    return pick_recipe(name, all_recipes())


def pick_recipe(name: str, recipes: dict[str, Recipe]) -> Recipe:
    """Choose by name, else by alias. Raises: ModelMissing naming the nearest names."""
    if name in recipes:
        return recipes[name]
    by_alias = {alias: recipe for recipe in recipes.values() for alias in recipe.aliases}
    if name in by_alias:
        return by_alias[name]
    near = difflib.get_close_matches(name, [*recipes, *by_alias], n=3, cutoff=0.4)
    hint = "did you mean " + " or ".join(f"`{n}`" for n in near) + "?" if near else "known: " + ", ".join(recipes)
    raise ModelMissing(f"no recipe is called {name!r}", hint=hint + " `livefuse models list` shows all")


def _explained(error: ValidationError, path: Path) -> RecipeInvalid:
    # A misspelt key is also a missing one; the misspelling is the better message.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    parts = [str(part) for part in first["loc"]]
    key = ".".join(parts)
    if first["type"] == "extra_forbidden":
        siblings = _keys(parts[:-1])
        near = difflib.get_close_matches(parts[-1], siblings, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else "known keys here: " + ", ".join(siblings)
        return RecipeInvalid(f"{path}: unknown key `{key}`", hint=hint)
    if first["type"] == "missing":
        return RecipeInvalid(f"{path}: `{key}` is missing", hint="every built-in recipe shows how it is written")
    shown = f"{key} = {first['input']!r}: " if key else ""
    return RecipeInvalid(f"{path}: {shown}{first['msg']}", hint="compare it with a built-in recipe")


def _keys(parts: list[str]) -> list[str]:
    """Keys of the table that `parts` lead to; list indices are passed over."""
    model: Any = Recipe
    for part in parts:
        if not part.isdigit():
            annotation = model.model_fields[part].annotation
            model = next((a for a in (annotation, *get_args(annotation)) if hasattr(a, "model_fields")), Recipe)
    return list(model.model_fields)
