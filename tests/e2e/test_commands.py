"""The commands end to end: what they write, what they print where, and their exit codes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from livefuse.cli.app import run_command
from livefuse.source.image import read_image
from tests.e2e.conftest import Run

NO_MIRROR = {"LIVEFUSE_MODEL_MIRROR": ""}


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_demo_runs_without_models_camera_or_network(livefuse: Run, tmp_path: Path) -> None:
    done = livefuse("demo", "--seconds", "1", "--no-open", "--stats", "stats.json", **NO_MIRROR)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["livefuse-demo.mp4", "livefuse-demo-before-after.png"]
    assert "no models here yet" in done.stderr
    assert "capture to sink" in done.stderr
    record = json.loads((tmp_path / "stats.json").read_text())
    assert frames_of(tmp_path / "livefuse-demo.mp4") == record["sinks"]["file:livefuse-demo.mp4"]["frames"] > 0
    assert {"frames", "fps", "latency_ms", "stages_ms", "memory", "environment"} <= set(record)
    pair = read_image(tmp_path / "livefuse-demo-before-after.png")
    before, after = pair[:, :1280].astype(int), pair[:, -1280:].astype(int)
    assert np.abs(before - after)[100:500, 400:900].max() > 60, "the face has changed"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("run", "--face", "me.jpg"), 4, "LF0403"),
        (("swap", "a.mp4", "b.mp4", "--face", "me.jpg"), 4, "public-domain"),
        (("run", "--source", "nothing.mp4"), 3, "LF0201"),
        (("run", "--source", "camera:No Such Camera"), 3, "LF0201"),
        (
            ("run", "--source", "synthetic:64x48@30", "--sink", "file:/nowhere/at/all.mp4", "--seconds", "0.1"),
            6,
            "LF0301",
        ),
        (("run", "--source", "synthetic:64x48@30", "--sink", "carrier-pigeon:"), 2, "LF0102"),
        (("run", "--set", "privacy.moed=open"), 2, "privacy.mode"),
        (("run", "--set", "detect.size=12"), 2, "detect.size"),
        (("run", "no-such-config.toml"), 2, "LF0100"),
        (("run", "--swapper", "magic", "--source", "synthetic:64x48@30"), 4, "no recipe is called 'magic'"),
        (("run", "--swapper", "yunet", "--source", "synthetic:64x48@30"), 2, "yunet' is a detector, not a swapper"),
        (("swap", "a.png", "b.png"), 4, "no face to put on"),
        (("bench", "pipeline", "--resolution", "huge"), 2, "720p"),
        (("run", "--source", "synthetic:64x48@30", "--set", "detect.model=mobilefacenet"), 2, "yunet_n"),
        (("run", "--source", "synthetic:64x48@30", "--set", "detect.model=yunett"), 4, "yunet"),
        (("explain", "LF9999"), 2, "LF"),
    ],
)
def test_mistakes_are_said_in_words_with_their_exit_code(
    arguments: tuple[str, ...],
    code: int,
    says: str,
    environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("LIVEFUSE_HOME", "LIVEFUSE_MODEL_MIRROR"):
        monkeypatch.setenv(name, environ.get(name, ""))
    assert run_command(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert "Traceback" not in err


def test_the_user_s_own_configuration_is_read(livefuse: Run, tmp_path: Path) -> None:
    own = tmp_path / "home" / "config" / "livefuse.toml"
    own.parent.mkdir(parents=True)
    own.write_text('source = "nothing-of-that-name.mp4"\n')
    assert "nothing-of-that-name.mp4" in livefuse("run").stderr


def test_usage_errors_exit_with_two(livefuse: Run) -> None:
    assert livefuse("swap").returncode == 2
    assert livefuse("no-such-command").returncode == 2


def test_version_and_help_go_to_standard_output(livefuse: Run) -> None:
    assert livefuse("--version").stdout.startswith("livefuse ")
    assert "Exit codes" in livefuse("--help").stdout


def test_swap_keeps_every_frame_and_the_sound(livefuse: Run, tmp_path: Path, shared: Path) -> None:
    clip = shared / "media" / "talking_head.mp4"
    done = livefuse(
        "swap", clip, "out.mp4", "--face", shared / "media" / "mona_lisa.jpg", "--consent", "public-domain",
        "--stats", "stats.json", "--set", "seconds=1.5",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert frames_of(tmp_path / "out.mp4") == 45
    record = json.loads((tmp_path / "stats.json").read_text())
    assert record["frames"]["unswapped"] == 0
    assert record["frames"]["dropped"] == {"capture": 0, "deadline": 0, "file:out.mp4": 0}
    consent = list((tmp_path / "home" / "identities").rglob("consent.json"))
    assert len(consent) == 1
    assert json.loads(consent[0].read_text())["ground"] == "public-domain"


def test_swap_of_a_picture(livefuse: Run, tmp_path: Path, shared: Path) -> None:
    media = shared / "media"
    photo = media / "astronaut.png"
    done = livefuse(
        "swap", photo, "out.png", "--face", media / "pearl_earring.jpg", "--consent", "public-domain", "--no-badge"
    )
    assert done.returncode == 0, done.stderr
    before, after = read_image(photo), read_image(tmp_path / "out.png")
    assert before.shape == after.shape
    changed = np.abs(before.astype(int) - after.astype(int)).max(axis=2) > 0
    ys, xs = np.nonzero(changed)
    assert len(ys) > 2000
    assert 60 < ys.min() < ys.max() < 210
    assert 150 < xs.min() < xs.max() < 300, "only the face has changed"


def test_swap_refuses_what_makes_no_sense(livefuse: Run, tmp_path: Path, shared: Path) -> None:
    clip, face = shared / "media" / "talking_head.mp4", ("--face", "synthetic:1", "--consent", "synthetic")
    assert "would be a picture" in livefuse("swap", clip, "out.png", *face).stderr
    assert "would be a video" in livefuse("swap", shared / "media" / "astronaut.png", "out.mp4", *face).stderr
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.read_bytes())
    assert "is the source itself" in livefuse("swap", copy, copy, *face).stderr
    assert copy.read_bytes() == clip.read_bytes()


def test_a_photo_without_a_face_is_refused(livefuse: Run, tmp_path: Path, shared: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((300, 300, 3), 127, np.uint8))
    done = livefuse(
        "run", "--source", "synthetic:320x240@30", "--face", "wall.png", "--consent", "self", "--seconds", "1"
    )
    assert done.returncode == 4
    assert "LF0401" in done.stderr


def test_interrupting_a_live_run_completes_its_file(environ: dict[str, str], tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "livefuse", "run", "--source", "synthetic:320x240@30", "--face", "synthetic:3", "--consent",
        "synthetic", "--sink", "file:live.mp4", "--set", "detect.model=known", "--stats", "stats.json",
    ]  # fmt: skip
    running = subprocess.Popen(command, cwd=tmp_path, env=environ, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 40
    while not list(tmp_path.glob(".live*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 0, said
    assert "capture to sink" in said
    assert frames_of(tmp_path / "live.mp4") > 1
    assert not list(tmp_path.glob(".live*")), "nothing half-written is left"
    assert json.loads((tmp_path / "stats.json").read_text())["frames"]["out"] > 1


def test_bench_prints_the_record_on_standard_output(livefuse: Run) -> None:
    done = livefuse(
        "bench", "pipeline", "--resolution", "320x240", "--frames", "60", "--json", "--set", "detect.model=known"
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["frames"]["out"] == 60
    assert record["frames"]["unswapped"] <= 1, "a new face is swapped from its second detection on"
    assert record["median_fps"] > 0
    assert list(record["stages_ms"])[:3] == ["capture", "queue", "upload"]


def test_every_configuration_file_runs_on_the_null_backend(livefuse: Run) -> None:
    configs = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.toml"))
    assert {c.stem for c in configs} >= {"webcam", "stream", "file", "cpu"}
    for config in configs:
        done = livefuse(
            "run", config, "--source", "synthetic:64x48@30", "--seconds", "0.2", "--sink", "null:",
            "--face", "synthetic:1", "--consent", "synthetic", "--set", "backend=null",
        )  # fmt: skip
        assert done.returncode == 0, f"{config.name}: {done.stderr}"


def test_a_model_and_a_person_of_one_s_own(livefuse: Run, tmp_path: Path, shared: Path) -> None:
    media = shared / "media"
    for name, file in (("inswapper_128", "mine.onnx"), ("w600k_r50", "embedder.onnx")):
        assert livefuse("models", "synthesize", name, "--tiny", "--out", file).returncode == 0
    refused = livefuse("models", "add", "mine.onnx")
    assert refused.returncode == 4
    assert "--accept-licence" in refused.stderr
    assert livefuse("models", "add", "mine.onnx", "--accept-licence").returncode == 0
    added = livefuse(
        "models", "add", "embedder.onnx", "--accept-licence", "--name", "w600k_r50", "--family", "w600k_r50"
    )
    assert added.returncode == 0, added.stderr
    kept = livefuse("identity", "add", "lisa", media / "mona_lisa.jpg", "--consent", "public-domain")
    assert kept.returncode == 0, kept.stderr
    wanted = ("--face", "lisa", "--swapper", "mine", "--profile", "facefusion", "--no-badge")
    done = livefuse("swap", media / "astronaut.png", "out.png", *wanted)
    assert done.returncode == 0, done.stderr
    before, after = read_image(media / "astronaut.png"), read_image(tmp_path / "out.png")
    ys, xs = np.nonzero((before != after).any(axis=2))
    assert len(ys) > 8000
    assert 20 < ys.min() < ys.max() < 260
    assert 120 < xs.min() < xs.max() < 340, "only the face has changed"
