"""What a change of identity or swapper costs a running session: frames lost or late, and the longest gap.

    python -m tests.bench.changes [--seconds N] [--size 1280x720]

A live session from the synthetic camera at 30 frames a second goes over to another identity or another family of swapper
every two seconds: mesh, inswapper, simswap with a converter, a model that looks at the photo, a DFM, and back. Swappers are
synthesized with few channels, so that this machine keeps up with all of them. Gaps are between frames leaving the
pipeline; a change's own gap is the longest in the half second after it was asked for, beside the longest of the run
without changes.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import threading
import time
from itertools import pairwise

import numpy as np

from livefuse.config import IdentityConfig, ProfileConfig, SwapConfig, make_config
from livefuse.frame import HostFrame
from livefuse.paths import Paths
from livefuse.session import Session
from livefuse.sinks.base import StreamInfo
from tests.conftest import shared_folder
from tests.synthetic_models import SWAPPER_NEEDS, install

PERIOD_S, EVERY_S, AFTER_S = 1 / 30, 2.0, 0.5
STEPS: tuple[tuple[str, IdentityConfig | None, str], ...] = (
    ("mesh", IdentityConfig(photo="synthetic:3", consent="synthetic"), "livefuse"),
    ("inswapper_128", None, "livefuse"),
    ("inswapper_128", IdentityConfig(photo="synthetic:7", consent="synthetic"), "livefuse"),
    ("simswap_256", None, "facefusion"),
    ("uniface_256", None, "insightface"),
    ("dfm", None, "livefuse"),
    ("mesh", None, "livefuse"),
)


class Watch:
    """A sink that notes when each frame left."""

    name = "watch"

    def __init__(self) -> None:
        self.left_s: list[float] = []
        self.pts_ns: list[int] = []

    def open(self, info: StreamInfo) -> None: ...

    def write(self, frame: HostFrame) -> None:
        self.left_s.append(time.perf_counter())
        self.pts_ns.append(frame.pts_ns)

    def close(self) -> None: ...

    def abort(self) -> None: ...


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1280x720")
    args = parser.parse_args()
    shared = shared_folder()
    if shared is None:
        raise SystemExit("needs the folder of real models: LIVEFUSE_SHARED")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LIVEFUSE_HOME"], os.environ["LIVEFUSE_MODEL_MIRROR"] = folder, str(shared / "models")
        install(Paths.default(), *{name for model, _, _ in STEPS for name in SWAPPER_NEEDS.get(model, ())}, "dfm")
        run(args.size)


def run(size: str) -> None:
    settings = {
        "source": f"synthetic:{size}@30",
        "identity.photo": "synthetic:7",
        "identity.consent": "synthetic",
        "sinks": ("null:",),
    }
    watch = Watch()
    session = Session(make_config({}, settings), sinks=[watch])
    asked: list[tuple[str, float, float]] = []
    driver = threading.Thread(target=drive, args=(session, watch, asked))
    driver.start()
    record = asyncio.run(session.run())
    driver.join()
    report(record, watch, asked)


def drive(session: Session, watch: Watch, asked: list[tuple[str, float, float]]) -> None:
    """Load every look once, as a user who has tried them; then change and watch."""
    while len(watch.left_s) < 30:
        time.sleep(0.05)
    for step in (*STEPS, *STEPS):
        start = time.perf_counter()
        change(session, *step)
        model, identity, profile = step
        told = f"{model}, profile {profile}" + (f", {identity.photo}" if identity else "")
        asked.append((told, start, time.perf_counter()))
        time.sleep(EVERY_S)
    session.stop()


def change(session: Session, model: str, identity: IdentityConfig | None, profile: str) -> None:
    session.change_swapper(
        SwapConfig(model=model),
        profile=ProfileConfig(name=profile),
        identity=identity,
    )


def report(record: dict[str, object], watch: Watch, asked: list[tuple[str, float, float]]) -> None:
    left = np.array(watch.left_s)
    gaps = [(a, b - a) for a, b in pairwise(left)]
    print(f"{'change to':44s}{'took':>10s}{'longest gap':>13s}{'frames late':>13s}")
    for told, start, done in asked:
        near = [gap for at, gap in gaps if done - PERIOD_S <= at <= done + AFTER_S]
        late = sum(gap > 2 * PERIOD_S for gap in near)
        print(f"{told:44s}{(done - start) * 1e3:7.1f} ms{max(near) * 1e3:10.1f} ms{late:13d}")
    changes = [(start - PERIOD_S, done + AFTER_S) for _, start, done in asked]
    calm = [gap for at, gap in gaps if not any(a <= at <= b for a, b in changes)]
    order = sum(b <= a for a, b in pairwise(watch.pts_ns))
    print(f"longest gap far from changes: {max(calm) * 1e3:.1f} ms; frames out of order: {order}; {record['frames']}")


if __name__ == "__main__":
    main()
