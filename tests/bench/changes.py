"""What a change of identity or swapper costs a running session: frames lost or late, and the longest gap.

    python -m tests.bench.changes [--size 640x360] [--fps 15]

A live session from the synthetic camera, at a rate that this machine holds with all of these swappers, goes over to another identity or another family of swapper
every two seconds: mesh, inswapper, simswap with a converter, a model that looks at the photo, a DFM, and back; twice, the
second time with everything loaded. Swappers are synthesized with few channels. Gaps are between frames leaving the pipeline; a
change's own gap is the longest from when it was asked for to half a second after; a frame is late when it leaves half a
period or more after its turn, and lost when the gap before it is two periods or more.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from itertools import pairwise

from livefuse.config import IdentityConfig, ProfileConfig, SwapConfig, make_config
from livefuse.frame import HostFrame
from livefuse.paths import Paths
from livefuse.session import Session
from livefuse.sinks.base import StreamInfo
from tests.bench.home import own_home
from tests.synthetic_models import SWAPPER_NEEDS, install

EVERY_S, AFTER_S = 2.0, 0.5
STEPS: tuple[tuple[str, IdentityConfig | None, str], ...] = (
    ("mesh", IdentityConfig(photo="synthetic:3", consent="synthetic"), "livefuse"),
    ("inswapper_128", None, "livefuse"),
    ("inswapper_128", IdentityConfig(photo="synthetic:7", consent="synthetic"), "livefuse"),
    ("simswap_256", None, "facefusion"),
    ("uniface_256", None, "insightface"),
    ("dfm", IdentityConfig(consent="synthetic"), "livefuse"),
    ("mesh", IdentityConfig(photo="synthetic:7", consent="synthetic"), "livefuse"),
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
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--fps", type=int, default=15)
    args = parser.parse_args()
    with own_home():
        install(Paths.default(), *{name for model, _, _ in STEPS for name in SWAPPER_NEEDS.get(model, ())}, "dfm")
        run(args.size, args.fps)


def run(size: str, fps: int) -> None:
    settings = {
        "source": f"synthetic:{size}@{fps}",
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
    report(record, watch, asked, 1 / fps)


def drive(session: Session, watch: Watch, asked: list[tuple[str, float, float]]) -> None:
    """Load every look once, as a user who has tried them; then change and watch."""
    while len(watch.left_s) < 30:
        time.sleep(0.05)
    for step in (*STEPS, *STEPS):
        start = time.perf_counter()
        change(session, *step)
        model, identity, profile = step
        told = f"{model}, profile {profile}" + (f", {identity.photo or 'its own person'}" if identity else "")
        asked.append((told, start, time.perf_counter()))
        time.sleep(EVERY_S)
    session.stop()


def change(session: Session, model: str, identity: IdentityConfig | None, profile: str) -> None:
    session.change_swapper(
        SwapConfig(model=model),
        profile=ProfileConfig(name=profile),
        identity=identity,
    )


def report(record: dict[str, object], watch: Watch, asked: list[tuple[str, float, float]], period_s: float) -> None:
    gaps = [(b, b - a) for a, b in pairwise(watch.left_s)]  # by when they ended
    print(f"{'change to':46s}{'took':>10s}{'longest gap':>13s}{'late':>6s}{'lost':>6s}")
    for told, start, done in asked:
        near = [gap for at, gap in gaps if start <= at <= done + AFTER_S]
        late, lost = (sum(gap >= periods * period_s for gap in near) for periods in (1.5, 2.0))
        print(f"{told:46s}{(done - start) * 1e3:7.1f} ms{max(near) * 1e3:10.1f} ms{late:6d}{lost:6d}")
    calm = [gap for at, gap in gaps if not any(start <= at <= done + AFTER_S for _, start, done in asked)]
    order = sum(b <= a for a, b in pairwise(watch.pts_ns))
    late = sum(gap >= 1.5 * period_s for gap in calm)
    print(f"far from changes: longest gap {max(calm) * 1e3:.1f} ms, late {late} of {len(calm)}; out of order {order}")
    print(f"period {period_s * 1e3:.1f} ms; {record['frames']}")


if __name__ == "__main__":
    main()
