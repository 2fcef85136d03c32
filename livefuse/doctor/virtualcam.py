"""The virtual camera: what this system has, and the exact command for what it lacks.

Source: v4l2loopback's README (module options `card_label`, `exclusive_caps`, `video_nr`); Chromium lists a loopback only with
exclusive_caps=1.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from livefuse.doctor.report import Finding

MODPROBE = "sudo modprobe v4l2loopback devices=1 video_nr=10 card_label=livefuse exclusive_caps=1"
INSTALL = {
    "debian": "sudo apt install v4l2loopback-dkms",
    "ubuntu": "sudo apt install v4l2loopback-dkms",
    "fedora": "sudo dnf install akmod-v4l2loopback",
    "arch": "sudo pacman -S --needed v4l2loopback-dkms",
    "opensuse": "sudo zypper install v4l2loopback-kmp-default",
    "suse": "sudo zypper install v4l2loopback-kmp-default",
}
"""By ID or ID_LIKE of /etc/os-release. Fedora's is in RPM Fusion."""
BUILD = "git clone https://github.com/v4l2loopback/v4l2loopback && make -C v4l2loopback && sudo make -C v4l2loopback install"
OBS_PAGE = {"win32": "start https://obsproject.com/download", "darwin": "open https://obsproject.com/download"}


@dataclass(frozen=True, slots=True)
class LinuxMachine:
    """Where to look; another root makes it testable."""

    root: Path = Path("/")
    kernel: str = field(default_factory=platform.release)
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)

    def loopbacks(self) -> list[tuple[Path, str]]:
        """Device nodes of v4l2loopback with their card names: virtual video devices that have its `max_openers` entry."""
        found = []
        for entry in sorted((self.root / "sys/devices/virtual/video4linux").glob("video*")):
            if (entry / "max_openers").exists() or (entry / "format").exists():
                name = (entry / "name").read_text("utf-8").strip() if (entry / "name").exists() else entry.name
                found.append((self.root / "dev" / entry.name, name))
        return found

    def module_loaded(self) -> bool:
        return (self.root / "sys/module/v4l2loopback").is_dir()

    def modules_folder(self) -> Path:
        return self.root / "lib/modules" / self.kernel

    def module_installed(self) -> bool:
        index = self.modules_folder() / "modules.dep"
        return index.is_file() and "/v4l2loopback.ko" in index.read_text("utf-8", "replace")

    def install_command(self) -> str:
        release = self.root / "etc/os-release"
        lines = release.read_text("utf-8").splitlines() if release.is_file() else []
        fields = {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines)}
        for name in [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]:
            family = name.partition("-")[0]  # opensuse-leap, opensuse-tumbleweed
            if family in INSTALL:
                return INSTALL[family]
        return BUILD

    def pipewire_socket(self) -> Path | None:
        folder = self.environ.get("PIPEWIRE_RUNTIME_DIR") or self.environ.get("XDG_RUNTIME_DIR", "")
        socket = Path(folder) / "pipewire-0"
        return socket if folder and socket.exists() else None


def check_virtual_camera() -> Iterator[Finding]:
    if sys.platform.startswith("linux"):
        yield from on_linux(LinuxMachine())
    else:
        yield from with_obs(sys.platform, importlib.util.find_spec("pyvirtualcam") is not None)


def on_linux(machine: LinuxMachine) -> Iterator[Finding]:
    """v4l2loopback: device, else loaded module, else installed module, else nothing; then PipeWire."""
    loopbacks = machine.loopbacks()
    for node, label in loopbacks:
        yield _node(node, label)
    if not loopbacks:
        yield _module(machine)
    if machine.pipewire_socket():
        note = "a PipeWire session runs: apps that take cameras through its portal may not list a v4l2loopback device"
        fix = "systemctl --user restart pipewire wireplumber" if loopbacks else ""
        yield Finding("pipewire", "warn" if loopbacks else "ok", note, fix)


def _node(node: Path, label: str) -> Finding:
    name = f"virtual camera {label}"
    if not node.exists():
        return Finding(
            name, "missing", f"the module is loaded, {node} is absent (a container?)", f"docker run --device {node}"
        )
    if not os.access(node, os.W_OK):
        return Finding(
            name, "missing", f"{node} is not writable for you", 'sudo usermod -aG video "$USER"  # then log in again'
        )
    return Finding(name, "ok", f"vcam:{node}")


def _module(machine: LinuxMachine) -> Finding:
    name = "virtual camera"
    if machine.module_loaded():
        fix = f"sudo modprobe -r v4l2loopback && {MODPROBE}"
        return Finding(name, "missing", "v4l2loopback is loaded and has no device", fix)
    if machine.module_installed():
        return Finding(name, "missing", "v4l2loopback is installed and not loaded", MODPROBE)
    fix = f"{machine.install_command()} && {MODPROBE}"
    if not machine.modules_folder().is_dir():
        detail = f"no modules for this kernel ({machine.kernel}) here: in a container, run this on its host"
        return Finding(name, "missing", detail, fix)
    return Finding(name, "missing", "the kernel module v4l2loopback is not installed", fix)


def with_obs(system: str, has_pyvirtualcam: bool) -> Iterator[Finding]:
    """Windows and macOS: pyvirtualcam hands pictures to OBS Studio's camera."""
    if has_pyvirtualcam:
        note = "pyvirtualcam is installed; OBS Studio's virtual camera must have been started once, and be stopped now"
        yield Finding("virtual camera", "ok", note)
    else:
        install = f'{sys.executable} -m pip install "livefuse[vcam]"'
        then = OBS_PAGE.get(system, "")
        yield Finding(
            "virtual camera", "missing", "needs pyvirtualcam and OBS Studio", " && ".join(filter(None, (install, then)))
        )
