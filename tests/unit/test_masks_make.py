"""From settings to the stage of masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from livefuse.composite.masks.exact import Exact
from livefuse.composite.masks.make import make_masks
from livefuse.composite.masks.soft import Soft
from livefuse.composite.masks.stage import Masks
from livefuse.config import make_config
from livefuse.device.cpu import CpuBackend
from livefuse.engines import Engines
from livefuse.errors import BadValue, ModelMissing
from livefuse.paths import Paths
from tests.synthetic_models import install


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)


def made(**settings: object) -> Masks[Any] | None:
    config = make_config(
        {}, {"auto_pull": False} | {name.replace("__", "."): value for name, value in settings.items()}
    )
    stage = make_masks(config, Engines(config), CpuBackend())
    assert stage is None or isinstance(stage, Masks)
    return stage


LEARNED = {"swap__model": "inswapper_128"}


def test_nothing_wanted_is_no_stage() -> None:
    assert made(mask__occlusion=[]) is None
    assert made(mask__occlusion=[], swap__keep_eyes=True) is None  # the mesh keeps them itself
    assert made(mask__occlusion=[], swap__keep_mouth=False, **LEARNED) is None


def test_by_default_there_is_the_estimate_and_no_network() -> None:
    stage = made()
    assert stage is not None
    assert stage.estimate is not None
    assert not stage.has_networks


def test_learned_swappers_keep_mouth_and_eyes_here() -> None:
    stage = made(mask__occlusion=[], swap__keep_eyes=True, **LEARNED)
    assert stage is not None
    assert isinstance(stage._finish, Soft)
    assert stage._finish.keep.eyes
    assert not stage._finish.keep.mouth


@pytest.mark.parametrize("profile", ["facefusion", "insightface", "deep-live-cam"])
def test_other_programs_profiles_estimate_only_when_told_to(profile: str) -> None:
    assert made(profile__name=profile, **LEARNED) is None
    stage = made(profile__name=profile, mask__occlusion=["estimate"], **LEARNED)
    assert stage is not None
    assert stage.estimate is not None
    assert isinstance(stage._finish, Exact) == (profile == "facefusion")


def test_networks_are_loaded_by_name() -> None:
    install(Paths.default(), "xseg_1", "bisenet_resnet_18")
    stage = made(
        mask__occlusion=["xseg_1"],
        mask__regions=["skin"],
        mask__parser="bisenet_resnet_18",
        mask__every=3,
        privacy__mode="open",
    )
    assert stage is not None
    assert stage.has_networks
    assert stage.estimate is None
    assert stage.every == 3


def test_a_name_of_another_kind_says_what_there_is() -> None:
    with pytest.raises(BadValue, match=r"mask\.occlusion = 'yunet_n' is a detector, not an occluder") as refused:
        made(mask__occlusion=["yunet_n"])
    assert "xseg_1" in refused.value.hint
    assert "estimate" in refused.value.hint
    with pytest.raises(BadValue, match=r"mask\.matte"):
        made(mask__matte="xseg_1")
    with pytest.raises(ModelMissing, match="xsegg"):
        made(mask__occlusion=["xsegg"])


def test_all_files_that_lack_are_named_at_once() -> None:
    with pytest.raises(ModelMissing) as missing:
        made(
            mask__occlusion=["xseg_1", "occluder_vm"],
            mask__matte="sinet_portrait",
            mask__regions=["nose"],
            privacy__mode="open",
        )
    for name in ("xseg_1", "occluder_vm", "sinet_portrait", "bisenet_resnet_34"):
        assert name in str(missing.value)


@pytest.mark.parametrize("wanted", [{"mask__areas": ["mouth"]}, {"mask__regions": ["skin"]}])
def test_half_a_face_is_refused_where_no_real_face_may_leave(wanted: dict[str, list[str]]) -> None:
    with pytest.raises(BadValue, match=r"mask\.(areas|regions) leave the rest of the real face"):
        made(**wanted)


def test_areas_and_keeping_need_landmarks() -> None:
    with pytest.raises(BadValue, match=r"mask\.areas and swap\.keep_mouth go by landmarks"):
        made(align__model="none", mask__areas=["mouth"], swap__keep_mouth=True, **LEARNED)
    assert made(align__model="none", **LEARNED) is not None
