"""What another process costs: its processor time and its memory, as Linux tells them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from livefuse.errors import DaemonUnreachable


@dataclass(frozen=True, slots=True)
class Use:
    """Of all threads of a process so far: processor seconds in user and kernel mode; resident memory now."""

    cpu_s: float
    rss_bytes: int


def use_of(pid: int, proc: Path = Path("/proc")) -> Use:
    """Source: proc_pid_stat(5), fields 14 and 15; proc_pid_statm(5), field 2. Raises: DaemonUnreachable if it has ended."""
    folder = proc / str(pid)
    try:
        stat, statm = (folder / "stat").read_text("utf-8", "replace"), (folder / "statm").read_text("utf-8")
    except OSError as error:
        raise DaemonUnreachable(f"process {pid} has ended", hint="this is measured on Linux only") from error
    fields = stat.rpartition(")")[2].split()  # the name before may hold anything; the rest begins with field 3
    ticks = int(fields[11]) + int(fields[12])
    return Use(ticks / os.sysconf("SC_CLK_TCK"), int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE"))
