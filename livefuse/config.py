"""One frozen value says what a session does. TOML files, CLI flags, the environment and HTTP bodies all decode to it."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from livefuse.errors import BadValue, ConfigError, UnknownKey

Ground = Literal["self", "licence", "public-domain", "synthetic"]
Fraction01 = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class IdentityConfig(Section):
    """The face to put on. Without a ground for consent it is refused."""

    photo: str = Field(
        "", description="photo, folder of photos, video, or the name of a stored identity; `synthetic:SEED` draws one"
    )
    consent: Ground | None = Field(None, description="self, licence, public-domain or synthetic")
    by: str = Field("", description="who says so; the user's login name when empty")
    face: int | None = Field(
        None, ge=0, description="which face of the photo, counted from the left; needed if unclear"
    )


class RoleConfig(IdentityConfig):
    """One part of a cast: who looks like the reference photo wears this identity."""

    like: str = Field(min_length=1, description="photo of the person who wears it")


class DetectConfig(Section):
    """Finding faces."""

    model: str = Field("yunet", description="recipe of the detector; `known` asks a synthetic source for its truth")
    size: int = Field(320, ge=128, le=1280, description="longer side of the detector's input, px")
    every: int = Field(1, ge=1, le=30, description="run the detector on every n-th frame; the tracker predicts between")
    threshold: Fraction01 = Field(0.6, description="least score of a face")
    max_faces: int = Field(8, ge=1, le=64, description="most faces followed at once")


class AlignConfig(Section):
    """Placing landmarks on faces."""

    model: str = Field("openseeface", description="recipe of the landmarker; `none` goes by the detector's five points")


Choice = Literal["one", "all", "largest", "centre", "index", "like"]


class TrackConfig(Section):
    """Following faces over time, and choosing which to swap."""

    faces: Choice = Field(
        "one",
        description="swap the locked face, all, the largest, the one nearest the centre, the `index`-th from the left, or the "
        "one `like` a photo",
    )
    index: int = Field(0, ge=0, description='which face counted from the left, for `faces = "index"`')
    like: str = Field("", description='reference photo of the person to swap, for `faces = "like"`')
    recogniser: str = Field("mobilefacenet", description="recipe that tells people apart, for `like` and the cast")
    verify: bool = Field(False, description="have the recogniser keep tracks from hopping onto somebody else")
    likeness: Fraction01 = Field(0.4, description="least cosine to a reference photo")
    most: int = Field(8, ge=1, le=64, description="most faces swapped at once")
    min_px: int = Field(0, ge=0, description="faces less high than this are not swapped, px")
    hold_frames: int = Field(6, ge=0, le=120, description="frames a face that the detector lost is still swapped")
    min_hits: int = Field(2, ge=1, le=30, description="detections in a row before a new face is swapped")
    smooth: bool = Field(True, description="One-Euro filter on boxes and landmarks")
    look_seconds: float = Field(
        0.7, ge=0, description="how long a choice among several faces waits to see which one moves"
    )
    lock_seconds: float = Field(
        2.0, ge=0, description="how long the locked face may be away before another may take over"
    )


class SwapConfig(Section):
    """Replacing the face."""

    model: str = Field("mesh", description="recipe of the swapper; `mesh` needs no learned weights")
    boost: int = Field(1, ge=1, le=8, description="pixel boost: a learned swapper's face at n times its own size")
    morph: Fraction01 = Field(1.0, description="how far a DFM model that can morph goes to its identity")
    keep_mouth: bool = Field(True, description="keep the target's own mouth interior")
    keep_eyes: bool = Field(False, description="keep the target's own eyes")
    seam: Fraction01 = Field(0.5, description="softness of the seam, 0 hard to 1 wide")
    colour: Fraction01 = Field(1.0, description="how far colour and light follow the target")
    fade_frames: int = Field(5, ge=0, le=60, description="frames over which a swap fades in and out")


class ProfileConfig(Section):
    """How a learned swapper's crop goes back into the picture: our way, or exactly another program's."""

    name: Literal["livefuse", "insightface", "facefusion", "deep-live-cam"] = Field(
        "livefuse", description="livefuse, insightface, facefusion or deep-live-cam"
    )
    mask_blur: Fraction01 = Field(0.3, description="facefusion: softness of the box mask")
    mask_padding: tuple[int, int, int, int] = Field(
        (0, 0, 0, 0), description="facefusion: percent of the crop left out at top, right, bottom, left"
    )
    opacity: Fraction01 = Field(1.0, description="deep-live-cam: how much of the swap is seen")
    sharpness: float = Field(0.0, ge=0, le=5, description="deep-live-cam: unsharp masking of the swapped face")
    mouth_mask: float = Field(0.0, ge=0, le=100, description="deep-live-cam: size of the mouth that stays the target's")


class RuntimeConfig(Section):
    """What runs the models."""

    providers: tuple[str, ...] = Field(
        ("cpu",),
        description="ONNX Runtime's execution providers, preferred first: `cuda`, `cuda:device_id=1`, `coreml`",
    )
    strict: bool = Field(False, description="refuse to start when a provider does not run every node")
    threads: int = Field(0, ge=0, le=256, description="threads of one model's runs; 0 chooses")


class PrivacyConfig(Section):
    """What leaves when a face was not swapped."""

    mode: Literal["closed", "open"] = Field("closed", description="closed: never the real face; open: pass it through")
    cover: Literal["blur", "hold", "slate"] = Field(
        "blur", description="what stands in: blur, last good picture, slate"
    )
    slate: str = Field("", description="picture for the slate; a plain one when empty")


class OverlayConfig(Section):
    """What is drawn over the picture."""

    enabled: bool = Field(False, description="latency overlay")
    badge: bool = Field(True, description='visible "synthetic" badge')


class LiveConfig(Section):
    """Real-time behaviour."""

    deadline_ms: float = Field(100.0, gt=0, description="a frame older than this is dropped before it costs anything")
    stall_ms: float = Field(500.0, gt=0, description="after this long without a frame, outputs get the slate")
    lost_ms: float = Field(5000.0, gt=0, description="after this long without a frame, a live source is opened again")
    reconnect: bool = Field(True, description="reconnect a live source that fails")
    reconnect_max_s: float = Field(10.0, gt=0, description="longest wait between two attempts")


class OutputConfig(Section):
    """Encoder settings of file and network sinks; a sink URL's own options win."""

    codec: str = Field("h264", description="h264, hevc or copy-like names that FFmpeg knows")
    crf: int = Field(18, ge=0, le=51, description="quality of files, lower is better")
    preset: str = Field("veryfast", description="x264 preset")
    bitrate: str = Field("", description="e.g. 4M: for network sinks; empty picks by size")


class Config(Section):
    """A session."""

    source: str = Field("synthetic:1280x720@30", description="source URL")
    sinks: tuple[str, ...] = Field(("null:",), description="sink URLs")
    backend: Literal["auto", "cpu", "null"] = Field("auto", description="device that works on pixels")
    seconds: float | None = Field(None, gt=0, description="stop after this long; endless when absent")
    stats: str = Field("", description="write the record of the run to this JSON file")
    auto_pull: bool = Field(True, description="fetch a missing default model (2 MB in all) instead of failing")
    identity: IdentityConfig = IdentityConfig()
    cast: tuple[RoleConfig, ...] = Field(
        (), description="several people at once: who looks like whom wears which identity"
    )
    detect: DetectConfig = DetectConfig()
    align: AlignConfig = AlignConfig()
    track: TrackConfig = TrackConfig()
    swap: SwapConfig = SwapConfig()
    profile: ProfileConfig = ProfileConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    overlay: OverlayConfig = OverlayConfig()
    live: LiveConfig = LiveConfig()
    output: OutputConfig = OutputConfig()


def environment_overrides(environ: Mapping[str, str]) -> dict[str, Any]:
    """`LIVEFUSE_DETECT__SIZE=640` -> `{"detect.size": 640}`: section and key joined by two underscores.

    Values are read as TOML where they can be. Raises: UnknownKey.
    """
    overrides: dict[str, Any] = {}
    for name, value in environ.items():
        section, found, key = name.removeprefix("LIVEFUSE_").lower().partition("__")
        if not name.startswith("LIVEFUSE_") or not found:
            continue
        dotted = f"{section}.{key}"
        if dotted not in known_keys():
            raise UnknownKey(f"environment: {name}: there is no key `{dotted}`", hint=_nearest(dotted))
        overrides[dotted] = toml_value(value)
    return overrides


def toml_value(text: str) -> Any:
    """A word as TOML reads it: `3` a number, `true` a truth value; anything else is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def load_config(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a TOML file; `overrides` are dotted keys (`privacy.mode`) that win over it.

    Raises: ConfigError, UnknownKey, BadValue.
    """
    path = Path(path)
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}", hint="check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", hint="`configs/` has files to start from") from error
    return make_config(tree, overrides, origin=str(path))


def make_config(
    tree: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, *, origin: str = "flags"
) -> Config:
    """Decode nested mappings to a Config. Raises: UnknownKey, BadValue."""
    merged: dict[str, Any] = {key: dict(value) if isinstance(value, Mapping) else value for key, value in tree.items()}
    for dotted, value in (overrides or {}).items():
        section, _, key = dotted.rpartition(".")
        target = merged.setdefault(section, {}) if section else merged
        target[key] = value
    try:
        return Config.model_validate(merged)
    except ValidationError as error:
        raise _explained(error, origin) from error


def _explained(error: ValidationError, origin: str) -> ConfigError:
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    dotted = ".".join(path)
    if first["type"] == "extra_forbidden":
        return UnknownKey(f"{origin}: unknown key `{dotted}`", hint=_nearest(dotted))
    return BadValue(f"{origin}: {dotted} = {first['input']!r}: {first['msg']}", hint=_description(path))


def _nearest(dotted: str) -> str:
    near = difflib.get_close_matches(dotted, known_keys(), n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`?" if near else "known keys: " + ", ".join(known_keys())


def known_keys() -> list[str]:
    """Every key as `name` or `section.name`."""
    keys = []
    for name, info in Config.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            keys += [f"{name}.{key}" for key in inner.model_fields]
        else:
            keys.append(name)
    return keys


def _description(path: list[str]) -> str:
    model: Any = Config
    text = ""
    for part in path:
        info = getattr(model, "model_fields", {}).get(part)
        if info is None:
            break
        text, model = info.description or "", info.annotation
    return text
