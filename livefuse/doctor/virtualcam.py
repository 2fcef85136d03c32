"""The virtual camera: what this system has, and the exact command for what it lacks.

Source: v4l2loopback's README (module options `card_label`, `exclusive_caps`, `video_nr`); Chromium lists a loopback only with
exclusive_caps=1, some snaps only with exclusive_caps=0: `TWO_LOOPBACKS` makes one of each.
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
TWO_LOOPBACKS = (
    "sudo modprobe v4l2loopback devices=2 video_nr=10,11 card_label=livefuse,livefuse-compat exclusive_caps=1,0"
)
"""For programs that do not list the first: the second is `vcam:/dev/video11`."""
RESTART_PIPEWIRE = "systemctl --user restart pipewire wireplumber"
START_PIPEWIRE = "systemctl --user enable --now pipewire wireplumber"
PIPEWIRE = {
    "debian": "sudo apt install pipewire wireplumber",
    "ubuntu": "sudo apt install pipewire wireplumber",
    "fedora": "sudo dnf install pipewire wireplumber",
    "arch": "sudo pacman -S --needed pipewire wireplumber",
    "opensuse": "sudo zypper install pipewire wireplumber",
    "suse": "sudo zypper install pipewire wireplumber",
}
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
        return self._by_family(INSTALL) or BUILD

    def pipewire_command(self) -> str:
        """What installs PipeWire, if that is known, and starts it."""
        return " && ".join(filter(None, (self._by_family(PIPEWIRE), START_PIPEWIRE)))

    def _by_family(self, commands: Mapping[str, str]) -> str:
        release = self.root / "etc/os-release"
        lines = release.read_text("utf-8").splitlines() if release.is_file() else []
        fields = {key: value.strip("\"'") for key, _, value in (line.partition("=") for line in lines)}
        for name in [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]:
            family = name.partition("-")[0]  # opensuse-leap, opensuse-tumbleweed
            if family in commands:
                return commands[family]
        return ""

    def pipewire_library(self) -> Path | None:
        """libpipewire, wherever the distribution keeps it."""
        for pattern in ("usr/lib/*-linux-gnu*", "usr/lib64", "usr/lib", "run/current-system/sw/lib"):
            found = next(iter(self.root.glob(f"{pattern}/libpipewire-0.3.so.0")), None)
            if found is not None:
                return found
        return None

    def pipewire_socket(self) -> Path | None:
        folder = self.environ.get("PIPEWIRE_RUNTIME_DIR") or self.environ.get("XDG_RUNTIME_DIR", "")
        socket = Path(folder) / "pipewire-0"
        return socket if folder and socket.exists() else None


def check_virtual_camera() -> Iterator[Finding]:
    if sys.platform.startswith("linux"):
        yield from on_linux(LinuxMachine())
    else:
        yield from _with_obs_here()


def on_linux(machine: LinuxMachine) -> Iterator[Finding]:
    """v4l2loopback: device, else loaded module, else installed module, else nothing; then PipeWire. One of both will do."""
    pipewire = pipewire_lack(machine)
    loopbacks = machine.loopbacks()
    for node, label in loopbacks:
        yield _node(node, label)
    if not loopbacks:
        missing = loopback_lack(machine)
        if pipewire is None:  # a camera there is: this one would add the programs that know V4L2 only
            missing = Finding(missing.name, "warn", f"{missing.detail}: Zoom, Discord and OBS need it", missing.fix)
        yield missing
    if pipewire is None:
        note = "pipewire: works; browsers show it where they use the camera portal, other programs mostly want v4l2loopback"
        yield Finding("camera on PipeWire", "ok", note)
        if loopbacks:
            note = "programs that take cameras through PipeWire list a v4l2loopback device only after a restart of it"
            yield Finding("pipewire", "warn", note, RESTART_PIPEWIRE)
    elif not loopbacks:
        yield pipewire


def pipewire_lack(machine: LinuxMachine) -> Finding | None:
    """What keeps this user from a camera on PipeWire; nothing if it works."""
    name = "camera on PipeWire"
    if machine.pipewire_library() is None:
        return Finding(name, "missing", "PipeWire is not installed (libpipewire-0.3.so.0)", machine.pipewire_command())
    if machine.pipewire_socket() is None:
        where = "no PipeWire session runs for this user (no socket pipewire-0 in XDG_RUNTIME_DIR)"
        return Finding(name, "missing", where, START_PIPEWIRE)
    return None


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


def loopback_lack(machine: LinuxMachine) -> Finding:
    """What is missing for a v4l2loopback device on a machine that has none."""
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


def on_elsewhere() -> Finding | None:
    """What keeps Windows or macOS from a camera, as far as it can be known without opening it."""
    return next((one for one in _with_obs_here() if one.status == "missing"), None)


def _with_obs_here() -> Iterator[Finding]:
    return with_obs(sys.platform, importlib.util.find_spec("pyvirtualcam") is not None)


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
