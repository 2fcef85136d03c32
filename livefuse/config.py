"""One frozen value says what a session does. TOML files, CLI flags, the environment and HTTP bodies all decode to it."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from livefuse.errors import BadValue, ConfigError, UnknownKey
from livefuse.sections import (
    AdaptiveConfig,
    AlignConfig,
    Area,
    Choice,
    ColourConfig,
    DetectConfig,
    EnhanceConfig,
    ExpressionConfig,
    Fraction01,
    Ground,
    IdentityConfig,
    LiveConfig,
    MaskConfig,
    OutputConfig,
    OverlayConfig,
    PrivacyConfig,
    ProfileConfig,
    Region,
    RoleConfig,
    Rung,
    RuntimeConfig,
    Section,
    SwapConfig,
    TrackConfig,
)

__all__ = [
    "AdaptiveConfig",
    "AlignConfig",
    "Area",
    "Choice",
    "ColourConfig",
    "Config",
    "DetectConfig",
    "EnhanceConfig",
    "ExpressionConfig",
    "Fraction01",
    "Ground",
    "IdentityConfig",
    "LiveConfig",
    "MaskConfig",
    "OutputConfig",
    "OverlayConfig",
    "PrivacyConfig",
    "ProfileConfig",
    "Region",
    "RoleConfig",
    "Rung",
    "RuntimeConfig",
    "Section",
    "SwapConfig",
    "TrackConfig",
    "environment_keys",
    "environment_overrides",
    "known_keys",
    "known_only",
    "load_config",
    "make_config",
    "merged",
    "read_toml",
    "refused",
    "toml_value",
]


_OF_THE_DAEMON = ("serve", "webrtc", "sessions")  # of a file that `livefuse run` shares with `livefuse serve`


class Config(Section):
    """A session."""

    source: str = Field("synthetic:1280x720@30", description="source URL")
    sinks: tuple[str, ...] = Field(("null:",), description="sink URLs")
    backend: Literal["auto", "cpu", "null"] = Field("auto", description="device that works on pixels")
    seconds: float | None = Field(
        None, gt=0, le=31_536_000, description="stop after this long, a year at most; endless when absent"
    )
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
    mask: MaskConfig = MaskConfig()
    colour: ColourConfig = ColourConfig()
    enhance: EnhanceConfig = EnhanceConfig()
    expression: ExpressionConfig = ExpressionConfig()
    profile: ProfileConfig = ProfileConfig()
    adaptive: AdaptiveConfig = AdaptiveConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    privacy: PrivacyConfig = PrivacyConfig()
    overlay: OverlayConfig = OverlayConfig()
    live: LiveConfig = LiveConfig()
    output: OutputConfig = OutputConfig()


def environment_overrides(environ: Mapping[str, str]) -> dict[str, Any]:
    """`LIVEFUSE_DETECT__SIZE=640` -> `{"detect.size": 640}`: section and key joined by two underscores.

    Values are read as TOML where they can be; what is the daemon's is left to it. Raises: UnknownKey.
    """
    said = environment_keys(environ)
    return known_only(
        {key: value for key, value in said.items() if key.partition(".")[0] not in _OF_THE_DAEMON}, Config
    )


def environment_keys(environ: Mapping[str, str]) -> dict[str, Any]:
    """What `LIVEFUSE_SECTION__KEY` variables say, by dotted keys, known or not."""
    said: dict[str, Any] = {}
    for name, value in environ.items():
        section, found, key = name.removeprefix("LIVEFUSE_").lower().partition("__")
        if name.startswith("LIVEFUSE_") and found:
            said[f"{section}.{key}"] = toml_value(value)
    return said


def known_only(said: Mapping[str, Any], model: type[Section]) -> dict[str, Any]:
    """What the environment says, if the model has all these keys. Raises: UnknownKey."""
    for dotted in said:
        if dotted not in known_keys(model):
            name = "LIVEFUSE_" + dotted.replace(".", "__").upper()
            raise UnknownKey(f"environment: {name}: there is no key `{dotted}`", hint=_nearest(dotted, model))
    return dict(said)


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
    tree = {key: value for key, value in read_toml(Path(path)).items() if key not in _OF_THE_DAEMON}
    return make_config(tree, overrides, origin=str(path))


def read_toml(path: Path) -> dict[str, Any]:
    """Raises: ConfigError."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}", hint="check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}", hint="`configs/` has files to start from") from error


def make_config(
    tree: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, *, origin: str = "flags"
) -> Config:
    """Decode nested mappings to a Config. Raises: UnknownKey, BadValue."""
    try:
        return Config.model_validate(merged(tree, overrides or {}))
    except ValidationError as error:
        raise refused(error, origin) from error


def merged(tree: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings with dotted keys (`privacy.mode`) written into them."""
    result: dict[str, Any] = {key: dict(value) if isinstance(value, Mapping) else value for key, value in tree.items()}
    for dotted, value in overrides.items():
        section, _, key = dotted.rpartition(".")
        target = result.setdefault(section, {}) if section else result
        target[key] = value
    return result


def refused(error: ValidationError, origin: str, model: type[Section] = Config) -> ConfigError:
    """What is wrong with a configuration, in words: the first thing, its value, and what it should be."""
    first = error.errors()[0]
    path = [str(part) for part in first["loc"]]
    dotted = ".".join(path)
    if first["type"] == "extra_forbidden":
        return UnknownKey(f"{origin}: unknown key `{dotted}`", hint=_nearest(dotted, model))
    return BadValue(f"{origin}: {dotted} = {first['input']!r}: {first['msg']}", hint=_description(path, model))


def _nearest(dotted: str, model: type[Section] = Config) -> str:
    near = difflib.get_close_matches(dotted, known_keys(model), n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`?" if near else "known keys: " + ", ".join(known_keys(model))


def known_keys(model: type[Section] = Config) -> list[str]:
    """Every key as `name` or `section.name`."""
    keys = []
    for name, info in model.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, Section):
            keys += [f"{name}.{key}" for key in inner.model_fields]
        else:
            keys.append(name)
    return keys


def _description(path: list[str], model: Any) -> str:
    text = ""
    for part in path:
        info = getattr(model, "model_fields", {}).get(part)
        if info is None:
            break
        text, model = info.description or "", info.annotation
    return text
