from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from livefuse.doctor import media, packages
from livefuse.doctor.folders import check_config, check_consent, check_folders
from livefuse.doctor.gpu import check_gpu
from livefuse.doctor.media import check_cameras, check_codecs, open_encoder
from livefuse.doctor.models import check_mirrors, check_models
from livefuse.doctor.report import Finding, default_checks, run_checks, summary
from livefuse.doctor.virtualcam import BUILD, MODPROBE, START_PIPEWIRE, LinuxMachine, on_linux, with_obs
from livefuse.paths import Paths
from livefuse.source.devices import Camera, CameraMode
from livefuse.swap import consent
from livefuse.swap.consent import ConsentRecord
from livefuse.weights.recipe import all_recipes
from livefuse.weights.store import ModelStore
from tests.unit.file_server import Served, serving

KERNEL = "6.1.0-test"


def by_name(findings: Iterator[Finding] | list[Finding]) -> dict[str, Finding]:
    found = list(findings)
    names = [finding.name for finding in found]
    assert len(set(names)) == len(names), f"two findings share a name: {names}"
    return {finding.name: finding for finding in found}


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_findings_come_in_order_and_a_check_that_fails_is_one() -> None:
    def check_first() -> list[Finding]:
        return [Finding("first", "ok", "fine")]

    def check_broken_thing() -> Iterator[Finding]:
        yield Finding("half", "ok", "told before it broke")
        raise OSError(5, "Input/output error")

    findings = run_checks([check_first, check_broken_thing, check_first])
    assert [finding.name for finding in findings] == ["first", "half", "broken thing", "first"]
    assert findings[2].status == "warn"
    assert "Input/output error" in findings[2].detail


def test_summary_counts_by_status() -> None:
    findings = [Finding("a", "ok", ""), Finding("b", "missing", "", "fix it"), Finding("c", "ok", "")]
    told = summary(findings)
    assert told["counts"] == {"ok": 2, "warn": 0, "missing": 1}
    assert told["findings"][1] == {"name": "b", "status": "missing", "detail": "", "fix": "fix it"}


def test_the_default_checks_run_here_and_every_fix_is_a_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)
    findings = run_checks(default_checks())
    assert not [f for f in findings if "could not be checked" in f.detail]
    names = {finding.name for finding in findings}
    assert {
        "python",
        "av",
        "onnxruntime",
        "opencv",
        "gpu",
        "mirrors",
        "encoder libx264",
        "models folder",
        "config",
    } <= names
    for finding in findings:
        assert finding.detail
        assert shlex.split(finding.fix, comments=True) or not finding.fix
        assert finding.fix or finding.status == "ok", f"{finding.name} is {finding.status} and says nothing to do"
    assert not list(tmp_path.iterdir()), "looking must not make folders"


def test_packages_tell_versions_of_what_they_carry() -> None:
    found = by_name(packages.check_packages())
    assert "libavcodec" in found["av"].detail
    assert "CPUExecutionProvider" in found["onnxruntime"].detail
    assert {f.status for f in found.values() if "wheels" not in f.name} == {"ok"}


def test_a_package_that_cannot_be_imported_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(packages, "_opencv", broken)
    finding = by_name(packages.check_packages())["opencv"]
    assert finding.status == "missing"
    assert "libGL.so.1" in finding.detail
    assert finding.fix.endswith("opencv-python-headless")


def test_rival_opencv_wheels() -> None:
    assert not list(packages.rival_opencv_wheels({"opencv-python-headless", "numpy"}))
    (finding,) = packages.rival_opencv_wheels({"opencv-python", "opencv-python-headless"})
    assert finding.status == "warn"
    assert "uninstall -y opencv-python &&" in finding.fix


def test_rival_onnxruntime_wheels() -> None:
    assert not list(packages.rival_onnxruntime_wheels({"onnxruntime", "numpy"}))
    assert not list(packages.rival_onnxruntime_wheels({"onnxruntime-gpu"}))
    (finding,) = packages.rival_onnxruntime_wheels({"onnxruntime", "onnxruntime-gpu"})
    assert finding.status == "warn"
    assert "uninstall -y onnxruntime onnxruntime-gpu &&" in finding.fix
    assert finding.fix.endswith(" onnxruntime-gpu")


def test_execution_providers_are_named_as_a_configuration_writes_them() -> None:
    (finding,) = packages.execution_providers()
    assert "cpu" in finding.detail.partition(";")[0].split(", ")
    assert "which ran" in finding.detail


def test_encoders_are_really_opened() -> None:
    assert open_encoder("libx264") == ""
    assert open_encoder("aac") == ""
    assert open_encoder("no_such_codec") == "not in this build of FFmpeg"


def test_an_encoder_that_opens_and_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "_encode_grey", lambda name, codec: 0)
    assert open_encoder("libx264") == "opens and encodes nothing"


def test_codecs_needed_and_codecs_gained() -> None:
    found = by_name(check_codecs(lambda name: "" if name in ("aac", "libx265", "h264_nvenc") else "does not open: why"))
    assert found["encoder libx264"].status == "missing"
    assert "does not open: why" in found["encoder libx264"].detail
    assert found["encoder h264_nvenc"].status == "ok"
    assert "hardware encoders" not in found


def test_no_hardware_encoder_is_no_fault() -> None:
    found = by_name(check_codecs(lambda name: "" if name.startswith("lib") or name == "aac" else "no device for it"))
    assert found["hardware encoders"].status == "ok"
    assert "h264_nvenc: no device for it" in found["hardware encoders"].detail


def test_cameras() -> None:
    modes = (CameraMode("mjpeg", 1920, 1080, ()), CameraMode("mjpeg", 640, 480, ()))
    cameras = [
        Camera("Good", "v4l2:/dev/video0", "/dev/video0", modes),
        Camera("Shut", "v4l2:/dev/video1", "/dev/video1", note="no permission: add yourself to the group `video`"),
        Camera("Held", "v4l2:/dev/video2", "/dev/video2", note="in use by zoom (process 5)"),
    ]
    found = by_name(check_cameras(lambda: cameras))
    assert [(f.name, f.status) for f in found.values()] == [
        ("camera:0", "ok"),
        ("camera:1", "warn"),
        ("camera:2", "warn"),
    ]
    assert "mjpeg up to 1920x1080" in found["camera:0"].detail
    assert found["camera:1"].fix.startswith("sudo usermod -aG video")
    assert found["camera:2"].fix == "fuser -v '/dev/video2'"
    assert by_name(check_cameras(list))["cameras"].status == "warn"


def test_no_gpu_means_the_cpu_and_no_fault(tmp_path: Path) -> None:
    (finding,) = check_gpu(tmp_path)
    assert (finding.status, finding.detail) == ("ok", "none found: the CPU is used")


def test_a_gpu_with_its_driver(tmp_path: Path) -> None:
    write(tmp_path / "proc/driver/nvidia/gpus/0/information", "Model: \t RTX 9999\n")
    write(tmp_path / "proc/driver/nvidia/version", "NVRM version: Module 570.1 x\n")
    write(tmp_path / "dev/null")
    found = by_name(check_gpu(tmp_path, ["CPUExecutionProvider"]))
    assert found["gpu"].detail == "RTX 9999, driver 570.1"
    assert found["gpu nodes"].fix == "sudo nvidia-modprobe"
    assert found["gpu in onnxruntime"].status == "warn"
    assert "onnxruntime-gpu" in found["gpu in onnxruntime"].fix
    write(tmp_path / "dev/nvidia0")
    found = by_name(check_gpu(tmp_path, ["CUDAExecutionProvider", "CPUExecutionProvider"]))
    assert {name: finding.status for name, finding in found.items()} == {"gpu": "ok", "gpu in onnxruntime": "ok"}


def test_a_gpu_without_its_driver(tmp_path: Path) -> None:
    write(tmp_path / "sys/bus/pci/devices/0000:00:1f.0/vendor", "0x8086\n")
    write(tmp_path / "sys/bus/pci/devices/0000:01:00.0/vendor", "0x10de\n")
    write(tmp_path / "sys/bus/pci/devices/0000:01:00.0/class", "0x030000\n")
    (finding,) = check_gpu(tmp_path)
    assert finding.status == "warn"
    assert "without a driver" in finding.detail


def test_device_nodes_without_a_driver(tmp_path: Path) -> None:
    write(tmp_path / "dev/nvidia0")
    (finding,) = check_gpu(tmp_path)
    assert (finding.status, finding.fix) == ("warn", "nvidia-smi")


def machine(root: Path, **environ: str) -> LinuxMachine:
    return LinuxMachine(root, KERNEL, environ)


@pytest.mark.parametrize(
    ("release", "command"),
    [
        ("ID=ubuntu\nID_LIKE=debian\n", "sudo apt install v4l2loopback-dkms"),
        ('ID="linuxmint"\nID_LIKE="ubuntu debian"\n', "sudo apt install v4l2loopback-dkms"),
        ("ID=fedora\n", "sudo dnf install akmod-v4l2loopback"),
        ("ID=manjaro\nID_LIKE=arch\n", "sudo pacman -S --needed v4l2loopback-dkms"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "sudo zypper install v4l2loopback-kmp-default"),
        ("ID=nobody\n", BUILD),
    ],
)
def test_without_the_module_the_fix_is_this_distributions(tmp_path: Path, release: str, command: str) -> None:
    write(tmp_path / "etc/os-release", release)
    write(tmp_path / f"lib/modules/{KERNEL}/modules.dep", "kernel/fs/ext4.ko:\n")
    finding = next(on_linux(machine(tmp_path)))
    assert finding.status == "missing"
    assert finding.fix == f"{command} && {MODPROBE}"


def test_in_a_container_the_host_is_named(tmp_path: Path) -> None:
    finding = next(on_linux(machine(tmp_path)))
    assert "run this on its host" in finding.detail


def test_an_installed_module_only_needs_loading(tmp_path: Path) -> None:
    write(tmp_path / f"lib/modules/{KERNEL}/modules.dep", "updates/dkms/v4l2loopback.ko.zst: kernel/videodev.ko\n")
    finding = next(on_linux(machine(tmp_path)))
    assert finding.fix == MODPROBE


def test_a_loaded_module_without_devices(tmp_path: Path) -> None:
    (tmp_path / "sys/module/v4l2loopback").mkdir(parents=True)
    finding = next(on_linux(machine(tmp_path)))
    assert finding.fix == f"sudo modprobe -r v4l2loopback && {MODPROBE}"


def test_a_loopback_device(tmp_path: Path) -> None:
    entry = tmp_path / "sys/devices/virtual/video4linux/video10"
    write(entry / "name", "livefuse\n")
    write(entry / "max_openers", "10\n")
    write(tmp_path / "sys/devices/virtual/video4linux/video11/name", "vivid\n")
    (absent,) = on_linux(machine(tmp_path))
    assert (absent.status, absent.name) == ("missing", "virtual camera livefuse")
    node = write(tmp_path / "dev/video10")
    (finding,) = on_linux(machine(tmp_path))
    assert (finding.status, finding.detail) == ("ok", f"vcam:{node}")
    node.chmod(0o444)
    if not os.access(node, os.W_OK):
        (shut,) = on_linux(machine(tmp_path))
        assert shut.fix.startswith("sudo usermod -aG video")


def test_a_camera_on_pipewire_will_do(tmp_path: Path) -> None:
    user = machine(tmp_path, XDG_RUNTIME_DIR=str(tmp_path / "run"))
    write(tmp_path / "etc/os-release", "ID=fedora\n")
    found = by_name(on_linux(user))
    assert found["camera on PipeWire"].fix == f"sudo dnf install pipewire wireplumber && {START_PIPEWIRE}"
    write(tmp_path / "usr/lib64/libpipewire-0.3.so.0")
    found = by_name(on_linux(user))
    assert (found["camera on PipeWire"].status, found["camera on PipeWire"].fix) == ("missing", START_PIPEWIRE)
    write(tmp_path / "run/pipewire-0")
    found = by_name(on_linux(user))
    assert found["camera on PipeWire"].status == "ok"
    assert found["virtual camera"].status == "warn"  # Zoom and others still want it
    write(tmp_path / "sys/devices/virtual/video4linux/video10/max_openers")
    assert by_name(on_linux(user))["pipewire"].fix == "systemctl --user restart pipewire wireplumber"


def test_who_has_a_loopback_device_needs_no_pipewire(tmp_path: Path) -> None:
    write(tmp_path / "sys/devices/virtual/video4linux/video10/max_openers")
    assert list(by_name(on_linux(machine(tmp_path)))) == ["virtual camera video10"]


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_elsewhere_it_is_obs(system: str) -> None:
    (finding,) = with_obs(system, False)
    assert '"livefuse[vcam]"' in finding.fix
    assert "https://obsproject.com/download" in finding.fix
    (finding,) = with_obs(system, True)
    assert finding.status == "ok"


def test_models_missing_corrupt_and_optional(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    (tmp_path / store.recipe("openseeface_lm0").file).write_bytes(b"short")
    found = by_name(check_models(store))
    assert found["model yunet_n"].status == "missing"
    assert found["model yunet_n"].fix == "livefuse models pull yunet_n"
    assert found["model openseeface_lm0"].fix == "livefuse models pull openseeface_lm0"
    assert found["model sinet_portrait"].status == "ok"
    assert "optional" in found["model sinet_portrait"].detail


def test_models_in_a_mirror_folder_and_verified_ones(tmp_path: Path, shared: Path) -> None:
    store = ModelStore(tmp_path, [str(shared / "models")])
    assert "copied at first use" in by_name(check_models(store))["model yunet_n"].detail
    store.ensure(["yunet_n"])
    assert by_name(check_models(store))["model yunet_n"].detail.startswith("verified")
    (tmp_path / ".yunet_n_dynamic.onnx.verified").unlink()
    assert by_name(check_models(store))["model yunet_n"].detail.startswith("present")


def test_a_broken_user_recipe_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path))
    write(tmp_path / "config/recipes/bad.toml", "name = ")
    (finding,) = check_models()
    assert (finding.name, finding.status) == ("recipes", "missing")
    assert "bad.toml" in finding.detail


def test_mirrors(tmp_path: Path) -> None:
    recipe = next(iter(all_recipes().values()))
    (tmp_path / "empty").mkdir()
    with serving(Served({recipe.file: b"x"})) as server:
        mirrors = [str(tmp_path / "empty"), server.url, f"{server.url}/none", "http://127.0.0.1:1"]
        found = list(check_mirrors(ModelStore(tmp_path, mirrors)))
    assert [finding.status for finding in found] == ["warn", "ok", "warn", "warn"]
    assert "holds no model" in found[0].detail
    assert "404" in found[2].detail
    assert "cannot be reached" in found[3].detail
    assert by_name(check_mirrors(ModelStore(tmp_path)))["mirrors"].status == "ok"


def test_a_mirror_folder_that_has_models(tmp_path: Path, shared: Path) -> None:
    (finding,) = check_mirrors(ModelStore(tmp_path, [str(shared / "models")]))
    assert finding.status == "ok"
    assert f"of {len(all_recipes())} models" in finding.detail


def paths_in(home: Path) -> Paths:
    return Paths.default({"LIVEFUSE_HOME": str(home)})


def test_folders(tmp_path: Path) -> None:
    found = by_name(check_folders(paths_in(tmp_path)))
    assert {f.status for f in found.values() if f.name != "space for models"} == {"ok"}
    assert "GB free" in found["space for models"].detail


def test_a_consent_log_that_was_changed_is_told(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    [untouched] = check_consent(paths)
    assert (untouched.status, untouched.detail[:9]) == ("ok", "0 entries")
    paths.identities.mkdir(parents=True)
    for who in ("Ada", "Grace"):
        record = ConsentRecord(who, "2026-11-22T08:00:00+00:00", "self", "ab" * 32, "0.1.0")
        consent.store(paths.identities, record, b"photo", ".jpg")
    assert [f.status for f in check_consent(paths)] == ["ok"]
    [log] = paths.identities.glob("*.jsonl")
    log.write_text(log.read_text().replace("Ada", "Eve"))
    [changed] = check_consent(paths)
    assert changed.status == "warn"
    assert "chain is broken" in changed.detail


def test_a_file_in_the_way_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "models", "in the way")
    finding = by_name(check_folders(paths_in(tmp_path)))["models folder"]
    assert finding.status == "missing"
    assert finding.fix.startswith("mv ")


def test_a_folder_that_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    finding = by_name(check_folders(paths_in(tmp_path)))["models folder"]
    assert finding.status == "missing"
    assert finding.fix.startswith("sudo chown")


def test_little_space_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000})())
    finding = by_name(check_folders(paths_in(tmp_path)))["space for models"]
    assert (finding.status, finding.fix) == ("warn", "export LIVEFUSE_HOME=/path/on/another/disk")


def test_config_none_good_and_broken(tmp_path: Path) -> None:
    paths = paths_in(tmp_path)
    (finding,) = check_config(paths)
    assert "defaults are used" in finding.detail
    write(paths.config_file, '[privacy]\nmode = "closed"\n')
    (finding,) = check_config(paths)
    assert (finding.status, finding.detail) == ("ok", str(paths.config_file))
    write(paths.config_file, '[privcy]\nmode = "closed"\n')
    (finding,) = check_config(paths)
    assert finding.status == "missing"
    assert "privcy" in finding.detail
    assert str(paths.config_file) in finding.fix
