"""`livefuse upscale`, and file jobs that enlarge what they write."""

from __future__ import annotations

import asyncio
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from livefuse.cli.app import run_command
from livefuse.config import make_config
from livefuse.engines import Engines
from livefuse.enhance.upscale.upscaler import Cutting
from livefuse.errors import Interrupted
from livefuse.paths import Paths
from livefuse.sinks.upscaled import UpscaledSink
from livefuse.source.image import read_image
from livefuse.transcode import open_job
from tests.synthetic_models import install
from tests.unit.sink_clips import clip_with_sound, sounds, stamps
from tests.unit.source_clips import picture
from tests.unit.upscalers import engine_of, nearest


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    install(Paths.default({"LIVEFUSE_HOME": str(folder)}), "real_esrgan_x2")
    return folder


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model is loaded as one that doubles pixels."""
    monkeypatch.setattr(Engines, "load", lambda *_: engine_of(nearest(2)))


def write_picture(path: Path, width: int, height: int) -> None:
    cv2.imwrite(str(path), cv2.cvtColor(picture(3, width, height), cv2.COLOR_RGB2BGR))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.usefixtures("doubling")
def test_a_picture_of_odd_size(folder: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_picture(folder / "in.png", 75, 53)
    assert (
        run_command(
            ["upscale", "in.png", f"out{suffix}", "--model", "real_esrgan_x2", "--tile", "64", "--overlap", "8"]
        )
        == 0
    )
    out, said = capsys.readouterr()
    assert out == ""
    assert f"wrote out{suffix}" in said
    before, after = read_image(folder / "in.png"), read_image(folder / f"out{suffix}")
    assert after.shape == (106, 150, 3)
    assert np.abs(after[::2, ::2].astype(int) - before).mean() < (1 if suffix == ".png" else 9)
    assert sorted(path.name for path in folder.iterdir()) == ["in.png", f"out{suffix}"]
    if suffix != ".webp":
        assert b"compositeWithTrainedAlgorithmicMedia" in (folder / f"out{suffix}").read_bytes()


def test_a_video_keeps_every_frame_its_sound_and_its_times(
    folder: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a synthesized Real-ESRGAN, as the store has it."""
    monkeypatch.setenv("LIVEFUSE_HOME", str(models))
    clip = clip_with_sound(folder / "in.mp4", frames=5, start=3)
    assert run_command(["upscale", "in.mp4", "out.mp4", "--stats", "stats.json", "--threads", "1"]) == 0
    assert stamps(folder / "out.mp4") == stamps(clip)
    assert sounds(folder / "out.mp4") == sounds(clip)
    with av.open(str(folder / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (192, 128)
        assert container.metadata["title"] == "A film"
        assert container.metadata["comment"].startswith("synthetic media")
        grey = [float(frame.to_ndarray(format="gray").mean()) for frame in container.decode(stream)]
    assert grey == sorted(grey), "the clip grows brighter"
    assert (folder / "stats.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("in.png", "out.png", "--model", "yunet"), 2, "is a detector"),
        (("in.png", "out.png", "--model", "real_esrgan_x5"), 4, "real_esrgan_x2"),
        (("in.png", "out.png", "--tile", "32", "--overlap", "16"), 2, "a tile of 32 px with an overlap of 16 px"),
        (("in.png", "out.mp4"), 6, "would be a video"),
        (("in.png", "in.png"), 6, "is the source itself"),
        (("none.png", "out.png"), 3, "none.png"),
    ],
)
@pytest.mark.usefixtures("doubling")
def test_mistakes(
    folder: Path, arguments: tuple[str, ...], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_picture(folder / "in.png", 40, 40)
    assert run_command(["upscale", *arguments]) == code
    said = capsys.readouterr().err
    assert says in said
    assert "Traceback" not in said
    assert [path.name for path in folder.iterdir()] == ["in.png"]


@pytest.mark.parametrize("out", ["out.png", "out.mp4"])
@pytest.mark.usefixtures("doubling")
def test_an_interrupted_run_leaves_nothing(folder: Path, out: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of a picture's tiles, when all that is left to do is the sink's."""
    source = folder / ("in.png" if out.endswith(".png") else "in.mp4")
    if source.suffix == ".png":
        write_picture(source, 300, 300)
    else:
        clip_with_sound(source, frames=8)
    (folder / out).write_bytes(b"old")
    config = make_config(
        {}, {"source": str(source), "backend": "null", "privacy.mode": "open", "output.upscale": "real_esrgan_x2"}
    )
    job = open_job(config, folder / out, Cutting(tile=64, overlap=8))
    assert isinstance(job.sink, UpscaledSink)
    asked, look = [], UpscaledSink._stop_if_late

    def interrupting(sink: UpscaledSink) -> None:
        asked.append(1)
        if len(asked) == 4:
            job.stop()
        look(sink)

    monkeypatch.setattr(UpscaledSink, "_stop_if_late", interrupting)
    with pytest.raises(Interrupted):
        asyncio.run(job.session.run())
    assert 0 < job.sink.progress < 1
    assert (folder / out).read_bytes() == b"old"
    assert sorted(path.name for path in folder.iterdir()) == sorted([source.name, out])


@pytest.mark.usefixtures("doubling")
def test_a_swap_may_be_written_enlarged(folder: Path) -> None:
    clip_with_sound(folder / "in.mp4", frames=3)
    config = make_config(
        {},
        {"source": "in.mp4", "backend": "null", "privacy.mode": "open", "output.upscale": "real_esrgan_x2"},
    )
    job = open_job(config, folder / "out.mp4")
    asyncio.run(job.session.run())
    assert job.frames == 3
    with av.open(str(folder / "out.mp4")) as container:
        assert container.streams.video[0].width == 192
