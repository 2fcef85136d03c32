"""The adaptive controller in simulated sessions: what it does under loads that are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from livefuse.adaptive.controller import Controller
from livefuse.adaptive.governor import Governor
from livefuse.adaptive.rungs import Rung, cadence, ladder
from livefuse.config import AdaptiveConfig, make_config

PERIOD_NS = 33_333_333
BUDGET_NS = 0.9 * PERIOD_NS
SETTLE_NS = 4_000_000_000
SAVES = (1.3, 1.2, 1.15, 1.3, 1.1)
"""How many times cheaper a frame is with each rung, in the simulated pipeline."""


class Simulation:
    """A pipeline whose frames take `usual_ms` on a quiet machine and `slower(t)` times that at second t."""

    def __init__(
        self, usual_ms: float, slower: Callable[[float], float], *, noise: float = 0.06, seed: int = 0
    ) -> None:
        self.controller = Controller(len(SAVES), BUDGET_NS, SETTLE_NS)
        self.levels: list[int] = []
        self.busy_ms: list[float] = []
        self.times_s: list[float] = []
        self._usual_ms, self._slower, self._noise = usual_ms, slower, noise
        self._random = np.random.default_rng(seed)

    def run(self, seconds: float) -> Simulation:
        now_ns = 0
        while now_ns < seconds * 1e9:
            saved = float(np.prod(SAVES[: self.controller.level]))
            busy_ms = self._usual_ms * self._slower(now_ns / 1e9) / saved * (1 + self._noise * self._random.normal())
            now_ns += max(PERIOD_NS, round(busy_ms * 1e6))
            self.controller.observe(busy_ms * 1e6, now_ns)
            self.levels.append(self.controller.level)
            self.busy_ms.append(busy_ms)
            self.times_s.append(now_ns / 1e9)
        return self

    @property
    def changes(self) -> int:
        return int(np.count_nonzero(np.diff(self.levels)))

    def late(self, first_s: float, last_s: float) -> float:
        """Share of frames between two seconds that took longer than a period."""
        took = [ms for ms, at in zip(self.busy_ms, self.times_s, strict=True) if first_s <= at < last_s]
        return float(np.mean(np.array(took) > PERIOD_NS / 1e6))


def busy_between(first_s: float, last_s: float, factor: float) -> Callable[[float], float]:
    return lambda t: factor if first_s <= t < last_s else 1.0


def test_a_quiet_machine_keeps_full_quality() -> None:
    assert max(Simulation(20, lambda _: 1.0).run(60).levels) == 0


def test_a_busy_machine_is_answered_within_two_seconds_and_quality_comes_back() -> None:
    run = Simulation(18, busy_between(10, 30, 2.2)).run(90)
    assert run.late(12.5, 30) < 0.05
    assert run.levels[-1] == 0
    back_s = next(at for at, level in zip(run.times_s, run.levels, strict=True) if at > 30 and level == 0)
    assert back_s < 30 + 5 * 4 + 2
    assert run.changes <= 2 * len(SAVES) + 2


def test_without_it_the_same_load_makes_every_frame_late() -> None:
    run = Simulation(18, busy_between(10, 30, 2.2))
    run.controller = Controller(0, BUDGET_NS, SETTLE_NS)
    assert run.run(40).late(12.5, 30) > 0.95


@pytest.mark.parametrize("usual_ms", [30.5, 31.5, 33, 36, 39])
def test_a_load_at_the_edge_does_not_make_it_hunt(usual_ms: float) -> None:
    run = Simulation(usual_ms, lambda _: 1.0).run(600)
    settled = run.levels[len(run.levels) // 3 :]
    assert run.late(60, 600) < 0.1
    assert np.count_nonzero(np.diff(settled)) <= 8


def test_a_load_that_comes_and_goes_makes_it_patient() -> None:
    run = Simulation(20, lambda t: 2.0 if t % 12 < 5 else 1.0).run(600)
    first, last = (np.count_nonzero(np.diff(part)) for part in np.array_split(np.array(run.levels), 2))
    assert last < first


def test_single_slow_frames_are_no_trend() -> None:
    controller = Controller(2, BUDGET_NS, SETTLE_NS)
    for i in range(300):
        controller.observe(200e6 if i % 40 == 0 else 15e6, i * PERIOD_NS)
    assert controller.level == 0


def test_work_on_every_fourth_frame_counts_in_full() -> None:
    controller = Controller(2, BUDGET_NS, SETTLE_NS)
    for i in range(60):
        controller.observe(110e6 if i % 4 == 0 else 15e6, i * PERIOD_NS)
    assert controller.level > 0


def test_twice_too_slow_takes_two_steps_at_once() -> None:
    controller = Controller(4, BUDGET_NS, SETTLE_NS)
    changes = [controller.observe(80e6, i * PERIOD_NS) for i in range(12)]
    assert changes[-1] == 2


def test_with_nothing_left_to_lower_it_stays() -> None:
    controller = Controller(1, BUDGET_NS, SETTLE_NS)
    changes = [controller.observe(80e6, i * PERIOD_NS) for i in range(100)]
    assert controller.level == 1
    assert sum(changes) == 1


class Stage:
    every = 2


def test_rungs_of_all_kinds_take_turns_in_the_order_that_is_allowed() -> None:
    enhancer, detector = Stage(), Stage()
    steps = {
        "detect": cadence("detect", "detector", detector, 2, (2, 4)),
        "enhance": cadence("enhance", "enhancer", enhancer, 2, (2, 4, 8)),
    }
    config = make_config({}, {"adaptive.allowed": ("enhance", "mask", "detect")})
    words = [rung.words for rung in ladder(config, steps)]  # type: ignore[arg-type]
    assert words == ["enhancer 1/4", "detector 1/4", "enhancer 1/8", "detector 1/8", "enhancer 1/16"]
    config = make_config({}, {"adaptive.allowed": ("detect",)})
    assert [rung.words for rung in ladder(config, steps)] == ["detector 1/4", "detector 1/8"]  # type: ignore[arg-type]


def test_a_cadence_is_lowered_and_restored() -> None:
    stage = Stage()
    first, second = cadence("mask", "masks", stage, 2, (2, 3))
    first.lower()
    assert stage.every == 4
    second.lower()
    assert stage.every == 6
    second.restore()
    assert stage.every == 4
    first.restore()
    assert stage.every == 2


def governor_with(stage: Stage, **settings: object) -> Governor:
    governor = Governor(AdaptiveConfig(**settings), PERIOD_NS)
    governor.govern(cadence("mask", "masks", stage, 2, (2, 4)))
    return governor


def test_the_governor_takes_rungs_says_so_and_takes_them_back() -> None:
    stage, now_ns = Stage(), 0
    governor = governor_with(stage)
    for _ in range(40):
        now_ns += PERIOD_NS
        governor.frame(41_000_000, now_ns)
    assert stage.every == 8
    assert governor.note == "41 of 30 ms: masks 1/8"
    assert governor.record()["lowered"] == ["masks 1/4", "masks 1/8"]
    assert governor.record()["late"] == 40
    for _ in range(600):
        now_ns += PERIOD_NS
        governor.frame(9_000_000, now_ns)
    assert stage.every == 2
    assert governor.note == ""
    assert [change["change"] for change in governor.record()["changes"]] == [1, 1, -1, -1]


def test_another_ladder_restores_what_was_lowered() -> None:
    stage, other = Stage(), Stage()
    governor = governor_with(stage)
    for i in range(13):
        governor.frame(41_000_000, i * PERIOD_NS)
    assert stage.every == 4
    governor.govern([Rung("mask", "other 1/2", lambda: setattr(other, "every", 9), lambda: None)])
    assert stage.every == 2
    assert governor.note == ""


def test_disabled_it_counts_late_frames_and_lowers_nothing() -> None:
    stage = Stage()
    governor = governor_with(stage, enabled=False)
    for i in range(100):
        governor.frame(60_000_000, i * PERIOD_NS)
    assert stage.every == 2
    assert governor.record() == {"frames": 100, "late": 100, "lowered": [], "changes": []}
