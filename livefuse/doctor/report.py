"""Findings, and the run that collects them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

Status = Literal["ok", "warn", "missing"]
"""ok: works; warn: works with a limit worth knowing; missing: cannot be used until it is fixed."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact. `fix` is a command that can be copied, or empty when nothing is to be done."""

    name: str
    status: Status
    detail: str
    fix: str = ""

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


Check = Callable[[], Iterable[Finding]]


def run_checks(checks: Sequence[Check]) -> list[Finding]:
    """Run every check. One that fails itself is a finding: a doctor that crashes on a sick machine helps nobody."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings += check()
        except Exception as error:
            name = getattr(check, "__name__", "check").removeprefix("check_").replace("_", " ")
            findings.append(Finding(name, "warn", f"could not be checked: {type(error).__name__}: {error}"))
    return findings


def default_checks() -> list[Check]:
    """All checks, in the order that a frame would meet what they look at."""
    from livefuse.doctor import folders, gpu, media, models, packages, virtualcam

    return [
        packages.check_packages,
        media.check_cameras,
        gpu.check_gpu,
        models.check_models,
        models.check_mirrors,
        media.check_codecs,
        virtualcam.check_virtual_camera,
        folders.check_folders,
        folders.check_config,
        folders.check_consent,
    ]


def summary(findings: Sequence[Finding]) -> dict[str, Any]:
    """One object for `--json`: counts by status, then every finding."""
    counts = {status: sum(f.status == status for f in findings) for status in ("ok", "warn", "missing")}
    return {"counts": counts, "findings": [finding.as_dict() for finding in findings]}
