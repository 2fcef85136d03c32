"""`livefuse bench webrtc`: a server with a stamped synthetic camera, a browser that watches, and what both say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from typing import Any

from livefuse.bench.webrtc.browser import Chromium, Viewer, chromium
from livefuse.bench.webrtc.clocks import PageClock, page_clock
from livefuse.bench.webrtc.figures import Figures, figures
from livefuse.bench.webrtc.rows import Shown, shown_frames
from livefuse.bench.webrtc.servers import Kind, Server, server
from livefuse.bench.webrtc.waterfall import Waterfall, counted, receiver_figures, stage_means_ms, waterfall
from livefuse.environment import environment
from livefuse.errors import PeerError

Tell = Callable[[str], None]


_SETTLE_S = 1.0  # what the bench itself asked of the daemon and the page is not to be measured


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured. `settings` are configuration keys over the bench's own."""

    width: int = 1280
    height: int = 720
    fps: int = 30
    seconds: float = 30.0
    warm_up_s: float = 5.0
    codec: str = "auto"
    viewers: int = 1
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def frame_ms(self) -> float:
        return 1000 / self.fps

    def config(self) -> str:
        """The server's configuration (TOML)."""
        tables: dict[str, dict[str, Any]] = {
            "": {"source": f"synthetic:{self.width}x{self.height}@{self.fps}?blocks=1"},
            "identity": {"photo": "synthetic:7", "consent": "synthetic"},
            "webrtc": {"codec": self.codec},
        }
        for key, value in self.settings.items():
            table, _, name = key.rpartition(".")
            tables.setdefault(table, {})[name] = value
        return "\n".join(_table(name, values) for name, values in tables.items())


@dataclass(frozen=True, slots=True)
class Recording:
    """What one viewer showed, what its getStats counted meanwhile, and how exact its clock is."""

    rows: list[Shown]
    received: dict[str, float]
    codec: str
    clock: PageClock


@dataclass(frozen=True, slots=True)
class Measured:
    """One server's figures. The first viewer's are `figures`; `others` are of further viewers at the same time.

    `dropped` is what the session gave up for newer frames meanwhile: those that the viewer lost for a reason.
    """

    kind: Kind
    figures: Figures
    waterfall: Waterfall
    receiver: dict[str, float]
    codec: str
    clock_uncertainty_ms: float
    ready_s: float
    dropped: dict[str, int]
    record: dict[str, Any]
    rows: list[Shown]
    others: list[Figures]

    def as_dict(self) -> dict[str, Any]:
        return {
            "server": self.kind,
            "codec": self.codec,
            "ready_s": round(self.ready_s, 3),
            "clock_uncertainty_ms": round(self.clock_uncertainty_ms, 3),
            "figures": self.figures.as_dict(),
            "waterfall": self.waterfall.as_dict(),
            "receiver": self.receiver,
            "dropped_by_session": self.dropped,
            "other_viewers": [one.as_dict() for one in self.others],
            "session": {name: value for name, value in self.record.items() if name != "environment"},
        }


@dataclass(frozen=True, slots=True)
class Result:
    """Of every server that was asked for, in that order."""

    options: Options
    measured: list[Measured]
    browser: str

    @property
    def ratio(self) -> float | None:
        """How many times longer the median from glass to glass is with the other server."""
        if len(self.measured) < 2 or not self.measured[0].figures.glass.p50:
            return None
        return self.measured[1].figures.glass.p50 / self.measured[0].figures.glass.p50

    def as_dict(self) -> dict[str, Any]:
        return {
            "options": asdict(self.options),
            "environment": bench_environment(self.browser),
            "results": [one.as_dict() for one in self.measured],
            **({"ratio": round(self.ratio, 2)} if self.ratio else {}),
        }


def measure(options: Options, kinds: Sequence[Kind] = ("livefuse",), tell: Tell = lambda _: None) -> Result:
    """One server after the other, the same browser, the same page.

    Raises: ConfigError without a browser, DaemonUnreachable, PeerError.
    """
    with chromium() as browser:
        measured = [_measured(kind, options, browser, tell) for kind in kinds]
        return Result(options, measured, browser.version)


def _measured(kind: Kind, options: Options, browser: Chromium, tell: Tell) -> Measured:
    tell(f"{kind}: starting")
    with server(kind, options.config()) as running:
        viewers = watch(browser, running, options)
        tell(f"{kind}: warming up for {options.warm_up_s:g} s, measuring for {options.seconds:g} s")
        viewers[0].wait(options.warm_up_s)
        before, dropped = running.metrics(), running.record()["frames"]["dropped"]
        recordings = record(viewers, options.seconds)
        stages_ms = stage_means_ms(before, running.metrics())
        session = running.record()
    first, *others = recordings
    found = figures(first.rows)
    if not found.counts.expected:
        raise PeerError(
            f"none of {found.counts.shown} shown frames could be dated", hint="the source must have blocks=1 in its URL"
        )
    return Measured(
        kind=kind,
        figures=found,
        waterfall=waterfall(found, stages_ms, first.received),
        receiver=receiver_figures(first.received),
        codec=first.codec,
        clock_uncertainty_ms=first.clock.uncertainty_ns / 1e6,
        ready_s=running.ready_s,
        dropped={cause: n - dropped.get(cause, 0) for cause, n in session["frames"]["dropped"].items()},
        record=session,
        rows=first.rows,
        others=[figures(one.rows) for one in others],
    )


def watch(browser: Chromium, running: Server, options: Options) -> list[Viewer]:
    """Viewers that show pictures. Raises: PeerError."""
    viewers = [browser.watch(running.page, options.width, options.height) for _ in range(options.viewers)]
    for viewer in viewers:
        viewer.wait_for_picture()
        viewer.native_size()
    return viewers


def record(viewers: Sequence[Viewer], seconds: float) -> list[Recording]:
    """What every viewer shows for so many seconds; their pages are closed afterwards."""
    pings = [viewer.ping() for viewer in viewers]
    before = [viewer.stats() for viewer in viewers]
    viewers[0].wait(_SETTLE_S)
    for viewer in viewers:
        viewer.start()
    viewers[0].wait(seconds)
    noted = [viewer.stop() for viewer in viewers]
    after = [viewer.stats() for viewer in viewers]
    recordings = []
    for i, viewer in enumerate(viewers):
        clock = page_clock(pings[i] + viewer.ping())
        received = counted(before[i].get("video") or {}, after[i].get("video") or {})
        codec = str((after[i].get("codec") or {}).get("mimeType", "unknown")).removeprefix("video/")
        recordings.append(Recording(shown_frames(noted[i], clock), received, codec, clock))
        viewer.close()
    return recordings


def bench_environment(browser: str) -> dict[str, Any]:
    """On what this was measured: one machine for the camera, the daemon and the browser."""
    ours = environment()
    versions = {name: metadata.version(name) for name in ("aiortc", "aioice", "playwright")}
    load = [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else []
    return ours | {
        "versions": ours["versions"] | versions,
        "browser": browser,
        "cores": os.cpu_count(),
        "load_average": load,
        "screen": "none (headless): a frame counts as shown at the first refresh after the compositor had it",
    }


def _table(name: str, values: Mapping[str, Any]) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]  # TOML's basic values are JSON's
    return "\n".join([f"[{name}]", *lines] if name else lines) + "\n"
