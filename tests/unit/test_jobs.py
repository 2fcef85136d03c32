"""Jobs: files swapped in a process of their own, models fetched, a list that survives a restart."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from livefuse.config import make_config
from livefuse.daemon import jobs as module
from livefuse.daemon.job import FileJobRequest, Job, Progress, Report
from livefuse.daemon.job_runs import FileRun
from livefuse.daemon.jobs import Jobs
from livefuse.daemon.presets import Presets
from livefuse.errors import (
    AlreadyHere,
    BadValue,
    DaemonError,
    IdentityError,
    Interrupted,
    LicenceNotAccepted,
    LivefuseError,
    ModelMissing,
    NotHere,
    NotMedia,
    SinkUnwritable,
    SourceLost,
    SourceNotFound,
)
from livefuse.weights.recipe import builtin_recipes
from tests.unit.source_clips import write_clip

FACE = {"identity": {"photo": "synthetic:7"}, "backend": "null"}


class HeldRun:
    """Runs until it is let go or stopped."""

    def __init__(self, job: Job, report: Report) -> None:
        self.job, self.report = job, report
        self.going, self.over = threading.Event(), threading.Event()
        self.failure: Exception | None = None

    def __call__(self) -> None:
        self.going.set()
        assert self.over.wait(20)
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        self.failure = Interrupted("stopped")
        self.over.set()


class Held:
    """The runs that were made, as they come."""

    def __init__(self) -> None:
        self.runs: list[HeldRun] = []

    def __call__(self, job: Job, report: Report) -> HeldRun:
        self.runs.append(HeldRun(job, report))
        return self.runs[-1]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LIVEFUSE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("LIVEFUSE_MODEL_MIRROR", raising=False)
    return tmp_path


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_clip(tmp_path / "in.mp4")


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def jobs(home: Path, held: Held) -> Iterator[Jobs]:
    made = Jobs(Presets(), make_run=held)
    made.start()
    yield made
    made.stop()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.01)


def request(clip: Path, out: str = "out.mp4", **more: Any) -> FileJobRequest:
    config = make_config(more.pop("config", FACE))
    return FileJobRequest(input=str(clip), output=str(clip.parent / out), config=config, **more)


def test_a_file_is_swapped_in_another_process(home: Path, clip: Path) -> None:
    jobs = Jobs(Presets())
    jobs.start()
    try:
        job = jobs.add_file(request(clip))
        assert (job.state, job.kind) == ("queued", "file")
        until(lambda: jobs.get(job.id).state not in ("queued", "running"))
        done = jobs.get(job.id)
        assert done.error is None
        assert (done.state, done.progress.frames, done.progress.frames_total) == ("done", 6, 6)
        assert (home / "out.mp4").stat().st_size > 0
    finally:
        jobs.stop()


def test_a_job_that_fails_says_why_in_its_own_words(home: Path) -> None:
    noise = home / "noise.mp4"
    noise.write_bytes(bytes(range(256)) * 64)
    jobs = Jobs(Presets())
    jobs.start()
    try:
        job = jobs.add_file(request(noise))
        until(lambda: jobs.get(job.id).state == "failed")
        error = jobs.get(job.id).error
        assert error is not None
        assert (error.code, error.title) == ("LF0202", "NotMedia")
        assert not (home / "out.mp4").exists()
    finally:
        jobs.stop()


def test_a_process_that_is_stopped_leaves_nothing(home: Path) -> None:
    reports: list[Progress] = []
    tree = FACE | {"source": "synthetic:64x48@30", "sinks": ["unused"]}  # has no end
    run = FileRun(Job(kind="file", output=str(home / "out.mp4"), config=tree), reports.append)
    ended: list[Exception] = []

    def go() -> None:
        try:
            run()
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=go)
    thread.start()
    until(lambda: bool(reports) or not thread.is_alive())
    process = run._process
    assert process is not None
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == 19, "live frames come first"
    run.stop()
    thread.join(30)
    assert [type(error) for error in ended] == [Interrupted]
    assert list(home.iterdir()) == []


def test_one_file_at_a_time_in_the_order_given(jobs: Jobs, held: Held, clip: Path) -> None:
    first, second = jobs.add_file(request(clip)), jobs.add_file(request(clip, "b.mp4"))
    until(lambda: len(held.runs) == 1)
    held.runs[0].report(Progress(frames=3, frames_total=6, fps=10.0, eta_s=0.3))
    assert jobs.get(first.id).state == "running"
    assert jobs.get(first.id).progress.eta_s == 0.3
    assert jobs.get(second.id).state == "queued"
    assert jobs.counts() == {"queued": 1, "running": 1, "done": 0, "failed": 0, "cancelled": 0, "interrupted": 0}
    held.runs[0].over.set()
    until(lambda: len(held.runs) == 2)
    assert jobs.get(first.id).state == "done"
    assert [job.id for job in jobs.list()] == [first.id, second.id]


def test_a_running_job_is_cancelled_and_then_forgotten(jobs: Jobs, held: Held, clip: Path) -> None:
    job = jobs.add_file(request(clip))
    until(lambda: len(held.runs) == 1)
    jobs.cancel(job.id)
    until(lambda: jobs.get(job.id).state == "cancelled")
    jobs.cancel(job.id)
    with pytest.raises(NotHere):
        jobs.get(job.id)


def test_a_queued_job_is_cancelled_without_ever_running(jobs: Jobs, held: Held, clip: Path) -> None:
    jobs.add_file(request(clip))
    second = jobs.add_file(request(clip, "b.mp4"))
    assert jobs.cancel(second.id).state == "cancelled"
    until(lambda: len(held.runs) == 1)
    held.runs[0].over.set()
    until(lambda: jobs.counts()["done"] == 1)
    assert len(held.runs) == 1


def test_the_list_survives_and_what_ran_was_interrupted(home: Path, held: Held, clip: Path) -> None:
    jobs = Jobs(Presets(), make_run=held)
    jobs.start()
    running, queued = jobs.add_file(request(clip)), jobs.add_file(request(clip, "b.mp4"))
    until(lambda: len(held.runs) == 1)
    kept = (home / "home" / "state" / "jobs.json").read_text("utf-8")
    jobs.stop()
    assert jobs.get(running.id).state == "interrupted"
    (home / "home" / "state" / "jobs.json").write_text(kept)  # as after a crash

    again = Jobs(Presets(), make_run=held)
    again.start()
    try:
        assert again.get(running.id).state == "interrupted"
        until(lambda: len(held.runs) == 2)
        assert again.get(queued.id).state == "running"
        retried = again.retry(running.id)
        assert (retried.state, retried.config) == ("queued", running.config)
        with pytest.raises(AlreadyHere):
            again.retry(queued.id)
    finally:
        again.stop()


def test_a_damaged_list_is_set_aside(home: Path) -> None:
    file = home / "jobs.json"
    file.write_text("{")
    jobs = Jobs(Presets(), file)
    jobs.start()
    jobs.stop()
    assert jobs.list() == []
    assert (home / "jobs.damaged").read_text() == "{"


def test_the_list_is_its_owners(jobs: Jobs, home: Path, clip: Path) -> None:
    jobs.add_file(request(clip))
    assert stat.S_IMODE((home / "home" / "state" / "jobs.json").stat().st_mode) == 0o600


def test_a_failure_is_kept_as_an_error(jobs: Jobs, held: Held, clip: Path) -> None:
    job = jobs.add_file(request(clip))
    until(lambda: len(held.runs) == 1)
    held.runs[0].failure = SourceLost("gone", hint="look for it")
    held.runs[0].over.set()
    until(lambda: jobs.get(job.id).state == "failed")
    error = jobs.get(job.id).error
    assert error is not None
    assert (error.code, error.detail, error.hint) == ("LF0204", "gone", "look for it")
    assert json.loads(jobs.get(job.id).model_dump_json())["error"]["code"] == "LF0204"


def test_files_stay_real_unless_said_and_presets_lie_below(jobs: Jobs, held: Held, clip: Path) -> None:
    Presets().put("soft", {"swap": {"seam": 0.9, "morph": 0.5}, "sinks": ["vcam:"]})
    job = jobs.add_file(request(clip, preset="soft", identity="synthetic:3", config={"swap": {"morph": 0.2}}))
    assert job.config["swap"] == {"seam": 0.9, "morph": 0.2}
    assert job.config["identity"] == {"photo": "synthetic:3"}
    assert job.config["privacy"] == {"mode": "open"}
    assert job.config["sinks"] == [job.output]
    closed = jobs.add_file(request(clip, "b.mp4", config=FACE | {"privacy": {"mode": "closed"}}))
    assert closed.config["privacy"] == {"mode": "closed"}


def test_bad_requests_are_refused_before_they_are_queued(jobs: Jobs, clip: Path) -> None:
    folder = clip.parent
    (folder / "there.mp4").write_bytes(b"x")
    (folder / "link.mp4").symlink_to(folder / "elsewhere.mp4")
    (folder / "empty.mp4").touch()
    os.mkfifo(folder / "pipe.mp4")
    told: list[tuple[type[LivefuseError], dict[str, Any]]] = [
        (SourceNotFound, {"input": str(folder / "no.mp4")}),
        (BadValue, {"input": "/dev/zero"}),
        (BadValue, {"input": str(folder / "pipe.mp4")}),
        (BadValue, {"input": str(folder)}),
        (NotMedia, {"input": str(folder / "empty.mp4")}),
        (BadValue, {"input": "in.mp4"}),
        (BadValue, {"input": "/tmp/\0"}),
        (BadValue, {"input": "/tmp/\ud800"}),
        (BadValue, {"input": "/tmp/" + "x" * 300}),
        (BadValue, {"output": "out.mp4"}),
        (BadValue, {"output": str(folder / "a%05d.png")}),
        (BadValue, {"output": str(folder / "a.mp4?crf=1")}),
        (BadValue, {"output": str(folder / "${HOME}.mp4")}),
        (SinkUnwritable, {"output": str(folder / "x.py")}),
        (SinkUnwritable, {"output": "/nowhere/at/all/x.mp4"}),
        (SinkUnwritable, {"output": str(clip), "overwrite": True}),
        (SinkUnwritable, {"output": str(folder / "link.mp4"), "overwrite": True}),
        (AlreadyHere, {"output": str(folder / "there.mp4")}),
        (NotHere, {"preset": "none"}),
        (BadValue, {"config": make_config({"source": "camera:0"})}),
        (BadValue, {"config": make_config({"sinks": ["vcam:"]})}),
        (IdentityError, {"config": make_config({})}),
    ]
    for error, change in told:
        with pytest.raises(error):
            jobs.add_file(request(clip).model_copy(update=change))
    assert jobs.list() == []
    assert jobs.add_file(request(clip, "there.mp4", overwrite=True)).state == "queued"


def test_two_jobs_never_write_one_file(jobs: Jobs, clip: Path) -> None:
    jobs.add_file(request(clip))
    with pytest.raises(AlreadyHere, match="a job for"):
        jobs.add_file(request(clip))


def test_the_queue_is_bounded(jobs: Jobs, held: Held, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_QUEUED", 2)
    monkeypatch.setattr(module, "MOST_ENDED", 1)
    for number in range(2):
        jobs.add_file(request(clip, f"{number}.mp4"))
    with pytest.raises(AlreadyHere, match="2 jobs are waiting"):
        jobs.add_file(request(clip, "more.mp4"))
    for number in range(2):
        until(lambda number=number: len(held.runs) > number)  # type: ignore[misc]
        held.runs[number].over.set()
    until(lambda: jobs.counts()["done"] == 1 and jobs.counts()["running"] == 0)
    assert [Path(job.output).name for job in jobs.list()] == ["1.mp4"]


def test_a_model_is_pulled_beside_a_file_job(home: Path, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "mirror").mkdir()
    (home / "mirror" / "peppa_wutz.onnx").write_bytes(b"\x08\x07")
    monkeypatch.setenv("LIVEFUSE_MODEL_MIRROR", str(home / "mirror"))
    jobs = Jobs(Presets())
    jobs.start()
    try:
        job = jobs.add_pull("peppa_wutz")
        until(lambda: jobs.get(job.id).state not in ("queued", "running"))
        assert jobs.get(job.id).error is None
        assert (home / "home" / "models" / "peppa_wutz.onnx").read_bytes() == b"\x08\x07"
        assert jobs.get(job.id).progress.bytes_done == 2
    finally:
        jobs.stop()


def test_a_pull_asks_for_the_licence_first(jobs: Jobs) -> None:
    bound = next(recipe for recipe in builtin_recipes().values() if recipe.non_commercial)
    with pytest.raises(LicenceNotAccepted, match=bound.name):
        jobs.add_pull(bound.name)
    assert jobs.add_pull(bound.name, accept_licence=True).accept_licence
    with pytest.raises(ModelMissing):
        jobs.add_pull("no-such-model")


def test_a_disk_that_is_full_ends_no_worker_and_takes_no_job(
    jobs: Jobs, held: Held, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = jobs.add_file(request(clip))
    until(lambda: jobs.get(first.id).state == "running")

    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("livefuse.daemon.jobs_store.write_durably", full)
        with pytest.raises(DaemonError, match="No space left"):
            jobs.add_file(request(clip, "second.mp4"))
        assert [job.id for job in jobs.list()] == [first.id]
        held.runs[0].over.set()
        until(lambda: jobs.get(first.id).state == "done")
    second = jobs.add_file(request(clip, "second.mp4"))
    until(lambda: jobs.get(second.id).state == "running")
    held.runs[1].over.set()
    until(lambda: jobs.get(second.id).state == "done")
