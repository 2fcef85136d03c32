"""Masks, colour, boost, enhancers and expression together, on synthesized models and a clip whose truth is known."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import livefuse
from livefuse.adaptive.rungs import Rung, ladder
from livefuse.adaptive.steps import steps
from livefuse.clock import MonotonicClock
from livefuse.config import ColourConfig, EnhanceConfig, MaskConfig
from livefuse.device.base import Lane
from livefuse.device.cpu import CpuBackend
from livefuse.frame import U8, HostFrame
from livefuse.paths import Paths
from livefuse.session import Session
from livefuse.source.synthetic.source import SyntheticSource
from livefuse.stages import build_stages
from livefuse.swap.base import Look
from tests.fakes import FakeSink
from tests.synthetic_models import install

LEARNED = ("inswapper_128", "w600k_r50")
MASKS = ("xseg_1", "bisenet_resnet_18")
EXPRESSION = ("live_portrait_generator", "live_portrait_feature_extractor", "live_portrait_motion_extractor")
SIZE = "synthetic:640x360@30?hand=1&seed=0"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIVEFUSE_HOME", str(folder))
        install(Paths.default(), *LEARNED, *MASKS, *EXPRESSION, "gpen_bfr_256")
    return folder


@pytest.fixture(autouse=True)
def environment(home: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFUSE_HOME", str(home))
    monkeypatch.setenv("LIVEFUSE_MODEL_MIRROR", str(shared / "models"))


def configured(**settings: object) -> livefuse.Config:
    given: dict[str, object] = {
        "identity.photo": "synthetic:7",
        "identity.consent": "synthetic",
        "privacy.mode": "open",
    }
    given |= {"overlay.badge": False, "track.look_seconds": 0.0}
    return livefuse.make_config({}, given | {key.replace("__", "."): value for key, value in settings.items()})


def clip(frames: int, first: int = 0) -> list[tuple[U8, U8, int]]:
    """RGB, what the hand covers, and the time of each picture."""
    source, backend, lane = SyntheticSource(f"{SIZE}&frames={first + frames}"), CpuBackend(), Lane(0)
    out = []
    while (frame := source.read()) is not None:
        out.append((rgb_of(backend, lane, frame), frame.truth.occlusion(), frame.pts_ns))
    source.close()
    return out[first:]


def rgb_of(backend: CpuBackend, lane: Lane, frame: HostFrame) -> U8:
    rgb = np.empty((frame.height, frame.width, 3), np.uint8)
    backend.warp(lane, backend.upload(lane, frame), np.eye(2, 3, dtype=np.float32), rgb)
    return rgb


def swapped(config: livefuse.Config, pictures: list[tuple[U8, U8, int]]) -> list[U8]:
    swapper = livefuse.FrameSwapper(config)
    return [swapper(rgb, t_ns=t_ns).copy() for rgb, _, t_ns in pictures]


def test_a_hand_stays_in_front_by_default() -> None:
    pictures = clip(50)
    kept = {}
    for name, occlusion in (("default", ("auto",)), ("none", ())):
        out = swapped(configured(mask__occlusion=occlusion), pictures)
        changes = [
            np.abs(after.astype(int) - rgb)[hand > 250].mean()
            for after, (rgb, hand, _) in zip(out[40:], pictures[40:], strict=True)
            if (hand > 250).any()
        ]
        kept[name] = float(np.mean(changes))
    assert kept["default"] < 0.35 * kept["none"]


ALL: dict[str, Any] = {
    "swap__model": "inswapper_128", "swap__boost": 2, "swap__keep_mouth": True,
    "mask__occlusion": ("estimate", "xseg_1"), "mask__regions": ("skin", "nose", "mouth"),
    "mask__parser": "bisenet_resnet_18", "mask__every": 2, "colour__method": "histogram",
    "enhance__model": "gpen_bfr_256", "enhance__every": 2, "expression__model": "live_portrait_generator",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["livefuse", "facefusion", "insightface", "deep-live-cam"])
def test_everything_at_once_changes_the_face_and_nothing_else(profile: str) -> None:
    pictures = clip(3)
    out = swapped(configured(profile__name=profile, **ALL), pictures)
    before, after = pictures[-1][0], out[-1]
    differ = (before != after).any(axis=2)
    rows, columns = np.nonzero(differ)
    assert differ.mean() > 0.01
    assert (columns.min(), columns.max()) > (180, 200)
    assert columns.max() < 460
    assert rows.max() < 330


@pytest.mark.parametrize(
    "stage", [{"enhance__model": "gpen_bfr_256"}, {"expression__model": "live_portrait_generator"}]
)
def test_each_late_stage_changes_what_the_swap_alone_gives(stage: dict[str, str]) -> None:
    pictures = clip(3)
    plain, more = (swapped(configured(**settings), pictures)[-1] for settings in ({}, stage))
    assert (plain != more).any()


def test_a_running_session_takes_other_masks_colours_and_enhancers() -> None:
    config = configured(source=f"{SIZE}&frames=60", swap__model="mesh", enhance__wait=True)
    source = SyntheticSource(config.source)
    session = Session(config, source=source, sinks=[FakeSink(sleep_s=0.01)], every_frame=True)

    async def change() -> None:
        running = asyncio.create_task(session.run())
        while session.frames_out < 5:
            await asyncio.sleep(0.01)
        session.change_finish(mask=MaskConfig(occlusion=("xseg_1",)), colour=ColourConfig(method="lab"))
        session.change_finish(enhance=EnhanceConfig(model="gpen_bfr_256", every=4))
        await running

    asyncio.run(asyncio.wait_for(change(), 60))
    assert session._threads is not None
    look = session._threads.loop.look
    assert look.colour is not None
    assert look.masks is not None
    assert len(look.enhance) == 1
    record = session.record()
    assert record["frames"]["out"] == 60
    assert record["frames"]["unswapped"] <= 2


def rungs_of(config: livefuse.Config) -> list[Rung]:
    stages = build_stages(config, MonotonicClock(), list)
    look = stages.look(config)
    return ladder(config, steps(config, stages, look, lambda _: None))


def test_what_a_plain_session_may_lower() -> None:
    words = [rung.words for rung in rungs_of(configured())]
    assert words == ["hands 1/2", "detector 1/2", "detector 1/3", "detector 224 px"]


def test_what_a_session_with_everything_may_lower_and_its_way_back() -> None:
    config = configured(**(ALL | {"expression__model": ""}))
    stages = build_stages(config, MonotonicClock(), list)
    look = stages.look(config)
    worn: list[Look] = []
    rungs = ladder(config, steps(config, stages, look, worn.append))
    assert [rung.words for rung in rungs] == [
        "enhancer 1/4", "masks 1/4", "detector 1/2", "boost 1", "enhancer 1/8", "masks 1/8", "detector 1/3", "hands 1/2",
        "detector 224 px",
    ]  # fmt: skip
    for rung in rungs:
        rung.lower()
    for rung in reversed(rungs):
        rung.restore()
    assert [one.swapper is look.swapper for one in worn] == [False, True]
    assert look.masks is not None
    assert (look.masks.every, config.mask.every) == (2, 2)
