"""Which architectures there are, and the one way to write any of them."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from livefuse.errors import BadValue

if TYPE_CHECKING:
    from livefuse.weights.onnx.build import Graph

Precision = Literal["fp32", "fp16"]
_STAND_IN = "same contract and bytes; the architecture is not public"
_PLANE_WARP = "same contract, decoder exact; it warps in two dimensions, the real one with a 3-D network in three"
_SHRINK = 16
_EMBEDDINGS = "it runs once per identity, and rounding would move the embedding"
_COORDINATES = "it is small, and what it computes are coordinates"


@dataclass(frozen=True)
class Architecture:
    """What can be written: `function` of `synthesize/<module>.py` builds it, `precision` is what the real file has,
    `differs` in what a stand-in is not the real one."""

    name: str
    module: str
    function: str
    stand_in: bool = False
    differs: str = _STAND_IN
    precision: Precision = "fp32"
    only_fp32: str = ""
    opset: int = 13


@dataclass(frozen=True)
class Summary:
    """What was written. `parameters` counts as training code does, `gmac` one run at the contract's own size."""

    name: str
    parameters: int
    gmac: float
    bytes: int
    stand_in: bool


def _all() -> Mapping[str, Architecture]:
    listed = [
        Architecture("inswapper_128", "inswapper", "inswapper", opset=11),
        Architecture("simswap_256", "simswap", "simswap_256"),
        Architecture("simswap_unofficial_512", "simswap", "simswap_512"),
        Architecture("ghost_1_256", "ghost", "ghost_1"),
        Architecture("ghost_2_256", "ghost", "ghost_2"),
        Architecture("ghost_3_256", "ghost", "ghost_3"),
        Architecture("hyperswap_1a_256", "stand_in", "hyperswap", stand_in=True, precision="fp16"),
        Architecture("hyperswap_1b_256", "stand_in", "hyperswap", stand_in=True, precision="fp16"),
        Architecture("hyperswap_1c_256", "stand_in", "hyperswap", stand_in=True, precision="fp16"),
        Architecture("blendswap_256", "stand_in", "blendswap", stand_in=True),
        Architecture("uniface_256", "stand_in", "uniface", stand_in=True),
        Architecture("hififace_unofficial_256", "stand_in", "hififace", stand_in=True),
        Architecture("dfm", "dfm", "liae"),
        Architecture("dfm_amp", "dfm", "amp"),
        Architecture("scrfd_10g", "scrfd", "scrfd_10g"),
        Architecture("scrfd_2.5g", "scrfd", "scrfd_2_5g"),
        Architecture("scrfd_500m", "scrfd", "scrfd_500m"),
        Architecture("yoloface_8n", "yoloface", "yoloface_8n"),
        Architecture("w600k_r50", "recognisers", "iresnet50"),
        Architecture("w600k_mbf", "recognisers", "mobilefacenet"),
        Architecture("crossface_ghost", "crossface", "crossface", only_fp32=_EMBEDDINGS),
        Architecture("crossface_hififace", "crossface", "crossface", only_fp32=_EMBEDDINGS),
        Architecture("crossface_simswap", "crossface", "crossface", only_fp32=_EMBEDDINGS),
        Architecture("2dfan4", "fan", "fan4"),
        Architecture("2d106det", "landmarkers", "landmarks_106"),
        Architecture("peppa_wutz", "landmarkers", "peppa_wutz", stand_in=True),
        Architecture("fan_68_5", "landmarkers", "points_to_68", stand_in=True, only_fp32=_COORDINATES),
        Architecture("facemesh_468", "landmarkers", "facemesh", stand_in=True),
        Architecture("xseg", "xseg", "xseg"),
        Architecture("xseg_vm", "xseg", "xseg_vm"),
        Architecture("occluder_vm", "occluder", "occluder"),
        Architecture("bisenet_resnet_18", "bisenet", "bisenet_18"),
        Architecture("bisenet_resnet_34", "bisenet", "bisenet_34"),
        Architecture("real_esrgan_x4", "real_esrgan", "real_esrgan_x4"),
        Architecture("real_esrgan_x2", "real_esrgan", "real_esrgan_x2"),
        Architecture("ultra_sharp_x4", "real_esrgan", "real_esrgan_x4"),
        Architecture("real_esrgan_general_x4v3", "compact", "srvgg"),
        Architecture("span_kendata_x4", "compact", "span"),
        Architecture("gpen_bfr_256", "gpen", "gpen_256"),
        Architecture("gpen_bfr_512", "gpen", "gpen_512"),
        Architecture("codeformer", "codeformer", "codeformer"),
        Architecture("restoreformer_plus_plus", "restoreformer", "restoreformer"),
        Architecture("gpen_bfr_1024", "gpen", "gpen_1024"),
        Architecture("gpen_bfr_2048", "gpen", "gpen_2048"),
        Architecture("gfpgan_1.2", "gfpgan", "gfpgan"),
        Architecture("gfpgan_1.3", "gfpgan", "gfpgan"),
        Architecture("gfpgan_1.4", "gfpgan", "gfpgan"),
        Architecture("live_portrait_feature_extractor", "live_portrait", "feature_extractor"),
        Architecture("live_portrait_motion_extractor", "live_portrait", "motion_extractor"),
        Architecture(
            "live_portrait_generator",
            "live_portrait_generator",
            "generator",
            stand_in=True,
            differs=_PLANE_WARP,
            opset=16,
        ),
    ]
    return MappingProxyType({each.name: each for each in listed})


ARCHITECTURES: Mapping[str, Architecture] = _all()


def pick(name: str) -> Architecture:
    """The architecture of that name. Raises: BadValue naming the nearest names."""
    if name not in ARCHITECTURES:
        near = difflib.get_close_matches(name, ARCHITECTURES, n=3, cutoff=0.4)
        hint = "did you mean " + " or ".join(near) + "?" if near else "known: " + ", ".join(ARCHITECTURES)
        raise BadValue(f"no architecture is called {name!r}", hint=hint)
    return ARCHITECTURES[name]


def build(name: str, *, precision: Precision | None = None, seed: int = 0, tiny: bool = False) -> Graph:
    """The graph, counted but not yet written: no weight is drawn. Raises: BadValue."""
    from livefuse.weights.onnx.build import Graph

    chosen = pick(name)
    kind: Precision = precision or chosen.precision
    if kind not in ("fp32", "fp16"):
        raise BadValue(f"precision = {kind!r}", hint="fp32 or fp16")
    if kind == "fp16" and chosen.only_fp32:
        raise BadValue(f"{name} is not written in fp16: {chosen.only_fp32}", hint="use fp32")
    if seed < 0:
        raise BadValue(f"seed = {seed}", hint="0 or more")
    graph = Graph(name, precision=kind, seed=seed, shrink=_SHRINK if tiny else 1, opset=chosen.opset)
    graph.metadata = {"livefuse.synthetic": "true", "livefuse.architecture": name, "livefuse.seed": str(seed)}
    if chosen.stand_in:
        graph.metadata["livefuse.stand_in"] = chosen.differs
    if tiny:
        graph.metadata["livefuse.tiny"] = (
            f"channels divided by {_SHRINK}, and some repeated blocks left out: same contract, fewer parameters"
        )
    module = importlib.import_module(f"livefuse.weights.synthesize.{chosen.module}")
    getattr(module, chosen.function)(graph)
    return graph


def synthesize(
    name: str, path: Path, *, precision: Precision | None = None, seed: int = 0, tiny: bool = False
) -> Summary:
    """Write a model of that architecture with random weights; `precision` is the real file's where none is given.

    Raises: BadValue for an unknown name or a precision that it is not written in, StoreUnwritable.
    """
    graph = build(name, precision=precision, seed=seed, tiny=tiny)
    size_bytes = graph.write(path)
    return Summary(name, graph.parameters, graph.macs / 1e9, size_bytes, ARCHITECTURES[name].stand_in)
